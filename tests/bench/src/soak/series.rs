//! What was seen of a process over time, and whether it grows.

use std::fmt;
use std::time::Duration;

/// What was seen, in the order of time.
#[derive(Debug, Default)]
pub(super) struct Series {
    seen: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    /// In KB.
    resident: f64,
    files: f64,
}

/// A straight line through points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// In what is measured, a minute.
    pub(super) slope: f64,
    /// The standard error of that.
    pub(super) error: f64,
}

impl Series {
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 bytes of memory, nor files")]
    pub(super) fn push(&mut self, at: Duration, resident: u64, files: usize) {
        let resident = resident as f64 / 1024.0;
        self.seen.push(Sample { at, resident, files: files as f64 });
    }

    /// How memory grows. The points are the medians of each minute: samples that are seconds apart say nearly the same, and
    /// would make the error look smaller than it is.
    pub(super) fn growth(&self) -> Line {
        let minutes = self.seen.chunk_by(|a, b| a.at.as_secs() / 60 == b.at.as_secs() / 60);
        let at = |seen: &Sample| seen.at.as_secs_f64() / 60.0;
        let points = minutes.map(|minute| (median(minute, at), median(minute, |seen| seen.resident)));
        Line::through(&points.collect::<Vec<_>>())
    }

    /// How many more files are open in the last third than in the first.
    pub(super) fn more_files(&self) -> f64 {
        let (first, last) = self.ends();
        median(last, |seen| seen.files) - median(first, |seen| seen.files)
    }

    /// The first third and the last.
    fn ends(&self) -> (&[Sample], &[Sample]) {
        let third = self.seen.len().div_ceil(3);
        (&self.seen[..third], &self.seen[self.seen.len() - third..])
    }
}

impl Line {
    /// By least squares.
    fn through(points: &[(f64, f64)]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a soak does not last 2^53 minutes")]
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
        let slope = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum::<f64>() / spread;
        let off = |(x, y): &(f64, f64)| (y - y_mean - slope * (x - x_mean)).powi(2);
        let error = (points.iter().map(off).sum::<f64>() / (count - 2.0) / spread).sqrt();
        Self { slope, error }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.ends();
        let Line { slope, error } = self.growth();
        let megabytes = |samples: &[Sample]| median(samples, |seen| seen.resident) / 1024.0;
        let files = |of: fn(f64, f64) -> f64| self.seen.iter().map(|seen| seen.files).reduce(of).unwrap_or_default();
        writeln!(
            f,
            "resident memory: {slope:.1} ± {error:.1} KB a minute; median {:.1} MB in the first third, {:.1} MB in the last",
            megabytes(first),
            megabytes(last)
        )?;
        write!(
            f,
            "open files: {} to {}; median {} in the first third, {} in the last",
            files(f64::min),
            files(f64::max),
            median(first, |seen| seen.files),
            median(last, |seen| seen.files)
        )
    }
}

fn median(samples: &[Sample], of: fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<_> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_slope_of_its_points_and_the_error_of_their_distances() {
        let exact = Line::through(&[(1.0, 10.0), (2.0, 12.0), (3.0, 14.0), (4.0, 16.0)]);
        assert_eq!(exact, Line { slope: 2.0, error: 0.0 });
        let around = Line::through(&[(1.0, 1.0), (2.0, -1.0), (3.0, -1.0), (4.0, 1.0)]);
        assert!(around.slope.abs() < 1e-9 && (around.error - 0.4f64.sqrt()).abs() < 1e-9, "{around:?}");
    }

    #[test]
    fn what_grows_is_seen_through_the_noise() {
        let mut series = Series::default();
        for sample in 0..360_u32 {
            let noise = [0, 900, 300, 1200][sample as usize % 4];
            let growth = u64::from(sample) * 10;
            series.push(Duration::from_secs(5) * sample, (50_000 + noise + growth) * 1024, 100 + sample as usize / 60);
        }
        let Line { slope, error } = series.growth();
        assert!((slope - 120.0).abs() < 2.0 && error < 2.0, "{slope} ± {error}");
        assert!((series.more_files() - 4.0).abs() < 0.1, "{}", series.more_files());
    }
}
