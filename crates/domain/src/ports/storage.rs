//! Where rows are kept.
//!
//! Whatever is written can be read back at once and equal, timestamps to the microsecond. Every method is one step:
//! it happens as a whole or not at all.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Campaign, CampaignId, ChatId, DeploymentId, GroupId, Lifecycle, LinkedGroup, LinkedGroupId, Observation,
    PhoneNumber, Revision, Session, SessionId, SessionName, SessionOverview, UserId, WorkerName,
};

/// A cause, for the log only. Shared, because one failure may answer many callers.
type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a store did not do its part.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// It contradicts what is stored: a taken name, a row that does not exist.
    #[error("the change contradicts what is stored")]
    Conflict,
    /// No connection, or none free in time: try again.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// Anything else: a query that failed, a row that cannot be read.
    #[error("the database failed")]
    Failed(#[source] Cause),
}

impl StorageError {
    /// [`StorageError::Unavailable`], because of `cause`.
    pub fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(cause))
    }

    /// [`StorageError::Failed`], because of `cause`.
    pub fn failed(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(Arc::new(cause))
    }
}

/// Who holds a lease: one per operation, never used twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseHolder(pub String);

/// How often a session's lease has changed hands. A write that names a fence is refused once somebody else holds the
/// lease, however late it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub i64);

/// The right to change one session in WAHA, until it runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which session.
    pub session: SessionId,
    /// Whose it is.
    pub holder: LeaseHolder,
    /// What writes under it name.
    pub fence: Fence,
}

/// Where sessions are kept: at most one a user, names unique among all.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SessionRepository: Send + Sync {
    /// The owner's session; `candidate` is added if there is none. However many ask at once, all get the same one.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if another user's session has the candidate's id or name.
    async fn ensure(&self, candidate: &Session) -> Result<Session, StorageError>;

    /// The session of that id.
    async fn get(&self, id: &SessionId) -> Result<Option<Session>, StorageError>;

    /// The owner's session, if it has that name. Somebody else's is as absent as one that does not exist.
    async fn find(&self, owner: &UserId, name: &SessionName) -> Result<Option<Session>, StorageError>;

    /// Those of `wanted` (owner, name) that there are, in no particular order: [`SessionRepository::find`] for many callers
    /// at once.
    async fn find_all(&self, wanted: &[(UserId, SessionName)]) -> Result<Vec<Session>, StorageError>;

    /// The session of that name, whoever owns it: for what WAHA reports, never for what a user asks.
    async fn named(&self, name: &SessionName) -> Result<Option<Session>, StorageError>;

    /// The owner's session with the groups linked under its present account and their active campaigns, in one round
    /// trip. Groups by link date then id, campaigns by start date then id.
    async fn overview(&self, owner: &UserId) -> Result<Option<SessionOverview>, StorageError>;

    /// Those of these names that there are, in no particular order.
    async fn all_named(&self, names: &[SessionName]) -> Result<Vec<Session>, StorageError>;

    /// The sessions of a worker that are not disconnected, by id: at most `limit` of those past `after`.
    async fn on_worker<'a>(
        &self,
        worker: &WorkerName,
        after: Option<&'a SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, StorageError>;

    /// Whether a session that its user wants is paired with that account.
    async fn is_paired(&self, account: &ChatId) -> Result<bool, StorageError>;

    /// Moves the lifecycle to `to` if it is one of `from` and, where a fence is named, if that lease still holds.
    /// Returns whether it was moved. That makes the next revision.
    async fn transition(
        &self,
        id: &SessionId,
        from: &[Lifecycle],
        to: Lifecycle,
        fence: Option<Fence>,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// Ends a logout: logging out becomes disconnected, and the pairing is forgotten, if the lease still holds. Returns
    /// whether it was done.
    async fn finish_logout(&self, id: &SessionId, fence: Fence, now: DateTime<Utc>) -> Result<bool, StorageError>;

    /// Forgets a pairing: the epoch is raised, and phone, account and everything observed are gone, if the lease still
    /// holds. Returns whether it was done.
    async fn forget_pairing(&self, id: &SessionId, fence: Fence, now: DateTime<Utc>) -> Result<bool, StorageError>;

    /// Writes what WAHA said, if the row is still of `revision` and the user still wants the session. `updated_at` moves
    /// only when the phone number does. Returns whether it was written. This and whatever else writes what is remembered
    /// of the session (its phone number included) makes the next revision.
    async fn record(
        &self,
        id: &SessionId,
        revision: Revision,
        seen: &Observation,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// Remembers that the session was restarted out of FAILED, if the lease still holds. Returns whether it was written.
    async fn set_revived(&self, id: &SessionId, fence: Fence, revived_at: DateTime<Utc>) -> Result<bool, StorageError>;

    /// Writes the phone number of the owner's session, if it has that id. Returns whether there was one.
    async fn set_phone(
        &self,
        owner: &UserId,
        id: &SessionId,
        phone: &PhoneNumber,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError>;
}

/// Leases on sessions' rows: they serialise lifecycle operations across replicas without holding a connection, and
/// outlive nobody: one that is not renewed runs out.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait LeaseRepository: Send + Sync {
    /// The session's lease until `until`, if nobody else's runs past `now`; each one has a higher fence than all before
    /// it. `None` if somebody holds it or there is no such session.
    async fn acquire(
        &self,
        session: &SessionId,
        holder: &LeaseHolder,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Lease>, StorageError>;

    /// Extends a lease that still is its holder's. Returns whether it is.
    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<bool, StorageError>;

    /// Ends a lease; one that is not its holder's any more is left alone.
    async fn release(&self, lease: &Lease) -> Result<(), StorageError>;
}

/// What came of an unlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// The group has left the list; its campaigns are kept.
    Done,
    /// It was not linked.
    NotLinked,
    /// It has an active campaign and stays.
    ActiveCampaign,
}

/// Where linked groups are kept: each group at most once a session and account.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait GroupRepository: Send + Sync {
    /// Links a group. One that is linked already, or was before, keeps its row and takes the new name.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if there is no such session.
    async fn link(&self, group: &LinkedGroup) -> Result<LinkedGroup, StorageError>;

    /// Unlinks a group, unless it has an active campaign.
    async fn unlink(
        &self,
        session: &SessionId,
        account: &ChatId,
        group: &GroupId,
        now: DateTime<Utc>,
    ) -> Result<Unlinked, StorageError>;

    /// The groups linked under an account, by link date then id.
    async fn linked(&self, session: &SessionId, account: &ChatId) -> Result<Vec<LinkedGroup>, StorageError>;

    /// Gives a linked group its new name; one that is gone stays gone.
    async fn rename(&self, id: &LinkedGroupId, name: &str, now: DateTime<Utc>) -> Result<(), StorageError>;
}

/// Where campaigns are kept. A sibling service writes them; here they are only read, as part of
/// [`SessionRepository::overview`].
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait CampaignRepository: Send + Sync {
    /// Adds a campaign, or replaces the one of that id; a deleted one is back.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if there is no such linked group.
    async fn save(&self, campaign: &Campaign, now: DateTime<Utc>) -> Result<(), StorageError>;

    /// The campaign of that id, unless it was deleted.
    async fn find(&self, id: &CampaignId) -> Result<Option<Campaign>, StorageError>;

    /// Deletes a campaign. Returns whether there was one.
    async fn delete(&self, id: &CampaignId, now: DateTime<Utc>) -> Result<bool, StorageError>;
}

/// Where this deployment's id is kept.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait DeploymentRepository: Send + Sync {
    /// The id; `candidate` becomes it if there is none. However many ask at once, all get the same one.
    async fn ensure(&self, candidate: &DeploymentId) -> Result<DeploymentId, StorageError>;
}

/// The database itself.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Database: Send + Sync {
    /// Whether it answers and its tables are there.
    ///
    /// # Errors
    /// [`StorageError`] if not.
    async fn check(&self) -> Result<(), StorageError>;
}
