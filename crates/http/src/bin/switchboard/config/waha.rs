//! The section `waha`: one WAHA server, or a list of them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{anyhow, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use switchboard_domain::WorkerName;
use switchboard_waha_adapter::{ClientConfig, Deadlines, Limits, WebhookConfig, WorkerConfig};

use super::{long_enough, missing, parsed, present, set, web_url};
use crate::wiring;

/// The section, as it was written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Waha {
    url: Option<String>,
    // Of the one server, and of those in the list that have none of their own.
    api_key: Option<SecretString>,
    webhook_secret: Option<SecretString>,
    previous_webhook_secret: Option<SecretString>,
    capacity: Option<u32>,
    /// Where all of them report to.
    webhook_url: Option<String>,
    workers: Vec<Worker>,
    deadlines: WahaDeadlines,
    /// Of an answer with groups or contacts.
    lists_max_bytes: Option<usize>,
}

/// One of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Worker {
    name: Option<String>,
    url: Option<String>,
    api_key: Option<SecretString>,
    webhook_secret: Option<SecretString>,
    previous_webhook_secret: Option<SecretString>,
    capacity: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "the keys say their unit")]
struct WahaDeadlines {
    connect_seconds: u64,
    status_seconds: u64,
    qr_seconds: u64,
    lifecycle_seconds: u64,
    lists_seconds: u64,
}

impl Default for WahaDeadlines {
    fn default() -> Self {
        let defaults = Deadlines::default();
        Self {
            connect_seconds: defaults.connect.as_secs(),
            status_seconds: defaults.status.as_secs(),
            qr_seconds: defaults.qr.as_secs(),
            lifecycle_seconds: defaults.lifecycle.as_secs(),
            lists_seconds: defaults.lists.as_secs(),
        }
    }
}

impl Waha {
    /// The WAHA servers, at least one.
    pub(super) fn workers(&self) -> anyhow::Result<Vec<WorkerConfig>> {
        let url = set(self.url.as_ref());
        if self.workers.is_empty() {
            return Ok(vec![self.worker("waha", wiring::worker_name(), url, &Worker::default())?]);
        }
        if url.is_some() {
            bail!("waha.url: expected either one WAHA server here or a list in waha.workers, but both are set");
        }
        let mut names = BTreeSet::new();
        let workers = self.workers.iter().enumerate().map(|(index, worker)| {
            const NAME: &str = "a name of letters, digits, -, _ or . that never changes, like eu-1";
            let key = format!("waha.workers[{index}]");
            let name_key = format!("{key}.name");
            let name = set(worker.name.as_ref()).ok_or_else(|| missing(&name_key, NAME))?;
            let name: WorkerName = parsed(&name_key, name, NAME)?;
            if !names.insert(name.clone()) {
                bail!("{name_key}: expected a name of its own, and there are two workers named {name}");
            }
            self.worker(&key, name, set(worker.url.as_ref()), worker)
        });
        let workers: Vec<WorkerConfig> = workers.collect::<anyhow::Result<_>>()?;
        for (index, worker) in workers.iter().enumerate() {
            if let Some(other) = workers[..index].iter().position(|other| other.is_same_server(worker)) {
                bail!(
                    "waha.workers[{index}].url: expected the address of another WAHA server, and it is the same as \
                     waha.workers[{other}].url"
                );
            }
        }
        Ok(workers)
    }

    /// The worker under `key`, with what is said of all of them where nothing is said of it.
    fn worker(&self, key: &str, name: WorkerName, url: Option<&str>, own: &Worker) -> anyhow::Result<WorkerConfig> {
        const URL: &str = "the address of your WAHA server, like http://127.0.0.1:3000";
        let url_key = format!("{key}.url");
        let url = url.ok_or_else(|| missing(&url_key, URL))?;
        let (api_key_key, api_key) = either(key, "api_key", own.api_key.as_ref(), self.api_key.as_ref());
        let capacity = own.capacity.or(self.capacity).unwrap_or(WorkerConfig::CAPACITY);
        if capacity == 0 {
            let key = if own.capacity.is_some() { key } else { "waha" };
            bail!("{key}.capacity: expected 1 or more sessions, found 0");
        }
        Ok(WorkerConfig {
            url: web_url(&url_key, url, URL)?,
            api_key: present(&api_key_key, api_key, "the API key of your WAHA server")?.clone(),
            capacity,
            webhook: self.webhook(key, own)?,
            name,
        })
    }

    fn webhook(&self, key: &str, own: &Worker) -> anyhow::Result<Option<WebhookConfig>> {
        const URL: &str = "the public address of this server's webhooks, like https://api.example.com/webhooks/waha";
        let Some(url) = set(self.webhook_url.as_ref()) else { return Ok(None) };
        let (secret_key, secret) =
            either(key, "webhook_secret", own.webhook_secret.as_ref(), self.webhook_secret.as_ref());
        let (previous_key, previous) = either(
            key,
            "previous_webhook_secret",
            own.previous_webhook_secret.as_ref(),
            self.previous_webhook_secret.as_ref(),
        );
        let expected = "the secret that WAHA signs webhooks with";
        Ok(Some(WebhookConfig {
            url: web_url("waha.webhook_url", url, URL)?,
            secret: long_enough(&secret_key, secret)?.ok_or_else(|| missing(&secret_key, expected))?,
            previous_secret: long_enough(&previous_key, previous)?,
        }))
    }

    pub(super) fn client(&self) -> anyhow::Result<ClientConfig> {
        let WahaDeadlines { connect_seconds, status_seconds, qr_seconds, lifecycle_seconds, lists_seconds } =
            self.deadlines;
        let deadline = |key: &str, seconds: u64| match seconds {
            1..=3600 => Ok(Duration::from_secs(seconds)),
            _ => Err(anyhow!("waha.deadlines.{key}: expected 1 to 3600 seconds, found {seconds}")),
        };
        let defaults = Limits::default();
        let lists = self.lists_max_bytes.unwrap_or(defaults.lists);
        if lists < 1024 {
            bail!("waha.lists_max_bytes: expected 1024 or more, found {lists}");
        }
        Ok(ClientConfig {
            deadlines: Deadlines {
                connect: deadline("connect_seconds", connect_seconds)?,
                status: deadline("status_seconds", status_seconds)?,
                qr: deadline("qr_seconds", qr_seconds)?,
                lifecycle: deadline("lifecycle_seconds", lifecycle_seconds)?,
                lists: deadline("lists_seconds", lists_seconds)?,
            },
            limits: Limits { lists, ..defaults },
            ..ClientConfig::default()
        })
    }
}

/// A worker's own secret with its key, else the one for all of them with the key of that.
fn either<'a>(
    worker: &str,
    field: &str,
    own: Option<&'a SecretString>,
    shared: Option<&'a SecretString>,
) -> (String, Option<&'a SecretString>) {
    match own.filter(|secret| is_set(secret)) {
        Some(own) => (format!("{worker}.{field}"), Some(own)),
        None => (format!("waha.{field}"), shared),
    }
}

fn is_set(secret: &SecretString) -> bool {
    !secret.expose_secret().is_empty()
}
