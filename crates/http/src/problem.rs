//! Errors as REST clients get them: RFC 9457.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::auth::NotSignedIn;
use crate::trpc::{self, Code};

/// What went wrong, in the words of the tRPC error of the same kind.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Problem(trpc::Error);

/// The body. `code` is a stable word for programs.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: String,
}

/// tRPC clients get the bare word.
const SIGN_IN: &str = "Sign in: the token is missing, has expired or is not valid";

impl Problem {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (status, code) = (self.status(), self.0.code());
        Body {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: if code == Code::Unauthorized { SIGN_IN } else { self.0.message() },
            code: self.0.reason().map_or_else(|| code.key().to_ascii_lowercase(), str::to_owned),
        }
        .serialize(serializer)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        if let Some(wait) = self.0.retry_after() {
            response.insert_header((header::RETRY_AFTER, trpc::whole_seconds(wait)));
        }
        if self.0.code() == Code::Unauthorized {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.content_type("application/problem+json").body(serde_json::to_string(self).unwrap_or_default())
    }
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
