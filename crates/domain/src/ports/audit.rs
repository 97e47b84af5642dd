//! Where it is remembered who did what.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StorageError;
use crate::{AuditEntry, UserId};

/// Which entries of the audit log are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only those about this user.
    pub user: Option<UserId>,
    /// None from before.
    pub since: DateTime<Utc>,
    /// Only what follows this one.
    pub after: Option<AuditEntry>,
    /// So many at most.
    pub limit: u32,
}

impl AuditQuery {
    /// How many entries a page has unless said otherwise.
    pub const PAGE: u32 = 1000;

    /// The first page of all, of one user if one is named.
    pub fn all(user: Option<UserId>) -> Self {
        Self { user, since: DateTime::<Utc>::UNIX_EPOCH, after: None, limit: Self::PAGE }
    }
}

/// Where the audit log is kept: the same for all replicas.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds entries; one whose id is there already stays as it is, so that who does not know what came of it may try again.
    async fn append(&self, entries: &[AuditEntry]) -> Result<(), StorageError>;

    /// Entries by time, then by id.
    async fn list(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StorageError>;

    /// Deletes the oldest of the entries from before `before`, `limit` at most. Returns how many.
    async fn purge(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StorageError>;
}
