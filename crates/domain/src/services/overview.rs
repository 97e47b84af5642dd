//! What a user's start screen shows.

use std::sync::Arc;

use super::status::StatusReader;
use crate::ports::{Clock, SessionRepository};
use crate::{Error, Lifecycle, SessionOverview, UserId};

/// The user's connected session with its linked groups and their active campaigns.
pub struct GetSession {
    /// Where sessions are kept.
    pub sessions: Arc<dyn SessionRepository>,
    /// Who asks WAHA.
    pub reader: Arc<StatusReader>,
    /// Since when a session is down.
    pub clock: Arc<dyn Clock>,
}

impl GetSession {
    /// The session, or `None` if the user has none that is connected.
    ///
    /// A WAHA that cannot be asked logs nobody out of their screen: then what it said last decides.
    ///
    /// # Errors
    /// The database's failures.
    pub async fn run(&self, owner: &UserId) -> Result<Option<SessionOverview>, Error> {
        let Some(mut overview) = self.sessions.overview(owner).await? else {
            return Ok(None);
        };
        if overview.session.lifecycle != Lifecycle::Connected {
            return Ok(None);
        }
        match self.reader.read(overview.session.clone()).await {
            Ok(reading) if reading.session.account == overview.session.account => overview.session = reading.session,
            // Another account: its groups are others.
            Ok(_) => match self.sessions.overview(owner).await? {
                Some(fresh) => overview = fresh,
                None => return Ok(None),
            },
            Err(Error::Gateway(error)) => {
                tracing::warn!(%error, "session shown by its last known status");
            }
            Err(error) => return Err(error),
        }
        Ok(overview.session.is_shown(self.clock.now()).then_some(overview))
    }
}
