//! One at a time: lifecycle operations of one session, across replicas.

use std::sync::Arc;
use std::time::Duration;

use crate::ports::{Clock, Fence, Lease, LeaseHolder, LeaseRepository, Random, SessionRepository};
use crate::{Error, SessionId};

/// Serialises the lifecycle operations of a session by a lease on its row, not by a held connection: WAHA answers 500
/// to a queue of them, and a crash leaves a lease that runs out by itself.
pub struct SessionLeases {
    /// Where leases are kept.
    pub leases: Arc<dyn LeaseRepository>,
    /// Whose rows they are on.
    pub sessions: Arc<dyn SessionRepository>,
    /// When they run out.
    pub clock: Arc<dyn Clock>,
    /// Who holds them.
    pub random: Arc<dyn Random>,
}

impl SessionLeases {
    /// How long a lease outlives its holder.
    const TTL: Duration = Duration::from_secs(6);
    /// How often a holder extends it.
    const RENEWAL: Duration = Duration::from_secs(2);
    /// How long to wait for another operation: somewhat more than WAHA's slowest lifecycle call may take.
    const PATIENCE: Duration = Duration::from_secs(45);
    const INTERVAL: Duration = Duration::from_millis(100);
    /// After so many of these it is looked whether there still is a session to wait for.
    const LOOK: u32 = 10;

    /// Does `work` under the session's lease, which is extended until it ends.
    ///
    /// A holder that could not extend it in time goes on, but its writes, which name the fence, are refused.
    ///
    /// # Errors
    /// [`Error::Busy`] if the lease could not be had within 45 s, or the session is erased meanwhile; those of `work`; the database's failures.
    pub async fn run<T, W>(&self, session: &SessionId, work: impl FnOnce(Fence) -> W) -> Result<T, Error>
    where
        W: Future<Output = Result<T, Error>>,
    {
        let lease = self.acquire(session).await?;
        self.under(&lease, work).await
    }

    /// As [`SessionLeases::run`], but waits for nobody: `None` if somebody holds the lease.
    ///
    /// # Errors
    /// Those of `work`; the database's failures.
    pub(super) async fn try_run<T, W>(
        &self,
        session: &SessionId,
        work: impl FnOnce(Fence) -> W,
    ) -> Result<Option<T>, Error>
    where
        W: Future<Output = Result<T, Error>>,
    {
        let holder = LeaseHolder(self.random.cuid());
        match self.claim(session, &holder).await? {
            Some(lease) => self.under(&lease, work).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether that came of it because the session was erased meanwhile: then its user is not to be written down again.
    pub(super) async fn was_erased<T>(&self, session: &SessionId, done: &Result<T, Error>) -> bool {
        matches!(done, Err(Error::Busy | Error::NotFound)) && matches!(self.sessions.get(session).await, Ok(None))
    }

    async fn under<T, W>(&self, lease: &Lease, work: impl FnOnce(Fence) -> W) -> Result<T, Error>
    where
        W: Future<Output = Result<T, Error>>,
    {
        let answer = tokio::select! {
            answer = work(lease.fence) => answer,
            never = self.keep(lease) => match never {},
        };
        if let Err(error) = self.leases.release(lease).await {
            tracing::warn!(%error, "a lease was not released: it will run out");
        }
        answer
    }

    async fn acquire(&self, session: &SessionId) -> Result<Lease, Error> {
        let holder = LeaseHolder(self.random.cuid());
        let until = self.clock.now() + Self::PATIENCE;
        for attempt in 1_u32.. {
            let now = self.clock.now();
            if let Some(lease) = self.claim(session, &holder).await? {
                return Ok(lease);
            }
            let is_gone = attempt.is_multiple_of(Self::LOOK) && self.sessions.get(session).await?.is_none();
            if now >= until || is_gone {
                break;
            }
            self.clock.sleep(Self::INTERVAL).await;
        }
        Err(Error::Busy)
    }

    async fn claim(&self, session: &SessionId, holder: &LeaseHolder) -> Result<Option<Lease>, Error> {
        let now = self.clock.now();
        Ok(self.leases.acquire(session, holder, now, now + Self::TTL).await?)
    }

    /// Extends the lease for ever, or as long as it is ours.
    async fn keep(&self, lease: &Lease) -> std::convert::Infallible {
        loop {
            self.clock.sleep(Self::RENEWAL).await;
            match self.leases.renew(lease, self.clock.now() + Self::TTL).await {
                Ok(true) => {}
                Ok(false) => return std::future::pending().await,
                Err(error) => tracing::warn!(%error, "a lease was not extended: trying again"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Lifecycle;
    use crate::ports::{MockLeaseRepository, MockSessionRepository};
    use crate::services::testing::{PausedClock, free_leases, random, session};

    fn leases(leases: MockLeaseRepository) -> SessionLeases {
        let mut sessions = MockSessionRepository::new();
        sessions.expect_get().returning(|_| Ok(Some(session(Lifecycle::Connected))));
        of(leases, sessions)
    }

    fn of(leases: MockLeaseRepository, sessions: MockSessionRepository) -> SessionLeases {
        let (leases, sessions) = (Arc::new(leases), Arc::new(sessions));
        SessionLeases { leases, sessions, clock: PausedClock::new(), random: Arc::new(random()) }
    }

    fn id() -> SessionId {
        "tz4a98xxat96iws9zmbrgj3a".parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_for_another_operation_is_told_that_the_session_is_busy() {
        let mut held = MockLeaseRepository::new();
        held.expect_acquire().returning(|_, _, _, _| Ok(None));
        let answer = leases(held).run(&id(), |_| async { Ok(()) }).await;
        assert!(matches!(answer, Err(Error::Busy)), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_long_for_a_session_that_is_erased_meanwhile() {
        let (mut none, mut sessions) = (MockLeaseRepository::new(), MockSessionRepository::new());
        none.expect_acquire().times(10).returning(|_, _, _, _| Ok(None));
        sessions.expect_get().times(1).returning(|_| Ok(None));
        let answer = of(none, sessions).run(&id(), |_| async { Ok(()) }).await;
        assert!(matches!(answer, Err(Error::Busy)), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_want_to_wait_is_told_at_once_that_somebody_holds_the_lease() {
        let mut held = MockLeaseRepository::new();
        held.expect_acquire().times(1).returning(|_, _, _, _| Ok(None));
        assert_eq!(leases(held).try_run(&id(), |_| async { Ok(()) }).await.unwrap(), None);
        assert_eq!(leases(free_leases()).try_run(&id(), |_| async { Ok(1) }).await.unwrap(), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn long_work_keeps_its_lease_and_releases_it_at_the_end() {
        let renewals = Arc::new(AtomicUsize::new(0));
        let mut ours = MockLeaseRepository::new();
        ours.expect_acquire().returning(|session, holder, _, _| {
            Ok(Some(Lease { session: session.clone(), holder: holder.clone(), fence: Fence(7) }))
        });
        let counted = Arc::clone(&renewals);
        ours.expect_renew().returning(move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(true)
        });
        ours.expect_release().times(1).returning(|_| Ok(()));
        let work = |fence| async move {
            tokio::time::sleep(Duration::from_secs(35)).await;
            Ok(fence)
        };
        assert_eq!(leases(ours).run(&id(), work).await.unwrap(), Fence(7));
        assert_eq!(renewals.load(Ordering::SeqCst), 17, "every two seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_of_the_work_releases_the_lease_too() {
        let answer: Result<(), _> = leases(free_leases()).run(&id(), |_| async { Err(Error::NotFound) }).await;
        assert!(matches!(answer, Err(Error::NotFound)), "{answer:?}");
    }
}
