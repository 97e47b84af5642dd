//! Random ids, in the forms WAHA uses.

use rand::Rng;

use crate::clock::now_ms;

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A ULID in lower case, as in `evt_01m82df8e4tv5vhsda3wdn1dx4`.
pub(crate) fn ulid() -> String {
    let ms = u64::try_from(now_ms()).unwrap_or(0);
    let time = (0..10).rev().map(|place| letter(CROCKFORD, usize::try_from((ms >> (5 * place)) & 31).unwrap_or(0)));
    time.chain(random(CROCKFORD, 16).chars()).collect()
}

/// `X-Webhook-Request-Id`, as in `3b2ozl9nkmws9g79i`.
pub(crate) fn request_id() -> String {
    random(b"0123456789abcdefghijklmnopqrstuvwxyz", 17)
}

/// A pairing code, as in `CRGN-G5PH`.
pub(crate) fn pairing_code() -> String {
    const LETTERS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTVWXYZ";
    format!("{}-{}", random(LETTERS, 4), random(LETTERS, 4))
}

/// A number that repeats for a text: the same account has the same groups on every run.
pub(crate) fn hash(text: &str) -> u64 {
    // FNV-1a: the standard library's hasher promises no stable value.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn random(letters: &[u8], length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| letter(letters, rng.random_range(0..letters.len()))).collect()
}

fn letter(letters: &[u8], at: usize) -> char {
    char::from(letters[at])
}
