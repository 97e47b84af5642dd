//! Minting tokens.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use switchboard_domain::UserId;

use super::TokenKey;
use crate::auth::Scope;

/// What we say of a user.
#[derive(Serialize)]
struct Claims {
    sub: String,
    exp: i64,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl TokenKey {
    /// A token for `user` that is good for everything, for `ttl` from now.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn sign(&self, user: &UserId, ttl: Duration) -> Result<String, jsonwebtoken::errors::Error> {
        self.sign_scoped(user, ttl, Scope::Full)
    }

    /// A token for `user` that is good for `scope`, for `ttl` from now. One that can only connect has to run out within
    /// [`Scope::CONNECT_TTL`].
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn sign_scoped(
        &self,
        user: &UserId,
        ttl: Duration,
        scope: Scope,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let now = self.clock.now().timestamp();
        let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        let claims = Claims {
            sub: user.as_str().to_owned(),
            exp: now.saturating_add(ttl),
            iat: now,
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            scope: scope.claim(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }
}
