//! Time: WAHA's waits, divided by the scale; and the wall clock for its timestamps.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// How fast the fake's clock runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    scale: f64,
}

impl Clock {
    /// A scale that is not a positive number counts as 1.
    pub(crate) fn new(scale: f64) -> Self {
        let usable = scale.is_finite() && scale > 0.0;
        Self { scale: if usable { scale } else { 1.0 } }
    }

    /// What a wait of WAHA's lasts here.
    pub(crate) fn scaled(self, real: Duration) -> Duration {
        Duration::try_from_secs_f64(real.as_secs_f64() / self.scale).unwrap_or(real)
    }

    pub(crate) async fn sleep(self, real: Duration) {
        tokio::time::sleep(self.scaled(real)).await;
    }
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the fake depends on no workspace crate; WAHA stamps wall-clock time")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Milliseconds since 1970, as WAHA stamps its events.
pub(crate) fn now_ms() -> i64 {
    now().timestamp_millis()
}
