//! Keys with which programs sign in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::parse::text_newtype;
use crate::ports::Random;
use crate::{ParseError, Scope, UserId};

/// What all keys begin with, so that they are recognised wherever they turn up.
const PREFIX: &str = "swb_";

/// How many hexadecimal digits follow it: 256 bits.
const DIGITS: usize = 64;

/// How many of them name the key.
const NAMING: usize = 12;

/// A whole key, as its owner has it: `swb_` and 64 hexadecimal digits. It is shown once, when it is made, and not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeySecret(String);

/// The beginning of a key, `swb_` and 12 hexadecimal digits, which names it wherever it is spoken of: whoever finds a key
/// knows which one to revoke. 208 bits of the key are still secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiKeyId(String);

text_newtype!(ApiKeyId);

/// What is stored in the place of a key: its SHA-256.
///
/// One round of a fast hash is right here, and would not be for a password: what is hashed are 256 random bits, which nobody
/// finds by trying, so that slowness would protect nothing and cost every look-up.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiKeyHash(pub [u8; 32]);

/// What its owner calls a key: 1 to 100 characters without control characters, the first and the last no blanks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiKeyName(String);

text_newtype!(ApiKeyName);

/// A key, without what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name for all others.
    pub id: ApiKeyId,
    /// Who signs in with it.
    pub user: UserId,
    /// Its name for its owner.
    pub name: ApiKeyName,
    /// What it is good for.
    pub scope: Scope,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The first moment at which it is no good any more; never, if there is none.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since when it is revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A key that can only connect would be good for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected at most 15m for a key of the scope connect")]
pub struct ConnectKeyTooLong;

impl ApiKey {
    /// A new key of that user's, and its secret. One that can only connect is good for [`Scope::CONNECT_TTL`] at most, which
    /// is also how long it is good for if nothing is said.
    ///
    /// # Errors
    /// [`ConnectKeyTooLong`]
    pub fn new(
        random: &dyn Random,
        user: UserId,
        name: ApiKeyName,
        scope: Scope,
        ttl: Option<Duration>,
        now: DateTime<Utc>,
    ) -> Result<(Self, ApiKeySecret), ConnectKeyTooLong> {
        let most = (scope == Scope::Connect).then_some(Scope::CONNECT_TTL);
        if let (Some(ttl), Some(most)) = (ttl, most)
            && ttl > most
        {
            return Err(ConnectKeyTooLong);
        }
        let secret = ApiKeySecret::generate(random);
        // What is beyond all calendars is as good as never.
        let expires_at = ttl.or(most).and_then(|ttl| now.checked_add_signed(TimeDelta::from_std(ttl).ok()?));
        let key = Self { id: secret.id(), user, name, scope, created_at: now, expires_at, revoked_at: None };
        Ok((key, secret))
    }

    /// Whether it lets its owner in at that moment.
    pub fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

impl ApiKeySecret {
    fn generate(random: &dyn Random) -> Self {
        Self(format!("{PREFIX}{:032x}{:032x}", random.bits(), random.bits()))
    }

    /// Whether a text is meant as a key, whatever else it is.
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// What names the key.
    pub fn id(&self) -> ApiKeyId {
        ApiKeyId(self.0[..PREFIX.len() + NAMING].to_owned())
    }

    /// What is stored in its place.
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(Sha256::digest(&self.0).into())
    }

    /// The key itself, for the one who asked for it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiKeySecret {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        is_key(text, DIGITS).then(|| Self(text.to_owned())).ok_or(ParseError { expected: "an API key" })
    }
}

impl FromStr for ApiKeyId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = "the beginning of a key as it is listed, like swb_0123456789ab";
        is_key(text, NAMING).then(|| Self(text.to_owned())).ok_or(ParseError { expected })
    }
}

impl FromStr for ApiKeyName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let is_name = (1..=100).contains(&text.chars().count()) && text.trim() == text;
        if is_name && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError { expected: "a name of 1 to 100 characters" })
        }
    }
}

fn is_key(text: &str, digits: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == digits && rest.bytes().all(is_digit))
}

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiKeySecret").field(&self.id()).finish_non_exhaustive()
    }
}

/// It is as good as a name for the key, and of no use to anybody.
impl fmt::Debug for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyHash").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;
    use crate::ports::MockRandom;

    fn new(scope: Scope, ttl: Option<Duration>) -> Result<(ApiKey, ApiKeySecret), ConnectKeyTooLong> {
        let (user, name) = ("ana".parse().unwrap(), "reports".parse().unwrap());
        ApiKey::new(&SystemRandom, user, name, scope, ttl, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_key_is_256_random_bits_and_named_by_its_beginning() {
        let mut random = MockRandom::new();
        let mut bits = [0x0123_4567_89ab_cdef_u128, u128::MAX].into_iter();
        random.expect_bits().returning(move || bits.next().unwrap());
        let secret = ApiKeySecret::generate(&random);
        let whole = "swb_00000000000000000123456789abcdefffffffffffffffffffffffffffffffff";
        assert_eq!(secret.expose(), whole);
        assert_eq!(secret.id().as_str(), "swb_000000000000");
        assert_eq!(whole.parse(), Ok(secret));
    }

    #[test]
    fn no_two_keys_are_alike_and_none_is_shown_by_accident() {
        let ((key, one), (_, other)) = (new(Scope::Full, None).unwrap(), new(Scope::Full, None).unwrap());
        assert_ne!(one, other);
        assert_ne!(one.hash(), other.hash());
        let shown = format!("{key:?} {one:?} {:?}", one.hash());
        assert!(!shown.contains(&one.expose()["swb_".len() + 12..]), "{shown}");
    }

    #[test]
    fn what_is_not_quite_a_key_is_none() {
        let (_, secret) = new(Scope::Full, None).unwrap();
        let good = secret.expose();
        for bad in [
            "",
            "swb_",
            &good[1..],
            &good[..good.len() - 1],
            &format!("{good}0"),
            &good.to_uppercase(),
            &good.replacen("swb_", "swb-", 1),
            &format!("{}é", &good[..good.len() - 2]),
        ] {
            assert!(bad.parse::<ApiKeySecret>().is_err(), "{bad}");
            assert!(bad.parse::<ApiKeyId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_that_can_only_connect_is_good_for_a_quarter_of_an_hour_at_most() {
        let expires = |scope, ttl| new(scope, ttl).map(|(key, _)| key.expires_at.map(|at| at.timestamp()));
        let minutes = |minutes| Some(Duration::from_mins(minutes));
        assert_eq!(expires(Scope::Full, None), Ok(None));
        assert_eq!(expires(Scope::Read, minutes(60)), Ok(Some(3600)));
        assert_eq!(expires(Scope::Connect, None), Ok(Some(900)));
        assert_eq!(expires(Scope::Connect, minutes(5)), Ok(Some(300)));
        assert_eq!(expires(Scope::Connect, minutes(16)), Err(ConnectKeyTooLong));
    }

    #[test]
    fn a_key_is_good_until_it_is_revoked_or_expires() {
        let (key, _) = new(Scope::Full, Some(Duration::from_mins(1))).unwrap();
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert!(key.is_good(at(59)) && !key.is_good(at(60)));
        assert!(!ApiKey { revoked_at: Some(at(1)), ..key }.is_good(at(59)));
    }

    #[test]
    fn a_name_is_what_a_person_would_call_one() {
        for good in ["a", "Reports, nightly", "Größe", &"x".repeat(100)] {
            assert!(good.parse::<ApiKeyName>().is_ok(), "{good}");
        }
        for bad in ["", " ", " a", "a ", "a\nb", "\u{1b}[1m", &"x".repeat(101)] {
            assert!(bad.parse::<ApiKeyName>().is_err(), "{bad:?}");
        }
    }
}
