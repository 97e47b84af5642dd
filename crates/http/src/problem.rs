//! Errors as REST clients get them: RFC 9457.

use std::borrow::Cow;

use actix_web::http::header::HeaderName;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::NotSignedIn;
use crate::trpc::{self, Code, Issue, waiting};

/// What went wrong, in the words of the tRPC error of the same kind.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Problem(trpc::Error);

/// What went wrong (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body<'a> {
    /// Always `about:blank`: `code` tells problems apart.
    r#type: &'static str,
    /// The status, in words.
    title: &'static str,
    /// The HTTP status, here too.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A sentence for people.
    detail: Cow<'a, str>,
    /// A word for programs, which never changes.
    code: Cow<'static, str>,
    /// Every wrong field, if the input is what is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<WrongField>,
}

/// What is wrong with a field of the input.
#[derive(Serialize, ToSchema)]
struct WrongField {
    /// The field of the body, or the parameter. Absent if it is the input as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'static str>,
    /// What is wrong with it.
    message: String,
}

impl From<&Issue> for WrongField {
    fn from(issue: &Issue) -> Self {
        Self { field: issue.field, message: issue.problem.to_string() }
    }
}

/// tRPC clients get the bare word.
const SIGN_IN: &str = "Sign in: the token is missing, has expired or is not valid";

impl Problem {
    /// The error that it tells of.
    pub(crate) fn error(&self) -> &trpc::Error {
        &self.0
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The word for programs.
    pub(crate) fn code(&self) -> Cow<'static, str> {
        self.0.reason().map_or_else(|| self.0.code().key().to_ascii_lowercase().into(), Cow::Borrowed)
    }

    /// Whether it says which fields of the input are wrong.
    pub(crate) fn names_fields(&self) -> bool {
        self.0.issues().is_some()
    }

    /// What it says beside its body, by the name of the header.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, String)> {
        let sign_in = (self.0.code() == Code::Unauthorized).then(|| (header::WWW_AUTHENTICATE, "Bearer".to_owned()));
        let wait = waiting([&self.0]).into_iter().map(|(name, value)| (HeaderName::from_static(name), value));
        sign_in.into_iter().chain(wait)
    }

    /// What a person reads.
    fn detail(&self) -> Cow<'_, str> {
        match self.0.issues() {
            // Its message is a list for programs.
            Some(issues) => issues.iter().map(sentence).collect::<Vec<_>>().join("; ").into(),
            None if self.0.code() == Code::Unauthorized => SIGN_IN.into(),
            None => self.0.message().into(),
        }
    }
}

fn sentence(issue: &Issue) -> String {
    match issue.field {
        Some(field) => format!("{field}: {}", issue.problem),
        None => issue.problem.to_string(),
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let status = self.status();
        Body {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.detail(),
            code: self.code(),
            errors: self.0.issues().unwrap_or_default().iter().map(WrongField::from).collect(),
        }
        .serialize(serializer)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = answer(self.status());
        for header in self.headers() {
            response.insert_header(header);
        }
        response.body(serde_json::to_string(self).unwrap_or_default())
    }
}

fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CACHE_CONTROL, "no-store")).content_type("application/problem+json");
    answer
}

/// What is answered to a URL that is longer than any is read, whatever is there: tRPC has no code for it.
pub(crate) fn url_too_long() -> HttpResponse {
    let status = StatusCode::URI_TOO_LONG;
    let body = Body {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: "The URL is too long: send fewer calls at once".into(),
        code: "url_too_long".into(),
        errors: Vec::new(),
    };
    answer(status).body(serde_json::to_string(&body).unwrap_or_default())
}

impl From<trpc::Error> for Problem {
    fn from(error: trpc::Error) -> Self {
        Self(error)
    }
}

impl From<switchboard_domain::Error> for Problem {
    fn from(error: switchboard_domain::Error) -> Self {
        Self(error.into())
    }
}

impl From<NotSignedIn> for Problem {
    fn from(error: NotSignedIn) -> Self {
        Self(error.into())
    }
}
