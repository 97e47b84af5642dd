//! Campaigns, which a sibling service runs on linked groups.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::parse::text_newtype;
use crate::{LinkedGroupId, ParseError};

/// The id of a campaign: 1 to 64 ASCII letters, digits, `-` or `_`; the service that makes it chooses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CampaignId(String);

text_newtype!(CampaignId);

impl FromStr for CampaignId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError { expected: "an id of 1 to 64 letters, digits, - or _" })
        }
    }
}

/// Something planned or running on a linked group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// The linked group it runs on.
    pub group: LinkedGroupId,
    /// How far it is.
    pub status: CampaignStatus,
    /// When it starts or started.
    pub start_date: DateTime<Utc>,
}

/// How far a campaign is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CampaignStatus {
    /// Being written; not planned yet.
    Draft,
    /// Will start.
    Scheduled,
    /// Is running.
    InProgress,
    /// Ran to its end.
    Completed,
    /// Was called off.
    Cancelled,
    /// Broke off.
    Failed,
}

impl CampaignStatus {
    /// The statuses of a campaign that a user still has to know about.
    pub const ACTIVE: [Self; 2] = [Self::Scheduled, Self::InProgress];

    const ALL: [Self; 6] =
        [Self::Draft, Self::Scheduled, Self::InProgress, Self::Completed, Self::Cancelled, Self::Failed];

    /// The word, as it is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Scheduled => "SCHEDULED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether the campaign is planned or running: shown to the user, and a reason not to unlink its group.
    pub fn is_active(self) -> bool {
        Self::ACTIVE.contains(&self)
    }
}

impl FromStr for CampaignStatus {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(ParseError { expected: "DRAFT, SCHEDULED, IN_PROGRESS, COMPLETED, CANCELLED or FAILED" })
    }
}
