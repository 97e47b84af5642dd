//! The one map from what went wrong to what a client is told.

use switchboard_domain::ports::{GatewayError, StorageError};
use switchboard_domain::{Error, Precondition};

use crate::auth::NotSignedIn;
use crate::trpc;
use crate::trpc::Code;

/// What a client is told of an error: its kind, a stable word for programs, a sentence for people.
struct Told {
    code: Code,
    reason: &'static str,
    message: &'static str,
}

impl From<Error> for trpc::Error {
    fn from(error: Error) -> Self {
        let answer = answer(&error);
        if answer.code().http_status() < 500 {
            return answer;
        }
        // Logged with the call that came to this; see `telemetry::calls`.
        answer.with_cause(Chain(&error).to_string())
    }
}

/// What a client is told of an error.
pub(crate) fn answer(error: &Error) -> trpc::Error {
    let Told { code, reason, message } = told(error);
    let answer = trpc::Error::new(code, message).with_reason(reason);
    match error.retry_after() {
        Some(after) => answer.with_retry_after(after),
        None => answer,
    }
}

fn told(error: &Error) -> Told {
    let (code, reason, message) = match error {
        Error::NotFound => (Code::NotFound, "not_found", "Session not found"),
        Error::NoGroup => (Code::NotFound, "group_not_found", "Group not found"),
        Error::Precondition(precondition) => return told_precondition(*precondition),
        Error::ActiveCampaign => (Code::Conflict, "active_campaign", "The group has a scheduled or running campaign"),
        Error::VersionGone => (Code::Conflict, "version_gone", "The list has changed: start again from its first page"),
        Error::TooSoon(_) => {
            (Code::TooManyRequests, "refreshed_recently", "The lists were refreshed a moment ago: try again later")
        }
        Error::NoWorker => {
            (Code::ServiceUnavailable, "no_worker", "All WhatsApp servers are full or out of reach: try again later")
        }
        Error::WorkerFailing => (
            Code::ServiceUnavailable,
            "worker_failing",
            "Most sessions of this WhatsApp server are failing: try again later, or log out to start afresh",
        ),
        Error::Busy => (
            Code::ServiceUnavailable,
            "busy",
            "Another operation on this session is still running: try again in a moment",
        ),
        Error::Internal => (Code::InternalServerError, "internal", "Internal server error"),
        Error::Gateway(error) => return told_gateway(error),
        Error::Storage(error) => return told_storage(error),
    };
    Told { code, reason, message }
}

fn told_precondition(precondition: Precondition) -> Told {
    let (reason, message) = match precondition {
        Precondition::NotConnected => ("not_connected", "The session is not connected: connect it first"),
        Precondition::AlreadyConnected => {
            ("already_connected", "The session is already connected to a WhatsApp account")
        }
        Precondition::Starting => ("starting", "The session is still starting: try again in a moment"),
        Precondition::NotPaired => ("not_paired", "No phone is paired yet: scan the QR code first"),
    };
    Told { code: Code::PreconditionFailed, reason, message }
}

fn told_gateway(error: &GatewayError) -> Told {
    let (code, reason, message) = match error {
        GatewayError::NoSession => return told_precondition(Precondition::NotConnected),
        GatewayError::WrongStatus(_) => return told_precondition(Precondition::Starting),
        GatewayError::RateLimited => {
            (Code::TooManyRequests, "whatsapp_rate_limit", "WhatsApp asks for fewer requests: try again later")
        }
        GatewayError::Timeout => (Code::GatewayTimeout, "waha_timeout", "The WhatsApp server did not answer in time"),
        GatewayError::Refused(_) | GatewayError::Broken(_) => {
            (Code::BadGateway, "waha_broken", "The WhatsApp server gave no usable answer")
        }
        GatewayError::Unavailable(_) => {
            (Code::ServiceUnavailable, "waha_unavailable", "The WhatsApp server cannot be reached")
        }
    };
    Told { code, reason, message }
}

fn told_storage(error: &StorageError) -> Told {
    let (code, reason, message) = match error {
        StorageError::Unavailable(_) => {
            (Code::ServiceUnavailable, "database_unavailable", "The database cannot be reached")
        }
        StorageError::Conflict | StorageError::Failed(_) => {
            (Code::InternalServerError, "internal", "Internal server error")
        }
    };
    Told { code, reason, message }
}

/// Why was logged where it was found out: a batch of calls has it in common.
impl From<NotSignedIn> for trpc::Error {
    fn from(error: NotSignedIn) -> Self {
        let (code, reason, message) = match error {
            NotSignedIn::Refused => return Self::of(Code::Unauthorized),
            NotSignedIn::CrossSite => {
                let message = "A session cookie is good for pages of this site and of the origins that are configured";
                (Code::Forbidden, "cross_site", message)
            }
            NotSignedIn::NotJson => {
                let message = "With a session cookie, whatever changes something has to be application/json";
                (Code::UnsupportedMediaType, "not_json", message)
            }
            NotSignedIn::Unavailable { .. } => {
                let message = "It cannot be checked at the moment who is signed in: try again later";
                (Code::ServiceUnavailable, "sign_in_unavailable", message)
            }
            NotSignedIn::Failed => return Self::internal(),
        };
        let answer = Self::new(code, message).with_reason(reason);
        match error {
            NotSignedIn::Unavailable { retry_after } => answer.with_retry_after(retry_after),
            _ => answer,
        }
    }
}

/// An error and all its causes on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
