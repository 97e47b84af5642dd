//! What procedures answer: JSON, and where in it the dates are.

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Serialize, Serializer};
use serde_json::json;
use utoipa::ToSchema;

use super::Error;
use crate::schema::JsonSchema;

/// The output of a procedure: plain JSON plus the places of its dates, which superjson announces
/// so that the client gets `Date` objects.
///
/// ```
/// use serde::Serialize;
/// use switchboard_http::trpc::{Date, DatePaths, Output};
///
/// #[derive(Serialize)]
/// struct Group {
///     name: String,
///     linked_at: Date,
///     campaigns: Vec<Campaign>,
/// }
///
/// #[derive(Serialize)]
/// struct Campaign {
///     start: Option<Date>,
/// }
///
/// impl Output for Group {
///     fn dates(&self, at: &mut DatePaths) {
///         at.date("linked_at");
///         at.each("campaigns", &self.campaigns, Output::dates);
///     }
/// }
///
/// impl Output for Campaign {
///     fn dates(&self, at: &mut DatePaths) {
///         at.value("start", &self.start);
///     }
/// }
/// ```
pub trait Output: Serialize {
    /// Whether this is JavaScript's `undefined`, the result of a procedure that returns nothing.
    const UNDEFINED: bool = false;

    /// Names the dates within. The names are those of the JSON.
    fn dates(&self, _at: &mut DatePaths) {}

    /// What those who write clients are told of it: that it may be anything, unless more is said.
    fn schema() -> JsonSchema {
        JsonSchema::inline(json!({}))
    }
}

impl Output for () {
    const UNDEFINED: bool = true;
}

/// Any JSON, without dates.
impl Output for serde_json::Value {}

impl Output for Date {
    fn dates(&self, at: &mut DatePaths) {
        at.here();
    }

    fn schema() -> JsonSchema {
        JsonSchema::of::<Self>()
    }
}

/// `None` is `null`.
impl<T: Output> Output for Option<T> {
    fn dates(&self, at: &mut DatePaths) {
        if let Some(value) = self {
            value.dates(at);
        }
    }

    fn schema() -> JsonSchema {
        T::schema().within(|value| json!({ "oneOf": [value, { "type": "null" }] }))
    }
}

impl<T: Output> Output for Vec<T> {
    fn dates(&self, at: &mut DatePaths) {
        at.items(self, T::dates);
    }

    fn schema() -> JsonSchema {
        T::schema().within(|item| json!({ "type": "array", "items": item }))
    }
}

/// Where the dates of an output are, as superjson's paths.
#[derive(Debug)]
pub struct DatePaths {
    prefix: String,
    found: Vec<String>,
}

impl DatePaths {
    fn of(output: &impl Output) -> Vec<String> {
        let mut at = Self { prefix: String::new(), found: Vec::new() };
        output.dates(&mut at);
        at.found
    }

    /// The value itself is a date.
    pub fn here(&mut self) {
        self.found.push(self.prefix.clone());
    }

    /// The field is a date, always. For one that may be absent see [`DatePaths::value`].
    pub fn date(&mut self, field: &str) {
        self.within(field, Self::here);
    }

    /// The field has dates of its own, or is perhaps a date.
    pub fn value(&mut self, field: &str, value: &impl Output) {
        self.within(field, |at| value.dates(at));
    }

    /// The field is a list whose items have dates.
    pub fn each<T>(&mut self, field: &str, items: &[T], dates: impl FnMut(&T, &mut Self)) {
        self.within(field, |at| at.items(items, dates));
    }

    fn items<T>(&mut self, items: &[T], mut dates: impl FnMut(&T, &mut Self)) {
        for (index, item) in items.iter().enumerate() {
            self.within(&index.to_string(), |at| dates(item, at));
        }
    }

    fn within(&mut self, segment: &str, dates: impl FnOnce(&mut Self)) {
        let outer = self.prefix.len();
        if outer > 0 {
            self.prefix.push('.');
        }
        if segment.contains(['.', '\\']) {
            self.prefix.push_str(&segment.replace('\\', r"\\").replace('.', r"\."));
        } else {
            self.prefix.push_str(segment);
        }
        dates(self);
        self.prefix.truncate(outer);
    }
}

/// A moment, written as JavaScript's `toISOString` does: `2025-01-02T03:04:05.678Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-23T09:30:00.000Z")]
pub struct Date(pub DateTime<Utc>);

impl From<DateTime<Utc>> for Date {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = self.0;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let Ok(year @ 0..=9999) = u32::try_from(time.year()) else {
            // Years beyond four digits have a sign and six.
            let text = format_args!("{:+07}{}", time.year(), time.format("-%m-%dT%H:%M:%S%.3fZ"));
            return serializer.collect_str(&text);
        };
        // A leap second counts on past 999 ms; JavaScript knows none.
        let millisecond = (time.nanosecond() / 1_000_000).min(999);
        // An answer may have hundreds of them: digit by digit takes a third of the time that patterns do.
        for (last, digits, number) in [
            (3, 4, year),
            (6, 2, time.month()),
            (9, 2, time.day()),
            (12, 2, time.hour()),
            (15, 2, time.minute()),
            (18, 2, time.second()),
            (22, 3, millisecond),
        ] {
            write_digits(&mut text[last + 1 - digits..=last], number);
        }
        serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

/// Writes a number that fits, with zeros before it.
fn write_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

/// An output made ready to be sent, in whichever envelope.
#[derive(Debug, PartialEq)]
pub(super) enum Data {
    Undefined,
    Json { text: String, dates: Vec<String> },
}

impl Data {
    pub(super) fn of<O: Output>(output: &O) -> Result<Self, Error> {
        if O::UNDEFINED {
            return Ok(Self::Undefined);
        }
        match serde_json::to_string(output) {
            Ok(text) => Ok(Self::Json { text, dates: DatePaths::of(output) }),
            Err(error) => {
                tracing::error!(%error, "the output of a procedure is not JSON");
                Err(Error::internal())
            }
        }
    }

    /// How many bytes of JSON it is.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Undefined => 0,
            Self::Json { text, .. } => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso(millis: i64) -> String {
        let date = Date(DateTime::from_timestamp_millis(millis).unwrap());
        serde_json::to_value(date).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn dates_are_written_as_javascript_does() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(1_735_787_045_678), "2025-01-02T03:04:05.678Z");
        assert_eq!(iso(253_402_300_800_000), "+010000-01-01T00:00:00.000Z");
        assert_eq!(iso(-62_198_755_200_000), "-000001-01-01T00:00:00.000Z");
        assert_eq!(iso(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn dots_and_backslashes_in_keys_are_escaped() {
        let mut at = DatePaths { prefix: String::new(), found: Vec::new() };

        at.within(r"a.b\c", |at| at.date("d"));

        assert_eq!(at.found, [r"a\.b\\c.d"]);
    }

    #[test]
    fn an_absent_date_is_not_announced() {
        assert_eq!(DatePaths::of(&None::<Date>), Vec::<String>::new());
        assert_eq!(DatePaths::of(&vec![None, Some(Date(DateTime::UNIX_EPOCH))]), ["1"]);
    }
}
