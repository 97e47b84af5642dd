//! Why a call came to nothing.

use std::fmt;

use reqwest::StatusCode;
use switchboard_domain::ports::GatewayError;

use crate::refusal::Refusal;

/// Why a call came to nothing, as far as this crate minds.
#[derive(Debug)]
pub(crate) enum Failure {
    /// WAHA answered, and it was no success.
    Refused {
        /// With which status.
        status: StatusCode,
        /// What it means.
        refusal: Refusal,
    },
    /// There was no answer, or none that can be used.
    Lost {
        /// What the caller is told.
        error: GatewayError,
        /// Whether the same call may well succeed a moment later.
        passing: bool,
    },
}

impl Failure {
    /// A body that is not what it should be; asking again would bring the same.
    pub(crate) fn broken(cause: impl Into<String>) -> Self {
        Self::Lost { error: GatewayError::Broken(cause.into()), passing: false }
    }

    /// The deadline passed.
    pub(crate) fn timeout() -> Self {
        Self::Lost { error: GatewayError::Timeout, passing: false }
    }

    /// What WAHA meant, if it answered.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            Self::Lost { .. } => None,
        }
    }

    /// The status of WAHA's answer, if there was one that was no success.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.as_u16()),
            Self::Lost { .. } => None,
        }
    }

    /// Whether the same call may well succeed a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => refusal.is_passing(),
            Self::Lost { passing, .. } => *passing,
        }
    }

    /// Whether it is unknown if what was asked has happened.
    pub(crate) fn outcome_is_unknown(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => refusal.outcome_is_unknown(),
            Self::Lost { error, .. } => error.outcome_is_unknown(),
        }
    }

    /// What this means of a call that was made before, nobody knows with what outcome: only what WAHA says of the
    /// session still tells it.
    pub(crate) fn after_an_unknown_outcome(self) -> Self {
        if self.refusal().is_some_and(Refusal::tells_of_the_session) || self.outcome_is_unknown() {
            self
        } else {
            Self::broken(format!("no usable answer, and then: {self}"))
        }
    }

    /// What the failure of a request means that reqwest made. Only what lies at the bottom of its error is told: above
    /// it stands the address.
    pub(crate) fn from_request(error: &reqwest::Error) -> Self {
        let cause = root_cause(error);
        if error.is_connect() {
            // Who does not even accept in time is not asked again: that would cost the deadline, and with it the
            // knowledge that nothing has happened.
            let passing = !error.is_timeout();
            return Self::Lost { error: GatewayError::Unavailable(format!("no connection: {cause}")), passing };
        }
        Self::Lost { error: GatewayError::Broken(format!("the connection was lost: {cause}")), passing: true }
    }

    /// The body broke off while it was read, or could not be decompressed: reqwest calls both the same.
    pub(crate) fn cut() -> Self {
        Self::Lost { error: GatewayError::Broken("the body was cut or garbled".to_owned()), passing: true }
    }
}

/// Neither form holds anything of a body.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { refusal, .. } => GatewayError::from(refusal.clone()).fmt(f),
            Self::Lost { error, .. } => error.fmt(f),
        }
    }
}

impl From<Failure> for GatewayError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { refusal, .. } => refusal.into(),
            Failure::Lost { error, .. } => error,
        }
    }
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| "unknown cause".to_owned(), ToString::to_string)
}
