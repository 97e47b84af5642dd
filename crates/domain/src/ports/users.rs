//! All that is kept of one user, over all tables.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::storage::{Fence, StorageError};
use crate::{AuditEntry, Campaign, LinkedGroup, Session, SessionId, SessionName, SessionOverview, UserId, WorkerName};

/// What is kept of a user, but for what has a port of its own: lists, API keys, and the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRecord {
    /// The session.
    pub session: Option<Session>,
    /// Every group that was ever linked, under whichever account, by link date then id.
    pub groups: Vec<KeptGroup>,
    /// Their campaigns, by start date then id.
    pub campaigns: Vec<KeptCampaign>,
    /// The workers on which the session was left behind, by name.
    pub left_behind: Vec<WorkerName>,
}

/// A group that is or was linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptGroup {
    /// The group.
    pub group: LinkedGroup,
    /// Whether it is linked now.
    pub is_linked: bool,
}

/// A campaign, deleted ones too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCampaign {
    /// The campaign.
    pub campaign: Campaign,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

/// How much was erased of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Sessions.
    pub sessions: u64,
    /// Linked groups, unlinked ones too.
    pub groups: u64,
    /// Campaigns, deleted ones too.
    pub campaigns: u64,
    /// Stored lists.
    pub lists: u64,
    /// API keys, revoked ones too.
    pub keys: u64,
    /// Entries of the audit log.
    pub entries: u64,
}

impl Erased {
    /// An erasure says when it began, by its own clock, and may have waited for its turn.
    pub const LATELY: TimeDelta = TimeDelta::minutes(1);
}

/// What came of taking a session over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It is as it should be.
    Done {
        /// Whether it was not before.
        is_new: bool,
        /// How many groups were added.
        groups: u32,
        /// How many campaigns were added.
        campaigns: u32,
    },
    /// The user has another session, of that name: nothing was done.
    HasAnother(SessionName),
    /// The session's name or id is another user's: nothing was done.
    Taken,
    /// The user was erased since WAHA was asked: nothing was done.
    Erased,
}

/// What concerns all that is kept of a user. Each method is one step.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait UserRepository: Send + Sync {
    /// What is kept of the user.
    async fn record(&self, user: &UserId) -> Result<UserRecord, StorageError>;

    /// Deletes the user's API keys and audit entries, and if it is named, the session with its groups, campaigns, lists,
    /// strays and the audit entries that name it. `tombstone` is added to the audit log, even if that was nothing: it is what
    /// [`UserRepository::adopt`] goes by.
    ///
    /// Does nothing and returns `None` if the session is not the user's, not disconnected, or its lease is somebody else's
    /// by now; and if none is named, but the user has one.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if something was added to what was being deleted: nothing was done, try again.
    async fn erase(
        &self,
        user: &UserId,
        session: Option<(SessionId, Fence)>,
        tombstone: &AuditEntry,
    ) -> Result<Option<Erased>, StorageError>;

    /// Adds a session with its linked groups and their campaigns, as they are. What is there already stays as it is, but for
    /// a session of that user and name that is disconnected, and is not in `overview`: that one is connected again.
    ///
    /// WAHA was asked at `asked_at`: what happened here since counts for more, a logout or an erasure above all. An erasure
    /// counts as later that is [`Erased::LATELY`] older at most.
    async fn adopt(&self, overview: &SessionOverview, asked_at: DateTime<Utc>) -> Result<Adopted, StorageError>;
}
