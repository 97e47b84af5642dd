//! WhatsApp, by way of WAHA.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Group, LidTwin, ListedContact, PairingCode, PhoneNumber, QrCode, SessionAddress, SessionLabels, SessionStatus,
    UpstreamSession, WorkerInfo, WorkerName,
};

/// Why WAHA did not do its part. The causes are for the log; none may reach a client.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GatewayError {
    /// WAHA has no such session.
    #[error("WAHA has no such session")]
    NoSession,
    /// The session is in a status in which WAHA does not answer this.
    #[error("WAHA does not answer this while the session is {0}")]
    WrongStatus(SessionStatus),
    /// WAHA understood and said no (a 4xx): nothing has happened.
    #[error("WAHA refused: {0}")]
    Refused(String),
    /// WAHA or WhatsApp wants fewer requests.
    #[error("WhatsApp's rate limit was reached")]
    RateLimited,
    /// Not answered within the deadline: what was asked may have happened or still happen.
    #[error("WAHA did not answer in time")]
    Timeout,
    /// An answer that cannot be used (a 5xx, a cut or malformed body): what was asked may have happened.
    #[error("WAHA's answer was unusable: {0}")]
    Broken(String),
    /// No connection, an unknown worker, one that is left alone or has enough to do, or WAHA too busy with this session:
    /// nothing has happened.
    #[error("WAHA cannot be reached: {0}")]
    Unavailable(String),
}

impl GatewayError {
    /// Whether it is unknown if what was asked has happened, so that nothing may be concluded from the failure.
    pub fn outcome_is_unknown(&self) -> bool {
        match self {
            Self::Timeout | Self::Broken(_) => true,
            Self::NoSession | Self::WrongStatus(_) | Self::Refused(_) | Self::RateLimited | Self::Unavailable(_) => {
                false
            }
        }
    }

    /// When it makes sense to try again, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited => Some(Duration::from_secs(30)),
            Self::Unavailable(_) | Self::Timeout => Some(Duration::from_secs(5)),
            Self::NoSession | Self::WrongStatus(_) | Self::Refused(_) | Self::Broken(_) => None,
        }
    }
}

/// What came of a create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// There is a new session, and it is starting.
    New,
    /// There was one already; it is as it was.
    Existed,
}

/// WhatsApp sessions on WAHA servers.
///
/// Every call keeps a deadline of its own, reads a bounded answer, and fails with [`GatewayError::Unavailable`] for a
/// worker it does not know. Unknown statuses and fields never make it fail.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait WhatsAppGateway: Send + Sync {
    /// The session, at once and whatever its status; `None` if WAHA has none of that name.
    async fn session(&self, at: &SessionAddress) -> Result<Option<UpstreamSession>, GatewayError>;

    /// All sessions of a worker, stopped ones too, in no particular order.
    async fn sessions(&self, worker: &WorkerName) -> Result<Vec<UpstreamSession>, GatewayError>;

    /// Creates and starts a session that carries `labels`. Safe to repeat.
    async fn create(&self, at: &SessionAddress, labels: &SessionLabels) -> Result<Created, GatewayError>;

    /// Starts a stopped session; one that runs is left alone, and FAILED counts as running.
    ///
    /// # Errors
    /// [`GatewayError::NoSession`] if there is none.
    async fn start(&self, at: &SessionAddress) -> Result<(), GatewayError>;

    /// Stops and starts a session, out of FAILED too. Never repeated by the adapter.
    ///
    /// # Errors
    /// [`GatewayError::NoSession`] if there is none.
    async fn restart(&self, at: &SessionAddress) -> Result<(), GatewayError>;

    /// Unpairs a session and forgets its login; one that was running (FAILED counts) starts again with a new QR code.
    /// Never repeated by the adapter.
    ///
    /// # Errors
    /// [`GatewayError::NoSession`] if there is none.
    async fn logout(&self, at: &SessionAddress) -> Result<(), GatewayError>;

    /// Unpairs, stops and deletes a session; one that does not exist is deleted already. Safe to repeat.
    async fn delete(&self, at: &SessionAddress) -> Result<(), GatewayError>;

    /// The present QR code.
    ///
    /// # Errors
    /// [`GatewayError::WrongStatus`] unless the session is `SCAN_QR_CODE`; WAHA waits 5 to 10 s before it says so.
    async fn qr(&self, at: &SessionAddress) -> Result<QrCode, GatewayError>;

    /// A code that pairs the phone of that number instead of a scan. Never repeated by the adapter.
    ///
    /// # Errors
    /// [`GatewayError::WrongStatus`] unless the session is `SCAN_QR_CODE`.
    async fn request_pairing_code(&self, at: &SessionAddress, phone: &PhoneNumber)
    -> Result<PairingCode, GatewayError>;

    /// Makes the engine ask WhatsApp for the groups anew, where it keeps a list of its own. Never repeated by the adapter:
    /// WhatsApp limits how often it may be asked.
    ///
    /// # Errors
    /// As [`WhatsAppGateway::groups`]; [`GatewayError::RateLimited`].
    async fn refresh_groups(&self, at: &SessionAddress) -> Result<(), GatewayError>;

    /// All groups, in no particular order.
    ///
    /// # Errors
    /// [`GatewayError::WrongStatus`] unless the session is `WORKING`; WAHA waits 5 to 10 s before it says so.
    async fn groups(&self, at: &SessionAddress) -> Result<Vec<Group>, GatewayError>;

    /// All entries of the contact list as the engine has it, in no particular order: see [`crate::Contact::from_listed`].
    ///
    /// # Errors
    /// As [`WhatsAppGateway::groups`].
    async fn contacts(&self, at: &SessionAddress) -> Result<Vec<ListedContact>, GatewayError>;

    /// All hidden ids whose phone number is known. Empty where the engine cannot tell.
    ///
    /// # Errors
    /// As [`WhatsAppGateway::groups`].
    async fn lid_twins(&self, at: &SessionAddress) -> Result<Vec<LidTwin>, GatewayError>;

    /// Makes a session report to where, and what, we want it to. WAHA stops and starts it for that: it is unreachable for
    /// 1 to 3 s. Nothing else of its configuration changes. Never repeated by the adapter.
    ///
    /// # Errors
    /// [`GatewayError::NoSession`] if there is none.
    async fn renew_webhook(&self, at: &SessionAddress) -> Result<(), GatewayError>;

    /// The configured workers by name, as they were last heard of, by any call that succeeded. One that answered is
    /// [`WorkerHealth::Down`](crate::WorkerHealth::Down) after two probes in vain, and while it is left alone because it
    /// fails. Asks nobody.
    fn workers(&self) -> Vec<WorkerInfo>;

    /// Asks every configured worker once whether it answers, and what it runs; returns what is known then. One that is left
    /// alone is not asked before its pause is over.
    async fn probe(&self) -> Vec<WorkerInfo>;
}
