//! Who may sign in, as far as a database knows it.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StorageError;
use crate::{ApiKey, ApiKeyHash, ApiKeyId, UserId};

/// Where API keys are kept. The keys themselves are not: only what they hash to.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ApiKeyRepository: Send + Sync {
    /// Adds a key.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if there is one of that id or hash.
    async fn insert(&self, key: &ApiKey, hash: &ApiKeyHash) -> Result<(), StorageError>;

    /// The key of that hash, revoked or expired ones too.
    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StorageError>;

    /// All keys, of one user if one is named, by the time they were made, then by id.
    async fn list<'a>(&self, user: Option<&'a UserId>) -> Result<Vec<ApiKey>, StorageError>;

    /// Revokes a key; one that is revoked stays revoked since then. Returns it as it is now, if there is one.
    async fn revoke(&self, id: &ApiKeyId, now: DateTime<Utc>) -> Result<Option<ApiKey>, StorageError>;
}

/// What names a session of the web application: whoever has it is signed in.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WebSessionToken(pub String);

impl fmt::Debug for WebSessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSessionToken").finish_non_exhaustive()
    }
}

/// A session of the web application, which is about a user's browser and not about WhatsApp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSession {
    /// Who is signed in.
    pub user: UserId,
    /// The first moment at which they are no longer.
    pub expires_at: DateTime<Utc>,
}

/// The sessions of a web application that shares our database. They are its own: here they are only read.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait WebSessions: Send + Sync {
    /// The session of that token, expired ones too.
    async fn find(&self, token: &WebSessionToken) -> Result<Option<WebSession>, StorageError>;
}
