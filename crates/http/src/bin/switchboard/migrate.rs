//! `switchboard migrate`, and the same while serving.

use std::time::Duration;

use anyhow::Context as _;
use switchboard_domain::SystemClock;
use switchboard_domain::ports::{Clock as _, StorageError};

use super::config::Config;
use super::wiring::{self, Schema};

/// Brings the configured database up to date.
pub(crate) async fn run(config: &Config) -> anyhow::Result<()> {
    let schema = wiring::storage(config)?.schema;
    let _lock = schema.lock()?;
    schema.migrate().await.context("the migrations did not run")?;
    println!("The database is up to date.");
    Ok(())
}

/// Brings a database up to date as soon as it can be reached, however long that takes: a database that is down at the
/// start is no reason to crash in a loop.
///
/// # Errors
/// If it can be reached, but the migrations fail.
pub(crate) async fn when_reachable(schema: &dyn Schema) -> anyhow::Result<()> {
    let mut pause = Duration::from_millis(250);
    loop {
        match schema.migrate().await {
            Ok(()) => return Ok(()),
            Err(error @ StorageError::Unavailable(_)) => {
                tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), ?pause, "waiting for the database");
            }
            Err(error) => return Err(error).context("the migrations did not run"),
        }
        SystemClock.sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(10));
    }
}
