//! What WAHA means by an answer that is no success.

use reqwest::StatusCode;
use serde::Deserialize;
use switchboard_domain::SessionStatus;
use switchboard_domain::ports::GatewayError;

use crate::loose::{Loose, Object};

/// An answer that is no success. It keeps nothing of the body but a status word: messages echo what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such session.
    NoSession,
    /// There is one already.
    Exists,
    /// The session's status is another.
    WrongStatus(SessionStatus),
    /// The engine, its settings or this version of WAHA cannot do it.
    Unsupported(&'static str),
    /// WhatsApp or a proxy wants fewer requests.
    RateLimited,
    /// The session is locked by another operation, or the server by its own: nothing was done.
    Busy(&'static str),
    /// It was begun, did not end in time, and goes on.
    Unfinished,
    /// Any other 3xx or 4xx: understood, not done.
    Denied(StatusCode),
    /// Any other 5xx.
    Fault(StatusCode),
}

impl Refusal {
    /// Reads an answer with that status. The body may be anything.
    pub(crate) fn read(status: StatusCode, body: &[u8]) -> Self {
        let body: Body = serde_json::from_slice(body).unwrap_or_default();
        let message = body.message.as_deref().unwrap_or_default();
        match status {
            StatusCode::NOT_FOUND if is_missing_session(message) => Self::NoSession,
            StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => Self::Unsupported(match status {
                StatusCode::NOT_FOUND => "it has no such call: is this WAHA's address?",
                _ => "its engine cannot do this",
            }),
            StatusCode::BAD_REQUEST if message.contains("NOWEB store") => {
                Self::Unsupported("the session was created without the NOWEB store")
            }
            StatusCode::UNPROCESSABLE_ENTITY => body.unprocessable(),
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            StatusCode::SERVICE_UNAVAILABLE => Self::Busy("503"),
            StatusCode::GATEWAY_TIMEOUT => Self::Unfinished,
            _ if status.is_server_error() => {
                body.exception.0.and_then(Exception::meaning).unwrap_or(Self::Fault(status))
            }
            _ => Self::Denied(status),
        }
    }

    /// Whether it says how the session is: nothing is wrong with WAHA or the call.
    pub(crate) fn tells_of_the_session(&self) -> bool {
        matches!(self, Self::NoSession | Self::Exists | Self::WrongStatus(_))
    }

    /// Whether another session, engine or version could have done it.
    pub(crate) fn is_inability(&self) -> bool {
        matches!(self, Self::Unsupported(_) | Self::Denied(StatusCode::BAD_REQUEST))
    }

    /// Whether it is unknown if what was asked has happened.
    pub(crate) fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Unfinished)
    }

    /// Whether the same call may well succeed a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Fault(_) => true,
            // A lock is waited for by WAHA already, 5 s long; of a 503, it is the proxy that speaks.
            Self::Busy(what) => *what == "503",
            Self::NoSession
            | Self::Exists
            | Self::WrongStatus(_)
            | Self::Unsupported(_)
            | Self::RateLimited
            | Self::Unfinished
            | Self::Denied(_) => false,
        }
    }
}

impl From<Refusal> for GatewayError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSession => Self::NoSession,
            Refusal::Exists => Self::Refused("the session exists already".to_owned()),
            Refusal::WrongStatus(status) => Self::WrongStatus(status),
            Refusal::Unsupported(why) => Self::Refused(why.to_owned()),
            Refusal::RateLimited => Self::RateLimited,
            Refusal::Busy(why) => Self::Unavailable(why.to_owned()),
            Refusal::Unfinished => Self::Timeout,
            Refusal::Denied(StatusCode::UNAUTHORIZED) => Self::Refused("401: the API key is wrong".to_owned()),
            Refusal::Denied(StatusCode::FORBIDDEN) => Self::Refused("403: the API key may not do this".to_owned()),
            Refusal::Denied(status) => Self::Refused(status.to_string()),
            Refusal::Fault(status) => Self::Broken(status.to_string()),
        }
    }
}

/// What is looked at in the body of a refusal. WAHA has three forms: Nest's, two of its own for 422, and a dump of the
/// exception for 500.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    message: Loose<String>,
    error: Loose<String>,
    status: Loose<String>,
    exception: Loose<Exception>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Exception {
    message: Loose<String>,
    data: Loose<u64>,
}

impl Object for Exception {}

impl Body {
    fn unprocessable(self) -> Refusal {
        let error = self.error.as_deref().unwrap_or_default();
        let message = self.message.as_deref().unwrap_or_default();
        if let Some(status) = self.status.as_deref() {
            return Refusal::WrongStatus(status.into());
        }
        if let Some((_, status)) = message.split_once("The current status is ") {
            return Refusal::WrongStatus(status.trim_end_matches('.').into());
        }
        if error.starts_with("Session ") && error.contains("does not exist") {
            return Refusal::NoSession;
        }
        if message.starts_with("Session ") && message.contains("already exists") {
            return Refusal::Exists;
        }
        if message.contains("WAHA Core support") {
            return Refusal::Unsupported("a WAHA Core before 2026.6.1 has but one session");
        }
        Refusal::Denied(StatusCode::UNPROCESSABLE_ENTITY)
    }
}

impl Exception {
    fn meaning(self) -> Option<Refusal> {
        let message = self.message.as_deref().unwrap_or_default();
        if message.contains("rate-overlimit") || self.data.0 == Some(429) {
            Some(Refusal::RateLimited)
        } else if message.contains("async-lock timed out") {
            Some(Refusal::Busy("another operation holds the session's lock"))
        } else if message.contains("Maximum execution time is exceeded") {
            Some(Refusal::Unfinished)
        } else {
            None
        }
    }
}

/// Nest's own 404, `Cannot GET /…`, is about the route, and a proxy's is no JSON.
fn is_missing_session(message: &str) -> bool {
    message.starts_with("Session ") || message.contains("find a session")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Refusal {
        Refusal::read(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn both_forms_of_422_are_told_apart() {
        let unknown = r#"{"error":"Session \"nobody\" does not exist","session":"nobody"}"#;
        let starting = r#"{"error":"Session status is not as expected. Try again later or restart the session","session":"user42","status":"STARTING","expected":["WORKING"]}"#;
        assert_eq!(read(422, unknown), Refusal::NoSession);
        assert_eq!(read(422, starting), Refusal::WrongStatus(SessionStatus::Starting));
    }

    #[test]
    fn a_status_in_a_message_is_found() {
        let body = r#"{"message":"Can request code only in SCAN_QR_CODE status. The current status is WORKING","error":"Unprocessable Entity","statusCode":422}"#;
        assert_eq!(read(422, body), Refusal::WrongStatus(SessionStatus::Working));
    }

    #[test]
    fn a_second_create_is_told_that_the_session_exists() {
        let body = r#"{"message":"Session 'user42' already exists. Use PUT to update it.","error":"Unprocessable Entity","statusCode":422}"#;
        assert_eq!(read(422, body), Refusal::Exists);
    }

    #[test]
    fn only_a_404_about_a_session_says_that_there_is_none() {
        let missing = r#"{"message":"Session not found","error":"Not Found","statusCode":404}"#;
        let stopped = r#"{"message":"We didn't find a session with name 'nobody'.\nPlease start it first by using POST /api/sessions/nobody/start request","error":"Not Found","statusCode":404}"#;
        assert_eq!((read(404, missing), read(404, stopped)), (Refusal::NoSession, Refusal::NoSession));

        let route = r#"{"message":"Cannot GET /api/nope","error":"Not Found","statusCode":404}"#;
        for body in [route, "<html>nginx</html>", ""] {
            assert!(matches!(read(404, body), Refusal::Unsupported(_)), "{body}");
        }
    }

    #[test]
    fn an_exception_that_waha_dumps_is_understood_by_its_message_alone() {
        let dump = |message: &str| {
            format!(
                r#"{{"statusCode":500,"timestamp":"2026-11-22T20:17:17.206Z","exception":{{"message":"{message}","name":"Error","stack":"Error: canary\n at x"}},"request":{{"path":"/api/canary","method":"GET","query":{{}}}},"version":{{}}}}"#
            )
        };
        assert_eq!(read(500, &dump("rate-overlimit")), Refusal::RateLimited);
        assert_eq!(read(500, r#"{"statusCode":500,"exception":{"data":429,"message":null}}"#), Refusal::RateLimited);
        assert!(matches!(read(500, &dump("async-lock timed out in queue lock1")), Refusal::Busy(_)));
        assert_eq!(read(500, &dump("Maximum execution time is exceeded in queue lock1")), Refusal::Unfinished);
        let other = GatewayError::from(read(500, &dump("canary")));
        assert!(matches!(&other, GatewayError::Broken(cause) if !cause.contains("canary")), "{other:?}");
    }

    #[test]
    fn whether_something_has_happened_is_known_from_the_status_alone() {
        let unknown = |status| GatewayError::from(read(status, "\u{fffd}[[{")).outcome_is_unknown();
        for status in [300, 302, 400, 401, 403, 404, 405, 413, 422, 429, 501, 503] {
            assert!(!unknown(status), "{status}");
        }
        for status in [500, 502, 504, 599] {
            assert!(unknown(status), "{status}");
        }
    }

    #[test]
    fn a_cause_repeats_nothing_of_a_message() {
        for (status, message) in [(400, "\"canary\""), (403, "[\"canary\"]"), (422, "\"canary\""), (401, "\"canary\"")]
        {
            let error = GatewayError::from(read(status, &format!(r#"{{"message":{message},"error":"canary"}}"#)));
            assert!(matches!(&error, GatewayError::Refused(cause) if !cause.contains("canary")), "{error:?}");
        }
    }
}
