//! A user's session: the row that says what the user wants, beside WAHA, which says what is.

mod observation;

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use self::observation::Observation;
use crate::parse::text_newtype;
use crate::{ChatId, GroupCampaigns, ParseError, PhoneNumber, SessionStatus, UserId, WorkerName};

/// The id of a session's row: a cuid2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

text_newtype!(SessionId);

impl FromStr for SessionId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if cuid2::is_cuid2(text) { Ok(Self(text.to_owned())) } else { Err(ParseError { expected: "a cuid2" }) }
    }
}

/// A session's name in WAHA: 1 to 54 ASCII letters, digits, `-` or `_` (WAHA's own rule, 2026.7.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionName(String);

text_newtype!(SessionName);

impl SessionName {
    /// A new session's name: `session_` and the digits of 128 random bits, so that none can be guessed.
    pub fn generated(random: u128) -> Self {
        Self(format!("session_{random}"))
    }
}

impl FromStr for SessionName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if (1..=54).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError { expected: "a session name of 1 to 54 letters, digits, - or _" })
        }
    }
}

/// What the user wants of a session. WAHA's status says what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// Asked for; WAHA may or may not have it yet.
    Connecting,
    /// WAHA accepted it. Whether it is paired is the status.
    Connected,
    /// The user logged out; WAHA may still have it.
    LoggingOut,
    /// Gone from WAHA. The row stays: its name is used again and its linked groups live on.
    Disconnected,
}

impl Lifecycle {
    const ALL: [Self; 4] = [Self::Connecting, Self::Connected, Self::LoggingOut, Self::Disconnected];

    /// The word, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::LoggingOut => "logging_out",
            Self::Disconnected => "disconnected",
        }
    }

    /// Whether the user wants the session: only then is WAHA asked about it.
    pub fn is_wanted(self) -> bool {
        matches!(self, Self::Connecting | Self::Connected)
    }
}

impl FromStr for Lifecycle {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|lifecycle| lifecycle.as_str() == text)
            .ok_or(ParseError { expected: "connecting, connected, logging_out or disconnected" })
    }
}

/// Which pairing of a session something belongs to.
///
/// Raised at logout and when WORKING reports another account. Whatever carries an older one is discarded, on write and
/// on read, on every replica, so that nothing of an old account is ever shown under a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub i64);

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// How often what is remembered of a session has been written: a write that was made from an older one comes too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(pub i64);

/// Where a session is in WAHA: which worker, under which name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionAddress {
    /// The WAHA server.
    pub worker: WorkerName,
    /// The session's name there.
    pub name: SessionName,
}

/// A user's session. One a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The row's id.
    pub id: SessionId,
    /// Its name in WAHA.
    pub name: SessionName,
    /// Whose it is.
    pub owner: UserId,
    /// The WAHA server it is placed on. Sticky. While it is disconnected, the one it was on last, or none in particular:
    /// the next connect places it.
    pub worker: WorkerName,
    /// What the user wants.
    pub lifecycle: Lifecycle,
    /// Which pairing this is.
    pub epoch: Epoch,
    /// How often the lifecycle and what follows have been written.
    pub revision: Revision,
    /// The phone number: the account's, once known, unless the user wrote another.
    pub phone: Option<PhoneNumber>,
    /// The WhatsApp account of the present or last pairing of this epoch.
    pub account: Option<ChatId>,
    /// When this pairing was first seen WORKING; `None` while unpaired.
    pub paired_at: Option<DateTime<Utc>>,
    /// The last status WAHA gave; absent in WAHA counts as STOPPED.
    pub status: Option<SessionStatus>,
    /// Since when WAHA has said STOPPED, FAILED or absent without a break.
    pub down_since: Option<DateTime<Utc>>,
    /// When a connect last restarted it out of FAILED, until it is next seen paired or offering a QR code.
    pub revived_at: Option<DateTime<Utc>>,
    /// When, by WAHA's clock, the newest report was made that this row has taken in; older ones come too late.
    pub reported_at: Option<DateTime<Utc>>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When what the user sees of it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Session {
    /// How long WAHA may say STOPPED, FAILED or absent before the user's screen says "not connected": a reboot of WAHA
    /// or of ours reads STOPPED for a while.
    pub const DOWN_GRACE: TimeDelta = TimeDelta::seconds(30);

    /// A session that nobody has connected yet: `worker` is none in particular.
    pub fn new(id: SessionId, name: SessionName, owner: UserId, worker: WorkerName, now: DateTime<Utc>) -> Self {
        Self {
            id,
            name,
            owner,
            worker,
            lifecycle: Lifecycle::Disconnected,
            epoch: Epoch::default(),
            revision: Revision::default(),
            phone: None,
            account: None,
            paired_at: None,
            status: None,
            down_since: None,
            revived_at: None,
            reported_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Where WAHA has it.
    pub fn address(&self) -> SessionAddress {
        SessionAddress { worker: self.worker.clone(), name: self.name.clone() }
    }

    /// Whether the user's screen shows it as connected, going by what the row remembers.
    pub fn is_shown(&self, now: DateTime<Utc>) -> bool {
        self.lifecycle == Lifecycle::Connected && !self.is_lost(now)
    }

    /// Whether WAHA has said STOPPED, FAILED or absent for so long that it is no reboot.
    pub fn is_lost(&self, now: DateTime<Utc>) -> bool {
        self.down_since.is_some_and(|since| now - since >= Self::DOWN_GRACE)
    }
}

/// What a user's start screen shows: the session, its linked groups, their active campaigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOverview {
    /// The session.
    pub session: Session,
    /// The groups linked under the session's present account, by link date then id.
    pub groups: Vec<GroupCampaigns>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_is_one_that_waha_allows() {
        for random in [0, u128::MAX] {
            let name = SessionName::generated(random);
            assert!(name.as_str().parse::<SessionName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_waha_would_refuse_are_refused() {
        let long = "a".repeat(55);
        for text in ["", "a b", "a.b", "../x", "a%2e", "é", long.as_str()] {
            assert!(text.parse::<SessionName>().is_err(), "{text:?}");
        }
    }
}
