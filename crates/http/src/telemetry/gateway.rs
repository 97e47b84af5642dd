//! Calls of WAHA, counted, timed and traced.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use async_trait::async_trait;
use prometheus::{Histogram, IntCounter};
use switchboard_domain::ports::{Created, GatewayError, WhatsAppGateway};
use switchboard_domain::{
    Group, LidTwin, ListedContact, PairingCode, PhoneNumber, QrCode, SessionAddress, SessionLabels, UpstreamSession,
    WorkerInfo, WorkerName,
};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::calls::{TRACED, UNKNOWN};
use super::metrics::Registry;

/// A gateway whose calls are seen. One call here may be several requests, or none if the worker is left alone.
pub(super) struct Observed {
    gateway: Arc<dyn WhatsAppGateway>,
    registry: Arc<Registry>,
    workers: BTreeMap<WorkerName, [Series; Call::ALL.len()]>,
    unknown: [Series; Call::ALL.len()],
}

/// What is asked of WAHA.
#[derive(Clone, Copy)]
enum Call {
    Session,
    Sessions,
    Create,
    Start,
    Restart,
    Logout,
    Delete,
    Qr,
    PairingCode,
    RefreshGroups,
    Groups,
    Contacts,
    LidTwins,
    RenewWebhook,
}

impl Call {
    const ALL: [(Self, &str); 14] = [
        (Self::Session, "session"),
        (Self::Sessions, "sessions"),
        (Self::Create, "create"),
        (Self::Start, "start"),
        (Self::Restart, "restart"),
        (Self::Logout, "logout"),
        (Self::Delete, "delete"),
        (Self::Qr, "qr"),
        (Self::PairingCode, "pairing_code"),
        (Self::RefreshGroups, "refresh_groups"),
        (Self::Groups, "groups"),
        (Self::Contacts, "contacts"),
        (Self::LidTwins, "lid_twins"),
        (Self::RenewWebhook, "renew_webhook"),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// One call of one worker.
#[derive(Default)]
struct Series {
    /// By outcome.
    counts: [OnceLock<IntCounter>; OUTCOMES.len()],
    seconds: OnceLock<Histogram>,
}

const OUTCOMES: [&str; 8] =
    ["ok", "no_session", "wrong_status", "refused", "rate_limited", "timeout", "broken", "unavailable"];

fn outcome<T>(result: &Result<T, GatewayError>) -> usize {
    match result {
        Ok(_) => 0,
        Err(GatewayError::NoSession) => 1,
        Err(GatewayError::WrongStatus(_)) => 2,
        Err(GatewayError::Refused(_)) => 3,
        Err(GatewayError::RateLimited) => 4,
        Err(GatewayError::Timeout) => 5,
        Err(GatewayError::Broken(_)) => 6,
        Err(GatewayError::Unavailable(_)) => 7,
    }
}

impl Observed {
    pub(super) fn new(gateway: Arc<dyn WhatsAppGateway>, registry: &Arc<Registry>) -> Self {
        let workers = gateway.workers().into_iter().map(|worker| (worker.name, Default::default())).collect();
        Self { gateway, registry: Arc::clone(registry), workers, unknown: Default::default() }
    }

    async fn observe<T>(
        &self,
        worker: &WorkerName,
        call: Call,
        made: impl Future<Output = Result<T, GatewayError>>,
    ) -> Result<T, GatewayError> {
        let span = tracing::debug_span!(
            target: TRACED,
            "waha",
            otel.name = call.as_str(),
            otel.kind = "client",
            otel.status_code = Empty,
            worker = worker.as_str(),
            call = call.as_str(),
            outcome = Empty,
        );
        let began = Instant::now();
        let result = made.instrument(span.clone()).await;
        let (took, outcome) = (began.elapsed(), outcome(&result));
        if !span.is_disabled() {
            span.record("outcome", OUTCOMES[outcome]);
            if matches!(result, Err(GatewayError::Timeout | GatewayError::Broken(_) | GatewayError::Unavailable(_))) {
                span.record("otel.status_code", "ERROR");
            }
        }
        let (worker, calls) = match self.workers.get(worker) {
            Some(calls) => (worker.as_str(), calls),
            None => (UNKNOWN, &self.unknown),
        };
        let Series { counts, seconds } = &calls[call as usize];
        let labels = [worker, call.as_str()];
        let counted = || self.registry.waha_calls.with_label_values(&[labels[0], labels[1], OUTCOMES[outcome]]);
        counts[outcome].get_or_init(counted).inc();
        seconds.get_or_init(|| self.registry.waha_call_seconds.with_label_values(&labels)).observe(took.as_secs_f64());
        result
    }
}

#[async_trait]
impl WhatsAppGateway for Observed {
    async fn session(&self, at: &SessionAddress) -> Result<Option<UpstreamSession>, GatewayError> {
        self.observe(&at.worker, Call::Session, self.gateway.session(at)).await
    }

    async fn sessions(&self, worker: &WorkerName) -> Result<Vec<UpstreamSession>, GatewayError> {
        self.observe(worker, Call::Sessions, self.gateway.sessions(worker)).await
    }

    async fn create(&self, at: &SessionAddress, labels: &SessionLabels) -> Result<Created, GatewayError> {
        self.observe(&at.worker, Call::Create, self.gateway.create(at, labels)).await
    }

    async fn start(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.observe(&at.worker, Call::Start, self.gateway.start(at)).await
    }

    async fn restart(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.observe(&at.worker, Call::Restart, self.gateway.restart(at)).await
    }

    async fn logout(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.observe(&at.worker, Call::Logout, self.gateway.logout(at)).await
    }

    async fn delete(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.observe(&at.worker, Call::Delete, self.gateway.delete(at)).await
    }

    async fn qr(&self, at: &SessionAddress) -> Result<QrCode, GatewayError> {
        self.observe(&at.worker, Call::Qr, self.gateway.qr(at)).await
    }

    async fn request_pairing_code(
        &self,
        at: &SessionAddress,
        phone: &PhoneNumber,
    ) -> Result<PairingCode, GatewayError> {
        self.observe(&at.worker, Call::PairingCode, self.gateway.request_pairing_code(at, phone)).await
    }

    async fn refresh_groups(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.observe(&at.worker, Call::RefreshGroups, self.gateway.refresh_groups(at)).await
    }

    async fn groups(&self, at: &SessionAddress) -> Result<Vec<Group>, GatewayError> {
        self.observe(&at.worker, Call::Groups, self.gateway.groups(at)).await
    }

    async fn contacts(&self, at: &SessionAddress) -> Result<Vec<ListedContact>, GatewayError> {
        self.observe(&at.worker, Call::Contacts, self.gateway.contacts(at)).await
    }

    async fn lid_twins(&self, at: &SessionAddress) -> Result<Vec<LidTwin>, GatewayError> {
        self.observe(&at.worker, Call::LidTwins, self.gateway.lid_twins(at)).await
    }

    async fn renew_webhook(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.observe(&at.worker, Call::RenewWebhook, self.gateway.renew_webhook(at)).await
    }

    fn workers(&self) -> Vec<WorkerInfo> {
        self.gateway.workers()
    }

    async fn probe(&self) -> Vec<WorkerInfo> {
        self.gateway.probe().await
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use switchboard_domain::WorkerHealth;
    use switchboard_domain::ports::MockWhatsAppGateway;

    use super::*;

    #[test]
    fn calls_stand_in_their_order() {
        for (index, (call, name)) in Call::ALL.into_iter().enumerate() {
            assert_eq!((call as usize, call.as_str()), (index, name));
        }
    }

    #[tokio::test]
    async fn a_call_is_counted_by_worker_call_and_outcome_and_one_of_no_worker_by_no_name_of_its_own() {
        let mut gateway = MockWhatsAppGateway::new();
        let worker = |name: &str| WorkerInfo {
            name: name.parse().unwrap(),
            capacity: 1,
            health: WorkerHealth::Up,
            is_left_alone: false,
            software: None,
        };
        gateway.expect_workers().return_once(move || vec![worker("w1")]);
        gateway.expect_sessions().returning(|worker| match worker.as_str() {
            "w1" => Ok(Vec::new()),
            _ => Err(GatewayError::Unavailable("no such worker".to_owned())),
        });
        let registry = Arc::new(Registry::new(DateTime::UNIX_EPOCH));
        let observed = Observed::new(Arc::new(gateway), &registry);

        observed.sessions(&"w1".parse().unwrap()).await.unwrap();
        observed.sessions(&"mislaid".parse().unwrap()).await.unwrap_err();

        let text = registry.render(|_| {});
        for line in [
            r#"switchboard_waha_calls_total{call="sessions",outcome="ok",worker="w1"} 1"#,
            r#"switchboard_waha_calls_total{call="sessions",outcome="unavailable",worker="unknown"} 1"#,
            r#"switchboard_waha_call_seconds_count{call="sessions",worker="w1"} 1"#,
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(!text.contains("mislaid"), "{text}");
    }
}
