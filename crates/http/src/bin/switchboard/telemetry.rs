//! Logs.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::config::LogFormat;

/// What is logged unless said otherwise. What actix says of its own start is nobody's news.
pub(crate) const FILTER: &str = "info,actix_server=warn";

/// Writes logs to the standard error stream.
pub(crate) fn init(filter: EnvFilter, format: LogFormat) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would say so on the same stream, and panic: a log on a full disk must not end the requests it tells of.
        .log_internal_errors(false);
    match format {
        LogFormat::Pretty => builder.finish().init(),
        LogFormat::Json => builder.json().finish().init(),
    }
}
