//! Minting tokens.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value};
use switchboard_domain::ports::Clock;
use switchboard_domain::{Scope, UserId};

use super::TokenRules;
use crate::auth::{Secret, scope};

/// Signs tokens that [`Tokens`](super::Tokens) with the same secret and rules take.
pub struct TokenKey {
    signing: EncodingKey,
    rules: TokenRules,
    clock: Arc<dyn Clock>,
}

impl TokenKey {
    /// The key.
    pub fn new(secret: &Secret, rules: TokenRules, clock: Arc<dyn Clock>) -> Self {
        Self { signing: EncodingKey::from_secret(secret.bytes()), rules, clock }
    }

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
        let TokenRules { issuer, audience, authorized_parties, user_claim, .. } = &self.rules;
        let now = self.clock.now().timestamp();
        let exp = now.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX));
        let text = |text: &str| Some(Value::from(text));
        let claims = [
            ("sub", text(user.as_str())),
            (user_claim, text(user.as_str())),
            ("exp", Some(exp.into())),
            ("iat", Some(now.into())),
            ("iss", issuer.as_deref().and_then(text)),
            ("aud", audience.as_deref().and_then(text)),
            ("azp", authorized_parties.first().map(|party| party.as_str().into())),
            ("scope", scope::claim(scope).map(Value::from)),
        ];
        let claims: Map<String, Value> =
            claims.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }
}
