//! What a token says.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

/// The claims of a token, each read as what it has to be. One that is something else is refused, whatever it means.
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    pub(super) fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, &'static str> {
        self.0.get(name).map(|value| value.as_str().ok_or("a claim that is no text")).transpose()
    }

    /// Seconds since 1970, perhaps with a fraction (RFC 7519, 2). Times before 1970 and after the year 9999 count as those.
    pub(super) fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, &'static str> {
        const LAST: f64 = 253_402_300_799_000.0;
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().ok_or("a claim that is no time")?;
        #[expect(clippy::cast_possible_truncation, reason = "whole and between 0 and the last")]
        let millis = (seconds * 1000.0).ceil().clamp(0.0, LAST) as i64;
        Ok(Some(DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis)))
    }

    /// Whether `audience` is the token's, or among several (RFC 7519, 4.1.3).
    pub(super) fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(only)) => only == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one == audience),
            _ => false,
        }
    }
}
