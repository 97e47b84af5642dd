//! The configuration: defaults < `switchboard.toml` < `SWITCHBOARD__SECTION__KEY`.

mod auth;
#[cfg(test)]
mod fuzzed;
mod indexed;
mod limits;
mod telemetry;
mod waha;

use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{anyhow, bail};
use chrono::TimeDelta;
use config::{Environment, File, FileFormat, Source};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use switchboard_domain::services::{AuditTrail, Services};
use switchboard_http::{Live, Page, WEBHOOKS_PATH};
use switchboard_waha_adapter::{ClientConfig, WorkerConfig};
use url::Url;

use self::auth::Auth;
pub(crate) use self::auth::{AuthConfig, KeysAt};
use self::indexed::Indexed;
use self::limits::Limits;
use self::telemetry::{Log, Metrics, Traces};
use self::waha::Waha;
use super::tls::{Tls, TlsFiles};
use super::wiring::ServiceLimits;

/// Everything that can be configured, as it was written. What has a form of its own is checked by the getters, which
/// name the key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    server: Server,
    database: Database,
    waha: Waha,
    auth: Auth,
    directory: Directory,
    audit: Audit,
    streams: Streams,
    limits: Limits,
    log: Log,
    metrics: Metrics,
    traces: Traces,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Server {
    bind: String,
    workers: Option<usize>,
    trpc_path: String,
    #[serde(deserialize_with = "list_or_commas")]
    cors_origins: Vec<String>,
    drain_seconds: u64,
    shutdown_seconds: u64,
    page: bool,
    tls_certificate: Option<String>,
    tls_key: Option<String>,
    https_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Database {
    url: SecretString,
    max_connections: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Directory {
    memory_bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Audit {
    retention_days: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Streams {
    per_user: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:8080".to_owned(),
            workers: None,
            trpc_path: "/api/trpc".to_owned(),
            cors_origins: Vec::new(),
            drain_seconds: 2,
            shutdown_seconds: 30,
            page: true,
            tls_certificate: None,
            tls_key: None,
            https_only: false,
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self { url: SecretString::from("sqlite://switchboard.sqlite"), max_connections: 16 }
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self { per_user: Live::STREAMS_PER_USER }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { retention_days: AuditTrail::KEPT_FOR_DAYS }
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self { memory_bytes: Services::DIRECTORY_MEMORY }
    }
}

/// Where and how to listen.
#[derive(Debug)]
pub(crate) struct ServerConfig {
    pub(crate) bind: SocketAddr,
    /// Threads that answer requests; as many as there are cores, if nothing is said.
    pub(crate) workers: Option<usize>,
    pub(crate) trpc_path: String,
    pub(crate) cors_origins: Vec<String>,
    /// Whether their pages may send cookies along.
    pub(crate) cookies: bool,
    /// How long everything is still answered at a stop.
    pub(crate) drain: Duration,
    /// How long what is under way then may take.
    pub(crate) shutdown: Duration,
    pub(crate) page: Page,
    /// Where the certificate is, if the server encrypts by itself.
    pub(crate) tls: Option<TlsFiles>,
    /// Whether browsers are told to come by https only.
    pub(crate) https_only: bool,
    /// Connections at the same time, at most.
    pub(crate) connections: usize,
    /// How long the first request on a connection may take to arrive, without its body.
    pub(crate) head: Duration,
}

impl ServerConfig {
    /// How its addresses begin.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

impl Config {
    const FILE: &str = "switchboard.toml";

    /// Reads the file, which has to exist if it is named, and the environment.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let source = match file {
            Some(path) => File::from(path).format(FileFormat::Toml).required(true),
            None => File::new(Self::FILE, FileFormat::Toml).required(false),
        };
        Self::read(source, Self::environment())
    }

    fn environment() -> Environment {
        // Not parsed before their type is known: an API key like 00123 is no number.
        Environment::with_prefix("SWITCHBOARD").prefix_separator("__").separator("__")
    }

    fn read(file: impl Source + Send + Sync + 'static, environment: Environment) -> anyhow::Result<Self> {
        let merged = config::Config::builder().add_source(file).add_source(Indexed(environment)).build();
        // The first line says where; the next ones repeat the text there, which may be a secret.
        let merged = merged.map_err(|error| anyhow!("{}", error.to_string().lines().next().unwrap_or_default()))?;
        serde_path_to_error::deserialize(merged).map_err(|error| match error.path().to_string().as_str() {
            "." => anyhow!("configuration: {}", error.inner()),
            key => anyhow!("{key}: {}", error.inner()),
        })
    }

    /// Checks everything that `serve` needs, and says what it amounts to, without secrets.
    pub(crate) fn check(&self) -> anyhow::Result<String> {
        let server = self.server()?;
        self.limits()?;
        self.audit_kept_for()?;
        self.log()?;
        self.telemetry(self.traces()?.is_some())?;
        let workers = self.workers()?;
        server.tls.clone().map(Tls::read).transpose()?;
        super::wiring::gateway(self)?;
        super::wiring::sign_in(&self.auth()?, &super::wiring::storage(self)?, &server.cors_origins)?;
        let origins: Vec<_> = workers.iter().map(|worker| worker.url.origin().ascii_serialization()).collect();
        Ok(format!(
            "The configuration is good: tRPC at {}://{}{}, {} database, {} at {}.",
            server.scheme(),
            server.bind,
            server.trpc_path,
            if self.database.url.expose_secret().starts_with("sqlite:") { "SQLite" } else { "PostgreSQL" },
            if let [_] = workers[..] { "WAHA".to_owned() } else { format!("{} WAHA workers", workers.len()) },
            origins.join(", "),
        ))
    }

    pub(crate) fn server(&self) -> anyhow::Result<ServerConfig> {
        let Server { bind, workers, trpc_path, cors_origins, drain_seconds, shutdown_seconds, page, .. } = &self.server;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
        if !trpc_path.starts_with('/') || trpc_path.ends_with('/') || !trpc_path.chars().all(plain) {
            bail!("server.trpc_path: expected a path like /api/trpc, found {trpc_path:?}");
        }
        let is_hidden = |route: &str| format!("{route}/").starts_with(&format!("{trpc_path}/"));
        if ["/v1/session", "/v1/sessions", "/connect", "/docs", "/metrics", "/openapi.json", "/ui", WEBHOOKS_PATH]
            .into_iter()
            .any(is_hidden)
        {
            bail!("server.trpc_path: expected a path like /api/trpc, and {trpc_path} is where other routes are");
        }
        if *workers == Some(0) {
            bail!("server.workers: expected 1 or more, found 0");
        }
        for origin in cors_origins {
            let url: Url = parsed("server.cors_origins", origin, "origins like https://app.example.com")?;
            if url.origin().ascii_serialization() != *origin {
                bail!("server.cors_origins: expected origins like https://app.example.com, found {origin:?}");
            }
        }
        Ok(ServerConfig {
            bind: parsed("server.bind", bind, "an address and port like 127.0.0.1:8080")?,
            workers: *workers,
            trpc_path: trpc_path.clone(),
            cors_origins: cors_origins.clone(),
            cookies: self.auth.has_cookie(),
            drain: Duration::from_secs(*drain_seconds),
            shutdown: Duration::from_secs(*shutdown_seconds),
            page: if *page { Page::On } else { Page::Off },
            tls: self.server.tls()?,
            https_only: self.server.https_only,
            connections: self.limits.connections()?,
            head: self.limits.head()?,
        })
    }

    pub(crate) fn database_url(&self) -> &SecretString {
        &self.database.url
    }

    pub(crate) fn max_connections(&self) -> anyhow::Result<usize> {
        match self.database.max_connections {
            0 => bail!("database.max_connections: expected 1 or more, found 0"),
            connections => Ok(connections),
        }
    }

    /// How much of something there may be.
    pub(crate) fn limits(&self) -> anyhow::Result<ServiceLimits> {
        let directory_memory = self.directory.memory_bytes;
        if directory_memory < 1024 * 1024 {
            bail!("directory.memory_bytes: expected 1048576 (1 MiB) or more, found {directory_memory}")
        }
        let streams_per_user = self.streams.per_user;
        if streams_per_user == 0 {
            bail!("streams.per_user: expected 1 or more, found 0")
        }
        Ok(ServiceLimits {
            directory_memory,
            streams_per_user,
            quotas: self.limits.quotas(),
            deadline: self.limits.deadline()?,
        })
    }

    /// How long it is remembered who did what.
    pub(crate) fn audit_kept_for(&self) -> anyhow::Result<TimeDelta> {
        match self.audit.retention_days {
            days @ 1..=36_500 => Ok(TimeDelta::days(days.into())),
            other => bail!("audit.retention_days: expected 1 to 36500, found {other}"),
        }
    }

    /// Who may sign in.
    pub(crate) fn auth(&self) -> anyhow::Result<AuthConfig> {
        let is_https = self.server.https_only || self.server.tls()?.is_some();
        self.auth.check(!self.database.url.expose_secret().starts_with("sqlite:"), is_https)
    }

    /// The WAHA servers, one or more.
    pub(crate) fn workers(&self) -> anyhow::Result<Vec<WorkerConfig>> {
        self.waha.workers()
    }

    pub(crate) fn waha_client(&self) -> anyhow::Result<ClientConfig> {
        self.waha.client()
    }
}

impl Server {
    fn tls(&self) -> anyhow::Result<Option<TlsFiles>> {
        match (set(self.tls_certificate.as_ref()), set(self.tls_key.as_ref())) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate: certificate.into(), key: key.into() })),
            (Some(_), None) => Err(missing("server.tls_key", "the file of the private key of server.tls_certificate")),
            (None, Some(_)) => Err(missing("server.tls_certificate", "the file of the certificate of server.tls_key")),
        }
    }
}

/// A text that is set: an empty variable in the environment is none.
fn set(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// A value with a form of its own.
fn parsed<T: FromStr>(key: &str, text: &str, expected: &str) -> anyhow::Result<T> {
    text.parse().map_err(|_| anyhow!("{key}: expected {expected}, found {text:?}"))
}

/// An http address. What was found is not repeated: it may hold a password.
fn web_url(key: &str, text: &str, expected: &str) -> anyhow::Result<Url> {
    match text.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => bail!("{key}: expected {expected}"),
    }
}

/// A secret that is set. An empty variable in the environment is none.
fn long_enough(key: &str, secret: Option<&SecretString>) -> anyhow::Result<Option<SecretString>> {
    /// In bytes. Of tokens and keys that whoever has an answer or a log could otherwise guess.
    const SHORTEST: usize = 16;
    let secret = secret.filter(|secret| !secret.expose_secret().is_empty());
    if secret.is_some_and(|secret| secret.expose_secret().len() < SHORTEST) {
        bail!("{key}: expected {SHORTEST} bytes or more");
    }
    Ok(secret.cloned())
}

/// A secret that has to be set.
fn present<'a>(key: &str, secret: Option<&'a SecretString>, expected: &str) -> anyhow::Result<&'a SecretString> {
    secret.filter(|secret| !secret.expose_secret().is_empty()).ok_or_else(|| missing(key, expected))
}

fn missing(key: &str, expected: &str) -> anyhow::Error {
    let variable = key.replace(['.', '['], "__").replace(']', "").to_uppercase();
    let variable = format!("SWITCHBOARD__{variable}");
    anyhow!("{key}: expected {expected}, but it is not set (here, or as {variable})")
}

/// A list, or one text with commas, as an environment variable has it.
fn list_or_commas<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<String>),
        Commas(String),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::List(list) => list,
        Either::Commas(text) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        }
    })
}
