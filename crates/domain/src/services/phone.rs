//! The phone number a user gives their session.

use std::sync::Arc;

use super::access;
use super::news::News;
use crate::ports::{Clock, SessionRepository};
use crate::{Error, PhoneNumber, Session, SessionId, SessionName, UserId};

/// Writes the phone number of a user's session. The next pairing fills in the account's own again.
pub struct SetPhone {
    pub(super) sessions: Arc<dyn SessionRepository>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) news: Arc<News>,
}

impl SetPhone {
    /// Writes that of the session with that id.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`crate::Precondition::NotConnected`]; the database's failures.
    pub async fn run(&self, owner: &UserId, id: &SessionId, phone: &PhoneNumber) -> Result<(), Error> {
        let session = self.sessions.get(id).await?.filter(|session| session.owner == *owner).ok_or(Error::NotFound)?;
        self.write(session, phone).await
    }

    /// Writes that of the session with that name.
    ///
    /// # Errors
    /// As [`SetPhone::run`].
    pub async fn run_by_name(&self, owner: &UserId, name: &SessionName, phone: &PhoneNumber) -> Result<(), Error> {
        let session = access::owned(&*self.sessions, owner, name).await?;
        self.write(session, phone).await
    }

    async fn write(&self, session: Session, phone: &PhoneNumber) -> Result<(), Error> {
        let session = access::if_wanted(session)?;
        let (sessions, news, now) = (Arc::clone(&self.sessions), Arc::clone(&self.news), self.clock.now());
        let phone = phone.clone();
        let written = access::to_its_end(async move {
            let found = sessions.set_phone(&session.owner, &session.id, &phone, now).await?;
            news.changed(&session);
            if found { Ok(()) } else { Err(Error::NotFound) }
        });
        written.await
    }
}
