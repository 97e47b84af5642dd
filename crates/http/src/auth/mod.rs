//! Who asks: bearer tokens, API keys, and the session cookies of a web application.

mod api_key;
mod cookie;
mod jwks;
mod lately;
mod origin;
pub(crate) mod scope;
mod sign_in;
mod standing;
#[cfg(test)]
mod testing;
mod token;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use switchboard_domain::ports::WebSessionToken;
use switchboard_domain::{ApiKeyHash, Means, Scope, UserId};

pub use cookie::{CookieForm, CookieRules};
use jwks::Key;
pub use jwks::{Jwks, KeySource, KeysOutOfReach, NoUsableKey};
pub use scope::allows;
pub use sign_in::SignIn;
pub(crate) use standing::Standing;
pub use token::{TokenKey, TokenRules, Tokens};

use crate::trpc::{Call, Error};

/// A signed-in user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub user: UserId,
    /// What they may do.
    pub scope: Scope,
    /// The first moment at which they would no longer be let in. Whatever goes on for longer than a request ends then.
    pub expires_at: Option<DateTime<Utc>>,
    /// By what that may turn out sooner.
    credential: Credential,
}

/// What somebody signed in with, as far as it has to be looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Credential {
    /// A token, which nobody takes back, but the key that it is signed with may be: the provider's, if it is one of those.
    Token(Option<Arc<Key>>),
    Key(ApiKeyHash),
    WebSession(WebSessionToken),
}

/// Why nobody is signed in. What exactly was wrong is nobody's business but the log's, which has it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSignedIn {
    /// Nothing was shown, or nothing good.
    #[error("nothing that signs in was shown, or nothing good")]
    Refused,
    /// A session cookie came along with a request that another site has caused, or may have.
    #[error("the request may come from another site")]
    CrossSite,
    /// A session cookie came along with what a form of another site could have sent.
    #[error("the request is not JSON")]
    NotJson,
    /// What would say so is out of reach.
    #[error("it cannot be said who is signed in")]
    Unavailable {
        /// When it may be worth trying again.
        retry_after: Duration,
    },
    /// Something broke here.
    #[error("it could not be found out who is signed in")]
    Failed,
}

/// A secret that somebody signs with: at least [`Secret::MIN_BYTES`] bytes, as many as HS256's hash has.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

/// The secret is too short to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a secret of at least {} bytes", Secret::MIN_BYTES)]
pub struct ShortSecret;

impl Principal {
    /// Whether their scope is wide enough for that call.
    ///
    /// # Errors
    /// [`crate::trpc::Code::Forbidden`] if their scope is too narrow for it.
    pub(crate) fn authorize(&self, call: &Call<'_>) -> Result<(), Error> {
        scope::authorize(self.scope, call)
    }

    /// By what means they do what they do.
    pub(crate) fn means(&self) -> Means {
        match self.credential {
            Credential::Token(_) => Means::Token,
            Credential::Key(_) => Means::ApiKey,
            Credential::WebSession(_) => Means::Cookie,
        }
    }

    /// Them, unless their time is over.
    fn in_time(self: Arc<Self>, now: DateTime<Utc>) -> Result<Arc<Self>, NotSignedIn> {
        match self.expires_at {
            Some(expires_at) if expires_at <= now => Err(NotSignedIn::refused("expired")),
            _ => Ok(self),
        }
    }
}

impl Credential {
    /// How often a stream has it looked at; never, if there is nothing to see. A key is dead within 5 s of its revocation,
    /// together with what is remembered of it. There are few keys, and as many web sessions as there are users. What keys the
    /// provider has is known here, and no news more often than that.
    fn seen_every(&self) -> Option<TimeDelta> {
        match self {
            Self::Token(None) => None,
            Self::Key(_) => Some(TimeDelta::seconds(1)),
            Self::Token(Some(_)) | Self::WebSession(_) => Some(TimeDelta::seconds(30)),
        }
    }

    /// How long a stream goes on of which nothing can be asked: a database that is away for a moment ends none. A key that
    /// is revoked meanwhile is dead within 5 s all the same, with the 3 s for which it is remembered.
    fn grace(&self) -> TimeDelta {
        match self {
            Self::Token(_) => TimeDelta::zero(),
            Self::Key(_) => TimeDelta::seconds(1),
            Self::WebSession(_) => TimeDelta::seconds(5),
        }
    }
}

impl NotSignedIn {
    /// A database that is away is asked again with the next request.
    pub(crate) const UNAVAILABLE: Self = Self::Unavailable { retry_after: Duration::from_secs(5) };

    /// Refused, and why, for those who look at the log to find that out.
    fn refused(reason: &'static str) -> Self {
        tracing::debug!(reason, "not signed in");
        Self::Refused
    }
}

impl Secret {
    /// The least length.
    pub const MIN_BYTES: usize = 32;

    /// The secret, if it is long enough.
    ///
    /// # Errors
    /// [`ShortSecret`]
    pub fn new(secret: SecretString) -> Result<Self, ShortSecret> {
        if secret.expose_secret().len() >= Self::MIN_BYTES { Ok(Self(secret)) } else { Err(ShortSecret) }
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(Secret::new("x".repeat(31).into()).unwrap_err(), ShortSecret);
        assert!(Secret::new("x".repeat(32).into()).is_ok());
    }
}
