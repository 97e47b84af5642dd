//! Restart: WAHA's own.

use std::sync::Arc;

use super::access;
use super::audit::AuditTrail;
use super::lease::SessionLeases;
use super::news::News;
use crate::flight::SingleFlight;
use crate::ports::{GatewayError, Ports, SessionRepository, WhatsAppGateway};
use crate::{AuditAction, Deed, Error, Means, Precondition, Session, SessionId, SessionName, UserId};

/// Restarts a user's session.
pub struct Restart {
    parts: Arc<Parts>,
    flights: SingleFlight<SessionId, ()>,
}

struct Parts {
    sessions: Arc<dyn SessionRepository>,
    gateway: Arc<dyn WhatsAppGateway>,
    leases: Arc<SessionLeases>,
    news: Arc<News>,
    audit: Arc<AuditTrail>,
}

impl Restart {
    /// The use case; its work runs on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(ports: &Ports, news: Arc<News>, leases: Arc<SessionLeases>, audit: Arc<AuditTrail>) -> Self {
        let Ports { sessions, gateway, .. } = ports.clone();
        Self { parts: Arc::new(Parts { sessions, gateway, leases, news, audit }), flights: SingleFlight::new() }
    }

    /// Restarts it; whoever asks while a restart is under way shares that one.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Precondition::NotConnected`]; [`Error::Busy`]; WAHA's and the database's failures.
    pub async fn run(&self, owner: &UserId, name: &SessionName, by: Means) -> Result<(), Error> {
        let session = access::wanted(&*self.parts.sessions, owner, name).await?;
        let parts = Arc::clone(&self.parts);
        self.flights.run(session.id.clone(), || async move { parts.restart(session, by).await }).await
    }
}

impl Parts {
    async fn restart(&self, session: Session, by: Means) -> Result<(), Error> {
        let work = |_fence| async {
            // A logout may have come first.
            let session = self.sessions.get(&session.id).await?.ok_or(Error::NotFound)?;
            if !session.lifecycle.is_wanted() {
                return Err(Precondition::NotConnected.into());
            }
            let restarted = self.gateway.restart(&session.address()).await;
            self.news.changed(&session);
            match restarted {
                Ok(()) => Ok(()),
                Err(GatewayError::NoSession) => Err(Precondition::NotConnected.into()),
                Err(error) => Err(error.into()),
            }
        };
        let done = self.leases.run(&session.id, work).await;
        if !self.leases.was_erased(&session.id, &done).await {
            let deed = Deed::new(AuditAction::Restart, by).of(&session.owner).on(&session.name);
            self.audit.record(deed.at(&session.worker), &done);
        }
        done
    }
}
