//! A call of WAHA's API, before it is made.

use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use switchboard_domain::SessionName;

/// A call of WAHA's API.
pub(crate) struct Call<'a> {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// What follows `/api` in the path, decoded: each one is one segment of it, whatever it holds.
    pub(crate) segments: &'a [&'a str],
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) json: Option<Vec<u8>>,
    pub(crate) bounds: Bounds,
    /// The session that may be why there is no answer.
    pub(crate) session: Option<&'a str>,
    is_made_once: bool,
}

/// What one call may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Whose places it takes, and what its failures tell.
    pub(crate) kind: Kind,
    /// Until the last byte of the answer, repeats included.
    pub(crate) deadline: Duration,
    /// Of the answer, in bytes after decompression.
    pub(crate) limit: usize,
}

/// What calls are alike: how long they take, and what they wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Answered at once: whether the worker answers.
    Probe,
    /// Answered at once: a session.
    Status,
    /// A QR or pairing code.
    Qr,
    /// What changes a session, and the list of sessions.
    Lifecycle,
    /// Groups, contacts and what belongs to them.
    Lists,
}

impl Kind {
    /// Whether the engine waits for the session's phone or for WhatsApp before it answers.
    pub(crate) fn waits_for_the_session(self) -> bool {
        match self {
            Self::Qr | Self::Lists => true,
            Self::Probe | Self::Status | Self::Lifecycle => false,
        }
    }

    /// Whether such a call may be the one that tries whether a worker answers again: it is short, and about nobody's
    /// session, which may hang while the worker does not.
    pub(crate) fn may_try(self) -> bool {
        self == Self::Probe
    }
}

impl<'a> Call<'a> {
    pub(crate) fn new(name: &'static str, method: Method, segments: &'a [&'a str], bounds: Bounds) -> Self {
        Self { name, method, segments, query: &[], json: None, bounds, session: None, is_made_once: false }
    }

    pub(crate) fn query(self, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { query, ..self }
    }

    pub(crate) fn json(self, body: &impl Serialize) -> Self {
        Self { json: Some(serde_json::to_vec(body).expect("our own types have no keys but texts")), ..self }
    }

    /// It is about one session.
    pub(crate) fn of(self, session: &'a SessionName) -> Self {
        Self { session: Some(session.as_str()), ..self }
    }

    /// It is not repeated, even if that would do no harm.
    pub(crate) fn once(self) -> Self {
        Self { is_made_once: true, ..self }
    }

    /// Whether doing it twice is the same as doing it once, in WAHA and in WhatsApp.
    pub(crate) fn is_repeatable(&self) -> bool {
        !self.is_made_once
            && (self.only_reads() || self.method == Method::DELETE || matches!(self.name, "create" | "start"))
    }

    pub(crate) fn only_reads(&self) -> bool {
        self.method == Method::GET
    }
}
