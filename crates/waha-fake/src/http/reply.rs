//! An answer.

use std::time::Duration;

use serde::Serialize;

const JSON: &str = "application/json; charset=utf-8";

/// A status, headers and a body, and what goes wrong while it is sent.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) delivery: Delivery,
}

/// How a reply reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// This many bytes of the body, although `Content-Length` tells all; then the socket is closed.
    Cut(usize),
    /// Nothing: the socket is closed.
    Lost,
    /// Nothing: the socket is reset.
    Reset,
    /// One byte of the body each time.
    Slow(Duration),
    /// The body again and again, until the client has enough.
    Endless,
}

impl Reply {
    /// `serde_json` cannot fail on what the fake sends: string keys only, and no failing `Serialize`.
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        Self::new(status, JSON, serde_json::to_vec(body).expect("the fake's bodies have string keys"))
    }

    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn new(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body,
            delivery: Delivery::Whole,
        }
    }

    /// No body at all, and so no type: what Nest makes of `undefined` and of `null`.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delivery: Delivery::Whole }
    }

    pub(crate) fn reset() -> Self {
        Self { delivery: Delivery::Reset, ..Self::empty(200) }
    }
}
