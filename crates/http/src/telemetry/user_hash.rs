//! Users in the log.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use switchboard_domain::UserId;
use switchboard_domain::ports::Random;

/// Hashes of users' ids: whoever has the log and not the key cannot tell whose they are, nor try ids on them.
pub(super) struct UserHashes(Hmac<Sha256>);

/// The first 64 bits of the HMAC-SHA256 of an id, which are shown as 16 hexadecimal digits.
pub(super) struct UserHash([u8; 8]);

impl UserHashes {
    pub(super) fn new(key: Option<SecretString>, random: &dyn Random) -> Self {
        let keyed = |key: &[u8]| Hmac::new_from_slice(key).expect("HMAC takes a key of any length");
        Self(match key {
            Some(key) => keyed(key.expose_secret().as_bytes()),
            None => keyed(&[random.bits().to_be_bytes(), random.bits().to_be_bytes()].concat()),
        })
    }

    pub(super) fn of(&self, user: &UserId) -> UserHash {
        let mut hash = self.0.clone();
        hash.update(user.as_str().as_bytes());
        let hash = hash.finalize().into_bytes();
        UserHash(std::array::from_fn(|index| hash[index]))
    }
}

impl fmt::Display for UserHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use switchboard_domain::SystemRandom;

    use super::*;

    #[test]
    fn a_user_is_known_by_the_key_and_not_without_it() {
        let ana: UserId = "ana".parse().unwrap();
        let keyed = |key: &str| UserHashes::new(Some(key.to_owned().into()), &SystemRandom).of(&ana).to_string();
        // printf ana | openssl dgst -sha256 -hmac "a key"
        assert_eq!(keyed("a key"), HASH_OF_ANA);
        assert_ne!(keyed("another key"), keyed("a key"));
        let unkeyed = || UserHashes::new(None, &SystemRandom).of(&ana).to_string();
        assert_ne!(unkeyed(), unkeyed());
    }

    const HASH_OF_ANA: &str = "2a92e185ef27fdac";
}
