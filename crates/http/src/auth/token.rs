//! Bearer tokens: JWT with HS256.

mod sign;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use switchboard_domain::ports::Clock;

use super::{Principal, Scope};

/// A secret that tokens are signed with: at least [`Secret::MIN_BYTES`] bytes, as many as HS256's hash has.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

/// The secret is too short to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a secret of at least {} bytes", Secret::MIN_BYTES)]
pub struct ShortSecret;

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
}

/// Signs and checks tokens.
pub struct TokenKey {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    issuer: Option<String>,
    audience: Option<String>,
    clock: Arc<dyn Clock>,
    /// By hash, so that no token is kept.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

/// What a token that is signed and meant for us says.
struct Verified {
    principal: Arc<Principal>,
    exp: DateTime<Utc>,
    nbf: Option<DateTime<Utc>>,
}

/// A token that is no good. Why is nobody's business but the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no valid token")]
pub struct TokenRefused;

/// What is checked of a token beside what jsonwebtoken checks; `aud` may be a list there, so it is left to it.
#[derive(Deserialize)]
struct Checked {
    sub: String,
    exp: NumericDate,
    #[serde(default)]
    nbf: Option<NumericDate>,
    #[serde(default)]
    iat: Option<NumericDate>,
    /// Missing it is empty; of another type it is refused.
    #[serde(default)]
    scope: String,
}

/// Seconds since 1970, perhaps with a fraction (RFC 7519, 2).
#[derive(Clone, Copy, Deserialize)]
struct NumericDate(f64);

impl From<NumericDate> for DateTime<Utc> {
    /// Times before 1970 and after the year 9999 count as those.
    fn from(date: NumericDate) -> Self {
        const LAST: f64 = 253_402_300_799_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "whole and between 0 and the last")]
        let millis = (date.0 * 1000.0).ceil().clamp(0.0, LAST) as i64;
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis)
    }
}

impl TokenKey {
    /// Longer tokens are refused unread.
    const MAX_BYTES: usize = 8 * 1024;
    /// How many tokens that were good are remembered.
    const REMEMBERED: u64 = 100_000;
    /// For how long one is that nobody uses.
    const REMEMBERED_FOR: Duration = Duration::from_mins(10);
    /// How far the clocks of two machines may be apart.
    const LEEWAY: TimeDelta = TimeDelta::seconds(30);

    /// The key. Where an issuer or an audience is given, every token has to name it; where none is given, what a token
    /// says of it does not matter.
    pub fn new(secret: &Secret, issuer: Option<String>, audience: Option<String>, clock: Arc<dyn Clock>) -> Self {
        let bytes = secret.0.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        // Time is checked below, against the clock we were given.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims = HashSet::from(["exp".to_owned(), "sub".to_owned()]);
        if let Some(issuer) = &issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        match &audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            None => validation.validate_aud = false,
        }
        Self {
            signing: EncodingKey::from_secret(bytes),
            checking: DecodingKey::from_secret(bytes),
            validation,
            issuer,
            audience,
            clock,
            verified: Cache::builder().max_capacity(Self::REMEMBERED).time_to_idle(Self::REMEMBERED_FOR).build(),
        }
    }

    /// Whom a token names, and what for, if it is signed with our secret, in time, and meant for us.
    ///
    /// # Errors
    /// [`TokenRefused`]
    pub fn verify(&self, token: &str) -> Result<Arc<Principal>, TokenRefused> {
        self.check(token).map_err(|reason| {
            tracing::debug!(reason, "token refused");
            TokenRefused
        })
    }

    fn check(&self, token: &str) -> Result<Arc<Principal>, &'static str> {
        if token.len() > Self::MAX_BYTES {
            return Err("too long");
        }
        let hash = Sha256::digest(token).into();
        if let Some(verified) = self.verified.get(&hash) {
            // However often it was good: its time runs out.
            return self.check_time(&verified);
        }
        let verified = self.check_signed(token)?;
        let principal = self.check_time(&verified)?;
        self.verified.insert(hash, Arc::new(verified));
        Ok(principal)
    }

    fn check_signed(&self, token: &str) -> Result<Verified, &'static str> {
        check_header(token)?;
        let Checked { sub, exp, nbf, iat, scope } =
            jsonwebtoken::decode::<Checked>(token, &self.checking, &self.validation)
                .map_err(|_| "form, signature, issuer or audience")?
                .claims;
        let scope = Scope::of_claim(&scope).map_err(|_| "an unknown scope")?;
        let (exp, iat) = (DateTime::from(exp), iat.map(DateTime::from));
        // A link that will be good for its last quarter of an hour has lain about until then.
        if scope == Scope::Connect && iat.is_none_or(|iat| iat + Scope::CONNECT_TTL < exp) {
            return Err("good for too long");
        }
        let user = sub.parse().map_err(|_| "no user id")?;
        let principal = Arc::new(Principal { user, scope, expires_at: Some(exp + Self::LEEWAY) });
        Ok(Verified { principal, exp, nbf: nbf.map(DateTime::from) })
    }

    fn check_time(&self, verified: &Verified) -> Result<Arc<Principal>, &'static str> {
        let now = self.clock.now();
        if verified.exp + Self::LEEWAY <= now {
            return Err("expired");
        }
        if verified.nbf.is_some_and(|nbf| nbf > now + Self::LEEWAY) {
            return Err("not yet valid");
        }
        // It may have been signed by a clock that is ahead of ours.
        if verified.principal.scope == Scope::Connect && verified.exp > now + Scope::CONNECT_TTL + Self::LEEWAY {
            return Err("good for too long");
        }
        Ok(Arc::clone(&verified.principal))
    }
}

/// Refuses what a header of ours has no use for: keys that come with the token, and extensions, critical ones above all
/// (RFC 7515, 4.1.11). `kid` is ignored: there is one key.
fn check_header(token: &str) -> Result<(), &'static str> {
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| "header")?;
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&header).map_err(|_| "header")?;
    if ["crit", "b64", "jwk", "jku", "x5c", "x5u"].iter().any(|field| header.contains_key(*field)) {
        return Err("a header that is not for us");
    }
    match header.get("typ").map(|kind| kind.as_str().unwrap_or_default().to_ascii_lowercase()).as_deref() {
        None | Some("jwt" | "at+jwt") => Ok(()),
        Some(_) => Err("another type of token"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use jsonwebtoken::Header;
    use serde_json::{Value, json};
    use switchboard_domain::UserId;
    use switchboard_domain::ports::MockClock;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_800_000_000;

    fn clock() -> Arc<dyn Clock> {
        let mut clock = MockClock::new();
        clock.expect_now().returning(|| DateTime::<Utc>::from_timestamp(NOW, 0).unwrap());
        Arc::new(clock)
    }

    fn key(issuer: Option<&str>, audience: Option<&str>) -> TokenKey {
        let secret = Secret::new(SECRET.to_owned().into()).unwrap();
        TokenKey::new(&secret, issuer.map(str::to_owned), audience.map(str::to_owned), clock())
    }

    fn token(header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    }

    fn hs256(claims: &Value) -> String {
        token(&Header::new(Algorithm::HS256), claims)
    }

    #[test]
    fn a_signed_token_names_its_user_until_it_expires() {
        let key = key(Some("us"), Some("switchboard"));
        let user: UserId = "alice".parse().unwrap();
        let principal = key.verify(&key.sign(&user, Duration::from_mins(1)).unwrap()).unwrap();
        let expires_at = DateTime::from_timestamp(NOW + 90, 0);
        assert_eq!(*principal, Principal { user, scope: Scope::Full, expires_at });
        let expired = json!({ "sub": "alice", "exp": NOW - 31, "iss": "us", "aud": "switchboard" });
        assert_eq!(key.verify(&hs256(&expired)), Err(TokenRefused));
    }

    /// A key whose clock shows what is stored.
    fn key_at(now: &Arc<AtomicI64>) -> TokenKey {
        let mut clock = MockClock::new();
        let told = Arc::clone(now);
        clock.expect_now().returning(move || DateTime::from_timestamp_millis(told.load(Ordering::SeqCst)).unwrap());
        TokenKey::new(&Secret::new(SECRET.to_owned().into()).unwrap(), None, None, Arc::new(clock))
    }

    #[test]
    fn a_token_that_was_good_before_is_refused_once_its_time_is_over() {
        let now = Arc::new(AtomicI64::new(NOW * 1000));
        let key = key_at(&now);
        let token = key.sign(&"alice".parse().unwrap(), Duration::from_mins(1)).unwrap();
        for (seconds, good) in [(0, true), (89, true), (90, false), (89, true)] {
            now.store((NOW + seconds) * 1000, Ordering::SeqCst);
            assert_eq!(key.verify(&token).is_ok(), good, "after {seconds} s");
        }
        assert_eq!(key.verify(&format!("{token}x")), Err(TokenRefused), "one that only begins like it");
    }

    #[test]
    fn a_principal_expires_at_the_first_moment_at_which_its_token_is_refused() {
        let now = Arc::new(AtomicI64::new(NOW * 1000));
        let key = key_at(&now);
        for exp in [json!(NOW + 1), json!(1_800_000_000.25), json!(1_800_000_000.123_456_7)] {
            let token = hs256(&json!({ "sub": "alice", "exp": exp }));
            now.store(NOW * 1000, Ordering::SeqCst);
            let expires_at = key.verify(&token).unwrap().expires_at.unwrap().timestamp_millis();
            now.store(expires_at - 1, Ordering::SeqCst);
            assert!(key.verify(&token).is_ok(), "{exp}");
            now.store(expires_at, Ordering::SeqCst);
            assert_eq!(key.verify(&token), Err(TokenRefused), "{exp}");
        }
    }

    #[test]
    fn a_time_beyond_all_calendars_is_far_in_the_future_or_refused() {
        let key = key(None, None);
        let good = |exp: f64, nbf: f64| key.verify(&hs256(&json!({ "sub": "alice", "exp": exp, "nbf": nbf }))).is_ok();
        assert!(good(1e18, 0.0));
        assert!(!good(1e18, 1e18));
        assert!(!good(-1e18, 0.0));
        assert!(!good(1e300, 0.0));
    }

    #[test]
    fn a_token_is_good_for_what_its_scope_says_however_often_it_is_shown() {
        let key = key(None, None);
        for (scope, expected) in [
            (json!("openid profile"), Some(Scope::Full)),
            (json!("openid switchboard:read"), Some(Scope::Read)),
            (json!("switchboard:connect"), Some(Scope::Connect)),
            (json!("switchboard:admin"), None),
            (json!(["switchboard:read"]), None),
            (json!(7), None),
            (json!(null), None),
        ] {
            let token = hs256(&json!({ "sub": "alice", "iat": NOW, "exp": NOW + 60, "scope": scope }));
            for _ in 0..2 {
                assert_eq!(key.verify(&token).ok().map(|principal| principal.scope), expected, "{scope}");
            }
        }
        let user: UserId = "alice".parse().unwrap();
        for scope in [Scope::Connect, Scope::Read, Scope::Full] {
            let token = key.sign_scoped(&user, Scope::CONNECT_TTL, scope).unwrap();
            assert_eq!(key.verify(&token).unwrap().scope, scope);
        }
    }

    #[test]
    fn a_token_that_connects_is_good_for_a_quarter_of_an_hour_in_all() {
        let now = Arc::new(AtomicI64::new(NOW * 1000));
        let key = key_at(&now);
        let token = |scope: &str, from: i64, to: i64| {
            hs256(&json!({ "sub": "alice", "iat": NOW + from, "exp": NOW + to, "scope": scope }))
        };
        assert!(key.verify(&token("switchboard:connect", 30, 930)).is_ok(), "a clock that is ahead, within the leeway");
        let ahead = token("switchboard:connect switchboard:full", 31, 931);
        assert_eq!(key.verify(&ahead), Err(TokenRefused));
        let long = token("switchboard:connect", 0, 901);
        let undated = hs256(&json!({ "sub": "alice", "exp": NOW + 60, "scope": "switchboard:connect" }));
        assert_eq!([&long, &undated].map(|token| key.verify(token).is_ok()), [false, false]);
        assert!(key.verify(&token("switchboard:read", 0, 24 * 3600)).is_ok());
        now.store((NOW + 1) * 1000, Ordering::SeqCst);
        assert!(key.verify(&ahead).is_ok());
        now.store((NOW + 900) * 1000, Ordering::SeqCst);
        assert_eq!(key.verify(&long), Err(TokenRefused), "nor is it good for its last quarter of an hour");
    }

    #[test]
    fn what_is_not_quite_a_good_token_is_refused() {
        let key = key(Some("us"), Some("switchboard"));
        let good = json!({ "sub": "alice", "exp": NOW + 60, "iss": "us", "aud": ["x", "switchboard"] });
        assert!(key.verify(&hs256(&good)).is_ok());
        let fraction = json!({ "sub": "alice", "exp": 1_800_000_000.5, "iss": "us", "aud": "switchboard" });
        assert!(key.verify(&hs256(&fraction)).is_ok());

        let with = |field: &str, value: Value| {
            let mut claims = good.clone();
            claims[field] = value;
            hs256(&claims)
        };
        let without = |field: &str| {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(field);
            hs256(&claims)
        };
        let mut critical = Header::new(Algorithm::HS256);
        critical.crit = Some(vec!["b64".to_owned()]);
        let mut borrowed = Header::new(Algorithm::HS256);
        borrowed.jku = Some("https://evil.example/keys".to_owned());
        let mut other_type = Header::new(Algorithm::HS256);
        other_type.typ = Some("dpop+jwt".to_owned());
        let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MTkwMDAwMDAwMH0.";
        for bad in [
            with("iss", json!("them")),
            without("iss"),
            with("aud", json!("else")),
            without("aud"),
            without("exp"),
            without("sub"),
            with("sub", json!("")),
            with("sub", json!(7)),
            with("nbf", json!(NOW + 31)),
            with("padding", json!("x".repeat(9000))),
            token(&critical, &good),
            token(&borrowed, &good),
            token(&other_type, &good),
            token(&Header::new(Algorithm::HS384), &good),
            format!("{}x", hs256(&good)),
            unsigned.to_owned(),
            String::new(),
            "a.b.c".to_owned(),
        ] {
            assert_eq!(key.verify(&bad), Err(TokenRefused), "{bad}");
        }
    }

    #[test]
    fn without_a_configured_audience_any_will_do() {
        let claims = json!({ "sub": "alice", "exp": NOW + 60, "aud": "anything" });
        assert!(key(None, None).verify(&hs256(&claims)).is_ok());
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(Secret::new("x".repeat(31).into()).unwrap_err(), ShortSecret);
    }
}
