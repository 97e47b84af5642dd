//! What WAHA says of a session.

use std::sync::Arc;

use super::access;
use crate::ports::{Clock, SessionRepository, WhatsAppGateway};
use crate::{Error, Session, SessionName, SessionStatus, UpstreamSession, UserId};

/// Asks WAHA about a session and remembers the answer on its row.
pub struct StatusReader {
    /// Where the answer is remembered.
    pub sessions: Arc<dyn SessionRepository>,
    /// Who is asked.
    pub gateway: Arc<dyn WhatsAppGateway>,
    /// When.
    pub clock: Arc<dyn Clock>,
}

/// What WAHA answered.
#[derive(Debug)]
pub struct Reading {
    /// The session, with what was learnt of it.
    pub session: Session,
    /// WAHA's session; `None` if it has none of that name.
    pub upstream: Option<UpstreamSession>,
}

impl Reading {
    /// The status; absent in WAHA is STOPPED.
    pub fn status(&self) -> SessionStatus {
        self.upstream.as_ref().map_or(SessionStatus::Stopped, |session| session.status.clone())
    }
}

impl StatusReader {
    /// What WAHA says of the session now.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the row is gone; WAHA's and the database's failures.
    pub async fn read(&self, session: Session) -> Result<Reading, Error> {
        let upstream = self.gateway.session(&session.address()).await?;
        let now = self.clock.now();
        let Some(seen) = session.observe(upstream.as_ref(), now) else {
            return Ok(Reading { session, upstream });
        };
        if self.sessions.record(&session.id, session.epoch, &seen, now).await? {
            return Ok(Reading { session: session.with(seen), upstream });
        }
        // The row moved on while WAHA was asked: what it says now counts, and this answer is not remembered.
        let session = self.sessions.get(&session.id).await?.ok_or(Error::NotFound)?;
        Ok(Reading { session, upstream })
    }
}

/// The status of a user's session.
pub struct GetStatus {
    /// Where sessions are kept.
    pub sessions: Arc<dyn SessionRepository>,
    /// Who asks WAHA.
    pub reader: Arc<StatusReader>,
}

impl GetStatus {
    /// WAHA's word; STOPPED for a session that the user logged out or that WAHA does not have.
    ///
    /// # Errors
    /// [`Error::NotFound`]; WAHA's and the database's failures.
    pub async fn run(&self, owner: &UserId, name: &SessionName) -> Result<SessionStatus, Error> {
        let session = access::owned(&*self.sessions, owner, name).await?;
        if !session.lifecycle.is_wanted() {
            return Ok(SessionStatus::Stopped);
        }
        Ok(self.reader.read(session).await?.status())
    }
}
