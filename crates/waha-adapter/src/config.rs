//! What is configured of WAHA servers and of the calls to them.

use std::{fmt, time::Duration};

use secrecy::SecretString;
use switchboard_domain::WorkerName;
use url::Url;

/// A WAHA server.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Its name here, and the last segment of its webhook's address.
    pub name: WorkerName,
    /// Where it is, http or https; it may stand below a path.
    pub url: Url,
    /// Its `X-Api-Key`.
    pub api_key: SecretString,
    /// How many sessions it may have; see [`WorkerConfig::CAPACITY`].
    pub capacity: u32,
    /// Where it reports to, if it can reach us.
    pub webhook: Option<WebhookConfig>,
}

impl WorkerConfig {
    /// How many sessions one WAHA may have unless told otherwise: what its makers give for an engine without a browser
    /// (NOWEB, GOWS) on a machine of their own. With a browser for each session (WEBJS, WPP) they give 50.
    pub const CAPACITY: u32 = 500;

    /// Whether it is the same WAHA server as the other, as far as their addresses tell: its sessions would be counted
    /// twice, and each worker would take the other's for its own.
    #[must_use]
    pub fn is_same_server(&self, other: &Self) -> bool {
        let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
        self.url.origin() == other.url.origin() && path(&self.url) == path(&other.url)
    }
}

/// Where the sessions of a worker report their events.
#[derive(Clone)]
pub struct WebhookConfig {
    /// Our public address; the worker's name is appended as one more segment.
    pub url: Url,
    /// The key of the HMAC by which the events are known to be the worker's.
    pub secret: SecretString,
    /// The key before this one: sessions sign with it until their configuration is renewed.
    pub previous_secret: Option<SecretString>,
}

/// How workers are called.
#[derive(Clone, Debug, Default)]
pub struct ClientConfig {
    /// How long calls may take.
    pub deadlines: Deadlines,
    /// How large answers may be.
    pub limits: Limits,
    /// How many calls one worker may have under way.
    pub places: Places,
    /// When a worker is left alone.
    pub breaker: BreakerConfig,
    /// Whether `HTTP_PROXY` and its kin are honoured. Not by default: WAHA is an internal service, and what is sent to
    /// it holds its key.
    pub environment_proxy: bool,
}

/// How long calls may take: connecting, repeats and the last byte of the answer included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Making a connection. Shorter than the others, so that a dead host is known to be one.
    pub connect: Duration,
    /// The status of a session, and whether a worker answers. WAHA asks a hanging engine for up to 3 s.
    pub status: Duration,
    /// A QR or pairing code. WAHA waits up to 10 s for the right status.
    pub qr: Duration,
    /// Create, start, restart, logout, delete, and the list of sessions. WAHA waits 5 s for a session's lock and gives
    /// up on itself 30 s later.
    pub lifecycle: Duration,
    /// Groups, their refresh, contacts, and all pages of hidden ids together. Engines wait up to 120 s for WhatsApp.
    pub lists: Duration,
}

/// How large answers may be, in bytes after decompression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What is read of an answer that is no success; more is not needed to know why.
    pub refusal: usize,
    /// One session, and what other calls without a list answer.
    pub status: usize,
    /// A QR or pairing code.
    pub qr: usize,
    /// Sessions, groups, contacts, a page of hidden ids.
    pub lists: usize,
}

/// How many calls of each kind may be under way at one worker. A call that pauses before it is repeated is not under way.
/// None may be 0: 1 is taken instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The status of a session. Whether a worker answers is asked one at a time, on a place of its own.
    pub status: usize,
    /// QR and pairing codes. WAHA waits up to 10 s for the right status.
    pub qr: usize,
    /// Create, start, restart, logout, delete, a session's configuration, and the list of sessions.
    pub lifecycle: usize,
    /// Groups, their refresh, contacts and pages of hidden ids. Each may take minutes, and a list of 64 MiB.
    pub lists: usize,
    /// How long a call may wait for a place: never longer than a fifth of its deadline either. Then it fails with
    /// [`GatewayError::Unavailable`](switchboard_domain::ports::GatewayError::Unavailable), and nothing has happened.
    pub longest_wait: Duration,
}

/// When a worker is left alone, and for how long: calls then fail at once, with
/// [`GatewayError::Unavailable`](switchboard_domain::ports::GatewayError::Unavailable). After a pause one probe is made. If
/// that is answered, all calls are made again; otherwise the next pause is twice as long.
///
/// What counts is what speaks of the worker and not of one of its sessions: no connection, one that is lost, a proxy's 502,
/// 503 or 504, and a deadline of a call that waits neither for a phone nor for WhatsApp. Deadlines of one session alone
/// are never enough. Each request counts, repeats too; any answer of WAHA's own, even a 500, sets the count back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// After how many failures in a row.
    pub failures: u32,
    /// For how long at first. Each pause is shorter by up to a quarter, at random.
    pub pause: Duration,
    /// For how long at most.
    pub longest_pause: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            status: Duration::from_secs(5),
            qr: Duration::from_secs(15),
            lifecycle: Duration::from_secs(35),
            lists: Duration::from_secs(130),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self { refusal: MIB / 4, status: MIB, qr: MIB, lists: 64 * MIB }
    }
}

impl Default for Places {
    fn default() -> Self {
        Self { status: 32, qr: 16, lifecycle: 32, lists: 16, longest_wait: Duration::from_secs(10) }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(5), longest_pause: Duration::from_mins(1) }
    }
}

/// Addresses may hold passwords: `{:?}` shows only where they lead.
impl fmt::Debug for WorkerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerConfig")
            .field("name", &self.name)
            .field("url", &self.url.origin().ascii_serialization())
            .field("capacity", &self.capacity)
            .field("webhook", &self.webhook)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig").field("url", &self.url.origin().ascii_serialization()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_key_no_secret_and_no_password() {
        let worker = WorkerConfig {
            name: "w1".parse().unwrap(),
            url: "http://user:canary@waha:3000/canary".parse().unwrap(),
            api_key: SecretString::from("canary"),
            capacity: 10,
            webhook: Some(WebhookConfig {
                url: "https://us.example/hook?canary".parse().unwrap(),
                secret: SecretString::from("canary"),
                previous_secret: Some(SecretString::from("canary")),
            }),
        };
        let shown = format!("{worker:?}");
        assert!(shown.contains("http://waha:3000") && shown.contains("capacity: 10"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
