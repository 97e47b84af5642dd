//! What is counted and measured, by name. Every value of a label is one of a few: nothing that a request says is one.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::calls::{Api, UNKNOWN};
use crate::trpc::{Code, user};

/// A metric.
pub(super) struct Metric {
    name: &'static str,
    kind: Kind,
    about: &'static str,
}

enum Kind {
    Counter,
    Gauge,
    /// Of seconds, in buckets up to these.
    Histogram(&'static [f64]),
}

const fn counter(name: &'static str, about: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, about }
}

const fn gauge(name: &'static str, about: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, about }
}

const CALLS: Metric = counter("switchboard_calls_total", "Calls by api, procedure and outcome.");
const CALL_SECONDS: Metric = Metric {
    name: "switchboard_call_seconds",
    kind: Kind::Histogram(&[0.000_1, 0.000_5, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0, 15.0, 40.0]),
    about: "How long calls took, by api and procedure; of a stream, until it began.",
};
pub(super) const WAHA_CALLS: Metric =
    counter("switchboard_waha_calls_total", "Calls of WAHA by worker, call and outcome.");
pub(super) const WAHA_CALL_SECONDS: Metric = Metric {
    name: "switchboard_waha_call_seconds",
    kind: Kind::Histogram(&[0.005, 0.02, 0.1, 0.5, 2.0, 5.0, 15.0, 40.0, 130.0]),
    about: "How long calls of WAHA took, waits and repeats included, by worker and call.",
};
pub(super) const WORKER_UP: Metric =
    gauge("switchboard_worker_up", "Whether a worker answers; absent until it is known.");
pub(super) const WORKER_LEFT_ALONE: Metric = gauge(
    "switchboard_worker_left_alone",
    "Whether a worker fails so often that it is not called: its breaker is open.",
);
pub(super) const WORKER_CAPACITY: Metric = gauge("switchboard_worker_capacity", "How many sessions a worker may have.");
pub(super) const WEBHOOKS: Metric =
    counter("switchboard_webhooks_total", "WAHA's reports, by the status they were answered with.");
pub(super) const STREAMS: Metric = gauge("switchboard_streams_open", "Open streams.");
pub(super) const DIRECTORY_BYTES: Metric =
    gauge("switchboard_directory_bytes", "Memory that lists of groups and contacts take, roughly.");
pub(super) const CACHE: Metric = counter("switchboard_cache_lookups_total", "Looks into a cache, by cache and result.");
pub(super) const RECONCILER_LEADS: Metric =
    gauge("switchboard_reconciler_leads", "Whether this replica reconciles for all of them.");
pub(super) const ROUNDS: Metric = counter("switchboard_reconciler_rounds_total", "Rounds of the reconciler by worker.");
pub(super) const FOUND: Metric =
    gauge("switchboard_reconciler_found", "What the last round found, by worker and finding.");
pub(super) const REPAIRS: Metric =
    counter("switchboard_reconciler_repairs_total", "What was done about it, by worker, finding and outcome.");
pub(super) const ALARM: Metric = gauge("switchboard_reconciler_alarm", "Whether a worker needs a look, by alarm.");
const BUILD: Metric = gauge("switchboard_build_info", "1, with the version.");
const STARTED: Metric = gauge("process_start_time_seconds", "When the process started, in seconds since 1970.");

const ALL: [Metric; 18] = [
    CALLS,
    CALL_SECONDS,
    WAHA_CALLS,
    WAHA_CALL_SECONDS,
    WORKER_UP,
    WORKER_LEFT_ALONE,
    WORKER_CAPACITY,
    WEBHOOKS,
    STREAMS,
    DIRECTORY_BYTES,
    CACHE,
    RECONCILER_LEADS,
    ROUNDS,
    FOUND,
    REPAIRS,
    ALARM,
    BUILD,
    STARTED,
];

static METADATA: Metadata<'static> = Metadata::new("switchboard", Level::INFO, None);

/// The metrics of this process.
pub(super) struct Registry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Registry {
    /// All metrics, and nothing counted. `now` is when the process started, or nearly.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        let mut builder = PrometheusBuilder::new();
        for metric in &ALL {
            if let Kind::Histogram(buckets) = metric.kind {
                let named = Matcher::Full(metric.name.to_owned());
                builder = builder.set_buckets_for_metric(named, buckets).expect("there are buckets");
            }
        }
        let recorder = builder.build_recorder();
        for Metric { name, kind, about } in &ALL {
            let (name, about) = ((*name).into(), (*about).into());
            match kind {
                Kind::Counter => recorder.describe_counter(name, None, about),
                Kind::Gauge => recorder.describe_gauge(name, None, about),
                Kind::Histogram(_) => recorder.describe_histogram(name, None, about),
            }
        }
        let handle = recorder.handle();
        let registry = Self { recorder, handle };
        registry.gauge(&BUILD, &[("version", env!("CARGO_PKG_VERSION"))]).set(1.0);
        registry.gauge(&STARTED, &[]).set(seconds(now.timestamp_millis()));
        registry
    }

    pub(super) fn counter(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Counter {
        self.recorder.register_counter(&key(metric, labels), &METADATA)
    }

    pub(super) fn gauge(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Gauge {
        self.recorder.register_gauge(&key(metric, labels), &METADATA)
    }

    pub(super) fn histogram(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Histogram {
        self.recorder.register_histogram(&key(metric, labels), &METADATA)
    }

    /// Puts what was measured in its buckets.
    pub(super) fn tidy(&self) {
        self.handle.run_upkeep();
    }

    /// As Prometheus reads it.
    pub(super) fn render(&self) -> String {
        self.handle.render()
    }
}

fn key(metric: &Metric, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(metric.name, labels)
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
#[derive(Default)]
struct Series {
    /// By outcome.
    counts: [OnceLock<Counter>; OUTCOMES],
    seconds: OnceLock<Histogram>,
}

/// Success, and every code.
const OUTCOMES: usize = Code::GatewayTimeout as usize + 2;

impl CallMetrics {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        let router = user::router();
        let names = router.procedures().map(|call| call.path).chain([UNKNOWN]);
        Self { registry, procedures: names.map(|name| (name, Default::default())).collect() }
    }

    /// Counts a call.
    pub(super) fn count(&self, api: Api, procedure: &'static str, failed: Option<Code>, took: Duration) {
        let known = self.procedures.get_key_value(procedure).or_else(|| self.procedures.get_key_value(UNKNOWN));
        let Some((procedure, apis)) = known else { return };
        let series = &apis[api as usize];
        let labels = [("api", api.as_str()), ("procedure", procedure)];
        let counter = series.counts[failed.map_or(0, |code| code as usize + 1)].get_or_init(|| {
            let outcome = ("outcome", outcome(failed));
            self.registry.counter(&CALLS, &[labels[0], labels[1], outcome])
        });
        counter.increment(1);
        series.seconds.get_or_init(|| self.registry.histogram(&CALL_SECONDS, &labels)).record(took);
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

        let text = registry.render();
        for line in [
            r#"switchboard_calls_total{api="trpc",procedure="user.getSessionStatus",outcome="OK"} 2"#,
            r#"switchboard_calls_total{api="rest",procedure="user.getSessionStatus",outcome="NOT_FOUND"} 1"#,
            r#"switchboard_calls_total{api="trpc",procedure="unknown",outcome="NOT_FOUND"} 1"#,
            r#"switchboard_call_seconds_bucket{api="trpc",procedure="user.getSessionStatus",le="0.0001"} 0"#,
            r#"switchboard_call_seconds_bucket{api="trpc",procedure="user.getSessionStatus",le="0.0005"} 2"#,
            "# TYPE switchboard_call_seconds histogram",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(!text.contains("34600111222"), "{text}");
    }
}
