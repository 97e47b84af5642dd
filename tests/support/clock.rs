//! Time that a test can put forward.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use switchboard_domain::SystemClock;
use switchboard_domain::ports::Clock;
use tokio::sync::watch;

/// A clock that goes as the machine's does, and can be put forward.
pub struct TestClock(watch::Sender<TimeDelta>);

impl TestClock {
    /// One that is behind the machine's.
    ///
    /// # Panics
    /// By millions of years.
    pub fn behind(by: Duration) -> Self {
        Self(watch::Sender::new(-delta(by)))
    }

    /// Puts it forward: whoever sleeps that long wakes.
    ///
    /// # Panics
    /// By millions of years.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|ahead| *ahead += delta(by));
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + *self.0.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let mut put_forward = self.0.subscribe();
        let until = self.now() + duration;
        while let Ok(left) = (until - self.now()).to_std()
            && !left.is_zero()
        {
            tokio::select! {
                () = SystemClock.sleep(left) => {}
                // The sender is `self`.
                _ = put_forward.changed() => {}
            }
        }
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).expect("less than millions of years")
}
