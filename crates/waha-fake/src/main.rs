//! The fake WAHA as a program.

use std::{net::SocketAddr, time::Duration};

use clap::Parser;
use switchboard_waha_fake::{Engine, Options};

/// A WAHA without WhatsApp, for demos and tests. `/fake/…` plays the phone.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:3000")]
    bind: SocketAddr,
    /// What `X-Api-Key` must be
    #[arg(long, env = "WAHA_API_KEY", hide_env_values = true, default_value = "fake-waha-key")]
    api_key: String,
    /// NOWEB, WEBJS, GOWS or WPP
    #[arg(long, default_value_t)]
    engine: Engine,
    /// Groups of each account
    #[arg(long, default_value_t = 40)]
    groups: usize,
    /// Saved contacts of each account
    #[arg(long, default_value_t = 100)]
    contacts: usize,
    /// How much faster than a real WAHA the clock runs
    #[arg(long, default_value_t = 1.0)]
    time_scale: f64,
    /// A phone scans by itself so many seconds after the QR code appears
    #[arg(long, value_name = "SECONDS")]
    scan_after: Option<f64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let fake = switchboard_waha_fake::start(Options {
        bind: cli.bind,
        api_key: cli.api_key,
        engine: cli.engine,
        groups: cli.groups,
        contacts: cli.contacts,
        time_scale: cli.time_scale,
        scan_after: cli.scan_after.map(Duration::try_from_secs_f64).transpose()?,
        ..Options::default()
    })
    .await?;
    println!("{} {} on {}", Options::default().version, cli.engine, fake.url());
    tokio::signal::ctrl_c().await?;
    fake.stop().await;
    Ok(())
}
