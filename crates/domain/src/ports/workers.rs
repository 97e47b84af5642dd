//! What all replicas know of workers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::storage::{Fence, StorageError};
use crate::placement::Candidate;
use crate::{Session, SessionId, SessionName, WorkerName, WorkerState};

/// What came of a placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The session is connecting on its worker. As it is now.
    Placed(Box<Session>),
    /// No candidate has a free place.
    Full,
    /// The lease is no longer its holder's, or the user logged out meanwhile: nothing was done.
    Lost,
}

/// The state of workers, and which of them has which session: the same for all replicas.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait WorkerRepository: Send + Sync {
    /// The state of every worker that was ever given one. All others are [`WorkerState::Active`].
    async fn states(&self) -> Result<BTreeMap<WorkerName, WorkerState>, StorageError>;

    /// Gives a worker its state. Of one that is removed, every session becomes disconnected, and its pairing is forgotten as
    /// [`SessionRepository::finish_logout`](super::SessionRepository::finish_logout) does: all in one step. Returns how many
    /// sessions that were. Nothing of it was left behind: if the worker is seen again, what it has then is no logout that
    /// anybody asked for.
    async fn set_state(&self, worker: &WorkerName, state: WorkerState, now: DateTime<Utc>)
    -> Result<u32, StorageError>;

    /// How many sessions each worker has: those that are not disconnected. Workers without any are left out.
    async fn loads(&self) -> Result<BTreeMap<WorkerName, u32>, StorageError>;

    /// Gives a session a worker and makes it connecting, if it is disconnected or wanted, and the lease still holds: of
    /// those candidates that are active, the one that [`crate::placement::choose`] chooses, by the loads of that moment.
    /// However many replicas place at once, none gets more sessions than its capacity.
    ///
    /// A session that was wanted moves away from its worker, which is never the one that is chosen: its pairing is
    /// forgotten as [`SessionRepository::forget_pairing`](super::SessionRepository::forget_pairing) does, and what is left
    /// on the old worker is remembered as a [`Stray`] that was left behind. A stray of that name on the new worker is one
    /// no longer.
    async fn place(
        &self,
        id: &SessionId,
        fence: Fence,
        candidates: &[Candidate],
        now: DateTime<Utc>,
    ) -> Result<Placement, StorageError>;
}

/// A session in WAHA that no row wants there, however it came to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its name.
    pub name: SessionName,
    /// Since when it is known to be one.
    pub since: DateTime<Utc>,
    /// Whether its user was moved to another worker: then it is a logout that its worker has not been told of.
    pub is_left_behind: bool,
}

/// What is remembered of strays.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait StrayRepository: Send + Sync {
    /// The known strays of a worker, by name.
    async fn strays(&self, worker: &WorkerName) -> Result<Vec<Stray>, StorageError>;

    /// Remembers that a worker that was asked at `now` had these strays and no others: who is new is one since then, who is
    /// not among them is forgotten, unless it became one later. A session that a row wants there by now, or is still
    /// logging out there, is none. Returns all that are known, by name.
    async fn sight(
        &self,
        worker: &WorkerName,
        names: &[SessionName],
        now: DateTime<Utc>,
    ) -> Result<Vec<Stray>, StorageError>;
}
