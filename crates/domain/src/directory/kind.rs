//! Which of a session's two lists.

use std::str::FromStr;

use crate::ParseError;

/// Which of a session's two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListKind {
    /// The groups the account is in.
    Groups,
    /// The people it knows.
    Contacts,
}

impl ListKind {
    /// The word, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Contacts => "contacts",
        }
    }
}

impl FromStr for ListKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "groups" => Ok(Self::Groups),
            "contacts" => Ok(Self::Contacts),
            _ => Err(ParseError { expected: "groups or contacts" }),
        }
    }
}
