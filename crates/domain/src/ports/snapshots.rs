//! Where directory snapshots are kept, and who may make new ones.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::storage::{LeaseHolder, StorageError};
use crate::{Epoch, ListKind, ListVersion, SessionId};

/// How often a stored snapshot has been written: the first time is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub i64);

impl Generation {
    /// The one that is written over `stored`.
    pub fn after(stored: Option<Self>) -> Self {
        Self(stored.map_or(0, |stored| stored.0) + 1)
    }
}

/// What is known of a stored snapshot without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// Which pairing of the session it belongs to.
    pub epoch: Epoch,
    /// How often it has been written.
    pub generation: Generation,
    /// What it holds.
    pub version: ListVersion,
    /// When WAHA was asked for what it holds.
    pub synced_at: DateTime<Utc>,
    /// Whether WhatsApp had finished filling the list by then.
    pub settled: bool,
}

/// A stored snapshot. What its bytes mean is for the directory to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// What is known of it.
    pub head: SnapshotHead,
    /// The content, compressed.
    pub data: Vec<u8>,
}

/// Where directory snapshots are kept: one a session and kind, the same for all replicas.
///
/// [`SessionRepository::finish_logout`](super::SessionRepository::finish_logout) and
/// [`forget_pairing`](super::SessionRepository::forget_pairing) delete those of their session.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// What is known of the stored snapshot, whatever its epoch; its content is not read.
    async fn head(&self, session: &SessionId, kind: ListKind) -> Result<Option<SnapshotHead>, StorageError>;

    /// The stored snapshot, whatever its epoch.
    async fn load(&self, session: &SessionId, kind: ListKind) -> Result<Option<StoredSnapshot>, StorageError>;

    /// Stores a snapshot, if what is stored is of the generation `replaces` (`None`: nothing is), and the session is
    /// still of the snapshot's epoch and wanted. `data: None` leaves the content as it is, and is only for a snapshot that
    /// replaces one of the same version. Returns whether it was stored.
    async fn save<'a>(
        &self,
        session: &SessionId,
        kind: ListKind,
        replaces: Option<Generation>,
        head: &SnapshotHead,
        data: Option<&'a [u8]>,
    ) -> Result<bool, StorageError>;

    /// Deletes the snapshots that were synced before `before`, and those of an epoch that is over. Returns how many.
    async fn purge(&self, before: DateTime<Utc>) -> Result<u64, StorageError>;
}

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The task is the claimant's.
    Granted,
    /// It is somebody else's until then, unless they release it or extend it.
    HeldUntil(DateTime<Utc>),
}

/// Leases on tasks that one replica at a time may do. They outlive nobody: one that is not extended runs out.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TaskLeases: Send + Sync {
    /// Makes the task the holder's until `until`, if it is nobody else's past `now`. A holder extends its own by claiming
    /// it again.
    async fn claim(
        &self,
        task: &str,
        holder: &LeaseHolder,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Claim, StorageError>;

    /// Ends the holder's claim; one that is not its any more is left alone.
    async fn release(&self, task: &str, holder: &LeaseHolder) -> Result<(), StorageError>;
}
