//! The loop: an input, what comes of it, the next one.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::coverage::Seen;
use crate::mutate::Mutator;
use crate::outcome;

/// How many inputs are made where nothing else is said.
const FEW: u64 = 2000;

/// How often it is told how far it is, where it goes on for long.
const TOLD: Duration = Duration::from_mins(1);

/// No input may take this long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A function that no input may make panic.
#[derive(Debug)]
pub struct Target {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    words: Vec<&'static str>,
}

/// How long it goes on.
enum Plan {
    /// For so many inputs, always the same.
    Few(u64),
    /// For so long. What it is at, is written into that folder: an input that kills the process cannot be caught.
    Long { time: Duration, folder: PathBuf },
}

/// Kills the process when one input takes too long.
struct Watchdog {
    began: Instant,
    /// Since when the present input is at work, in milliseconds after that.
    since: Arc<AtomicU64>,
    at: File,
}

impl Target {
    /// The function of that name. What it was found to panic at once is in the folder `found` beside this crate's source,
    /// and is tried first.
    pub fn new(name: &'static str) -> Self {
        Self { name, seeds: Vec::new(), words: Vec::new() }
    }

    /// Inputs to begin with: good ones.
    #[must_use]
    pub fn seeds<S: Into<Vec<u8>>>(mut self, seeds: impl IntoIterator<Item = S>) -> Self {
        self.seeds.extend(seeds.into_iter().map(Into::into));
        self
    }

    /// Texts that mean something to the function, to be put into inputs.
    #[must_use]
    pub fn words(mut self, words: impl IntoIterator<Item = &'static str>) -> Self {
        self.words.extend(words);
        self
    }

    /// Calls the function with inputs: with a few, or for `SWITCHBOARD_FUZZ_MINUTES`, as `cargo xtask fuzz` has it.
    ///
    /// # Panics
    /// If the function does. The input, made as short as it can be, is printed, and stored where it is tried from then on.
    pub fn run(&self, check: impl Fn(&[u8])) {
        if std::env::var("SWITCHBOARD_FUZZ_TARGET").is_ok_and(|only| only != self.name) {
            return;
        }
        let plan = Plan::of_environment(self.name);
        let (mut rng, mut seen) = (StdRng::seed_from_u64(plan.seed()), Seen::new());
        let watchdog = plan.watchdog();
        let mut tried = 0;
        let mut is_new = |input: &[u8], seen: &mut Seen| {
            tried += 1;
            if let Some(watchdog) = &watchdog {
                watchdog.begins(input);
            }
            seen.forget();
            match outcome::of(&check, input) {
                Ok(()) => seen.learn(),
                Err(panic) => {
                    if let Some(watchdog) = &watchdog {
                        watchdog.rests();
                    }
                    self.fail(&check, input, &panic, tried)
                }
            }
        };
        let found = files(&folder(self.name));
        let mut kept: Vec<Vec<u8>> = found.into_iter().chain(self.seeds.iter().cloned()).chain([vec![]]).collect();
        for input in &kept {
            is_new(input, &mut seen);
        }
        let (began, seeds, mutator) = (Instant::now(), kept.len(), Mutator { words: &self.words });
        let told = |made: u64, kept: usize, seen: &Seen| {
            let (taken, all, led) = (seen.taken(), seen.branches(), kept - seeds);
            let led =
                if all > 0 { format!("; {taken} of {all} branches, {led} led to new ones") } else { String::new() };
            println!("fuzz {}: {made} inputs in {:.1?}, none panicked{led}", self.name, began.elapsed());
        };
        let (mut made, mut tell) = (0, TOLD);
        while plan.goes_on(made, began) {
            if began.elapsed() > tell {
                told(made, kept.len(), &seen);
                tell += TOLD;
            }
            // What was kept last leads on; what is older must not be forgotten.
            let recent = kept.len().saturating_sub(1 + kept.len() / 8);
            let from = if rng.random_bool(0.3) { recent } else { 0 };
            let (input, other) = (kept[from..].choose(&mut rng), kept.choose(&mut rng));
            let input = mutator.mutate(&mut rng, input.expect("one is empty"), other.expect("one is empty"));
            made += 1;
            if is_new(&input, &mut seen) {
                kept.push(input);
            }
        }
        told(made, kept.len(), &seen);
    }

    /// Makes the input short, keeps it, and tells of it.
    fn fail(&self, check: &dyn Fn(&[u8]), input: &[u8], panic: &str, tried: u64) -> ! {
        let short = shortened(input, |input| outcome::of(check, input).is_err());
        let panic = outcome::of(check, &short).err().unwrap_or_else(|| panic.to_owned());
        let file = folder(self.name).join(format!("{:016x}", hash(&short)));
        let kept = fs::create_dir_all(folder(self.name)).and_then(|()| fs::write(&file, &short));
        let kept = kept.map_or_else(|error| format!("not kept: {error}"), |()| format!("kept as {}", file.display()));
        panic!("{}: input {tried}, {kept}:\n  {}\n{panic}", self.name, short.escape_ascii());
    }
}

impl Plan {
    fn of_environment(name: &str) -> Self {
        let variable = |name| std::env::var(name).ok();
        let minutes = variable("SWITCHBOARD_FUZZ_MINUTES").and_then(|minutes| minutes.parse::<f64>().ok());
        match minutes.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok()) {
            None => Self::Few(FEW),
            Some(time) => {
                let folder = variable("SWITCHBOARD_FUZZ_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
                Self::Long { time, folder: folder.join(name) }
            }
        }
    }

    fn seed(&self) -> u64 {
        match self {
            Self::Few(_) => 0,
            Self::Long { .. } => {
                let seed = StdRng::from_os_rng().random();
                println!("begun with {seed}");
                seed
            }
        }
    }

    fn goes_on(&self, made: u64, began: Instant) -> bool {
        match self {
            Self::Few(inputs) => made < *inputs,
            Self::Long { time, .. } => began.elapsed() < *time,
        }
    }

    fn watchdog(&self) -> Option<Watchdog> {
        match self {
            Self::Few(_) => None,
            Self::Long { folder, .. } => Some(Watchdog::new(folder)),
        }
    }
}

impl Watchdog {
    fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder can be made");
        let path = folder.join("last-input");
        let at = File::create(&path).expect("a file can be made there");
        println!("if this process dies, the input is in {}", path.display());
        let watchdog = Self { began: Instant::now(), since: Arc::new(AtomicU64::new(0)), at };
        let (began, since) = (watchdog.began, Arc::clone(&watchdog.since));
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(PATIENCE / 10);
                let now = began.elapsed();
                if now.saturating_sub(Duration::from_millis(since.load(Ordering::Relaxed))) > PATIENCE {
                    eprintln!("an input takes longer than {PATIENCE:?}: it is in {}", path.display());
                    std::process::exit(1);
                }
            }
        });
        watchdog
    }

    fn begins(&self, input: &[u8]) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(now, Ordering::Relaxed);
        self.at
            .set_len(input.len() as u64)
            .and_then(|()| self.at.write_all_at(input, 0))
            .expect("the file can be written");
    }

    /// There is nothing to watch any more.
    fn rests(&self) {
        self.since.store(u64::MAX / 2, Ordering::Relaxed);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.rests();
    }
}

/// What a function was found to panic at.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("found").join(name)
}

/// The files of a folder, if there is one, in the same order each time.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().filter_map(|file| Some(file.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).expect("a file that was listed")).collect()
}

/// A shorter input of which the same is true: what can be left out is, in pieces that get smaller.
fn shortened(input: &[u8], is_so: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut short = input.to_vec();
    let mut piece = short.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < short.len() {
            let mut without = short.clone();
            without.drain(at..(at + piece).min(short.len()));
            if is_so(&without) {
                short = without;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    short
}

/// FNV-1a, to name a file by.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn what_is_not_needed_is_left_out() {
        let is_so = |input: &[u8]| input.contains(&b'x') && input.contains(&b'y');
        assert_eq!(shortened(b"some x and, far away, y and more", is_so), b"xy");
    }

    #[test]
    fn the_same_inputs_are_made_each_time_seeds_first() {
        let inputs = || {
            let inputs = RefCell::new(Vec::new());
            let target = Target::new("of-the-tests").seeds(["one", "two"]).words(["three"]);
            target.run(|input| inputs.borrow_mut().push(input.to_vec()));
            inputs.into_inner()
        };
        let first = inputs();
        assert_eq!((&first[0][..], &first[1][..], first.len()), (&b"one"[..], &b"two"[..], 3 + 2000));
        assert_eq!(inputs(), first);
    }
    #[test]
    fn what_makes_a_target_panic_is_told_as_short_as_it_can_be_and_kept() {
        let target = Target::new("of-the-tests-too").seeds(["one", "two"]).words(["three"]);
        let failed = std::panic::catch_unwind(|| target.run(|input| assert!(!input.ends_with(b"hree"), "the cause")));
        let told = failed.unwrap_err().downcast::<String>().unwrap();
        let kept = files(&folder(target.name));
        fs::remove_dir_all(folder(target.name)).unwrap();
        assert!(told.contains("\n  hree\n") && told.contains("the cause"), "{told}");
        assert_eq!(kept, [b"hree"]);
    }
}
