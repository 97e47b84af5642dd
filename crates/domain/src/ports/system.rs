//! Time and randomness.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Time.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now, in whole microseconds: what every store keeps.
    fn now(&self) -> DateTime<Utc>;

    /// Returns once `duration` has passed.
    async fn sleep(&self, duration: Duration);
}

/// Randomness, unguessable.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Random: Send + Sync {
    /// A new cuid2.
    fn cuid(&self) -> String;

    /// 128 random bits.
    fn bits(&self) -> u128;
}
