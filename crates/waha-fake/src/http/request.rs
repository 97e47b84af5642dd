//! A request.

use std::str;

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A request as it was on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Not decoded, without the query.
    pub(crate) path: String,
    /// Not decoded, without `?`.
    pub(crate) query: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Reads what precedes the body; `None` if it is not HTTP.
    pub(crate) fn from_head(head: &[u8]) -> Option<Self> {
        let mut lines = str::from_utf8(head).ok()?.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?, first.next()?);
        if !first.next()?.starts_with("HTTP/1.") || !target.starts_with('/') {
            return None;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines
            .filter(|line| !line.is_empty())
            .map(|line| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())))
            .collect::<Option<_>>()?;
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: Vec::new(),
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The decoded segments of the path: `%2F` stays within one.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path.split('/').skip(1).map(decoded).collect()
    }

    /// The decoded pairs of the query.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned()
    }

    /// The first value of a name in the query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        self.pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The body as WAHA sees it: an object. An array, plain text or nothing counts as `{}` (WAHA 2025.12.3, recorded).
    ///
    /// # Errors
    /// The position where the JSON stops being JSON.
    pub(crate) fn object(&self) -> Result<Value, usize> {
        let is_json = self.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        let empty = || Value::Object(serde_json::Map::new());
        if !is_json || self.body.is_empty() {
            return Ok(empty());
        }
        match serde_json::from_slice(&self.body) {
            Ok(object @ Value::Object(_)) => Ok(object),
            Ok(_) => Ok(empty()),
            Err(error) => Err(error.column()),
        }
    }

    pub(crate) fn keeps_alive(&self) -> bool {
        !self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
