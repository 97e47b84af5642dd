//! WAHA servers.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::parse::text_newtype;
use crate::{ChatId, ParseError, SessionName, SessionStatus, UserId};

/// A WAHA server's name in the configuration: 1 to 64 ASCII letters, digits, `-`, `_` or `.`, the first no `.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkerName(String);

text_newtype!(WorkerName);

impl FromStr for WorkerName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if (1..=64).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError { expected: "a worker name of 1 to 64 letters, digits, -, _ or ., not starting with ." })
        }
    }
}

/// This deployment's id: made once, kept in the database, written on every session we create in WAHA, so that we never
/// touch a session that is somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeploymentId(String);

text_newtype!(DeploymentId);

impl FromStr for DeploymentId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if cuid2::is_cuid2(text) { Ok(Self(text.to_owned())) } else { Err(ParseError { expected: "a cuid2" }) }
    }
}

/// A session as WAHA has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSession {
    /// Its name.
    pub name: SessionName,
    /// What WAHA says of it.
    pub status: SessionStatus,
    /// The account WAHA names. Set before a scan is complete and kept after a logout on the phone: only
    /// [`SessionStatus::Working`] makes it true.
    pub me: Option<Me>,
    /// The deployment that created it, if it says so.
    pub deployment: Option<DeploymentId>,
}

/// The account of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// Its id by phone number.
    pub id: ChatId,
    /// Its hidden id.
    pub lid: Option<ChatId>,
}

/// What a session created in WAHA carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLabels {
    /// Whose it is.
    pub owner: UserId,
    /// Who created it.
    pub deployment: DeploymentId,
}

/// Whether a worker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerHealth {
    /// Which worker.
    pub name: WorkerName,
    /// Whether it answered just now.
    pub answers: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_name_is_one_path_segment() {
        for name in ["", ".", "..", ".hidden", "a/b", "a b", "é"] {
            assert!(name.parse::<WorkerName>().is_err(), "{name:?}");
        }
        assert!("waha-1.example".parse::<WorkerName>().is_ok());
    }
}
