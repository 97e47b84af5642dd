//! Time that a test can put forward.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use switchboard_domain::SystemClock;
use switchboard_domain::ports::Clock;
use tokio::sync::watch;
use tokio::time::Instant;

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

/// A clock that a test lets go on.
#[async_trait]
pub trait Steered: Clock {
    /// Time passes: whoever slept that long has had its turn.
    async fn pass(&self, by: Duration);
}

#[async_trait]
impl Steered for TestClock {
    async fn pass(&self, by: Duration) {
        self.advance(by);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// tokio's clock: in a runtime with paused time, waiting takes none.
pub struct TokioClock(Instant);

impl TokioClock {
    /// One that says the same at the beginning of each run.
    #[expect(clippy::new_without_default, reason = "no two are alike")]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        (start + delta(self.0.elapsed())).trunc_subsecs(6)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[async_trait]
impl Steered for TokioClock {
    async fn pass(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).expect("less than millions of years")
}
