//! The one entry: whoever asks is signed in here, whatever they show.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header;
use switchboard_domain::ApiKeySecret;
use switchboard_domain::ports::{ApiKeyRepository, Clock, WebSessions};

use super::api_key::Keys;
use super::cookie::{CookieRules, Cookies};
use super::jwks::Key;
use super::lately::Strangers;
use super::{Credential, NotSignedIn, Principal, Tokens};
use crate::trpc::ConnectionParams;

/// Everything that somebody can sign in with. What was not added signs nobody in.
pub struct SignIn {
    tokens: Option<Tokens>,
    keys: Option<Keys>,
    cookies: Option<Cookies>,
    strangers: Arc<Strangers>,
    clock: Arc<dyn Clock>,
}

/// Who makes the calls of a tRPC request. A browser's `EventSource` cannot send headers, so a subscription without one is
/// its whose token stands in its connection parameters; other calls have none.
pub(crate) struct Caller {
    principal: Result<Arc<Principal>, NotSignedIn>,
    subscriber: Option<Result<Arc<Principal>, NotSignedIn>>,
}

impl SignIn {
    /// Nobody can, yet. Databases are asked on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { tokens: None, keys: None, cookies: None, strangers: Strangers::new(clock.clone()), clock }
    }

    /// With tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// With API keys.
    #[must_use]
    pub fn with_api_keys(self, keys: Arc<dyn ApiKeyRepository>) -> Self {
        Self { keys: Some(Keys::new(keys, self.strangers.clone(), self.clock.clone())), ..self }
    }

    /// With the session cookies of a web application.
    #[must_use]
    pub fn with_cookies(self, rules: CookieRules, sessions: Arc<dyn WebSessions>) -> Self {
        let cookies = Cookies::new(rules, sessions, self.strangers.clone(), self.clock.clone());
        Self { cookies: Some(cookies), ..self }
    }

    /// Fetches the keys that tokens are checked with, again and again, for ever.
    pub async fn keep_fresh(&self) {
        match &self.tokens {
            Some(tokens) => tokens.keep_fresh().await,
            None => std::future::pending().await,
        }
    }

    /// Who sent the request: who its bearer token names, which may be an API key; else who its `X-Api-Key` names; else its
    /// session cookie. What is no good is refused, whatever else there is.
    ///
    /// # Errors
    /// [`NotSignedIn`]
    pub(crate) async fn principal(&self, request: &HttpRequest) -> Result<Arc<Principal>, NotSignedIn> {
        match bearer(request) {
            Some(token) => self.bearer(token).await,
            // Kept apart, so that what is most often asked is short.
            None => Box::pin(self.otherwise(request)).await,
        }
    }

    /// Who makes a request's calls.
    pub(crate) async fn caller(&self, request: &HttpRequest) -> Caller {
        Caller { principal: self.principal(request).await, subscriber: self.subscriber(request).await }
    }

    async fn subscriber(&self, request: &HttpRequest) -> Option<Result<Arc<Principal>, NotSignedIn>> {
        if bearer(request).is_some() {
            return None;
        }
        let params = ConnectionParams::of_query(request.query_string()).ok()?;
        Some(self.bearer(params.get("token")?).await)
    }

    /// Whose token that is.
    async fn bearer(&self, token: &str) -> Result<Arc<Principal>, NotSignedIn> {
        if ApiKeySecret::is_meant_by(token) {
            return Box::pin(self.key(token)).await;
        }
        let Some(tokens) = &self.tokens else { return Err(NotSignedIn::refused("tokens are not configured")) };
        match tokens.at_once(token) {
            Some(known) => known,
            None => Box::pin(tokens.with_newer_keys(token)).await,
        }
    }

    async fn key(&self, key: &str) -> Result<Arc<Principal>, NotSignedIn> {
        match &self.keys {
            Some(keys) => keys.principal(key).await,
            None => Err(NotSignedIn::refused("API keys are switched off")),
        }
    }

    async fn otherwise(&self, request: &HttpRequest) -> Result<Arc<Principal>, NotSignedIn> {
        if let Some(key) = request.headers().get("x-api-key") {
            return self.key(key.to_str().unwrap_or_default()).await;
        }
        match &self.cookies {
            Some(cookies) => cookies.principal(request).await,
            None => Err(NotSignedIn::refused("nothing that signs in")),
        }
    }

    /// Somebody who was let in, as they would be let in again.
    pub(super) async fn see_again(&self, principal: &Arc<Principal>) -> Result<Arc<Principal>, NotSignedIn> {
        match (&principal.credential, &self.keys, &self.cookies) {
            (Credential::Key(hash), Some(keys), _) => keys.of(hash).await,
            (Credential::WebSession(token), _, Some(cookies)) => cookies.of(token).await,
            (Credential::Token(Some(key)), ..) if !self.has(key) => Err(NotSignedIn::refused("its key was withdrawn")),
            _ => Arc::clone(principal).in_time(self.clock.now()),
        }
    }

    /// Whether a provider's key is one of its keys still.
    fn has(&self, key: &Key) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| tokens.has(key))
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

impl Caller {
    /// Whether any of its calls may be somebody's.
    pub(crate) fn is_somebody(&self) -> bool {
        self.principal.is_ok() || matches!(self.subscriber, Some(Ok(_)))
    }

    /// The principal of a call with these connection parameters, which only a subscription has.
    pub(crate) fn with(self, params: &ConnectionParams) -> Result<Arc<Principal>, NotSignedIn> {
        match self.subscriber {
            Some(subscriber) if params.get("token").is_some() => subscriber,
            _ => self.principal,
        }
    }
}

/// The bearer token in the header. Another scheme is somebody else's: a proxy's password, say. A header that is there twice
/// or cannot be read is a token that is no good: nobody chooses what else may sign somebody in then.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let header = headers.next()?;
    // What a token is made of is checked with it: `to_str` would look at each byte for that.
    let (Ok(header), None) = (std::str::from_utf8(header.as_bytes()), headers.next()) else { return Some("") };
    let (scheme, token) = header.split_once([' ', '\t']).unwrap_or((header, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests;
