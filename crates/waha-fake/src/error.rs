//! The bodies of WAHA's errors (2025.12.3, recorded).

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    clock::now,
    http::{Reply, Request},
    version::Environment,
};

#[derive(Serialize)]
struct NestError<M> {
    message: M,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(rename = "statusCode")]
    status_code: u16,
}

pub(crate) fn unauthorized() -> Reply {
    Reply::json(401, &NestError { message: "Unauthorized", error: None, status_code: 401 })
}

/// Validation: every complaint at once.
pub(crate) fn invalid(complaints: &[String]) -> Reply {
    Reply::json(400, &NestError { message: complaints, error: Some("Bad Request"), status_code: 400 })
}

pub(crate) fn bad_request(message: &str) -> Reply {
    Reply::json(400, &NestError { message, error: Some("Bad Request"), status_code: 400 })
}

/// Node's words for the commonest bad JSON, whatever is wrong with it.
pub(crate) fn bad_json(position: usize) -> Reply {
    bad_request(&format!("Expected double-quoted property name in JSON at position {position}"))
}

pub(crate) fn not_found(message: &str) -> Reply {
    Reply::json(404, &NestError { message, error: Some("Not Found"), status_code: 404 })
}

pub(crate) fn no_route(request: &Request) -> Reply {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    not_found(&format!("Cannot {} {}{query}", request.method, request.path))
}

pub(crate) fn no_session() -> Reply {
    not_found("Session not found")
}

/// What is asked of a session that must be in memory, and is not.
pub(crate) fn not_started(name: &str) -> Reply {
    not_found(&format!(
        "We didn't find a session with name '{name}'.\nPlease start it first by using POST /api/sessions/{name}/start request"
    ))
}

pub(crate) fn unprocessable(message: &str) -> Reply {
    Reply::json(422, &NestError { message, error: Some("Unprocessable Entity"), status_code: 422 })
}

/// After the wait, no session of that name has come.
pub(crate) fn still_unknown(session: &str) -> Reply {
    #[derive(Serialize)]
    struct Body<'a> {
        error: String,
        session: &'a str,
    }
    Reply::json(422, &Body { error: format!("Session \"{session}\" does not exist"), session })
}

/// After the wait, the session has not come to the status.
pub(crate) fn wrong_status(session: &str, status: &str, expected: &str) -> Reply {
    #[derive(Serialize)]
    struct Body<'a> {
        error: &'a str,
        session: &'a str,
        status: &'a str,
        expected: [&'a str; 1],
    }
    let error = "Session status is not as expected. Try again later or restart the session";
    Reply::json(422, &Body { error, session, status, expected: [expected] })
}

/// An exception nobody caught: WAHA sends it, with its stack and the caller's own body.
#[derive(Serialize)]
pub(crate) struct Exception {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<u16>,
    #[serde(rename = "isBoom", skip_serializing_if = "Option::is_none")]
    is_boom: Option<bool>,
    #[serde(rename = "isServer", skip_serializing_if = "Option::is_none")]
    is_server: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<serde_json::Map<String, serde_json::Value>>,
    name: &'static str,
    stack: String,
}

impl Exception {
    pub(crate) fn new(name: &'static str, message: &str, frames: &[&str]) -> Self {
        let stack = frames.iter().fold(format!("{name}: {message}"), |stack, frame| format!("{stack}\n    at {frame}"));
        Self { message: message.to_owned(), data: None, is_boom: None, is_server: None, output: None, name, stack }
    }

    /// A lifecycle call that waited 5 s behind another one of the same session.
    pub(crate) fn lock_timed_out() -> Self {
        Self::new(
            "Error",
            "async-lock timed out in queue lock1",
            &["Timeout.timeout ((path):171:20)", "listOnTimeout (node:internal/timers:581:17)"],
        )
    }

    /// WhatsApp has had enough of the account's questions.
    pub(crate) fn rate_overlimit() -> Self {
        Self {
            data: Some(429),
            is_boom: Some(true),
            is_server: Some(true),
            output: Some(serde_json::Map::new()),
            ..Self::new(
                "Error",
                "rate-overlimit",
                &[
                    "assertNodeErrorFree (file://(path):46:15)",
                    "query (file://(path):127:13)",
                    "process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
                    "async Object.groupFetchAllParticipating (file://(path):23:24)",
                    "async (path):448:13",
                ],
            )
        }
    }

    pub(crate) fn reply(self, request: &Request, version: &Environment) -> Reply {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(rename = "statusCode")]
            status_code: u16,
            timestamp: String,
            exception: Exception,
            request: Echo<'a>,
            version: &'a Environment,
        }
        #[derive(Serialize)]
        struct Echo<'a> {
            path: String,
            method: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            body: Option<&'a RawValue>,
            query: std::collections::BTreeMap<String, String>,
        }
        let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let echo = Echo {
            path: format!("{}{query}", request.path),
            method: &request.method,
            body: serde_json::from_slice(&request.body).ok(),
            query: request.pairs().collect(),
        };
        let timestamp = now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        Reply::json(500, &Body { status_code: 500, timestamp, exception: self, request: echo, version })
    }
}
