//! What a request is answered with.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use futures_util::stream::BoxStream;

/// An HTTP response.
#[derive(Debug)]
pub struct Response {
    /// The status: that of its calls, 207 if they differ, 200 if they are streamed.
    pub status: u16,
    /// Its headers, each name at most once and in lower case.
    pub headers: Vec<Header>,
    /// Its body.
    pub body: Body,
}

/// The body of a [`Response`].
pub enum Body {
    /// None.
    Empty,
    /// All of it.
    Full(Bytes),
    /// Line by line, or event by event; each is to be sent as soon as it is there.
    Stream(BoxStream<'static, Bytes>),
}

type Header = (&'static str, Cow<'static, str>);

/// An answer depends on the headers that ask for a stream.
const VARY: Header = ("vary", Cow::Borrowed("trpc-accept, accept"));

/// Proxies that buffer would hold lines and events back.
const UNBUFFERED: Header = ("x-accel-buffering", Cow::Borrowed("no"));

impl Response {
    /// The answer to HEAD, whatever the path.
    pub(super) fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: Body::Empty }
    }

    /// JSON.
    pub(super) fn json(status: u16, body: Body) -> Self {
        Self { status, headers: vec![("content-type", Cow::Borrowed("application/json")), VARY], body }
    }

    /// JSON line by line.
    pub(super) fn lines(lines: BoxStream<'static, Bytes>) -> Self {
        Self::json(200, Body::Stream(lines)).with_header(UNBUFFERED.0, Some(UNBUFFERED.1))
    }

    /// Server-sent events, which are answered with 200 even if there is but an error to tell.
    pub(super) fn events(events: BoxStream<'static, Bytes>) -> Self {
        let headers = vec![
            ("content-type", Cow::Borrowed("text/event-stream")),
            ("cache-control", Cow::Borrowed("no-cache, no-transform")),
            VARY,
            UNBUFFERED,
        ];
        Self { status: 200, headers, body: Body::Stream(events) }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: Option<impl Into<Cow<'static, str>>>) -> Self {
        self.headers.extend(value.map(|value| (name, value.into())));
        self
    }

    pub(super) fn with_headers(mut self, headers: Vec<(&'static str, String)>) -> Self {
        self.headers.extend(headers.into_iter().map(|(name, value)| (name, value.into())));
        self
    }

    /// A header, if it has it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| &**value)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
