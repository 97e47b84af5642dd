//! Where logs and traces go.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use switchboard_http::TRACED;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};
use url::Url;

/// What is logged unless said otherwise. What actix says of its own start is nobody's news.
pub(crate) const FILTER: &str = "info,actix_server=warn";

/// What is logged, and how.
pub(crate) struct Log {
    pub(crate) filter: EnvFilter,
    pub(crate) format: LogFormat,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Pretty,
    /// For programs: an object a line.
    Json,
}

/// Where traces go.
pub(crate) struct Traces {
    /// A collector's address for traces, by OTLP over HTTP.
    pub(crate) endpoint: Url,
    /// Which share of them, from 0 to 1.
    pub(crate) ratio: f64,
}

/// What exports traces, if anything does.
pub(crate) struct Exporter(Option<SdkTracerProvider>);

/// How long an export, and the last one at a stop, may take.
pub(crate) const EXPORT_DEADLINE: Duration = Duration::from_secs(5);

/// Writes logs to the standard error stream, and sends traces away.
pub(crate) fn init(log: Log, traces: Option<Traces>) -> anyhow::Result<Exporter> {
    let provider = traces.map(|traces| provider(&traces)).transpose()?;
    subscriber(log, provider.as_ref()).try_init().context("logs")?;
    Ok(Exporter(provider))
}

/// Whatever is told goes there. Its filters say how much may be told at all: `tracing` asks nobody about the rest, and what
/// one of them leaves open would be made for each request, and then thrown away.
fn subscriber(log: Log, traces: Option<&SdkTracerProvider>) -> impl Subscriber + Send + Sync + use<> {
    // It would say so on the same stream, and panic: a log on a full disk must not end the requests it tells of.
    let lines = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    // Colours are for who looks on, unless NO_COLOR says otherwise; in a file, a pipe or a journal they are noise.
    let lines = if std::io::stderr().is_terminal() { lines } else { lines.with_ansi(false) };
    let lines = match log.format {
        LogFormat::Pretty => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let ours = filter_fn(may_be_logged).with_max_level_hint(LevelFilter::TRACE);
    let lines = lines.with_filter(log.filter.and(ours));
    let spans = traces.map(|provider| {
        let traced = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == TRACED;
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("switchboard"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(traced).with_max_level_hint(LevelFilter::DEBUG))
    });
    tracing_subscriber::registry().with(lines).with(spans)
}

/// Whatever the filter says, what others' crates tell at `debug` and `trace` is not logged: those of databases and of HTTP
/// tell what they send there.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || metadata.target().starts_with("switchboard")
}

/// Sends spans away in batches, on a thread of its own. More than it can get rid of are dropped.
fn provider(traces: &Traces) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(traces.endpoint.as_str())
        .with_timeout(EXPORT_DEADLINE)
        .build()
        .context("traces.endpoint")?;
    let resource = Resource::builder().with_service_name("switchboard").build();
    // By the trace's id alone: whoever asks does not decide how much is traced.
    let sampler = Sampler::TraceIdRatioBased(traces.ratio);
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_sampler(sampler).with_resource(resource).build())
}

/// Makes a span a part of the trace that a `traceparent` (W3C) names.
pub(crate) fn continue_trace(span: &Span, traceparent: &str) {
    let parent = TraceContextPropagator::new().extract(&Header(traceparent));
    if parent.span().span_context().is_valid() {
        // It can only be refused for a span that nobody exports.
        let _ = span.set_parent(parent);
    }
}

/// The one header that is looked at.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

impl Exporter {
    /// Sends what is left, if that takes no longer than it may.
    pub(crate) async fn flush(self) {
        let Some(provider) = self.0 else { return };
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(EXPORT_DEADLINE)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much is told.
    fn told(filter: &str, traces: Option<&SdkTracerProvider>) -> Option<LevelFilter> {
        let log = Log { filter: EnvFilter::new(filter), format: LogFormat::Json };
        subscriber(log, traces).max_level_hint()
    }

    #[test]
    fn what_nobody_logs_is_not_even_made() {
        assert_eq!(told(FILTER, None), Some(LevelFilter::INFO));
        assert_eq!(told("warn,switchboard=debug", None), Some(LevelFilter::DEBUG));
        let provider = SdkTracerProvider::builder().build();
        assert_eq!(told("warn", Some(&provider)), Some(LevelFilter::DEBUG), "which the spans are");
    }
}
