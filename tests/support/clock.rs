//! Time that a test can put forward.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use switchboard_domain::SystemClock;
use switchboard_domain::ports::Clock;
use tokio::sync::watch;

/// A clock that goes as the machine's does until it is stopped, and can be put forward.
pub struct TestClock(watch::Sender<Reading>);

#[derive(Clone, Copy)]
enum Reading {
    /// So far from the machine's.
    Going(TimeDelta),
    Stopped(DateTime<Utc>),
}

impl TestClock {
    /// One that is behind the machine's.
    ///
    /// # Panics
    /// By millions of years.
    pub fn behind(by: Duration) -> Self {
        Self(watch::Sender::new(Reading::Going(-delta(by))))
    }

    /// Puts it forward: whoever sleeps that long wakes.
    ///
    /// # Panics
    /// By millions of years.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|reading| {
            *reading = match *reading {
                Reading::Going(ahead) => Reading::Going(ahead + delta(by)),
                Reading::Stopped(at) => Reading::Stopped(at + delta(by)),
            };
        });
    }

    /// From now on it stands still but for being put forward.
    pub fn stop(&self) {
        self.stop_at(self.now());
    }

    /// From now on it says this but for being put forward.
    pub fn stop_at(&self, time: DateTime<Utc>) {
        self.0.send_replace(Reading::Stopped(time));
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        match *self.0.borrow() {
            Reading::Going(ahead) => SystemClock.now() + ahead,
            Reading::Stopped(at) => at,
        }
    }

    async fn sleep(&self, duration: Duration) {
        let mut put_forward = self.0.subscribe();
        let until = self.now() + duration;
        while let Ok(left) = (until - self.now()).to_std()
            && !left.is_zero()
        {
            let is_going = matches!(*put_forward.borrow(), Reading::Going(_));
            tokio::select! {
                () = SystemClock.sleep(left), if is_going => {}
                // The sender is `self`.
                _ = put_forward.changed() => {}
            }
        }
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).expect("less than millions of years")
}
