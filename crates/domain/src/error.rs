//! What can go wrong for the caller of a use case.

use std::time::Duration;

use crate::ports::{GatewayError, StorageError};

/// Why a use case did not do what was asked. Absence, refusal and failure are different words.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no such session, or it is somebody else's: callers cannot tell which.
    #[error("session not found")]
    NotFound,
    /// There is no such group in the session's directory, or none linked.
    #[error("group not found")]
    NoGroup,
    /// The session is not in a state in which this can be done.
    #[error(transparent)]
    Precondition(#[from] Precondition),
    /// The group has a campaign that is planned or running.
    #[error("the group has an active campaign")]
    ActiveCampaign,
    /// The list has changed since the version that the caller wants to page through.
    #[error("that version of the list is no longer kept")]
    VersionGone,
    /// The lists were fetched anew a moment ago: they may be again after this time.
    #[error("the lists were refreshed a moment ago")]
    TooSoon(Duration),
    /// No worker that answers has a free place.
    #[error("no WAHA worker has room for another session")]
    NoWorker,
    /// Half or more of the worker's sessions are FAILED: the fault is not this user's, so nothing was logged out.
    #[error("most sessions of this WAHA worker are failing")]
    WorkerFailing,
    /// Another operation on the same session did not end in time.
    #[error("another operation on this session is still running")]
    Busy,
    /// A bug of ours broke the work off.
    #[error("an internal error")]
    Internal,
    /// WAHA did not do its part.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The database did not do its part.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What the session would have to be first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Precondition {
    /// Disconnected, stopped, failed or absent in WAHA.
    #[error("the session is not connected: connect it first")]
    NotConnected,
    /// Paired already: there is no QR code to show.
    #[error("the session is already connected to a WhatsApp account")]
    AlreadyConnected,
    /// Still starting: try again soon.
    #[error("the session is still starting: try again in a moment")]
    Starting,
    /// No phone has been paired yet.
    #[error("no phone is paired yet: scan the QR code first")]
    NotPaired,
}

impl Error {
    /// When it makes sense to try again, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Precondition(Precondition::Starting) => Some(Duration::from_secs(2)),
            Self::TooSoon(after) => Some(*after),
            Self::NoWorker => Some(Duration::from_secs(30)),
            Self::WorkerFailing => Some(Duration::from_mins(1)),
            Self::Busy | Self::Storage(StorageError::Unavailable(_)) => Some(Duration::from_secs(5)),
            Self::Gateway(error) => error.retry_after(),
            Self::NotFound
            | Self::NoGroup
            | Self::Precondition(_)
            | Self::ActiveCampaign
            | Self::VersionGone
            | Self::Internal
            | Self::Storage(_) => None,
        }
    }
}
