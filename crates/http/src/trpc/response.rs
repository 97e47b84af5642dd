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
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Its body.
    pub body: Body,
}

/// The body of a [`Response`].
pub enum Body {
    /// None.
    Empty,
    /// All of it.
    Full(Bytes),
    /// Line by line; each is to be sent as soon as it is there.
    Stream(BoxStream<'static, Bytes>),
}

impl Response {
    /// The answer to HEAD, whatever the path.
    pub(super) fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: Body::Empty }
    }

    /// JSON, which depends on the headers that ask for a stream.
    pub(super) fn json(status: u16, body: Body) -> Self {
        let headers =
            vec![("content-type", Cow::Borrowed("application/json")), ("vary", Cow::Borrowed("trpc-accept, accept"))];
        Self { status, headers, body }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: Option<impl Into<Cow<'static, str>>>) -> Self {
        self.headers.extend(value.map(|value| (name, value.into())));
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
