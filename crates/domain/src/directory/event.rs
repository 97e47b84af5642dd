//! What WAHA tells of a group between two fetches of the list.

use chrono::{DateTime, Utc};

use crate::GroupId;
use crate::parse::hidden;

/// Something happened to one of a session's groups.
///
/// It is data, not a reason to fetch: WAHA's NOWEB engine sends one per group at every fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupEvent {
    /// When, by WAHA's clock. Webhooks arrive in any order; of two events of a group the later one counts.
    pub at: DateTime<Utc>,
    /// To which group.
    pub group: GroupId,
    /// What.
    pub change: GroupChange,
}

/// What happened to a group.
#[derive(Clone, PartialEq, Eq)]
pub enum GroupChange {
    /// The account is in the group, and it may have a name to tell: it joined, or the group was changed.
    Present {
        /// The subject, if the event names one that is not blank.
        name: Option<String>,
        /// Whether the account has just joined: then a group that is not on the list yet belongs there, named or not.
        joined: bool,
    },
    /// The account is no longer in it.
    Left,
}

hidden!(GroupChange);
