//! Groups: those WhatsApp lists, and those a user linked.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::parse::{hidden, text_newtype};
use crate::{Campaign, ChatId, GroupId, ParseError, SessionId};

/// What an entry without any name is called.
pub const UNKNOWN_NAME: &str = "Unknown";

/// A group as WhatsApp lists it.
#[derive(Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its subject; [`UNKNOWN_NAME`] where the engine has none.
    pub name: String,
}

/// The id of a linked group: a cuid2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkedGroupId(String);

text_newtype!(LinkedGroupId);

impl FromStr for LinkedGroupId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if cuid2::is_cuid2(text) { Ok(Self(text.to_owned())) } else { Err(ParseError { expected: "a cuid2" }) }
    }
}

/// A group that a user chose to work with.
///
/// It remembers the WhatsApp account it was linked under: only the present account's groups are shown, so that a user
/// who connects another phone does not see the old one's.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkedGroup {
    /// The id of the link.
    pub id: LinkedGroupId,
    /// The session it belongs to.
    pub session: SessionId,
    /// The WhatsApp account it was linked under.
    pub account: ChatId,
    /// The group.
    pub group: GroupId,
    /// The group's name when last seen.
    pub name: String,
    /// When it was first linked.
    pub created_at: DateTime<Utc>,
    /// When the link or its name last changed.
    pub updated_at: DateTime<Utc>,
}

hidden!(Group, LinkedGroup);

/// A linked group with its active campaigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCampaigns {
    /// The linked group.
    pub group: LinkedGroup,
    /// Its campaigns that are planned or running, by start date then id.
    pub campaigns: Vec<Campaign>,
}
