//! What a request asks for: which calls, with which inputs, answered how.

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json};
use url::form_urlencoded;

use super::{Code, Error, Transformer, Value, surrogates};

/// An HTTP request as far as tRPC looks at it.
#[derive(Clone, Debug)]
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
    /// The body, which a GET does not have, or why there is none.
    pub body: Result<Bytes, BodyError>,
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

/// The first of the parameters of that name, decoded as `URLSearchParams` does.
fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
