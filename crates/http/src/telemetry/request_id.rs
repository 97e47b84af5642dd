//! Requests in the log.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::HttpMessage;
use actix_web::http::header::{HeaderName, HeaderValue};
use switchboard_domain::ports::Random;

/// A request's id: 1 to 64 ASCII letters, digits, `-`, `_` or `.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    text: [u8; Self::LONGEST],
    length: usize,
}

/// Tells requests apart.
pub(super) struct RequestIds {
    next: AtomicU64,
}

impl RequestId {
    /// Where it stands in a request and in its answer.
    pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

    const LONGEST: usize = 64;

    fn parse(given: &[u8]) -> Option<Self> {
        let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if given.is_empty() || given.len() > Self::LONGEST || !given.iter().all(is_plain) {
            return None;
        }
        let mut text = [0; Self::LONGEST];
        text[..given.len()].copy_from_slice(given);
        Some(Self { text, length: given.len() })
    }

    /// The id as 16 hexadecimal digits.
    fn of_number(number: u64) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; Self::LONGEST];
        for (byte, digits) in number.to_be_bytes().into_iter().zip(text.chunks_exact_mut(2)) {
            digits.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        Self { text, length: 16 }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }

    /// The id, for an answer.
    pub fn to_header(&self) -> HeaderValue {
        HeaderValue::from_str(self.as_str()).unwrap_or(HeaderValue::from_static(""))
    }
}

impl RequestIds {
    pub(super) fn new(random: &dyn Random) -> Self {
        let first = u64::try_from(random.bits() >> 64).unwrap_or_default();
        Self { next: AtomicU64::new(first) }
    }

    /// The request's own, kept with it.
    pub(super) fn of(&self, request: &impl HttpMessage) -> RequestId {
        if let Some(known) = request.extensions().get::<RequestId>() {
            return *known;
        }
        let given = request.headers().get(RequestId::HEADER).map(HeaderValue::as_bytes);
        let id = given.and_then(RequestId::parse).unwrap_or_else(|| self.new_id());
        request.extensions_mut().insert(id);
        id
    }

    /// One that no other request to this process has, and hardly one to another. It does not show how many there were.
    fn new_id(&self) -> RequestId {
        // The last steps of SplitMix64, which give each number another one.
        let mut mixed = self.next.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        RequestId::of_number(mixed ^ (mixed >> 31))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use actix_web::test::TestRequest;
    use switchboard_domain::SystemRandom;

    use super::*;

    #[test]
    fn an_id_of_plain_signs_is_kept_and_anything_else_is_replaced() {
        let ids = RequestIds::new(&SystemRandom);
        let of = |given: &[u8]| {
            let given = HeaderValue::from_bytes(given).unwrap();
            let request = TestRequest::default().insert_header((RequestId::HEADER, given)).to_http_request();
            let id = ids.of(&request);
            assert_eq!(ids.of(&request), id, "it stays the same");
            id.to_string()
        };
        for good in ["a", "01JD-7f.x_9", &"x".repeat(64)] {
            assert_eq!(of(good.as_bytes()), good);
        }
        for bad in ["", "a b", "a\"b", "{}", "é", &"x".repeat(65)] {
            let id = of(bad.as_bytes());
            assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{bad}: {id}");
        }
    }

    #[test]
    fn ids_differ() {
        let ids = RequestIds::new(&SystemRandom);
        let made: HashSet<_> = (0..10_000).map(|_| ids.new_id().to_string()).collect();
        assert_eq!(made.len(), 10_000);
    }
}
