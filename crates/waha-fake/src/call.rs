//! What was asked of the fake.

use serde::Serialize;

/// How many calls are remembered; older ones are forgotten.
pub(crate) const REMEMBERED: usize = 100_000;

/// One call to `/api/…`, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The method, in upper case.
    pub method: String,
    /// The path as it was on the wire, not decoded.
    pub path: String,
    /// The query as it was on the wire, without `?`; empty if there was none.
    pub query: String,
    /// The session it was about: named in the path, in the query, or in the body of a create.
    pub session: Option<String>,
    /// Whether the key was right; without it nothing was done.
    pub authorized: bool,
}
