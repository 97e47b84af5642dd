//! Bearer tokens: JWT, signed with our secret or with a key of an identity provider (RFC 7519, RFC 8725).

mod claims;
mod sign;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::Algorithm;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use switchboard_domain::Scope;
use switchboard_domain::ports::Clock;

use self::claims::Claims;
pub use self::sign::TokenKey;
use super::jwks::{Jwks, Key, Wanted};
use super::{Credential, NotSignedIn, Principal, Secret, scope};

/// What of a token is checked beside its signature and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// The only `iss` that is good, letter by letter; any, if there is none.
    pub issuer: Option<String>,
    /// What `aud` has to be, or to have among others; anything, if there is none.
    pub audience: Option<String>,
    /// One of which `azp` has to be; anything, if there are none.
    pub authorized_parties: Vec<String>,
    /// How far the clocks of two machines may be apart.
    pub leeway: Duration,
    /// The claim that names the user.
    pub user_claim: String,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            authorized_parties: Vec::new(),
            leeway: Self::LEEWAY,
            user_claim: Self::USER_CLAIM.to_owned(),
        }
    }
}

impl TokenRules {
    /// How far the clocks of two machines may be apart, unless said otherwise.
    pub const LEEWAY: Duration = Duration::from_secs(30);
    /// The claim that names the user, unless said otherwise.
    pub const USER_CLAIM: &str = "sub";
}

/// Checks tokens.
pub struct Tokens {
    rules: TokenRules,
    secret: Option<Arc<Key>>,
    jwks: Option<Jwks>,
    clock: Arc<dyn Clock>,
    /// By hash, so that no token is kept.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

/// What a token that is signed and meant for us says.
struct Verified {
    principal: Arc<Principal>,
    exp: DateTime<Utc>,
    nbf: Option<DateTime<Utc>>,
    /// Of the provider's keys, if it is signed with one of them.
    generation: Option<u64>,
}

/// Why a token is not taken, yet.
enum NotTaken {
    Refused(&'static str),
    /// It is signed with a key that we do not have, and the provider may.
    UnknownKey,
}

impl From<&'static str> for NotTaken {
    fn from(reason: &'static str) -> Self {
        Self::Refused(reason)
    }
}

impl Tokens {
    /// Longer tokens are refused unread.
    const MAX_BYTES: usize = 8 * 1024;
    /// How many tokens that were good are remembered.
    const REMEMBERED: u64 = 100_000;
    /// For how long one is that nobody uses.
    const REMEMBERED_FOR: Duration = Duration::from_mins(10);

    /// Checks what is signed with a key that is added: none, yet.
    pub fn new(rules: TokenRules, clock: Arc<dyn Clock>) -> Self {
        let verified = Cache::builder().max_capacity(Self::REMEMBERED).time_to_idle(Self::REMEMBERED_FOR).build();
        Self { rules, secret: None, jwks: None, clock, verified }
    }

    /// With a secret: HS256 and nothing else.
    #[must_use]
    pub fn with_secret(self, secret: &Secret) -> Self {
        Self { secret: Some(Arc::new(Key::secret(secret.bytes()))), ..self }
    }

    /// With an identity provider's keys: RS256, ES256 and EdDSA, and nothing else.
    #[must_use]
    pub fn with_jwks(self, jwks: Jwks) -> Self {
        Self { jwks: Some(jwks), ..self }
    }

    /// Renews the provider's keys, for ever.
    pub(super) async fn keep_fresh(&self) {
        match &self.jwks {
            Some(jwks) => jwks.keep_fresh().await,
            None => std::future::pending().await,
        }
    }

    /// Whom a token names, and what for, if it is signed with one of our keys, in time, and meant for us. `None` if newer
    /// keys would tell.
    pub(super) fn at_once(&self, token: &str) -> Option<Result<Arc<Principal>, NotSignedIn>> {
        match self.check(token) {
            Ok(principal) => Some(Ok(principal)),
            Err(NotTaken::Refused(reason)) => Some(Err(NotSignedIn::refused(reason))),
            Err(NotTaken::UnknownKey) => None,
        }
    }

    /// The same with the keys that the provider has by now.
    pub(super) async fn with_newer_keys(&self, token: &str) -> Result<Arc<Principal>, NotSignedIn> {
        if let Some(jwks) = &self.jwks {
            jwks.renewed().await?;
        }
        self.at_once(token).unwrap_or_else(|| Err(NotSignedIn::refused("an unknown key")))
    }

    fn check(&self, token: &str) -> Result<Arc<Principal>, NotTaken> {
        if token.len() > Self::MAX_BYTES {
            return Err("too long".into());
        }
        let hash = Sha256::digest(token).into();
        if let Some(verified) = self.verified.get(&hash)
            && self.is_still_signed(&verified)
        {
            // However often it was good: its time runs out.
            return Ok(self.check_time(&verified)?);
        }
        let verified = self.check_signed(token)?;
        let principal = self.check_time(&verified)?;
        self.verified.insert(hash, Arc::new(verified));
        Ok(principal)
    }

    /// Whether the provider still has that key.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.jwks.as_ref().is_some_and(|jwks| jwks.has(key))
    }

    fn is_still_signed(&self, verified: &Verified) -> bool {
        match (verified.generation, &self.jwks) {
            (Some(generation), Some(jwks)) => generation == jwks.generation(),
            _ => true,
        }
    }

    fn check_signed(&self, token: &str) -> Result<Verified, NotTaken> {
        let Header { algorithm, kid } = Header::of(token)?;
        // A key is for one algorithm: what the token says only chooses among keys, and never what is done with one.
        let (key, generation) = match (algorithm, &self.secret, &self.jwks) {
            // There is one secret: what it is called does not matter.
            (Algorithm::HS256, Some(secret), _) => (Arc::clone(secret), None),
            (Algorithm::HS256, None, _) => return Err("no secret is configured".into()),
            (_, _, None) => return Err("no keys of a provider are configured".into()),
            (_, _, Some(jwks)) => match jwks.find(kid.as_deref(), algorithm) {
                Wanted::Key(key, generation) => (key, Some(generation)),
                Wanted::Unknown => return Err(NotTaken::UnknownKey),
                Wanted::Never(reason) => return Err(reason.into()),
            },
        };
        let claims = Claims::new(key.claims(token)?);
        let providers = generation.map(|generation| (key, generation));
        self.verified(&claims, providers).map_err(NotTaken::from)
    }

    /// What is meant for us, of what a token says that is signed with that key of the provider's, or with the secret.
    fn verified(&self, claims: &Claims, providers: Option<(Arc<Key>, u64)>) -> Result<Verified, &'static str> {
        let TokenRules { issuer, audience, authorized_parties, leeway, user_claim } = &self.rules;
        if issuer.as_deref().is_some_and(|issuer| claims.text("iss") != Ok(Some(issuer))) {
            return Err("another issuer, or none");
        }
        if audience.as_deref().is_some_and(|audience| !claims.is_for(audience)) {
            return Err("another audience, or none");
        }
        if !authorized_parties.is_empty() {
            let party = claims.text("azp")?.ok_or("no authorized party")?;
            if !authorized_parties.iter().any(|authorized| authorized == party) {
                return Err("another authorized party");
            }
        }
        let scope = scope::of_claim(claims.text("scope")?.unwrap_or_default()).map_err(|_| "an unknown scope")?;
        let exp = claims.time("exp")?.ok_or("no expiry")?;
        let (nbf, iat) = (claims.time("nbf")?, claims.time("iat")?);
        // A link that will be good for its last quarter of an hour has lain about until then.
        if scope == Scope::Connect && iat.is_none_or(|iat| iat + Scope::CONNECT_TTL < exp) {
            return Err("good for too long");
        }
        let user = claims.text(user_claim)?.ok_or("no user")?.parse().map_err(|_| "no user id")?;
        let (key, generation) = providers.unzip();
        let principal = Principal { user, scope, expires_at: Some(exp + *leeway), credential: Credential::Token(key) };
        Ok(Verified { principal: Arc::new(principal), exp, nbf, generation })
    }

    fn check_time(&self, verified: &Verified) -> Result<Arc<Principal>, &'static str> {
        let (now, leeway) = (self.clock.now(), self.rules.leeway);
        if verified.exp + leeway <= now {
            return Err("expired");
        }
        if verified.nbf.is_some_and(|nbf| nbf > now + leeway) {
            return Err("not yet valid");
        }
        // It may have been signed by a clock that is ahead of ours.
        if verified.principal.scope == Scope::Connect && verified.exp > now + Scope::CONNECT_TTL + leeway {
            return Err("good for too long");
        }
        Ok(Arc::clone(&verified.principal))
    }
}

/// What a token says of its key, before that is known to be true.
struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
}

impl Header {
    /// Longer ids of keys are refused.
    const KID_BYTES: usize = 256;

    /// Refuses what a header of ours has no use for: keys that come with the token or would be fetched for it, and
    /// extensions, critical ones above all (RFC 7515, 4.1.11). What names a key is looked for among those that are held,
    /// and goes nowhere else.
    fn of(token: &str) -> Result<Self, &'static str> {
        let header = token.split('.').next().unwrap_or_default();
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| "header")?;
        let header: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&header).map_err(|_| "header")?;
        if ["crit", "b64", "jwk", "jku", "x5c", "x5u"].iter().any(|field| header.contains_key(*field)) {
            return Err("a header that is not for us");
        }
        let text = |name: &str| header.get(name).map(|value| value.as_str().ok_or("header")).transpose();
        match text("typ")?.map(str::to_ascii_lowercase).as_deref() {
            None | Some("jwt" | "at+jwt" | "application/at+jwt") => {}
            Some(_) => return Err("another type of token"),
        }
        let algorithm = match text("alg")? {
            Some("HS256") => Algorithm::HS256,
            Some("RS256") => Algorithm::RS256,
            Some("ES256") => Algorithm::ES256,
            Some("EdDSA") => Algorithm::EdDSA,
            _ => return Err("another algorithm"),
        };
        let kid = text("kid")?.map(str::to_owned);
        let is_hostile = |kid: &String| kid.len() > Self::KID_BYTES || kid.chars().any(char::is_control);
        if kid.as_ref().is_some_and(is_hostile) { Err("no id of a key") } else { Ok(Self { algorithm, kid }) }
    }
}

#[cfg(test)]
mod tests;
