//! Logout: the intent first, then WAHA.

use std::sync::Arc;
use std::time::Duration;

use super::access;
use super::audit::AuditTrail;
use super::lease::SessionLeases;
use super::news::News;
use super::roster::Roster;
use crate::flight::SingleFlight;
use crate::ports::{Clock, Fence, Ports, SessionRepository, WhatsAppGateway};
use crate::{
    AuditAction, Deed, Error, Lifecycle, Means, Session, SessionAddress, SessionId, SessionName, SessionStatus, UserId,
};

/// Logs a user's session out of WhatsApp and deletes it in WAHA.
pub struct Logout {
    leases: Arc<SessionLeases>,
    finisher: Arc<LogoutFinisher>,
    audit: Arc<AuditTrail>,
    flights: SingleFlight<SessionId, ()>,
}

impl Logout {
    /// The use case; its work runs on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(ports: &Ports, news: Arc<News>, leases: Arc<SessionLeases>, audit: Arc<AuditTrail>) -> Self {
        let Ports { sessions, gateway, clock, .. } = ports.clone();
        let finisher = Arc::new(LogoutFinisher { sessions, gateway, clock, news });
        Self { leases, finisher, audit, flights: SingleFlight::new() }
    }

    /// Logs it out; one that is logged out already is a success.
    ///
    /// Once the intent is stored the user is logged out for us, even if WAHA cannot be reached: the next logout or
    /// connect completes it there.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Busy`]; WAHA's and the database's failures.
    pub async fn run(&self, owner: &UserId, name: &SessionName, by: Means) -> Result<(), Error> {
        let session = access::owned(&*self.finisher.sessions, owner, name).await?;
        if session.lifecycle == Lifecycle::Disconnected {
            return Ok(());
        }
        let (leases, finisher, audit) = (Arc::clone(&self.leases), Arc::clone(&self.finisher), Arc::clone(&self.audit));
        let work = |session: Session| async move {
            let work = async {
                finisher.intend(&session).await?;
                leases.run(&session.id, |fence| finisher.finish(&session.id, fence)).await
            };
            let done = work.await;
            if !leases.was_erased(&session.id, &done).await {
                let deed = Deed::new(AuditAction::Logout, by).of(&session.owner).on(&session.name);
                audit.record(deed.at(&session.worker), &done);
            }
            done
        };
        self.flights.run(session.id.clone(), || work(session)).await
    }

    /// What completes a logout, for a connect that meets one.
    pub(super) fn finisher(&self) -> Arc<LogoutFinisher> {
        Arc::clone(&self.finisher)
    }
}

/// Completes a logout whose intent is stored.
pub(super) struct LogoutFinisher {
    sessions: Arc<dyn SessionRepository>,
    gateway: Arc<dyn WhatsAppGateway>,
    clock: Arc<dyn Clock>,
    news: Arc<News>,
}

impl LogoutFinisher {
    /// How long a stopped session may take to connect so that it can tell the phone it is unlinked.
    const PATIENCE: Duration = Duration::from_secs(10);
    const INTERVAL: Duration = Duration::from_millis(250);

    /// Stores the intent. A session that is logging out or disconnected needs none.
    pub(super) async fn intend(&self, session: &Session) -> Result<(), Error> {
        let wanted = [Lifecycle::Connecting, Lifecycle::Connected];
        self.sessions.transition(&session.id, &wanted, Lifecycle::LoggingOut, None, self.clock.now()).await?;
        self.news.changed(session);
        Ok(())
    }

    /// Unpairs and deletes the session in WAHA and disconnects its row. Does nothing if there is no logout to complete.
    pub(super) async fn finish(&self, id: &SessionId, fence: Fence) -> Result<(), Error> {
        let began = self.clock.now();
        let session = self.sessions.get(id).await?.ok_or(Error::NotFound)?;
        if session.lifecycle != Lifecycle::LoggingOut {
            return Ok(());
        }
        let at = session.address();
        if let Some(upstream) = self.gateway.session(&at).await? {
            if upstream.status == SessionStatus::Stopped && (session.paired_at.is_some() || upstream.me.is_some()) {
                tokio::select! {
                    () = self.bring_up(&at) => {}
                    () = self.clock.sleep(Self::PATIENCE) => {}
                }
            }
            // Unpairs, stops and deletes.
            self.gateway.delete(&at).await?;
        }
        // The intent was stored before this began: then nobody remembers the session as wanted any more.
        let elapsed = (self.clock.now() - began).to_std().unwrap_or_default();
        if let Some(left) = Roster::MEMORY.checked_sub(elapsed) {
            self.clock.sleep(left).await;
        }
        let done = self.sessions.finish_logout(id, fence, self.clock.now()).await?;
        self.news.changed(&session);
        if done { Ok(()) } else { Err(Error::Busy) }
    }

    /// A stopped session cannot tell the phone that it is unlinked, so it is started first. If that fails, the user
    /// still wants it deleted.
    async fn bring_up(&self, at: &SessionAddress) {
        if let Err(error) = self.gateway.start(at).await {
            tracing::warn!(%error, "logging out a stopped session: the phone may keep the linked device");
            return;
        }
        loop {
            match self.gateway.session(at).await {
                Ok(Some(session)) if session.status == SessionStatus::Starting => {}
                Ok(_) | Err(_) => return,
            }
            self.clock.sleep(Self::INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{GatewayError, MockSessionRepository, MockWhatsAppGateway};
    use crate::services::testing::{ports, session, upstream};

    fn finisher(gateway: MockWhatsAppGateway) -> LogoutFinisher {
        let mut sessions = MockSessionRepository::new();
        sessions.expect_get().returning(|_| Ok(Some(session(Lifecycle::LoggingOut))));
        sessions.expect_finish_logout().times(1).returning(|_, _, _| Ok(true));
        let ports = ports(sessions, gateway);
        let roster = Arc::new(Roster::new(ports.sessions.clone(), ports.clock.clone()));
        let news = Arc::new(News::new(&ports, roster));
        let Ports { sessions, gateway, clock, .. } = ports;
        LogoutFinisher { sessions, gateway, clock, news }
    }

    #[tokio::test(start_paused = true)]
    async fn a_paired_session_that_is_stopped_is_started_first_and_deleted_once_it_is_up() {
        let mut gateway = MockWhatsAppGateway::new();
        let mut order = mockall::Sequence::new();
        for status in [SessionStatus::Stopped, SessionStatus::Starting, SessionStatus::Working] {
            if status == SessionStatus::Starting {
                gateway.expect_start().times(1).in_sequence(&mut order).returning(|_| Ok(()));
            }
            let answer = upstream(status);
            gateway.expect_session().times(1).in_sequence(&mut order).returning(move |_| Ok(Some(answer.clone())));
        }
        gateway.expect_delete().times(1).in_sequence(&mut order).returning(|_| Ok(()));
        finisher(gateway).finish(&session(Lifecycle::LoggingOut).id, Fence(1)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_cannot_be_started_is_deleted_all_the_same() {
        let mut gateway = MockWhatsAppGateway::new();
        gateway.expect_session().returning(|_| Ok(Some(upstream(SessionStatus::Stopped))));
        gateway.expect_start().times(1).returning(|_| Err(GatewayError::Timeout));
        gateway.expect_delete().times(1).returning(|_| Ok(()));
        finisher(gateway).finish(&session(Lifecycle::LoggingOut).id, Fence(1)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stays_starting_is_deleted_after_ten_seconds() {
        let mut gateway = MockWhatsAppGateway::new();
        let mut first = Some(upstream(SessionStatus::Stopped));
        gateway
            .expect_session()
            .returning(move |_| Ok(Some(first.take().unwrap_or_else(|| upstream(SessionStatus::Starting)))));
        gateway.expect_start().times(1).returning(|_| Ok(()));
        gateway.expect_delete().times(1).returning(|_| Ok(()));
        let finisher = finisher(gateway);
        let began = finisher.clock.now();
        finisher.finish(&session(Lifecycle::LoggingOut).id, Fence(1)).await.unwrap();
        assert_eq!((finisher.clock.now() - began).num_seconds(), 10);
    }
}
