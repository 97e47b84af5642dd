//! Which worker a session is on: chosen once, unless it has to be connected anew.

use std::time::Duration;

use super::{Attempt, Parts, has_failed_again};
use crate::placement::Candidate;
use crate::ports::{Fence, Placement};
use crate::services::roster::Roster;
use crate::{Error, Session, SessionAddress, SessionId, SessionStatus, UpstreamSession, WorkerHealth, WorkerState};

/// How long a user waits while what they leave behind is deleted.
const PATIENCE: Duration = Duration::from_secs(5);

impl Parts {
    /// Gives the session a worker. One that has a worker moves away from it.
    pub(super) async fn place(&self, session: &Session, fence: Fence) -> Result<Session, Error> {
        let workers = self.ports.gateway.workers().into_iter();
        // One that was not asked yet is likely to answer.
        let usable = workers.filter(|worker| worker.health != WorkerHealth::Down);
        let candidates: Vec<_> =
            usable.map(|worker| Candidate { name: worker.name, capacity: worker.capacity }).collect();
        if candidates.is_empty() {
            return Err(Error::NoWorker);
        }
        match self.ports.workers.place(&session.id, fence, &candidates, self.ports.clock.now()).await? {
            Placement::Placed(session) => {
                tracing::info!(session = %session.id, worker = %session.worker, "session placed");
                Ok(*session)
            }
            Placement::Full => Err(Error::NoWorker),
            Placement::Lost => Err(Error::Busy),
        }
    }

    /// Moves the session, which needs a new QR code, to another worker if its own is to take no new ones.
    pub(super) async fn moves_away(&self, attempt: &mut Attempt, fence: Fence) -> Result<bool, Error> {
        let states = self.ports.workers.states().await?;
        if states.get(&attempt.session.worker).is_none_or(|state| *state == WorkerState::Active) {
            return Ok(false);
        }
        let old = (!attempt.is_absent).then(|| attempt.session.address());
        attempt.session = self.place(&attempt.session, fence).await?;
        (attempt.is_connecting, attempt.is_absent) = (true, true);
        let clean_up = async {
            if let Some(old) = old {
                self.clean_up(&attempt.session.id, &old).await;
            }
        };
        tokio::join!(clean_up, self.ports.clock.sleep(Roster::MEMORY));
        Ok(true)
    }

    /// Deletes what was left behind. If that fails, it is a known stray.
    async fn clean_up(&self, session: &SessionId, old: &SessionAddress) {
        tokio::select! {
            deleted = self.ports.gateway.delete(old) => if let Err(error) = deleted {
                tracing::warn!(%session, worker = %old.worker, %error, "a session was left behind");
            },
            () = self.ports.clock.sleep(PATIENCE) => {
                tracing::warn!(%session, worker = %old.worker, "a session was left behind");
            }
        }
    }
}

/// Whether it takes a new QR code to connect the session: then it may as well be shown by another worker.
pub(super) fn needs_new_code(session: &Session, upstream: Option<&UpstreamSession>) -> bool {
    let Some(upstream) = upstream else { return true };
    let is_unpaired = session.paired_at.is_none() && upstream.me.is_none();
    match upstream.status {
        SessionStatus::Stopped => is_unpaired,
        SessionStatus::Failed => is_unpaired || has_failed_again(session, upstream),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ports::{Created, GatewayError, MockSessionRepository, MockWhatsAppGateway, MockWorkerRepository};
    use crate::services::connect::testing::{connect_with, row};
    use crate::services::testing::{session, upstream};
    use crate::{Epoch, Lifecycle, Me};

    /// The session's worker is to take no new sessions.
    fn closed(state: WorkerState) -> MockWorkerRepository {
        let mut workers = MockWorkerRepository::new();
        workers.expect_states().returning(move || Ok(BTreeMap::from([("default".parse().unwrap(), state)])));
        workers
    }

    /// What is asked to be placed goes to this worker.
    fn goes_to(workers: &mut MockWorkerRepository, name: &'static str) {
        workers.expect_place().times(1).returning(move |_, fence, candidates, _| {
            let names: Vec<_> = candidates.iter().map(|one| (one.name.as_str(), one.capacity)).collect();
            assert_eq!((fence, names), (Fence(1), vec![("default", 5), ("new", 5)]), "all but the one that is down");
            let placed = Session { worker: name.parse().unwrap(), epoch: Epoch(1), ..session(Lifecycle::Connecting) };
            Ok(Placement::Placed(Box::new(placed)))
        });
    }

    fn ends_connected(sessions: &mut MockSessionRepository) {
        sessions
            .expect_transition()
            .withf(|_, from, to, fence, _| {
                from == [Lifecycle::Connecting] && *to == Lifecycle::Connected && *fence == Some(Fence(1))
            })
            .times(1)
            .returning(|_, _, _, _, _| Ok(true));
    }

    /// WAHA has nothing on the worker `new`, and creates a session there.
    fn creates_on_new(gateway: &mut MockWhatsAppGateway) {
        gateway.expect_session().withf(|at| at.worker.as_str() == "new").returning(|_| Ok(None));
        let new = |at: &SessionAddress| at.worker.as_str() == "new";
        gateway.expect_create().withf(move |at, _| new(at)).times(1).returning(|_, _| Ok(Created::New));
    }

    fn has(gateway: &mut MockWhatsAppGateway, upstream: Option<UpstreamSession>) {
        let old = |at: &SessionAddress| at.worker.as_str() == "default";
        gateway.expect_session().withf(old).returning(move |_| Ok(upstream.clone()));
    }

    fn without_login(status: SessionStatus) -> UpstreamSession {
        UpstreamSession { me: None, ..upstream(status) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_disconnected_session_is_placed_on_a_worker_that_may_answer() {
        let (mut sessions, mut gateway) = (row(session(Lifecycle::Disconnected)), MockWhatsAppGateway::new());
        let mut workers = MockWorkerRepository::new();
        workers.expect_states().returning(|| Ok(BTreeMap::new()));
        goes_to(&mut workers, "new");
        creates_on_new(&mut gateway);
        ends_connected(&mut sessions);
        connect_with(sessions, gateway, workers).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_gets_no_place_is_left_alone() {
        for (placement, expected) in [(Placement::Full, Error::NoWorker), (Placement::Lost, Error::Busy)] {
            let mut workers = MockWorkerRepository::new();
            workers.expect_place().times(1).returning(move |_, _, _, _| Ok(placement.clone()));
            // Any call of WAHA, and any write, would panic.
            let sessions = row(session(Lifecycle::Disconnected));
            let answer = connect_with(sessions, MockWhatsAppGateway::new(), workers).await;
            assert_eq!(answer.unwrap_err().to_string(), expected.to_string());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_needs_a_new_code_moves_away_from_a_worker_that_drains() {
        let paired =
            || Session { paired_at: Some(session(Lifecycle::Connected).created_at), ..session(Lifecycle::Connected) };
        let failed_again = || Session { revived_at: paired().paired_at, ..paired() };
        let needy = [
            (paired(), None),
            (session(Lifecycle::Connected), Some(without_login(SessionStatus::Stopped))),
            (session(Lifecycle::Connecting), Some(without_login(SessionStatus::Failed))),
            (failed_again(), Some(without_login(SessionStatus::Failed))),
        ];
        for (n, (session, upstream)) in needy.into_iter().enumerate() {
            let (mut sessions, mut gateway) = (row(session), MockWhatsAppGateway::new());
            let mut workers = closed(if n == 0 { WorkerState::Removed } else { WorkerState::Draining });
            goes_to(&mut workers, "new");
            if upstream.is_some() {
                // That it fails is no reason not to go.
                gateway
                    .expect_delete()
                    .withf(|at| at.worker.as_str() == "default")
                    .times(1)
                    .returning(|_| Err(GatewayError::Timeout));
            }
            has(&mut gateway, upstream);
            creates_on_new(&mut gateway);
            ends_connected(&mut sessions);
            connect_with(sessions, gateway, workers).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_be_connected_without_a_new_code_stays_on_a_worker_that_drains() {
        let me = || Some(Me { id: "34600111222@c.us".parse().unwrap(), lid: None });
        let paired_at = Some(session(Lifecycle::Connecting).created_at);
        for (paired_at, me, word) in [
            (None, None, "SCAN_QR_CODE"),
            (None, None, "STARTING"),
            (None, None, "PASSKEY_REQUIRED"),
            (None, None, "HIBERNATING"),
            (paired_at, me(), "WORKING"),
            (paired_at, None, "STOPPED"),
            (None, me(), "STOPPED"),
            (paired_at, me(), "FAILED"),
            (None, me(), "FAILED"),
        ] {
            let (mut sessions, mut gateway) =
                (row(Session { paired_at, ..session(Lifecycle::Connecting) }), MockWhatsAppGateway::new());
            sessions.expect_set_revived().returning(|_, _, _| Ok(true));
            ends_connected(&mut sessions);
            has(&mut gateway, Some(UpstreamSession { me, ..upstream(word.into()) }));
            gateway.expect_start().returning(|_| Ok(()));
            gateway.expect_restart().returning(|_| Ok(()));
            // Any placement, delete or logout would panic.
            connect_with(sessions, gateway, closed(WorkerState::Draining)).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_have_to_leave_a_worker_and_can_go_nowhere_stays_as_they_are() {
        let mut gateway = MockWhatsAppGateway::new();
        has(&mut gateway, Some(without_login(SessionStatus::Failed)));
        let mut workers = closed(WorkerState::Draining);
        workers.expect_place().times(1).returning(|_, _, _, _| Ok(Placement::Full));
        // Any other call of WAHA, and any other write, would panic.
        let answer = connect_with(row(session(Lifecycle::Connected)), gateway, workers).await;
        assert!(matches!(answer, Err(Error::NoWorker)), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_moved_and_was_refused_is_disconnected() {
        let (mut sessions, mut gateway) = (row(session(Lifecycle::Connected)), MockWhatsAppGateway::new());
        has(&mut gateway, None);
        let mut workers = closed(WorkerState::Draining);
        goes_to(&mut workers, "new");
        gateway.expect_session().returning(|_| Err(GatewayError::Unavailable("gone".to_owned())));
        sessions
            .expect_transition()
            .withf(|_, from, to, _, _| from == [Lifecycle::Connecting] && *to == Lifecycle::Disconnected)
            .times(1)
            .returning(|_, _, _, _, _| Ok(true));
        let answer = connect_with(sessions, gateway, workers).await;
        assert!(matches!(answer, Err(Error::Gateway(GatewayError::Unavailable(_)))), "{answer:?}");
    }
}
