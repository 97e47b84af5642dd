//! What replicas tell one another.

use futures_util::stream::BoxStream;

use crate::{ListKind, ParseError, SessionId};

/// One process of several on the same database: made anew each time one starts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplicaId(String);

crate::parse::text_newtype!(ReplicaId);

impl std::str::FromStr for ReplicaId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if cuid2::is_cuid2(text) { Ok(Self(text.to_owned())) } else { Err(ParseError { expected: "a cuid2" }) }
    }
}

/// What has changed in the database. Never how: whoever minds looks there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A session's row, or what WAHA may say of it from now on.
    Session(SessionId),
    /// One of a session's stored lists.
    List(SessionId, ListKind),
    /// A session was erased with all that was kept of it: nobody may hold on to anything.
    Erased(SessionId),
}

/// A change, and who made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// The replica that made it.
    pub from: ReplicaId,
    /// What changed.
    pub change: Change,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something has changed.
    Notice(Notice),
    /// Anything may have changed: notices may have been missed.
    Gap,
}

/// Carries notices between the replicas of a deployment, in no particular order, each perhaps more than once.
///
/// It may lose some: whoever relies on it has to find out by itself in the end. What it knows to have lost, it tells its
/// listeners as [`Heard::Gap`].
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait EventBus: Send + Sync {
    /// Tells every replica, this one too. Returns at once, whatever the state of the connection.
    fn publish(&self, notice: Notice);

    /// What is told from now on. A listener that does not keep up hears a [`Heard::Gap`] instead of what it missed.
    fn listen(&self) -> BoxStream<'static, Heard>;
}
