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
    /// Where it reports to, if it can reach us.
    pub webhook: Option<WebhookConfig>,
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

/// Addresses may hold passwords: `{:?}` shows only where they lead.
impl fmt::Debug for WorkerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerConfig")
            .field("name", &self.name)
            .field("url", &self.url.origin().ascii_serialization())
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
            webhook: Some(WebhookConfig {
                url: "https://us.example/hook?canary".parse().unwrap(),
                secret: SecretString::from("canary"),
                previous_secret: Some(SecretString::from("canary")),
            }),
        };
        let shown = format!("{worker:?}");
        assert!(shown.contains("http://waha:3000") && !shown.contains("canary"), "{shown}");
    }
}
