//! The section `limits`: how much may be asked for.

use std::time::Duration;

use anyhow::bail;
use serde::Deserialize;
use switchboard_http::{Limits as Rules, Quotas};

use super::ServerConfig;

/// The section, as it was written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    reads_per_minute: u32,
    mutations_per_minute: u32,
    connects_per_minute: u32,
    streams_per_minute: u32,
    request_seconds: u64,
    head_seconds: u64,
    connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let Quotas { reads, mutations, connects, streams } = Quotas::default();
        Self {
            reads_per_minute: reads,
            mutations_per_minute: mutations,
            connects_per_minute: connects,
            streams_per_minute: streams,
            request_seconds: Rules::DEADLINE.as_secs(),
            head_seconds: ServerConfig::HEAD.as_secs(),
            connections: ServerConfig::CONNECTIONS,
        }
    }
}

impl ServerConfig {
    /// Connections, unless said otherwise: they take some kilobytes each, and a file descriptor.
    pub(crate) const CONNECTIONS: usize = 25_000;

    /// How long a request's head may take, unless said otherwise: a busy client may connect long before it sends.
    pub(crate) const HEAD: Duration = Duration::from_secs(10);
}

impl Limits {
    pub(super) fn quotas(&self) -> Quotas {
        Quotas {
            reads: self.reads_per_minute,
            mutations: self.mutations_per_minute,
            connects: self.connects_per_minute,
            streams: self.streams_per_minute,
        }
    }

    pub(super) fn deadline(&self) -> anyhow::Result<Duration> {
        seconds("limits.request_seconds", self.request_seconds)
    }

    pub(super) fn head(&self) -> anyhow::Result<Duration> {
        seconds("limits.head_seconds", self.head_seconds)
    }

    pub(super) fn connections(&self) -> anyhow::Result<usize> {
        match self.connections {
            0 => bail!("limits.connections: expected 1 or more, found 0"),
            connections => Ok(connections),
        }
    }
}

fn seconds(key: &str, seconds: u64) -> anyhow::Result<Duration> {
    if !(1..=3600).contains(&seconds) {
        bail!("{key}: expected 1 to 3600 seconds, found {seconds}");
    }
    Ok(Duration::from_secs(seconds))
}
