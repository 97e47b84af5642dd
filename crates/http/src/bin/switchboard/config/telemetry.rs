//! Logs, metrics and traces.

use anyhow::{anyhow, bail};
use secrecy::SecretString;
use serde::Deserialize;
use switchboard_http::{MetricsAccess, TelemetryOptions};
use tracing_subscriber::EnvFilter;

use super::{Config, long_enough, set, web_url};
use crate::telemetry::{self, Log as LogConfig, LogFormat, Traces as TracesConfig};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    filter: String,
    format: String,
    user_key: Option<SecretString>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Metrics {
    enabled: bool,
    token: Option<SecretString>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Traces {
    endpoint: Option<String>,
    ratio: f64,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: telemetry::FILTER.to_owned(), format: "pretty".to_owned(), user_key: None }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, token: None }
    }
}

impl Default for Traces {
    fn default() -> Self {
        Self { endpoint: None, ratio: 1.0 }
    }
}

impl Config {
    /// What is logged, and how.
    pub(crate) fn log(&self) -> anyhow::Result<LogConfig> {
        let filter = EnvFilter::try_new(&self.log.filter)
            .map_err(|error| anyhow!("log.filter: expected a filter like info,switchboard=debug: {error}"))?;
        let format = match self.log.format.as_str() {
            "pretty" => LogFormat::Pretty,
            "json" => LogFormat::Json,
            other => bail!("log.format: expected pretty or json, found {other:?}"),
        };
        Ok(LogConfig { filter, format })
    }

    /// Who may read metrics, and what users are hashed with; `traced` if traces are exported.
    pub(crate) fn telemetry(&self, traced: bool) -> anyhow::Result<TelemetryOptions> {
        let metrics = match long_enough("metrics.token", self.metrics.token.as_ref())? {
            _ if !self.metrics.enabled => MetricsAccess::Off,
            Some(token) => MetricsAccess::Token(token),
            None => MetricsAccess::Local,
        };
        let user_key = long_enough("log.user_key", self.log.user_key.as_ref())?;
        Ok(TelemetryOptions { metrics, user_key, continue_trace: traced.then_some(telemetry::continue_trace) })
    }

    /// Where traces go, if anywhere.
    pub(crate) fn traces(&self) -> anyhow::Result<Option<TracesConfig>> {
        let Traces { endpoint, ratio } = &self.traces;
        if !(0.0..=1.0).contains(ratio) {
            bail!("traces.ratio: expected a number from 0 to 1, found {ratio}");
        }
        let Some(endpoint) = set(endpoint.as_ref()) else { return Ok(None) };
        let expected = "the address of an OTLP collector, like http://collector:4318";
        let mut endpoint = web_url("traces.endpoint", endpoint, expected)?;
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            // It would end up in the log when the collector cannot be reached.
            bail!("traces.endpoint: expected {expected}, without a password: see OTEL_EXPORTER_OTLP_HEADERS");
        }
        if endpoint.path() == "/" {
            endpoint.set_path("/v1/traces");
        }
        Ok(Some(TracesConfig { endpoint, ratio: *ratio }))
    }
}
