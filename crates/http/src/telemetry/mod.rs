//! What an operator is shown of what happens here: a line a call, metrics, spans. Never whom it was about, nor what it said.

mod calls;
mod gateway;
mod metrics;
mod request_id;
mod scrape;
mod user_hash;

use std::sync::Arc;

use actix_web::HttpMessage;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use secrecy::SecretString;
use switchboard_domain::ports::{Clock, Random, WhatsAppGateway};
use switchboard_domain::services::Services;

pub(crate) use self::calls::{Api, Calls, Told};
pub use self::calls::{Incoming, TRACED};
use self::gateway::Observed;
use self::metrics::Registry;
pub use self::request_id::RequestId;
use self::request_id::RequestIds;
pub use self::scrape::MetricsAccess;
pub(crate) use self::scrape::routes;
use self::user_hash::UserHashes;

/// How much is shown, and to whom.
#[derive(Default)]
pub struct TelemetryOptions {
    /// Who may read the metrics.
    pub metrics: MetricsAccess,
    /// What users' ids are hashed with in logs; without it, a secret of this process, so that what two processes log of a
    /// user cannot be brought together.
    pub user_key: Option<SecretString>,
    /// Makes a span a part of the trace that a request's `traceparent` names. Without it the header is not looked at.
    pub continue_trace: Option<ContinueTrace>,
}

/// Makes a span a part of the trace that a `traceparent` names, if it names one.
pub type ContinueTrace = fn(&tracing::Span, traceparent: &str);

/// What is counted, logged and traced in this process.
pub struct Telemetry {
    pub(crate) calls: Arc<Calls>,
    registry: Arc<Registry>,
    access: MetricsAccess,
    ids: RequestIds,
}

impl Telemetry {
    /// Nothing has happened yet.
    pub fn new(options: TelemetryOptions, clock: &dyn Clock, random: &dyn Random) -> Self {
        let TelemetryOptions { metrics, user_key, continue_trace } = options;
        let registry = Arc::new(Registry::new(clock.now()));
        let users = UserHashes::new(user_key, random);
        let calls = Arc::new(Calls::new(Arc::clone(&registry), users, continue_trace));
        Self { calls, registry, access: metrics, ids: RequestIds::new(random) }
    }

    /// The same gateway, with its calls counted, timed and traced.
    #[must_use]
    pub fn observe(&self, gateway: Arc<dyn WhatsAppGateway>) -> Arc<dyn WhatsAppGateway> {
        Arc::new(Observed::new(gateway, &self.registry))
    }

    /// The request's id, by which it is told of in the log and in its answer's `X-Request-Id`: the one it came with, if
    /// that is one, else a new one. It is the same each time.
    pub fn request_id(&self, request: &impl HttpMessage) -> RequestId {
        self.ids.of(request)
    }

    /// The header of request ids.
    pub const REQUEST_ID: HeaderName = RequestId::HEADER;

    /// What a request says of itself.
    pub(crate) fn incoming(&self, request: &impl HttpMessage) -> Incoming {
        Incoming::new(self.request_id(request), self.calls.trace_parent(request))
    }

    /// A report of WAHA's was answered.
    pub(crate) fn webhook(&self, status: StatusCode) {
        self.registry.webhooks.with_label_values(&[status.as_str()]).inc();
    }

    /// All metrics, as Prometheus reads them.
    pub(crate) fn scrape(&self, services: &Services, gateway: &dyn WhatsAppGateway, streams: usize) -> String {
        self.registry.render(|registry| scrape::gather(registry, services, &gateway.workers(), streams))
    }
}
