//! The machine's own clock and randomness, for those who wire the use cases for real.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use rand::rngs::OsRng;
use rand::{Rng, TryRngCore};

use crate::ports::{Clock, Random};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the port stands for")]
    fn now(&self) -> DateTime<Utc> {
        // PostgreSQL keeps microseconds: what is written has to read back equal.
        Utc::now().trunc_subsecs(6)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn cuid(&self) -> String {
        cuid2::create_id()
    }

    fn bits(&self) -> u128 {
        // Not from a generator in this process: keys are made of it.
        OsRng.unwrap_err().random()
    }
}
