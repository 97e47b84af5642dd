//! Another application's sessions, to be taken over.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StorageError;
use crate::parse::hidden;

/// A session as another application keeps it. Its texts are not ours, and nothing is known of them.
#[derive(Clone, PartialEq, Eq)]
pub struct AppSession {
    /// Its id there.
    pub id: String,
    /// Its name in WAHA.
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// The phone number, if one is written there.
    pub phone: Option<String>,
    /// When it was made, if that is known.
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed, if that is known.
    pub updated_at: Option<DateTime<Utc>>,
}

/// A linked group as another application keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct AppGroup {
    /// Its id there.
    pub id: String,
    /// The id of its session there.
    pub session: String,
    /// WhatsApp's id of the group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// When it was linked, if that is known.
    pub created_at: Option<DateTime<Utc>>,
    /// When the link last changed, if that is known.
    pub updated_at: Option<DateTime<Utc>>,
}

hidden!(AppSession, AppGroup);

/// A campaign as another application keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppCampaign {
    /// Its id there.
    pub id: String,
    /// The id of its linked group there.
    pub group: String,
    /// Its status, in that application's word.
    pub status: String,
    /// When it starts or started.
    pub start_date: DateTime<Utc>,
}

/// Another application's tables. They are its own: here they are only read.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AppSessions: Send + Sync {
    /// Every session, in no particular order.
    async fn sessions(&self) -> Result<Vec<AppSession>, StorageError>;

    /// The groups of these sessions, by their ids there.
    async fn groups(&self, sessions: &[String]) -> Result<Vec<AppGroup>, StorageError>;

    /// The campaigns of these groups, by their ids there, that were not deleted.
    async fn campaigns(&self, groups: &[String]) -> Result<Vec<AppCampaign>, StorageError>;
}
