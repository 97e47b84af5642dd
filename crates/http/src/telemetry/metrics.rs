//! What is counted and measured, by name. Every value of a label is one of a few: nothing that a request says is one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, TextEncoder,
};

use super::calls::{Api, UNKNOWN};
use crate::trpc::{Code, user};

/// Buckets of how long calls took, in seconds.
const CALLS: [f64; 10] = [0.000_1, 0.000_5, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0, 15.0, 40.0];
/// The same for calls of WAHA, of which a list may take more than two minutes.
const WAHA_CALLS: [f64; 9] = [0.005, 0.02, 0.1, 0.5, 2.0, 5.0, 15.0, 40.0, 130.0];

/// The metrics of this process, with the labels that each has in brackets.
pub(super) struct Registry {
    all: prometheus::Registry,
    /// Whoever scrapes looks up what nobody counts as it happens, one at a time.
    scraping: Mutex<()>,
    /// [api, procedure, outcome]
    calls: IntCounterVec,
    /// [api, procedure]
    call_seconds: HistogramVec,
    /// [worker, call, outcome]
    pub(super) waha_calls: IntCounterVec,
    /// [worker, call]
    pub(super) waha_call_seconds: HistogramVec,
    /// [worker]
    pub(super) worker_up: GaugeVec,
    /// [worker]
    pub(super) worker_left_alone: GaugeVec,
    /// [worker]
    pub(super) worker_capacity: GaugeVec,
    /// [status]
    pub(super) webhooks: IntCounterVec,
    pub(super) streams: Gauge,
    pub(super) directory_bytes: Gauge,
    /// [cache, result]
    pub(super) cache: IntCounterVec,
    pub(super) reconciler_leads: Gauge,
    /// [worker]
    pub(super) rounds: IntCounterVec,
    /// [worker, finding]
    pub(super) found: GaugeVec,
    /// [worker, finding, outcome]
    pub(super) repairs: IntCounterVec,
    /// [worker, alarm]
    pub(super) alarm: GaugeVec,
}

impl Registry {
    /// All metrics, and nothing counted. `now` is when the process started, or nearly.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        let all = prometheus::Registry::new();
        let (registered, opts) = (Registered(&all), Opts::new);
        let build =
            opts("switchboard_build_info", "1, with the version.").const_label("version", env!("CARGO_PKG_VERSION"));
        registered.gauge(build).set(1.0);
        let started = opts("process_start_time_seconds", "When the process started, in seconds since 1970.");
        registered.gauge(started).set(seconds(now.timestamp_millis()));
        Self {
            calls: registered.counters(
                opts("switchboard_calls_total", "Calls by api, procedure and outcome."),
                &["api", "procedure", "outcome"],
            ),
            call_seconds: registered.histograms(
                opts(
                    "switchboard_call_seconds",
                    "How long calls took, by api and procedure; of a stream, until it began.",
                ),
                &CALLS,
                &["api", "procedure"],
            ),
            waha_calls: registered.counters(
                opts("switchboard_waha_calls_total", "Calls of WAHA by worker, call and outcome."),
                &["worker", "call", "outcome"],
            ),
            waha_call_seconds: registered.histograms(
                opts(
                    "switchboard_waha_call_seconds",
                    "How long calls of WAHA took, waits and repeats included, by worker and call.",
                ),
                &WAHA_CALLS,
                &["worker", "call"],
            ),
            worker_up: registered.gauges(
                opts("switchboard_worker_up", "Whether a worker answers; absent until it is known."),
                &["worker"],
            ),
            worker_left_alone: registered.gauges(
                opts(
                    "switchboard_worker_left_alone",
                    "Whether a worker fails so often that it is not called: its breaker is open.",
                ),
                &["worker"],
            ),
            worker_capacity: registered
                .gauges(opts("switchboard_worker_capacity", "How many sessions a worker may have."), &["worker"]),
            webhooks: registered.counters(
                opts("switchboard_webhooks_total", "WAHA's reports, by the status they were answered with."),
                &["status"],
            ),
            streams: registered.gauge(opts("switchboard_streams_open", "Open streams.")),
            directory_bytes: registered
                .gauge(opts("switchboard_directory_bytes", "Memory that lists of groups and contacts take, roughly.")),
            cache: registered.counters(
                opts("switchboard_cache_lookups_total", "Looks into a cache, by cache and result."),
                &["cache", "result"],
            ),
            reconciler_leads: registered
                .gauge(opts("switchboard_reconciler_leads", "Whether this replica reconciles for all of them.")),
            rounds: registered.counters(
                opts("switchboard_reconciler_rounds_total", "Rounds of the reconciler by worker."),
                &["worker"],
            ),
            found: registered.gauges(
                opts("switchboard_reconciler_found", "What the last round found, by worker and finding."),
                &["worker", "finding"],
            ),
            repairs: registered.counters(
                opts("switchboard_reconciler_repairs_total", "What was done about it, by worker, finding and outcome."),
                &["worker", "finding", "outcome"],
            ),
            alarm: registered.gauges(
                opts("switchboard_reconciler_alarm", "Whether a worker needs a look, by alarm."),
                &["worker", "alarm"],
            ),
            scraping: Mutex::new(()),
            all,
        }
    }

    /// As Prometheus reads it, after `gather` has looked up what nobody counts as it happens.
    pub(super) fn render(&self, gather: impl FnOnce(&Self)) -> String {
        let _alone = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        gather(self);
        TextEncoder::new().encode_to_string(&self.all.gather()).unwrap_or_default()
    }
}

/// Sets a counter to what was counted elsewhere. Only while nobody else reads it.
pub(super) fn set(counter: &IntCounter, count: u64) {
    counter.inc_by(count.saturating_sub(counter.get()));
}

/// Makes metrics that the registry has.
struct Registered<'a>(&'a prometheus::Registry);

/// Names and labels are written above, once each: what is wrong with them, every test would say.
impl Registered<'_> {
    fn counters(&self, opts: Opts, labels: &[&str]) -> IntCounterVec {
        self.with(IntCounterVec::new(opts, labels))
    }

    fn gauges(&self, opts: Opts, labels: &[&str]) -> GaugeVec {
        self.with(GaugeVec::new(opts, labels))
    }

    fn gauge(&self, opts: Opts) -> Gauge {
        self.with(Gauge::with_opts(opts))
    }

    fn histograms(&self, opts: Opts, buckets: &[f64], labels: &[&str]) -> HistogramVec {
        self.with(HistogramVec::new(HistogramOpts::from(opts).buckets(buckets.to_vec()), labels))
    }

    fn with<M: Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect("a name and labels that are allowed");
        self.0.register(Box::new(metric.clone())).expect("a name that no other metric has");
        metric
    }
}

#[expect(clippy::cast_precision_loss, reason = "an f64 holds milliseconds for another 285 000 years")]
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// Calls of procedures. Nothing is looked up by text but the procedure, and nothing is made anew for a call.
pub(super) struct CallMetrics {
    registry: Arc<Registry>,
    procedures: BTreeMap<&'static str, [Series; Api::ALL.len()]>,
}

/// Those of one procedure by one API.
struct Series {
    /// By outcome.
    counts: [OnceLock<IntCounter>; OUTCOMES],
    seconds: Histogram,
}

/// Success, and every code.
const OUTCOMES: usize = Code::GatewayTimeout as usize + 2;

impl CallMetrics {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        let series = |procedure| {
            Api::ALL.map(|api| {
                // Prometheus takes no notice of a counter's first value: the first of our own faults has to be its second.
                for code in [None, Some(Code::InternalServerError)] {
                    registry.calls.with_label_values(&[api.as_str(), procedure, outcome(code)]);
                }
                let seconds = registry.call_seconds.with_label_values(&[api.as_str(), procedure]);
                Series { counts: Default::default(), seconds }
            })
        };
        let router = user::router();
        let names = router.procedures().map(|call| call.path).chain([UNKNOWN]);
        let procedures = names.map(|name| (name, series(name))).collect();
        Self { registry, procedures }
    }

    /// Counts a call.
    pub(super) fn count(&self, api: Api, procedure: &'static str, failed: Option<Code>, took: Duration) {
        let known = self.procedures.get_key_value(procedure).or_else(|| self.procedures.get_key_value(UNKNOWN));
        let Some((procedure, apis)) = known else { return };
        let Series { counts, seconds } = &apis[api as usize];
        let counter = counts[failed.map_or(0, |code| code as usize + 1)]
            .get_or_init(|| self.registry.calls.with_label_values(&[api.as_str(), procedure, outcome(failed)]));
        counter.inc();
        seconds.observe(took.as_secs_f64());
    }
}

/// The word for what came of a call: `OK`, or tRPC's for why not.
pub(super) fn outcome(failed: Option<Code>) -> &'static str {
    failed.map_or("OK", Code::key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_counted_by_api_procedure_and_outcome_and_an_unknown_one_by_no_name_of_its_own() {
        let registry = Arc::new(Registry::new(DateTime::UNIX_EPOCH));
        let calls = CallMetrics::new(Arc::clone(&registry));
        let took = Duration::from_micros(300);
        calls.count(Api::Trpc, "user.getSessionStatus", None, took);
        calls.count(Api::Trpc, "user.getSessionStatus", None, took);
        calls.count(Api::Rest, "user.getSessionStatus", Some(Code::NotFound), took);
        calls.count(Api::Trpc, "34600111222", Some(Code::NotFound), took);

        let text = registry.render(|_| {});
        for line in [
            r#"switchboard_calls_total{api="trpc",outcome="OK",procedure="user.getSessionStatus"} 2"#,
            r#"switchboard_calls_total{api="rest",outcome="NOT_FOUND",procedure="user.getSessionStatus"} 1"#,
            r#"switchboard_calls_total{api="trpc",outcome="NOT_FOUND",procedure="unknown"} 1"#,
            r#"switchboard_calls_total{api="rest",outcome="INTERNAL_SERVER_ERROR",procedure="user.restartSession"} 0"#,
            r#"switchboard_call_seconds_bucket{api="trpc",procedure="user.getSessionStatus",le="0.0001"} 0"#,
            r#"switchboard_call_seconds_bucket{api="trpc",procedure="user.getSessionStatus",le="0.0005"} 2"#,
            "# TYPE switchboard_call_seconds histogram",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(!text.contains("34600111222"), "{text}");
    }
}
