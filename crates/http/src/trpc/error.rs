//! The error of a call, and its form on the wire.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{Code, Exceeded, Issue};

/// Why a call failed, as its caller is told: never a stack, and the cause stays here.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    code: Code,
    message: Cow<'static, str>,
    issues: Option<Vec<Issue>>,
    retry_after: Option<Duration>,
    reason: Option<&'static str>,
    cause: Option<Box<str>>,
    /// Elsewhere, since errors are handed about and this is seldom there.
    exceeded: Option<Box<Exceeded>>,
}

impl Error {
    /// A failure in words meant for the caller.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            issues: None,
            retry_after: None,
            reason: None,
            cause: None,
            exceeded: None,
        }
    }

    /// A failure without words of its own: its message is the code's key, as with tRPC.
    pub fn of(code: Code) -> Self {
        Self::new(code, code.key())
    }

    /// A failure of ours: a fixed text, whatever the cause. (tRPC would send the cause's message.)
    pub fn internal() -> Self {
        Self::new(Code::InternalServerError, "Internal server error")
    }

    /// Input of the wrong form. The message is zod's: the list of issues as indented JSON.
    pub fn input(issues: Vec<Issue>) -> Self {
        match serde_json::to_string_pretty(&issues) {
            Ok(message) => Self { issues: Some(issues), ..Self::new(Code::BadRequest, message) },
            Err(_) => Self::internal(),
        }
    }

    /// Tells the caller not to come back before that time.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// Tells the caller which quota is used up, beside when there is more of it: see [`Error::with_retry_after`].
    #[must_use]
    pub fn with_exceeded(self, exceeded: Exceeded) -> Self {
        Self { exceeded: Some(Box::new(exceeded)), ..self }
    }

    /// Adds a stable word for programs, sent as `data.reason`: codes like `PRECONDITION_FAILED` have
    /// several.
    #[must_use]
    pub fn with_reason(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Adds why, for whoever logs what came of the call. It is never sent.
    #[must_use]
    pub fn with_cause(self, cause: impl Into<Box<str>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The same failure in other words.
    #[must_use]
    pub fn retold(self, code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), ..self }
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What the caller reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The stable word, if it has one.
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// Why, if that is known and has not been logged yet.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The wrong fields, if the input was the problem.
    pub fn issues(&self) -> Option<&[Issue]> {
        self.issues.as_deref()
    }

    /// How long the caller should wait, if that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The quota that is used up, if that is why.
    pub fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded.as_deref().copied()
    }

    /// The error object of an answer. `path` is absent from errors of the whole request.
    pub(super) fn shape<'a>(&'a self, path: Option<&'a str>) -> Shape<'a> {
        Shape {
            message: &self.message,
            code: self.code.number(),
            data: ErrorData {
                code: self.code.key(),
                http_status: self.code.http_status(),
                path,
                reason: self.reason,
                zod_error: self.issues.as_deref().map(Flattened::of),
            },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.key(), self.message)
    }
}

impl std::error::Error for Error {}

/// tRPC's error object with T3's formatter, which adds `zodError` to every error.
#[derive(Serialize)]
pub(super) struct Shape<'a> {
    message: &'a str,
    code: i32,
    data: ErrorData<'a>,
}

/// What an error says for programs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorData<'a> {
    /// tRPC's word for its kind.
    code: &'static str,
    /// The HTTP status of its kind.
    http_status: u16,
    /// The procedure; absent if it was the request as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    path: Option<&'a str>,
    /// A stable word, where a code has several reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<&'static str>,
    /// What is wrong with the input, if that is it.
    #[schema(required)]
    zod_error: Option<Flattened<'a>>,
}

/// What `ZodError.flatten()` makes of the issues: those of the whole input, then by field.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ZodError)]
struct Flattened<'a> {
    /// Of the input as a whole.
    form_errors: Vec<String>,
    /// By field.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    field_errors: FieldErrors<'a>,
}

/// Messages by field, in the order in which the fields first occur.
struct FieldErrors<'a>(Vec<(&'a str, Vec<String>)>);

impl<'a> Flattened<'a> {
    fn of(issues: &'a [Issue]) -> Self {
        let mut form_errors = Vec::new();
        let mut fields: Vec<(&str, Vec<String>)> = Vec::new();
        for issue in issues {
            let message = issue.problem.to_string();
            match issue.field {
                None => form_errors.push(message),
                Some(field) => match fields.iter_mut().find(|(name, _)| *name == field) {
                    Some((_, messages)) => messages.push(message),
                    None => fields.push((field, vec![message])),
                },
            }
        }
        Self { form_errors, field_errors: FieldErrors(fields) }
    }
}

impl Serialize for FieldErrors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (field, messages) in &self.0 {
            map.serialize_entry(field, messages)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trpc::Problem;

    #[test]
    fn an_error_without_words_says_its_key_and_has_a_null_zod_error() {
        let error = serde_json::to_value(Error::of(Code::Unauthorized).shape(Some("user.x"))).unwrap();

        assert_eq!(
            error,
            json!({
                "message": "UNAUTHORIZED",
                "code": -32001,
                "data": {"code": "UNAUTHORIZED", "httpStatus": 401, "path": "user.x", "zodError": null},
            })
        );
    }

    #[test]
    fn an_input_error_groups_its_messages_by_field() {
        let error = Error::input(vec![
            Issue { field: None, problem: Problem::custom("both or none") },
            Issue { field: Some("phoneNumber"), problem: Problem::custom("too odd") },
            Issue { field: Some("phoneNumber"), problem: Problem::custom("too long") },
        ]);

        let shape = serde_json::to_value(error.shape(None)).unwrap();

        assert_eq!(
            shape["data"],
            json!({
                "code": "BAD_REQUEST",
                "httpStatus": 400,
                "zodError": {
                    "formErrors": ["both or none"],
                    "fieldErrors": {"phoneNumber": ["too odd", "too long"]},
                },
            })
        );
    }
}
