//! What a request asks for: which calls, with which inputs, answered how.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json};
use url::form_urlencoded;

use super::{Code, Error, Transformer, Value, surrogates};

/// An HTTP request as far as tRPC looks at it.
#[derive(Clone)]
pub struct Request<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path below the endpoint, as it came: not decoded, without the slash before it.
    pub path: &'a str,
    /// The query string, as it came: not decoded, without the question mark.
    pub query: &'a str,
    /// The header `content-type`.
    pub content_type: Option<&'a str>,
    /// The header `trpc-accept`.
    pub trpc_accept: Option<&'a str>,
    /// The header `accept`.
    pub accept: Option<&'a str>,
    /// The header `last-event-id`: the last event that a client has seen of a subscription.
    pub last_event_id: Option<&'a str>,
    /// The body, which a GET does not have, or why there is none.
    pub body: Result<Bytes, BodyError>,
}

/// What was asked is personal, and a token may stand in the query.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Request<'_> {
    /// The last event that the client has seen: an `EventSource` that connects again says it in a header.
    pub(super) fn last_event_id(&self) -> Option<String> {
        let header = self.last_event_id.map(str::to_owned);
        let query = || ["lastEventId", "Last-Event-Id"].iter().find_map(|name| parameter(self.query, name));
        header.or_else(query).filter(|id| !id.is_empty())
    }
}

/// What a client that subscribes says in the query because its `EventSource` cannot send headers: texts by name.
#[derive(Clone, Default)]
pub struct ConnectionParams(BTreeMap<String, String>);

impl ConnectionParams {
    pub(super) fn of(request: &Request<'_>) -> Result<Self, Error> {
        Self::of_query(request.query)
    }

    /// What a query string, as it came, says.
    ///
    /// # Errors
    /// [`Code::ParseError`] if it says something else in their place.
    pub(crate) fn of_query(query: &str) -> Result<Self, Error> {
        let refused = |message: &'static str| Error::new(Code::ParseError, message);
        let Some(text) = parameter(query, "connectionParams") else { return Ok(Self::default()) };
        let json: Json = serde_json::from_str(&surrogates::replaced(&text))
            .map_err(|_| refused("Not JSON-parsable query params"))?;
        let params: Option<_> = serde_json::from_value(json).map_err(|_| refused("Invalid connection params shape"))?;
        Ok(Self(params.unwrap_or_default()))
    }

    /// The parameter of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// There are tokens among them.
impl fmt::Debug for ConnectionParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionParams").finish_non_exhaustive()
    }
}

/// Why a body could not be had. Only calls that read their input mind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is over the limit. Its beginning tells what to answer in.
    TooLarge(Bytes),
    /// It did not come in time.
    TooSlow,
    /// It ended early or was garbled.
    Broken,
}

impl From<&BodyError> for Error {
    fn from(error: &BodyError) -> Self {
        match error {
            BodyError::TooLarge(_) => Self::of(Code::PayloadTooLarge),
            BodyError::TooSlow => Self::of(Code::Timeout),
            BodyError::Broken => Self::new(Code::BadRequest, "The request body could not be read"),
        }
    }
}

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentType {
    Json,
    /// A form or bytes: tRPC hands these to a procedure as they are, alone and never as a batch.
    Opaque,
}

/// How a request wants its calls, before they are looked up.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) paths: Vec<String>,
    pub(super) batch: bool,
    /// Whether the answer is to be JSON lines.
    pub(super) streamed: bool,
}

impl Asked {
    /// Reads the path. `max_batch_size` bounds how many calls it may have.
    pub(super) fn of(request: &Request<'_>, max_batch_size: usize) -> Result<Self, Error> {
        let path = decode_path(request.path)?;
        let json = content_type(request)? == ContentType::Json;
        let batch = json && is_batch(request);
        if batch && path.split(',').count() > max_batch_size {
            return Err(Error::new(Code::BadRequest, "Batch call exceeds maximum size"));
        }
        let paths = if batch { path.split(',').map(str::to_owned).collect() } else { vec![path] };
        Ok(Self { paths, batch, streamed: json && wants_lines(request) })
    }
}

/// The input of one call, and what the call is to be answered in.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) value: Result<Value, Error>,
    pub(super) transformer: Transformer,
}

impl Input {
    /// Adds where a subscription goes on from. What is neither an object nor missing stays what it is.
    pub(super) fn resume_after(&mut self, last_event_id: String) {
        let Ok(value) = &mut self.value else { return };
        if matches!(value, Value::Undefined | Value::Null) {
            *value = Value::Object(BTreeMap::new());
        }
        if let Value::Object(fields) = value {
            fields.insert("lastEventId".to_owned(), Value::String(last_event_id));
        }
    }
}

/// What came as input, for all calls of a request.
#[derive(Debug)]
pub(super) enum Inputs {
    Absent,
    Opaque,
    One(Json),
    /// By index.
    Batch(Map<String, Json>),
    Unreadable(Error, Option<Transformer>),
}

impl Inputs {
    /// Never fails: what is wrong with the input is told to the calls that read it.
    pub(super) fn of(request: &Request<'_>) -> Self {
        let query_input;
        let body;
        let text = if request.method == "GET" {
            query_input = parameter(request.query, "input").unwrap_or_default();
            &*query_input
        } else {
            match &request.body {
                Err(error) => {
                    let beginning = match error {
                        BodyError::TooLarge(beginning) => beginning.as_ref(),
                        BodyError::TooSlow | BodyError::Broken => &[],
                    };
                    return Self::unreadable(error.into(), beginning, request);
                }
                Ok(_) if content_type(request) == Ok(ContentType::Opaque) => return Self::Opaque,
                Ok(bytes) => {
                    body = String::from_utf8_lossy(bytes);
                    body.strip_prefix('\u{feff}').unwrap_or(&body)
                }
            }
        };
        if text.is_empty() {
            return Self::Absent;
        }
        match serde_json::from_str(&surrogates::replaced(text)) {
            Err(error) => {
                // The position, never the text.
                let message = format!("The input is not valid JSON: {error}");
                Self::unreadable(Error::new(Code::BadRequest, message), text.as_bytes(), request)
            }
            Ok(input) if !is_batch(request) => Self::One(input),
            Ok(Json::Object(inputs)) => Self::Batch(inputs),
            Ok(_) => {
                let message = "\"input\" needs to be an object when doing a batch call";
                Self::unreadable(Error::new(Code::BadRequest, message), &[], request)
            }
        }
    }

    fn unreadable(error: Error, beginning: &[u8], request: &Request<'_>) -> Self {
        let transformer = Transformer::of_beginning(beginning, is_batch(request));
        Self::Unreadable(error, transformer)
    }

    /// What the first input came in, since a client has one transformer for all its calls.
    pub(super) fn transformer(&self) -> Option<Transformer> {
        match self {
            Self::One(input) => Some(Transformer::of(input)),
            Self::Batch(inputs) => inputs.values().next().map(Transformer::of),
            Self::Unreadable(_, transformer) => *transformer,
            Self::Absent | Self::Opaque => None,
        }
    }

    /// The inputs of so many calls. `default` is for those whose transformer cannot be known.
    pub(super) fn of_calls(self, calls: usize, default: Transformer) -> Vec<Input> {
        let default = self.transformer().unwrap_or(default);
        let mut inputs = match self {
            Self::Batch(inputs) => inputs,
            Self::One(input) => {
                let transformer = Transformer::of(&input);
                return vec![Input { value: transformer.decode(input), transformer }];
            }
            Self::Absent => Map::new(),
            // To zod, a form or a stream of bytes is an object without the fields it looks for.
            Self::Opaque => return alike(&Ok(Json::Object(Map::new()).into()), calls, default),
            Self::Unreadable(error, _) => return alike(&Err(error), calls, default),
        };
        (0..calls)
            .map(|index| match inputs.remove(&index.to_string()) {
                None => Input { value: Ok(Value::Undefined), transformer: default },
                Some(input) => {
                    let transformer = Transformer::of(&input);
                    Input { value: transformer.decode(input), transformer }
                }
            })
            .collect()
    }
}

fn alike(value: &Result<Value, Error>, calls: usize, transformer: Transformer) -> Vec<Input> {
    (0..calls).map(|_| Input { value: value.clone(), transformer }).collect()
}

/// `decodeURIComponent`, which unlike most decoders refuses what it cannot decode.
fn decode_path(path: &str) -> Result<String, Error> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let escapes_are_whole = trimmed
        .split('%')
        .skip(1)
        .all(|rest| matches!(rest.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()));
    match percent_decode_str(trimmed).decode_utf8() {
        Ok(decoded) if escapes_are_whole => Ok(decoded.into_owned()),
        _ => Err(Error::new(Code::BadRequest, format!("Invalid URL-encoding in path \"{trimmed}\""))),
    }
}

fn content_type(request: &Request<'_>) -> Result<ContentType, Error> {
    let unsupported = |message: String| Err(Error::new(Code::UnsupportedMediaType, message));
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match request.content_type {
        Some(text) => match &*essence(text) {
            "application/json" => Ok(ContentType::Json),
            kind @ ("multipart/form-data" | "application/octet-stream") => match request.method {
                "POST" => Ok(ContentType::Opaque),
                _ => Err(Error::new(
                    Code::MethodNotSupported,
                    format!("Only POST requests are supported for {kind} requests"),
                )),
            },
            _ if request.method == "GET" => Ok(ContentType::Json),
            // The missing quote is tRPC's.
            _ => unsupported(format!("Unsupported content-type \"{text}")),
        },
        None if request.method == "GET" => Ok(ContentType::Json),
        None => unsupported("Missing content-type header".to_owned()),
    }
}

fn is_batch(request: &Request<'_>) -> bool {
    parameter(request.query, "batch").as_deref() == Some("1")
}

/// `trpc-accept` decides alone where it is present, as with tRPC.
fn wants_lines(request: &Request<'_>) -> bool {
    const LINES: &str = "application/jsonl";
    match (request.trpc_accept, request.accept) {
        (Some(accept), _) => accept == LINES,
        (None, Some(accept)) => accept.split(',').any(|accepted| accepted.trim() == LINES),
        (None, None) => false,
    }
}

/// The first of the parameters of that name, decoded as `URLSearchParams` does. The values of others are not, nor are names
/// that stand there as they are: an input may be long, and is passed over several times.
fn parameter(query: &str, name: &str) -> Option<String> {
    let is_named = |pair: &&str| {
        let key = pair.split('=').next().unwrap_or_default();
        let is_encoded = || key.contains(['%', '+']);
        key == name || is_encoded() && form_urlencoded::parse(key.as_bytes()).next().is_some_and(|(key, _)| key == name)
    };
    let pair = query.split('&').find(is_named)?;
    Some(decoded(pair.split_once('=').map_or("", |(_, value)| value)))
}

/// A value, as `form_urlencoded` decodes it, but into a buffer that is large enough from the beginning.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    for (index, part) in value.split('+').enumerate() {
        bytes.extend((index > 0).then_some(b' '));
        bytes.extend(percent_decode_str(part));
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request<'a>(query: &'a str, last_event_id: Option<&'a str>) -> Request<'a> {
        Request {
            method: "GET",
            path: "user.x",
            query,
            content_type: None,
            trpc_accept: None,
            accept: None,
            last_event_id,
            body: Ok(Bytes::new()),
        }
    }

    #[test]
    fn the_header_tells_the_last_event_before_the_query_does() {
        for (query, header, expected) in [
            ("lastEventId=2&Last-Event-Id=3", Some("1"), Some("1")),
            ("Last-Event-Id=3&lastEventId=2", None, Some("2")),
            ("Last-Event-Id=3", None, Some("3")),
            ("lastEventId=2", Some(""), None),
            ("lastEventId=", None, None),
            ("last-event-id=2", None, None),
        ] {
            assert_eq!(request(query, header).last_event_id().as_deref(), expected, "{query} {header:?}");
        }
    }

    #[test]
    fn the_last_event_becomes_a_field_of_an_object_and_of_nothing_else() {
        for (input, expected) in [
            (json!({"a": 1}), json!({"a": 1, "lastEventId": "7"})),
            (json!({"lastEventId": "3"}), json!({"lastEventId": "7"})),
            (json!(null), json!({"lastEventId": "7"})),
            (json!("text"), json!("text")),
            (json!([]), json!([])),
        ] {
            let mut input = Input { value: Ok(input.into()), transformer: Transformer::Plain };
            input.resume_after("7".to_owned());
            assert_eq!(input.value, Ok(expected.into()));
        }
    }

    #[test]
    fn connection_params_are_an_object_of_texts_or_refused() {
        let of = |text: &str| {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("connectionParams", text).finish();
            ConnectionParams::of(&request(&query, None))
        };
        assert_eq!(of(r#"{"token":"t","x":""}"#).unwrap().get("token"), Some("t"));
        assert_eq!(of("null").unwrap().get("token"), None);
        assert_eq!(ConnectionParams::of(&request("input=1", None)).unwrap().get("token"), None);
        for (text, message) in [
            ("", "Not JSON-parsable query params"),
            ("{", "Not JSON-parsable query params"),
            ("[]", "Invalid connection params shape"),
            (r#"{"token":7}"#, "Invalid connection params shape"),
            (r#"{"token":null}"#, "Invalid connection params shape"),
        ] {
            let error = of(text).unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::ParseError, message), "{text}");
        }
    }

    #[test]
    fn a_parameter_is_the_first_of_its_name_decoded() {
        for (query, expected) in [
            ("x=1&input=%7B%7D&input=2", Some("{}")),
            ("input=a+b%26c", Some("a b&c")),
            ("input=+%2B+", Some(" + ")),
            ("input=%FF%zz%4", Some("\u{fffd}%zz%4")),
            ("%69nput=1", Some("1")),
            ("input", Some("")),
            ("&&input=1=2", Some("1=2")),
            ("inputs=1&Input=2&=3", None),
            ("", None),
        ] {
            assert_eq!(parameter(query, "input").as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn what_is_secret_in_a_request_is_not_shown() {
        let request = request("connectionParams=%7B%22token%22%3A%22hunter2%22%7D", None);
        let shown = format!("{request:?} {:?}", ConnectionParams::of(&request).unwrap());
        assert!(shown.contains("user.x") && !shown.contains("hunter2"), "{shown}");
    }
}
