//! The port, on every configured WAHA.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use switchboard_domain::ports::{Clock, Created, GatewayError, WhatsAppGateway};
use switchboard_domain::{
    Group, LidTwin, ListedContact, PairingCode, PhoneNumber, QrCode, SessionAddress, SessionLabels, UpstreamSession,
    WorkerInfo, WorkerName,
};

use crate::config::{ClientConfig, WorkerConfig};
use crate::worker::Worker;

/// Sessions on the configured WAHA servers.
///
/// Reading, create, start and delete are repeated twice where that may help, within the deadline of the call; nothing
/// else ever is. A worker has so many calls under way at a time ([`Places`](crate::Places)), and is left alone while it
/// fails ([`BreakerConfig`](crate::BreakerConfig)), so that one that is sick slows nobody who uses another. Whoever has a
/// gateway should call [`WhatsAppGateway::probe`] now and then: it keeps what is known of workers up to date, and tries
/// again those that were left alone. The first call after such a pause starts a probe too, and fails.
pub struct WahaGateway {
    workers: BTreeMap<WorkerName, Arc<Worker>>,
}

/// Why workers cannot be called as they are configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Two have the same name.
    #[error("there are two workers named {0}")]
    Duplicate(WorkerName),
    /// Two are the same server.
    #[error("the workers {0} and {1} have the same address: each WAHA server can be only one worker")]
    SameServer(WorkerName, WorkerName),
    /// The address of the worker or of its webhook is of no use.
    #[error("the worker {0} needs http or https addresses without a query or fragment")]
    Url(WorkerName),
    /// The key cannot stand in a header.
    #[error("the API key of the worker {0} holds characters that no key can have")]
    ApiKey(WorkerName),
    /// This machine trusts no certificates at all, or its TLS library fails.
    #[error("TLS cannot be set up for the worker {0}: are there any CA certificates on this machine?")]
    Tls(WorkerName),
}

impl WahaGateway {
    /// Knows these workers. By `clock` it is decided how long one is left alone; calls keep their deadlines by tokio's.
    ///
    /// # Errors
    /// [`SetupError`] if one of them cannot be called as it is configured. No connection is made yet.
    pub fn new(
        workers: impl IntoIterator<Item = WorkerConfig>,
        config: &ClientConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let called = move |worker| Worker::new(worker, config, Arc::clone(&clock));
        let workers: Vec<WorkerConfig> = workers.into_iter().collect();
        let mut known = BTreeMap::new();
        for (index, worker) in workers.iter().enumerate() {
            let name = worker.name.clone();
            if !is_usable(&worker.url) || worker.webhook.as_ref().is_some_and(|webhook| !is_usable(&webhook.url)) {
                return Err(SetupError::Url(name));
            }
            if known.insert(name.clone(), Arc::new(called(worker.clone())?)).is_some() {
                return Err(SetupError::Duplicate(name));
            }
            if let Some(other) = workers[..index].iter().find(|other| other.is_same_server(worker)) {
                return Err(SetupError::SameServer(other.name.clone(), name));
            }
        }
        Ok(Self { workers: known })
    }

    /// The worker that is about to be called.
    fn worker(&self, name: &WorkerName) -> Result<&Worker, GatewayError> {
        let worker = self.workers.get(name);
        let worker = worker.ok_or_else(|| GatewayError::Unavailable(format!("no worker {name} is configured here")))?;
        worker.try_again();
        Ok(worker)
    }
}

#[async_trait]
impl WhatsAppGateway for WahaGateway {
    async fn session(&self, at: &SessionAddress) -> Result<Option<UpstreamSession>, GatewayError> {
        self.worker(&at.worker)?.session(&at.name).await
    }

    async fn sessions(&self, worker: &WorkerName) -> Result<Vec<UpstreamSession>, GatewayError> {
        self.worker(worker)?.sessions().await
    }

    async fn create(&self, at: &SessionAddress, labels: &SessionLabels) -> Result<Created, GatewayError> {
        self.worker(&at.worker)?.create(&at.name, labels).await
    }

    async fn start(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.worker(&at.worker)?.start(&at.name).await
    }

    async fn restart(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.worker(&at.worker)?.restart(&at.name).await
    }

    async fn logout(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.worker(&at.worker)?.logout(&at.name).await
    }

    async fn delete(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.worker(&at.worker)?.delete(&at.name).await
    }

    async fn qr(&self, at: &SessionAddress) -> Result<QrCode, GatewayError> {
        self.worker(&at.worker)?.qr(&at.name).await
    }

    async fn request_pairing_code(
        &self,
        at: &SessionAddress,
        phone: &PhoneNumber,
    ) -> Result<PairingCode, GatewayError> {
        self.worker(&at.worker)?.request_pairing_code(&at.name, phone).await
    }

    async fn refresh_groups(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.worker(&at.worker)?.refresh_groups(&at.name).await
    }

    async fn groups(&self, at: &SessionAddress) -> Result<Vec<Group>, GatewayError> {
        self.worker(&at.worker)?.groups(&at.name).await
    }

    async fn contacts(&self, at: &SessionAddress) -> Result<Vec<ListedContact>, GatewayError> {
        self.worker(&at.worker)?.contacts(&at.name).await
    }

    async fn lid_twins(&self, at: &SessionAddress) -> Result<Vec<LidTwin>, GatewayError> {
        self.worker(&at.worker)?.lid_twins(&at.name).await
    }

    async fn renew_webhook(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.worker(&at.worker)?.renew_webhook(&at.name).await
    }

    fn workers(&self) -> Vec<WorkerInfo> {
        self.workers.values().map(|worker| worker.info()).collect()
    }

    async fn probe(&self) -> Vec<WorkerInfo> {
        join_all(self.workers.values().map(|worker| worker.probe())).await;
        self.workers()
    }
}

fn is_usable(url: &url::Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
}
