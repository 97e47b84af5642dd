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
    /// The worker it was created on, if it says so.
    pub home: Option<WorkerName>,
    /// Whether it is known to report elsewhere, or something else, than we want it to.
    pub is_webhook_outdated: bool,
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

/// What an operator wants of a worker. The same for all replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// It takes new sessions.
    Active,
    /// It takes none: its paired sessions stay, and whoever needs a new QR code gets it elsewhere.
    Draining,
    /// It is gone for good, and its sessions with it: they are placed anew.
    Removed,
}

impl WorkerState {
    const ALL: [Self; 3] = [Self::Active, Self::Draining, Self::Removed];

    /// The word, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Removed => "removed",
        }
    }
}

impl FromStr for WorkerState {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(ParseError { expected: "active, draining or removed" })
    }
}

/// A worker that is configured here, and what was last heard of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerInfo {
    /// Which worker.
    pub name: WorkerName,
    /// How many sessions it may have.
    pub capacity: u32,
    /// Whether it answers.
    pub health: WorkerHealth,
    /// Whether it fails so often that it is left alone for a while: its breaker is open.
    pub is_left_alone: bool,
    /// What it runs, once it has said so.
    pub software: Option<WorkerSoftware>,
}

/// Whether a worker answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerHealth {
    /// It has not been asked yet.
    Unknown,
    /// It answered when it was last asked.
    Up,
    /// It did not, or fails so often that it is left alone for a while.
    Down,
}

/// What a worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSoftware {
    /// WAHA's engine, like `NOWEB`. One a server.
    pub engine: Box<str>,
    /// WAHA's version, like `2026.7.1`.
    pub version: Box<str>,
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
