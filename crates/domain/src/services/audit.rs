//! The audit log's one way in: nobody waits for it, and nothing fails because of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::ports::{AuditLog, Clock, Ports, Random, StorageError};
use crate::{AuditEntry, AuditOutcome, Deed, Error};

/// Writes down who did what.
///
/// Entries wait in a queue of [`AuditTrail::WAITING`] for one writer, which stores many at once. While the database is away
/// they wait there; what finds no room, and what could not be stored after all, is counted and told in the log. A crash loses
/// what waits: milliseconds, as a rule.
pub struct AuditTrail {
    queue: mpsc::Sender<Message>,
    lost: Arc<AtomicU64>,
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

enum Message {
    Entry(Box<AuditEntry>),
    /// To be answered once all that came before is stored or lost.
    Flush(oneshot::Sender<()>),
}

/// What stores what waits.
struct Writer {
    queue: mpsc::Receiver<Message>,
    lost: Arc<AtomicU64>,
    /// How many of those have been told of.
    told: u64,
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
}

impl AuditTrail {
    /// How many entries may wait.
    pub const WAITING: usize = 1024;
    /// For how long entries are kept unless told otherwise.
    pub const KEPT_FOR_DAYS: u32 = 90;
    /// How long a flush waits.
    pub const PATIENCE: Duration = Duration::from_secs(5);
    const TIDY_INTERVAL: Duration = Duration::from_hours(1);
    /// For how long old entries are deleted without a break.
    const TIDY_TIME: TimeDelta = TimeDelta::minutes(10);
    /// How many are deleted at once: few enough for a slow disk within a statement's time, since they lie anywhere.
    const PURGED_AT_ONCE: u32 = 1000;

    /// A trail whose writer runs on the present runtime until the trail is dropped.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(ports: &Ports) -> Self {
        let Ports { audit: log, clock, random, .. } = ports.clone();
        let (queue, waiting) = mpsc::channel(Self::WAITING);
        let lost = Arc::<AtomicU64>::default();
        let writer =
            Writer { queue: waiting, lost: Arc::clone(&lost), told: 0, log: Arc::clone(&log), clock: clock.clone() };
        Handle::current().spawn(writer.run());
        Self { queue, lost, log, clock, random }
    }

    /// Writes down that something was done, or why not. Returns at once.
    pub fn record<T>(&self, deed: Deed, result: &Result<T, Error>) {
        let entry = AuditEntry::new(deed, AuditOutcome::of(result), &*self.random, self.clock.now());
        let is_lost = match entry {
            Ok(entry) => self.queue.try_send(Message::Entry(Box::new(entry))).is_err(),
            Err(_) => true,
        };
        if is_lost {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many entries were lost since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until what was recorded is stored, but not for long: for whoever is about to end.
    pub async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        let flush = async {
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                // Its writer is gone only with the runtime.
                let _ = is_done.await;
            }
        };
        tokio::select! {
            () = flush => {}
            () = self.clock.sleep(Self::PATIENCE) => tracing::warn!("audit entries may be lost: the database is slow"),
        }
    }

    /// Deletes entries older than that, the oldest first. What is left after 10 minutes is for the next time. Returns how
    /// many were deleted.
    ///
    /// # Errors
    /// The database's failures: what was deleted before stays so.
    pub async fn tidy(&self, kept_for: TimeDelta) -> Result<u64, Error> {
        let began = self.clock.now();
        let mut deleted = 0;
        loop {
            let batch = self.log.purge(began - kept_for, Self::PURGED_AT_ONCE).await?;
            deleted += batch;
            if batch < u64::from(Self::PURGED_AT_ONCE) || self.clock.now() - began >= Self::TIDY_TIME {
                return Ok(deleted);
            }
        }
    }

    /// Deletes entries older than that every hour, for ever.
    pub async fn keep_tidy(&self, kept_for: TimeDelta) {
        loop {
            self.clock.sleep(Self::TIDY_INTERVAL).await;
            match self.tidy(kept_for).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "old audit entries were deleted"),
                Err(error) => tracing::warn!(%error, "old audit entries were not deleted: trying again in an hour"),
            }
        }
    }
}

impl Writer {
    /// How many entries are stored at once.
    const BATCH: usize = 100;
    /// How long to wait before entries are stored again that a database was not there for.
    const PAUSES: [Duration; 4] =
        [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30)];

    async fn run(mut self) {
        let mut messages = Vec::with_capacity(Self::BATCH);
        while self.queue.recv_many(&mut messages, Self::BATCH).await > 0 {
            let (mut entries, mut flushes) = (Vec::new(), Vec::new());
            for message in messages.drain(..) {
                match message {
                    Message::Entry(entry) => entries.push(*entry),
                    Message::Flush(done) => flushes.push(done),
                }
            }
            if !entries.is_empty() {
                self.store(&entries).await;
            }
            for done in flushes {
                // Whoever does not wait any more does not mind.
                let _ = done.send(());
            }
        }
    }

    async fn store(&mut self, entries: &[AuditEntry]) {
        let mut pauses = Self::PAUSES.into_iter();
        let stored = loop {
            match self.log.append(entries).await {
                Err(error @ StorageError::Unavailable(_)) => match pauses.next() {
                    Some(pause) => self.clock.sleep(pause).await,
                    None => break Err(error),
                },
                other => break other,
            }
        };
        if let Err(error) = stored {
            self.lost.fetch_add(entries.len() as u64, Ordering::Relaxed);
            tracing::warn!(%error, "audit entries could not be stored");
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > self.told {
            tracing::warn!(lost = lost - self.told, "audit entries were lost");
            self.told = lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chrono::DateTime;

    use super::*;
    use crate::ports::{MockAuditLog, MockClock, MockSessionRepository, MockWhatsAppGateway};
    use crate::services::testing::ports;
    use crate::{AuditAction, Means};

    fn trail(log: MockAuditLog) -> AuditTrail {
        let ports = ports(MockSessionRepository::new(), MockWhatsAppGateway::new());
        AuditTrail::new(&Ports { audit: Arc::new(log), ..ports })
    }

    fn deed() -> Deed {
        Deed::new(AuditAction::Connect, Means::Token)
    }

    fn unavailable() -> StorageError {
        StorageError::unavailable(std::io::Error::other("gone"))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_recorded_is_stored_with_its_outcome_and_in_its_order() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut log = MockAuditLog::new();
        let all = Arc::clone(&seen);
        log.expect_append().returning(move |entries| {
            all.lock().unwrap().extend(entries.iter().map(|entry| entry.outcome.to_string()));
            Ok(())
        });
        let trail = trail(log);
        trail.record(deed(), &Ok(()));
        trail.record::<()>(deed(), &Err(Error::NoWorker));
        trail.flush().await;
        assert_eq!(*seen.lock().unwrap(), ["done", "no_worker"]);
        assert_eq!(trail.lost(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_away_for_a_moment_loses_nothing() {
        let mut log = MockAuditLog::new();
        let mut answers = [Err(unavailable()), Err(unavailable()), Ok(())].into_iter();
        log.expect_append().times(3).returning(move |_| answers.next().unwrap());
        let trail = trail(log);
        trail.record(deed(), &Ok(()));
        trail.clock.sleep(Duration::from_mins(1)).await;
        assert_eq!(trail.lost(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_stored_is_counted_and_what_finds_no_room_too() {
        let mut log = MockAuditLog::new();
        log.expect_append().returning(|_| Err(unavailable()));
        let trail = trail(log);
        for _ in 0..AuditTrail::WAITING + 7 {
            // Nobody waits: the writer has no turn meanwhile.
            trail.record(deed(), &Ok(()));
        }
        assert_eq!(trail.lost(), 7);
        trail.clock.sleep(Duration::from_hours(1)).await;
        assert_eq!(trail.lost(), AuditTrail::WAITING as u64 + 7);
    }

    #[tokio::test(start_paused = true)]
    async fn old_entries_are_deleted_some_at_a_time_until_none_is_left() {
        let mut log = MockAuditLog::new();
        let mut answers = [1000, 1000, 7].into_iter();
        log.expect_purge().withf(|_, limit| *limit == 1000).times(3).returning(move |_, _| Ok(answers.next().unwrap()));
        assert_eq!(trail(log).tidy(TimeDelta::days(90)).await.unwrap(), 2007);
    }

    #[tokio::test(start_paused = true)]
    async fn deleting_old_entries_ends_before_the_next_time_though_some_are_left() {
        let mut log = MockAuditLog::new();
        log.expect_purge().returning(|_, limit| Ok(limit.into()));
        let mut clock = MockClock::new();
        let mut minutes = 0;
        clock.expect_now().returning(move || {
            minutes += 1;
            DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
        });
        let trail = AuditTrail { clock: Arc::new(clock), ..trail(log) };
        assert_eq!(trail.tidy(TimeDelta::days(90)).await.unwrap(), 10_000);
    }
}
