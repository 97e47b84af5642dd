//! Who may: authority comes from the principal, never from a name in the request.

use std::borrow::Borrow;

use crate::ports::SessionRepository;
use crate::{Error, Precondition, Session, SessionName, UserId};

/// The owner's session of that name.
///
/// # Errors
/// [`Error::NotFound`] for one that is somebody else's or nobody's: the caller cannot tell which.
pub(super) async fn owned(
    sessions: &dyn SessionRepository,
    owner: &UserId,
    name: &SessionName,
) -> Result<Session, Error> {
    sessions.find(owner, name).await?.ok_or(Error::NotFound)
}

/// The owner's session of that name, if they have not logged it out.
///
/// # Errors
/// As [`owned`], and [`Precondition::NotConnected`].
pub(super) async fn wanted(
    sessions: &dyn SessionRepository,
    owner: &UserId,
    name: &SessionName,
) -> Result<Session, Error> {
    if_wanted(owned(sessions, owner, name).await?)
}

/// The session, if its user has not logged it out.
///
/// # Errors
/// [`Precondition::NotConnected`]
pub(super) fn if_wanted<S: Borrow<Session>>(session: S) -> Result<S, Error> {
    if session.borrow().lifecycle.is_wanted() { Ok(session) } else { Err(Precondition::NotConnected.into()) }
}

/// Does a change to its end, though the caller may leave: what is done is also told and written down.
pub(super) async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(change).await.unwrap_or(Err(Error::Internal))
}
