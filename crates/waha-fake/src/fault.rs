//! What can be made to go wrong between the fake and its client.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::http::{Delivery, Reply, Request};

/// A rule: calls that match it go wrong.
#[derive(Clone, Debug, Deserialize)]
pub struct Fault {
    /// Only calls with this method; any if `None`.
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls whose raw path and query (`/api/x/groups?limit=1`) contain this; any if empty.
    #[serde(default)]
    pub path: String,
    /// How many calls it spoils, then it is spent; all if `None`.
    #[serde(default)]
    pub times: Option<usize>,
    /// What goes wrong.
    #[serde(flatten)]
    pub action: FaultAction,
}

/// What goes wrong with a call.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum FaultAction {
    /// The call is done after this real time. Adds up, and goes together with one of the others.
    Delay {
        /// How long; in milliseconds in JSON.
        #[serde(rename = "ms", deserialize_with = "milliseconds")]
        by: Duration,
    },
    /// The call is not done; this is answered, as JSON.
    Status {
        /// The status.
        status: u16,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// The call is not done; this is answered, byte for byte.
    Answer {
        /// The status.
        status: u16,
        /// The headers besides `Content-Length`, such as `Content-Encoding` of a bomb.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The call is done, but only so many bytes of the body arrive: fewer than `Content-Length` says.
    Truncate {
        /// After how many bytes the socket is closed.
        after: usize,
    },
    /// The call is not done, and the socket closed without an answer.
    Reset,
    /// The call is done, but the socket closed without an answer.
    Lost,
    /// The call is not done; a JSON array that never ends is answered.
    Endless,
    /// The call is done, and its body arrives byte by byte.
    SlowBytes {
        /// The real time before each byte; in milliseconds in JSON.
        #[serde(rename = "ms", deserialize_with = "milliseconds")]
        gap: Duration,
    },
    /// The call is not done; the client is sent elsewhere, or round and round if `to` is the same address.
    Redirect {
        /// The `Location`.
        to: String,
    },
}

impl Fault {
    /// A fault of every call.
    pub fn new(action: FaultAction) -> Self {
        Self { method: None, path: String::new(), times: None, action }
    }

    /// A fault of the calls whose raw path and query contain `path`.
    pub fn on(path: impl Into<String>, action: FaultAction) -> Self {
        Self { path: path.into(), ..Self::new(action) }
    }

    /// Only of calls with this method.
    #[must_use]
    pub fn method(self, method: impl Into<String>) -> Self {
        Self { method: Some(method.into()), ..self }
    }

    /// Only so many times.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times: Some(times), ..self }
    }

    fn matches(&self, request: &Request) -> bool {
        let target = format!("{}?{}", request.path, request.query);
        self.times != Some(0)
            && self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&request.method))
            && target.contains(&self.path)
    }
}

impl FaultAction {
    /// A body of this type instead of the answer.
    pub fn garbage(bytes: impl Into<Vec<u8>>, content_type: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self::Answer { status: 200, headers, body: bytes.into() }
    }

    /// What is answered without doing the call; `None` if the call is done.
    pub(crate) fn instead(&self) -> Option<Reply> {
        match self {
            Self::Status { status, body } => {
                Some(Reply::new(*status, "application/json; charset=utf-8", body.clone().into_bytes()))
            }
            Self::Answer { status, headers, body } => {
                Some(Reply { headers: headers.clone(), body: body.clone(), ..Reply::empty(*status) })
            }
            Self::Reset => Some(Reply::reset()),
            Self::Endless => Some(Reply { delivery: Delivery::Endless, ..Reply::ok(&["x".repeat(1024)]) }),
            Self::Redirect { to } => {
                Some(Reply { headers: vec![("Location".to_owned(), to.clone())], ..Reply::empty(302) })
            }
            Self::Delay { .. } | Self::Truncate { .. } | Self::Lost | Self::SlowBytes { .. } => None,
        }
    }

    /// What becomes of the answer to a call that was done.
    pub(crate) fn spoil(&self, reply: Reply) -> Reply {
        let delivery = match self {
            Self::Truncate { after } => Delivery::Cut(*after),
            Self::Lost => Delivery::Lost,
            Self::SlowBytes { gap } => Delivery::Slow(*gap),
            _ => return reply,
        };
        Reply { delivery, ..reply }
    }
}

/// What the faults do to one call: all delays that match, and the first of the others.
#[derive(Debug, Default)]
pub(crate) struct Mishap {
    pub(crate) delay: Duration,
    pub(crate) action: Option<FaultAction>,
}

/// Takes what matches from the rules, and a count from each rule that was used.
pub(crate) fn strike(faults: &mut Vec<Fault>, request: &Request) -> Mishap {
    let mut mishap = Mishap::default();
    for fault in faults.iter_mut().filter(|fault| fault.matches(request)) {
        match &fault.action {
            FaultAction::Delay { by } => mishap.delay += *by,
            action if mishap.action.is_none() => mishap.action = Some(action.clone()),
            _ => continue,
        }
        fault.times = fault.times.map(|left| left - 1);
    }
    faults.retain(|fault| fault.times != Some(0));
    mishap
}

fn milliseconds<'de, D: Deserializer<'de>>(json: D) -> Result<Duration, D::Error> {
    u64::deserialize(json).map(Duration::from_millis)
}
