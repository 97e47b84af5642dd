//! Who owns a session.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ParseError;
use crate::parse::{hidden, text_newtype};

/// A signed-in user's id, as the identity provider names them, which may be by their mail address: 1 to 255 bytes without
/// control characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

text_newtype!(personal UserId);
hidden!(UserId);

impl FromStr for UserId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if (1..=255).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError { expected: "a user id of 1 to 255 bytes without control characters" })
        }
    }
}
