//! Connect: from whatever is, to one row and one session in WAHA.

mod placing;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use self::placing::needs_new_code;
use super::audit::AuditTrail;
use super::deployment::Deployment;
use super::failing::is_failing;
use super::lease::SessionLeases;
use super::logout::{Logout, LogoutFinisher};
use super::news::News;
use super::roster::Roster;
use super::status::StatusReader;
use crate::flight::SingleFlight;
use crate::ports::{Created, Fence, GatewayError, Ports};
use crate::{
    AuditAction, Deed, Error, Lifecycle, Means, Session, SessionId, SessionLabels, SessionName, SessionStatus,
    UpstreamSession, UserId,
};

/// Connects a user: works from every state, any number of times, from any number of callers and replicas at once, and
/// ends with exactly one row and one WAHA session, or an error.
pub struct Connect {
    parts: Arc<Parts>,
    flights: SingleFlight<UserId, Connected>,
}

struct Parts {
    ports: Ports,
    reader: Arc<StatusReader>,
    news: Arc<News>,
    leases: Arc<SessionLeases>,
    finisher: Arc<LogoutFinisher>,
    deployment: Arc<Deployment>,
    audit: Arc<AuditTrail>,
}

/// A session on its way up.
struct Attempt {
    /// As it was last seen.
    session: Session,
    /// Whether its row is connecting, and this has to end that.
    is_connecting: bool,
    /// Whether it is certain that WAHA has none.
    is_absent: bool,
}

/// A session that WAHA has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The row's id.
    pub id: SessionId,
    /// The session's name.
    pub name: SessionName,
}

impl Connect {
    /// The use case; its work runs on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(
        ports: &Ports,
        reader: Arc<StatusReader>,
        news: Arc<News>,
        leases: Arc<SessionLeases>,
        logout: &Logout,
        deployment: Arc<Deployment>,
        audit: Arc<AuditTrail>,
    ) -> Self {
        let finisher = logout.finisher();
        let parts = Parts { ports: ports.clone(), reader, news, leases, finisher, deployment, audit };
        Self { parts: Arc::new(parts), flights: SingleFlight::new() }
    }

    /// Connects the user; whoever asks for the same user meanwhile shares the answer.
    ///
    /// # Errors
    /// [`Error::NoWorker`] if it needs a place and there is none; [`Error::WorkerFailing`] if only a logout could help, but the
    /// worker looks broken; [`Error::Busy`]; WAHA's and the database's failures. The row is disconnected again only where it is certain that WAHA has no such session;
    /// otherwise it stays as it is, and the next connect goes on from there.
    pub async fn run(&self, owner: &UserId, by: Means) -> Result<Connected, Error> {
        let parts = Arc::clone(&self.parts);
        let user = owner.clone();
        self.flights.run(owner.clone(), || async move { parts.connect(user, by).await }).await
    }
}

impl Parts {
    async fn connect(&self, owner: UserId, by: Means) -> Result<Connected, Error> {
        // The row comes first: a session that WAHA runs and nobody owns could never be stopped.
        let session = self.ports.sessions.ensure(&self.candidate(owner)?).await?;
        let connected = Connected { id: session.id.clone(), name: session.name.clone() };
        if session.lifecycle == Lifecycle::Connected && self.is_up(session.clone()).await? {
            return Ok(connected);
        }
        let known = session.clone();
        let converged = self.leases.run(&connected.id, |fence| self.converge(&connected.id, fence)).await;
        // Whatever came of it, nothing is as it was.
        self.news.changed(&known);
        if !self.leases.was_erased(&known.id, &converged).await {
            self.audit.record(Deed::new(AuditAction::Connect, by).of(&known.owner).on(&known.name), &converged);
        }
        converged?;
        Ok(connected)
    }

    fn candidate(&self, owner: UserId) -> Result<Session, Error> {
        let id = self.ports.random.cuid().parse().map_err(|_| Error::Internal)?;
        let name = SessionName::generated(self.ports.random.bits());
        // Where it goes is decided under its lease.
        let worker = self.ports.gateway.workers().into_iter().next().ok_or(Error::NoWorker)?.name;
        Ok(Session::new(id, name, owner, worker, self.ports.clock.now()))
    }

    /// Whether there is nothing to do: no lease is needed to see that.
    async fn is_up(&self, session: Session) -> Result<bool, Error> {
        let reading = self.reader.read_anew(session).await?;
        Ok(reading.session.lifecycle == Lifecycle::Connected && !reading.status().is_down())
    }

    async fn converge(&self, id: &SessionId, fence: Fence) -> Result<(), Error> {
        let (sessions, clock) = (&self.ports.sessions, &self.ports.clock);
        self.finisher.finish(id, fence).await?;
        let session = sessions.get(id).await?.ok_or(Error::NotFound)?;
        let mut attempt = match session.lifecycle {
            // Nobody has asked WAHA for it yet, or not since it was deleted there.
            Lifecycle::Disconnected => {
                Attempt { session: self.place(&session, fence).await?, is_connecting: true, is_absent: true }
            }
            lifecycle => Attempt { session, is_connecting: lifecycle == Lifecycle::Connecting, is_absent: false },
        };
        let outcome = self.bring_up(&mut attempt, fence).await;
        let next = match &outcome {
            Ok(()) => Lifecycle::Connected,
            Err(_) if attempt.is_absent => Lifecycle::Disconnected,
            Err(_) => Lifecycle::Connecting,
        };
        if attempt.is_connecting && next != Lifecycle::Connecting {
            let moved = sessions.transition(id, &[Lifecycle::Connecting], next, Some(fence), clock.now()).await?;
            if outcome.is_ok() && !moved {
                // The user logged out meanwhile, or another replica took over: this connect did not win.
                return Err(Error::Busy);
            }
        }
        outcome
    }

    /// Makes WAHA have the session and run it.
    async fn bring_up(&self, attempt: &mut Attempt, fence: Fence) -> Result<(), Error> {
        /// Each round answers one surprise: created by somebody else, deleted under our hands, on a worker that is
        /// emptied.
        const ROUNDS: usize = 4;
        for _ in 0..ROUNDS {
            let reading = self.reader.read_anew(attempt.session.clone()).await?;
            let upstream = reading.upstream.as_ref();
            attempt.session = (*reading.session).clone();
            attempt.is_absent = upstream.is_none();
            if let Some(upstream) = upstream.filter(|upstream| has_failed_again(&attempt.session, upstream)) {
                // Without a login there is none to throw away.
                let has_login = upstream.me.is_some() || attempt.session.account.is_some();
                if has_login && self.worker_is_failing(&attempt.session).await? {
                    return Err(Error::WorkerFailing);
                }
            }
            if needs_new_code(&attempt.session, upstream) && self.moves_away(attempt, fence).await? {
                continue;
            }
            let (gateway, at) = (&self.ports.gateway, attempt.session.address());
            let done = match upstream.map(|upstream| &upstream.status) {
                None => match self.create(&attempt.session).await {
                    Ok(Created::New) => Ok(()),
                    Ok(Created::Existed) => {
                        attempt.is_absent = false;
                        continue;
                    }
                    Err(error) => {
                        attempt.is_absent = is_definite(&error);
                        Err(error)
                    }
                },
                Some(SessionStatus::Stopped) => gateway.start(&at).await.map_err(Error::from),
                Some(SessionStatus::Failed) => self.revive(&attempt.session, fence).await,
                Some(_) => Ok(()),
            };
            match done {
                Err(Error::Gateway(GatewayError::NoSession)) => {}
                done => return done,
            }
        }
        Err(Error::Busy)
    }

    async fn create(&self, session: &Session) -> Result<Created, Error> {
        let labels = self.labels(&session.owner).await?;
        Ok(self.ports.gateway.create(&session.address(), &labels).await?)
    }

    /// Brings a session out of FAILED, where WAHA's start does nothing: the first time by a restart, and if it failed
    /// again by a logout, which alone brings a new QR code once the phone has logged out.
    async fn revive(&self, session: &Session, fence: Fence) -> Result<(), Error> {
        let (gateway, sessions, at) = (&self.ports.gateway, &self.ports.sessions, session.address());
        if session.revived_at.is_none() {
            gateway.restart(&at).await?;
            sessions.set_revived(&session.id, fence, self.ports.clock.now()).await?;
            return Ok(());
        }
        gateway.logout(&at).await?;
        if !sessions.forget_pairing(&session.id, fence, self.ports.clock.now()).await? {
            return Err(Error::Busy);
        }
        self.ports.clock.sleep(Roster::MEMORY).await;
        // A logout starts the session again only if WAHA counted it as running.
        match gateway.session(&at).await? {
            Some(upstream) if upstream.status == SessionStatus::Stopped => Ok(gateway.start(&at).await?),
            _ => Ok(()),
        }
    }

    /// Whether the fault is not this user's: then nobody's login is thrown away for it.
    async fn worker_is_failing(&self, session: &Session) -> Result<bool, Error> {
        let all = self.ports.gateway.sessions(&session.worker).await?;
        Ok(is_failing(&all, Some(&session.name)))
    }

    async fn labels(&self, owner: &UserId) -> Result<SessionLabels, Error> {
        let deployment = self.deployment.id().await?.clone();
        Ok(SessionLabels { owner: owner.clone(), deployment })
    }
}

/// Whether a restart did not bring it out of FAILED, or not for long: then only a logout can.
fn has_failed_again(session: &Session, upstream: &UpstreamSession) -> bool {
    upstream.status == SessionStatus::Failed && session.revived_at.is_some()
}

/// Whether a failed create certainly created nothing.
fn is_definite(error: &Error) -> bool {
    match error {
        Error::Gateway(error) => !error.outcome_is_unknown(),
        Error::NotFound
        | Error::NoGroup
        | Error::Precondition(_)
        | Error::ActiveCampaign
        | Error::VersionGone
        | Error::TooSoon(_)
        | Error::NoWorker
        | Error::WorkerFailing
        | Error::Busy
        | Error::Internal
        | Error::Storage(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::testing::{active, connect_with, row, worker};
    use super::*;
    use crate::WorkerHealth;
    use crate::ports::{MockAuditLog, MockLeaseRepository, MockSessionRepository, MockWhatsAppGateway};
    use crate::services::Services;
    use crate::services::testing::{ports, session, upstream};

    fn connecting() -> MockSessionRepository {
        row(session(Lifecycle::Connecting))
    }

    async fn connect(sessions: MockSessionRepository, gateway: MockWhatsAppGateway) -> Result<Connected, Error> {
        connect_with(sessions, gateway, active()).await
    }

    /// The row is moved from connecting to `to`, once.
    fn moves(sessions: &mut MockSessionRepository, to: Lifecycle) {
        sessions
            .expect_transition()
            .withf(move |_, from, next, fence, _| {
                from == [Lifecycle::Connecting] && *next == to && *fence == Some(Fence(1))
            })
            .times(1)
            .returning(|_, _, _, _, _| Ok(true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_create_that_somebody_else_won_counts_as_created() {
        let mut gateway = MockWhatsAppGateway::new();
        let mut answers = [None, Some(upstream(SessionStatus::Starting))].into_iter();
        gateway.expect_session().returning(move |_| Ok(answers.next().flatten()));
        gateway.expect_create().times(1).returning(|_, _| Ok(Created::Existed));
        let mut sessions = connecting();
        moves(&mut sessions, Lifecycle::Connected);
        connect(sessions, gateway).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_deleted_under_our_hands_is_created_again() {
        let mut gateway = MockWhatsAppGateway::new();
        let mut answers = [Some(upstream(SessionStatus::Stopped)), None].into_iter();
        gateway.expect_session().returning(move |_| Ok(answers.next().flatten()));
        gateway.expect_start().times(1).returning(|_| Err(GatewayError::NoSession));
        gateway.expect_create().times(1).returning(|_, _| Ok(Created::New));
        let mut sessions = connecting();
        moves(&mut sessions, Lifecycle::Connected);
        connect(sessions, gateway).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_definite_failure_disconnects_the_row() {
        let mut gateway = MockWhatsAppGateway::new();
        gateway.expect_session().returning(|_| Ok(None));
        gateway.expect_create().times(1).returning(|_, _| Err(GatewayError::Refused("400".to_owned())));
        let mut sessions = connecting();
        moves(&mut sessions, Lifecycle::Disconnected);
        let answer = connect(sessions, gateway).await;
        assert!(matches!(answer, Err(Error::Gateway(GatewayError::Refused(_)))), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_outcome_leaves_the_row_connecting() {
        let mut gateway = MockWhatsAppGateway::new();
        gateway.expect_session().returning(|_| Ok(None));
        gateway.expect_create().times(1).returning(|_, _| Err(GatewayError::Timeout));
        // Any transition would panic.
        let answer = connect(connecting(), gateway).await;
        assert!(matches!(answer, Err(Error::Gateway(GatewayError::Timeout))), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_waits_for_a_scan_or_works_is_left_alone() {
        for word in ["SCAN_QR_CODE", "STARTING", "WORKING", "PASSKEY_REQUIRED", "HIBERNATING"] {
            let mut gateway = MockWhatsAppGateway::new();
            gateway.expect_session().returning(move |_| Ok(Some(upstream(SessionStatus::from(word)))));
            let mut sessions = connecting();
            moves(&mut sessions, Lifecycle::Connected);
            connect(sessions, gateway).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_erased_while_they_wait_to_connect_is_not_written_down() {
        for (row, written) in [(None, 0), (Some(session(Lifecycle::Connecting)), 1)] {
            let (mut sessions, mut held) = (MockSessionRepository::new(), MockLeaseRepository::new());
            sessions.expect_ensure().returning(|_| Ok(session(Lifecycle::Connecting)));
            sessions.expect_get().returning(move |_| Ok(row.clone()));
            held.expect_acquire().returning(|_, _, _, _| Ok(None));
            let (mut log, count) = (MockAuditLog::new(), Arc::<AtomicUsize>::default());
            let counted = Arc::clone(&count);
            log.expect_append().returning(move |entries| {
                counted.fetch_add(entries.len(), Ordering::Relaxed);
                Ok(())
            });
            let mut gateway = MockWhatsAppGateway::new();
            gateway.expect_workers().returning(|| vec![worker("default", WorkerHealth::Up)]);
            let ports = Ports { leases: Arc::new(held), audit: Arc::new(log), ..ports(sessions, gateway) };
            let services = Services::new(&ports, 1 << 20);
            let answer = services.connect.run(&"alice".parse().unwrap(), Means::Token).await;
            assert!(matches!(answer, Err(Error::Busy)), "{answer:?}");
            services.audit.flush().await;
            assert_eq!(count.load(Ordering::Relaxed), written);
        }
    }
}
