//! Why a call came to nothing.

use std::fmt;

use reqwest::StatusCode;
use switchboard_domain::ports::GatewayError;

use crate::breaker::Verdict;
use crate::call::Kind;
use crate::refusal::Refusal;

/// Why a call came to nothing, as far as this crate minds.
#[derive(Debug)]
pub(crate) enum Failure {
    /// WAHA answered, or a proxy before it, and it was no success.
    Refused {
        /// With which status.
        status: StatusCode,
        /// What it means.
        refusal: Refusal,
    },
    /// Nothing was sent: the worker is left alone, or has enough to do.
    NotMade(&'static str),
    /// There was no connection to send it on.
    NoConnection {
        /// The operating system's or the TLS library's words.
        cause: String,
        /// It did not even say no.
        timed_out: bool,
    },
    /// The connection was lost before there was an answer, or what came is not HTTP.
    Disconnected(String),
    /// The body broke off while it was read, or could not be decompressed: reqwest calls both the same.
    Cut,
    /// The deadline passed.
    Deadline,
    /// A body that is not what it should be; asking again would bring the same.
    Broken(String),
}

impl Failure {
    pub(crate) fn broken(cause: impl Into<String>) -> Self {
        Self::Broken(cause.into())
    }

    /// What the failure of a request means that reqwest made. Only what lies at the bottom of its error is told: above
    /// it stands the address.
    pub(crate) fn from_request(error: &reqwest::Error) -> Self {
        let cause = root_cause(error);
        if error.is_connect() {
            Self::NoConnection { cause, timed_out: error.is_timeout() }
        } else {
            Self::Disconnected(cause)
        }
    }

    /// What WAHA meant, if it answered.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// The status of WAHA's answer, if there was one that was no success.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }

    /// Whether the same call may well succeed a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => refusal.is_passing(),
            // Who does not even accept in time is not asked again: that would cost the deadline, and with it the
            // knowledge that nothing has happened.
            Self::NoConnection { timed_out, .. } => !timed_out,
            Self::Disconnected(_) | Self::Cut => true,
            Self::NotMade(_) | Self::Deadline | Self::Broken(_) => false,
        }
    }

    /// Whether it is unknown if what was asked has happened.
    pub(crate) fn outcome_is_unknown(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => refusal.outcome_is_unknown(),
            Self::NotMade(_) | Self::NoConnection { .. } => false,
            Self::Disconnected(_) | Self::Cut | Self::Deadline | Self::Broken(_) => true,
        }
    }

    /// What it tells of the worker, rather than of the session that the call was about: the one place that decides what
    /// its breaker counts.
    pub(crate) fn verdict<'a>(&self, kind: Kind, session: Option<&'a str>) -> Verdict<'a> {
        match self {
            // It, or a proxy before it, had no time to the end; or it had begun, and broke off. A list may be too much for a
            // proxy, or its engine may die of it: a short body has no such excuse.
            Self::Refused { status: StatusCode::GATEWAY_TIMEOUT, .. } | Self::Deadline | Self::Cut => {
                Self::unanswered(kind, session)
            }
            // Of all 5xx, WAHA itself says 500 and 501. The others are a proxy's, of a WAHA that is not there.
            Self::Refused { status, .. } if status.as_u16() >= 502 => Verdict::Fails(None),
            // Nobody there, or one who accepts no more; or a process that dies, whatever it was asked.
            Self::NoConnection { .. } | Self::Disconnected(_) => Verdict::Fails(None),
            // Any other answer is one, and quick, even if it is too large or not what was asked for: that the session, its
            // engine or WhatsApp fails is no other user's trouble.
            Self::Refused { .. } | Self::Broken(_) => Verdict::Answers,
            // Nothing was asked.
            Self::NotMade(_) => Verdict::Unclear,
        }
    }

    /// Of a call that was not answered to its end. An engine that waits for a phone or for WhatsApp keeps WAHA waiting too,
    /// and is one session's; all else WAHA answers within the deadline unless something is wrong with WAHA, or with that
    /// session alone.
    fn unanswered(kind: Kind, session: Option<&str>) -> Verdict<'_> {
        if kind.waits_for_the_session() { Verdict::Unclear } else { Verdict::Fails(session) }
    }

    /// What this means of a call that was made before, nobody knows with what outcome: only what WAHA says of the
    /// session still tells it.
    pub(crate) fn after_an_unknown_outcome(self) -> Self {
        if self.refusal().is_some_and(Refusal::tells_of_the_session) || self.outcome_is_unknown() {
            self
        } else {
            Self::broken(format!("no usable answer, and then: {self}"))
        }
    }
}

/// No form holds anything of a body.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        GatewayError::from(self).fmt(f)
    }
}

impl From<&Failure> for GatewayError {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Refused { refusal, .. } => refusal.clone().into(),
            Failure::NotMade(why) => Self::Unavailable((*why).to_owned()),
            Failure::NoConnection { cause, .. } => Self::Unavailable(format!("no connection: {cause}")),
            Failure::Disconnected(cause) => Self::Broken(format!("the connection was lost: {cause}")),
            Failure::Cut => Self::Broken("the body was cut or garbled".to_owned()),
            Failure::Deadline => Self::Timeout,
            Failure::Broken(cause) => Self::Broken(cause.clone()),
        }
    }
}

impl From<Failure> for GatewayError {
    fn from(failure: Failure) -> Self {
        Self::from(&failure)
    }
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| "unknown cause".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        Failure::Refused { status, refusal: Refusal::read(status, body.as_bytes()) }
    }

    const KINDS: [Kind; 5] = [Kind::Probe, Kind::Status, Kind::Qr, Kind::Lifecycle, Kind::Lists];

    #[test]
    fn any_answer_of_waha_shows_that_it_answers() {
        for status in [301, 400, 401, 403, 404, 409, 422, 429, 500, 501] {
            let dumps = [
                "",
                r#"{"exception":{"message":"rate-overlimit"}}"#,
                r#"{"exception":{"message":"async-lock timed out"}}"#,
            ];
            for (kind, body) in KINDS.into_iter().flat_map(|kind| dumps.map(|body| (kind, body))) {
                assert_eq!(
                    refused(status, body).verdict(kind, Some("x")),
                    Verdict::Answers,
                    "{status} {kind:?} {body}"
                );
            }
        }
        assert!(KINDS.iter().all(|kind| Failure::broken("too large").verdict(*kind, None) == Verdict::Answers));
    }

    #[test]
    fn a_waha_that_is_not_there_fails_whatever_it_was_asked() {
        for kind in KINDS {
            let lost = Failure::Disconnected("reset".to_owned());
            let nobody = |timed_out| Failure::NoConnection { cause: "refused".to_owned(), timed_out };
            let failures = [lost, nobody(false), nobody(true), refused(502, ""), refused(503, ""), refused(521, "")];
            assert!(
                failures.iter().all(|failure| failure.verdict(kind, Some("x")) == Verdict::Fails(None)),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_wait_for_a_phone_or_for_whatsapp_tells_nothing_and_any_other_that_it_fails() {
        for session in [None, Some("x")] {
            let fails = Verdict::Fails(session);
            for (kind, verdict) in KINDS.into_iter().zip([fails, fails, Verdict::Unclear, fails, Verdict::Unclear]) {
                for failure in [Failure::Deadline, Failure::Cut, refused(504, "")] {
                    assert_eq!(failure.verdict(kind, session), verdict, "{kind:?} {failure}");
                }
            }
        }
    }
}
