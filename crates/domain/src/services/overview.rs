//! What a user's start screen shows.

use std::sync::Arc;

use super::status::StatusReader;
use crate::ports::{Clock, SessionRepository};
use crate::{Error, Lifecycle, Session, SessionOverview, UserId};

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
        match self.reader.read(&overview.session).await {
            Ok(reading) if reading.session.account == overview.session.account => {
                // What WAHA said a moment ago may have been written on a row that was still connecting.
                let lifecycle = overview.session.lifecycle;
                overview.session = Session { lifecycle, ..(*reading.session).clone() };
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionStatus;
    use crate::ports::MockWhatsAppGateway;
    use crate::services::Services;
    use crate::services::testing::{Row, ports, session, upstream};

    #[tokio::test]
    async fn a_session_that_was_asked_about_while_it_connected_is_shown_once_it_is_connected() {
        let row = Row::of(session(Lifecycle::Connecting));
        let mut gateway = MockWhatsAppGateway::new();
        gateway.expect_session().returning(|_| Ok(Some(upstream(SessionStatus::Starting))));
        let services = Services::new(&ports(row.repository(), gateway), 1 << 20);
        let (owner, name) = ("alice".parse().unwrap(), "session_1".parse().unwrap());
        services.get_status.run(&owner, &name).await.unwrap();
        assert!(services.get_session.run(&owner).await.unwrap().is_none());
        row.change(|session| session.lifecycle = Lifecycle::Connected);
        assert!(services.get_session.run(&owner).await.unwrap().is_some());
    }
}
