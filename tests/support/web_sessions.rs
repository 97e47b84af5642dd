//! The sessions of a web application beside Switchboard, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use switchboard_domain::ports::{StorageError, WebSession, WebSessionToken, WebSessions};

/// Who is signed in there, by the token that their cookie holds.
#[derive(Debug, Default)]
pub struct FakeWebSessions(Mutex<BTreeMap<String, WebSession>>);

impl FakeWebSessions {
    /// Somebody signs in.
    ///
    /// # Panics
    /// If that is no user.
    pub fn sign_in(&self, user: &str, token: &str, expires_at: DateTime<Utc>) {
        let user = user.parse().expect("a user id");
        self.rows().insert(token.to_owned(), WebSession { user, expires_at });
    }

    /// They sign out.
    pub fn sign_out(&self, token: &str) {
        self.rows().remove(token);
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, WebSession>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl WebSessions for FakeWebSessions {
    async fn find(&self, token: &WebSessionToken) -> Result<Option<WebSession>, StorageError> {
        Ok(self.rows().get(&token.0).cloned())
    }
}
