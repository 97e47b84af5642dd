//! What WAHA reports by itself.

use chrono::{DateTime, Utc};

use crate::{GroupEvent, Me, SessionName, SessionStatus, WorkerName};

/// Something WAHA reported of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamEvent {
    /// The worker that reported it, as its signature proves.
    pub worker: WorkerName,
    /// The session it is about; perhaps none of ours.
    pub session: SessionName,
    /// The account it was paired with, if the report names one: a report may come late, when another phone is paired.
    pub me: Option<Me>,
    /// What.
    pub report: Report,
}

/// What WAHA reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The session's status changed, or WAHA says it again: in `SCAN_QR_CODE` each report means a new QR code.
    Status {
        /// When, by WAHA's clock. Reports arrive in any order, and some twice.
        at: DateTime<Utc>,
        /// WAHA's word.
        status: SessionStatus,
    },
    /// Something happened to one of its groups.
    Group(GroupEvent),
}

/// Why a report is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefused {
    /// No such worker, one that has no secret, or a signature that is missing or not the worker's.
    #[error("the report is not signed by a known worker")]
    Unsigned,
    /// Signed, but not what WAHA sends.
    #[error("the report cannot be read")]
    Malformed,
}

/// Reads WAHA's reports.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait WebhookReader: Send + Sync {
    /// The event in a report of `worker`, whose `signature` (empty if it came without one) is checked first; `None` for one that is of no use here: of a
    /// kind, or of a session name, that we do not know.
    ///
    /// # Errors
    /// [`WebhookRefused`] if it is not to be believed or not to be read.
    fn read(&self, worker: &WorkerName, signature: &str, body: &[u8]) -> Result<Option<UpstreamEvent>, WebhookRefused>;
}
