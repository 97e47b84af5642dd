//! What WAHA says of a session.

use std::sync::Arc;

use super::access;
use super::roster::Roster;
use crate::flight::SingleFlight;
use crate::ports::{Clock, SessionRepository, WhatsAppGateway};
use crate::{Error, Session, SessionId, SessionName, SessionStatus, UpstreamSession, UserId};

/// Asks WAHA about a session and remembers the answer on its row.
pub struct StatusReader {
    asker: Arc<Asker>,
    flights: SingleFlight<SessionId, Reading>,
}

struct Asker {
    sessions: Arc<dyn SessionRepository>,
    gateway: Arc<dyn WhatsAppGateway>,
    clock: Arc<dyn Clock>,
}

/// What WAHA answered.
#[derive(Clone, Debug)]
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
    /// A reader whose answers are remembered in `sessions`; its shared work runs on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(sessions: Arc<dyn SessionRepository>, gateway: Arc<dyn WhatsAppGateway>, clock: Arc<dyn Clock>) -> Self {
        Self { asker: Arc::new(Asker { sessions, gateway, clock }), flights: SingleFlight::new() }
    }

    /// What WAHA says of the session; whoever asks while an answer is under way shares that one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the row is gone; WAHA's and the database's failures.
    pub async fn read(&self, session: Session) -> Result<Reading, Error> {
        let asker = Arc::clone(&self.asker);
        self.flights.run(session.id.clone(), || async move { asker.ask(session).await }).await
    }

    /// What WAHA says of the session from now on: for a lifecycle operation, to which an answer that was asked for
    /// before it began may be a lie.
    ///
    /// # Errors
    /// As [`StatusReader::read`].
    pub async fn read_anew(&self, session: Session) -> Result<Reading, Error> {
        self.asker.ask(session).await
    }
}

impl Asker {
    async fn ask(&self, session: Session) -> Result<Reading, Error> {
        let upstream = self.gateway.session(&session.address()).await?;
        let now = self.clock.now();
        let Some(seen) = session.observe(upstream.as_ref(), now) else {
            return Ok(Reading { session, upstream });
        };
        if self.sessions.record(&session.id, session.revision, &seen, now).await? {
            if seen.epoch != session.epoch {
                // Another account: once this is said, nobody may still be shown the old one's lists.
                self.clock.sleep(Roster::MEMORY).await;
            }
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
