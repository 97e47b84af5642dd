//! The name of a list's content.

use std::str::FromStr;

use crate::ParseError;

/// Names the content of a list: equal content has equal versions, on every replica and after every restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListVersion(pub u128);

impl std::fmt::Display for ListVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ListVersion {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const REFUSED: ParseError = ParseError { expected: "32 hexadecimal digits" };
        let is_hex = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex { u128::from_str_radix(text, 16).map(Self).map_err(|_| REFUSED) } else { Err(REFUSED) }
    }
}
