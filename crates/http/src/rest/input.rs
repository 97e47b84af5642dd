//! What a request asks for, in the form in which procedures take their input: its path, query and body as one object.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use serde_json::Value as Json;
use url::form_urlencoded;

use super::operation::Operation;
use crate::problem::Problem;
use crate::trpc::{BodyError, Code, Error, Value, read_body};

/// The largest body that is read. It has one field.
const BODY_LIMIT: usize = 64 * 1024;

/// The parameters that paths have, and the fields that they are.
pub(super) const IN_PATH: [(&str, &str); 2] = [("name", "sessionName"), ("groupId", "groupId")];

/// The input of a request for that operation. What the operation does not read is ignored, and nothing replaces what stands
/// in the path.
pub(super) async fn of(operation: &Operation, request: &HttpRequest, payload: web::Payload) -> Result<Value, Problem> {
    let mut input = match operation.body {
        Some(_) => body(request, payload).await?,
        None => Value::Object(BTreeMap::new()),
    };
    if let Value::Object(fields) = &mut input {
        let query: Vec<_> = form_urlencoded::parse(request.query_string().as_bytes()).collect();
        for parameter in &operation.query {
            let texts = query.iter().filter(|(name, _)| name == parameter.name);
            let value = parameter.read(texts.map(|(_, text)| text.clone().into_owned()).collect());
            fields.insert(parameter.name.to_owned(), value);
        }
        for (parameter, field) in IN_PATH {
            if let Some(text) = request.match_info().get(parameter) {
                fields.insert(field.to_owned(), Value::String(text.to_owned()));
            }
        }
    }
    Ok(input)
}

/// An input for that operation with whatever can be wrong with it.
pub(super) fn example_of_wrong(operation: &Operation) -> Value {
    let path = IN_PATH.map(|(_, field)| (field.to_owned(), Value::String(field.to_owned())));
    let query =
        operation.query.iter().map(|parameter| (parameter.name.to_owned(), parameter.read(vec!["?".to_owned()])));
    Value::Object(path.into_iter().chain(query).collect())
}

async fn body(request: &HttpRequest, payload: web::Payload) -> Result<Value, Error> {
    let stated = request.headers().get(header::CONTENT_TYPE);
    if stated.is_some_and(|stated| !is_json(stated.to_str().unwrap_or_default())) {
        return Err(wrong_type());
    }
    let is_stated = stated.is_some();
    let body = read_body(payload, BODY_LIMIT).await.map_err(|error| match error {
        BodyError::TooLarge(_) => too_large(),
        BodyError::TooSlow => too_slow(),
        BodyError::Broken => malformed(),
    })?;
    match serde_json::from_slice::<Json>(&body) {
        _ if body.is_empty() => Ok(Value::Object(BTreeMap::new())),
        _ if !is_stated => Err(wrong_type()),
        Ok(json) => Ok(json.into()),
        Err(_) => Err(malformed()),
    }
}

/// `application/json`, or anything that says it is written in it (RFC 6839).
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

pub(super) fn malformed() -> Error {
    Error::new(Code::BadRequest, "The body is not valid JSON").with_reason("malformed_body")
}

pub(super) fn too_large() -> Error {
    Error::new(Code::PayloadTooLarge, "The body is too large").with_reason("body_too_large")
}

pub(super) fn too_slow() -> Error {
    Error::new(Code::Timeout, "The body did not arrive in time").with_reason("body_too_slow")
}

pub(super) fn wrong_type() -> Error {
    let message = "The body has to be application/json";
    Error::new(Code::UnsupportedMediaType, message).with_reason("unsupported_media_type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_says_that_it_is_json_is() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["", "text/plain", "application/jsonp", "text/json", "application/x-www-form-urlencoded", "+json"] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
