//! What requests to Switchboard cost, beside what a request costs at least. Run by `cargo xtask bench`.

mod cells;
mod database;
mod directory;
mod fleet;
mod goal;
mod http;
mod isolation;
mod load;
mod machine;
mod measure;
mod micro;
mod peer;
mod plan;
mod process;
mod report;
mod server;
mod soak;
mod stage;
mod storm;
mod streams;
mod waha;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use support::postgres::cluster;
use tokio::signal::unix::{SignalKind, signal};

/// How long all else may take.
const DEADLINE: Duration = Duration::from_mins(20);

/// Measures what requests cost, and prints it beside what is to be reached.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags")]
struct Cli {
    /// Less time for each cell: for a first look.
    #[arg(long)]
    quick: bool,
    /// Write docs/benchmarks.md.
    #[arg(long)]
    write: bool,
    /// Leave PostgreSQL out.
    #[arg(long)]
    no_postgres: bool,
    /// Only the streams.
    #[arg(long)]
    streams: bool,
    /// Only what the users of other WAHA servers notice of a sick one.
    #[arg(long)]
    isolation: bool,
    /// Only two thousand users who connect at once, and a WAHA server that is killed meanwhile.
    #[arg(long)]
    storm: bool,
    /// Only whether memory or open files grow while everything is done at once for a long time.
    #[arg(long)]
    soak: bool,
    /// For how many minutes.
    #[arg(long, value_name = "N", default_value_t = 30, requires = "soak", value_parser = clap::value_parser!(u32).range(2..))]
    minutes: u32,
    /// Measure this build of `switchboard`, to compare two.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Only cells whose name has this in it; may be given several times.
    #[arg(long = "cell", value_name = "TEXT")]
    cells: Vec<String>,
    /// Only lists of this many entries; may be given several times.
    #[arg(long = "entries", value_name = "N")]
    entries: Vec<usize>,
}

impl Cli {
    /// How long a load lasts.
    fn time(&self) -> Duration {
        if self.quick { Duration::from_millis(700) } else { Duration::from_secs(2) }
    }

    /// How long open streams are left alone: as long as it takes until all that is done for them at times has been done.
    fn silence(&self) -> Duration {
        Duration::from_secs(if self.quick { 15 } else { 60 })
    }

    /// Whatever happens, it ends by then.
    fn deadline(&self) -> Duration {
        if self.soak { DEADLINE + Duration::from_mins(self.minutes.into()) } else { DEADLINE }
    }

    /// The build that is measured.
    fn program(&self) -> anyhow::Result<PathBuf> {
        self.program.clone().map_or_else(|| server::built("switchboard"), Ok)
    }

    /// Whether a cell is to be measured.
    fn is_wanted(&self, cell: &str) -> bool {
        self.cells.is_empty() || self.cells.iter().any(|text| cell.contains(text.as_str()))
    }

    /// How it was called.
    fn command() -> String {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let dashes = if arguments.is_empty() { "" } else { " -- " };
        format!("cargo xtask bench{dashes}{}", arguments.join(" "))
    }
}

// One thread: it shares the machine with the server.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    // Whichever ends first, what was started is dropped, and with it killed.
    tokio::select! {
        done = run(&cli) => done,
        () = tokio::time::sleep(cli.deadline()) => anyhow::bail!("it took longer than {:?}", cli.deadline()),
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("interrupted"),
    }
}

async fn run(cli: &Cli) -> anyhow::Result<()> {
    if cli.isolation {
        println!("{}", isolation::run(Duration::from_secs(if cli.quick { 15 } else { 40 })).await?);
        return Ok(());
    }
    if cli.storm {
        println!("{}", storm::run(cluster().context("there is no PostgreSQL")?).await?);
        return Ok(());
    }
    if cli.soak {
        let cluster = cluster().context("there is no PostgreSQL")?;
        return soak::run(&cli.program()?, cluster, Duration::from_mins(cli.minutes.into())).await;
    }
    let report = plan::run(cli).await?;
    println!("{}\n{}", report.tables(), report.micro);
    if cli.write {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks.md");
        std::fs::write(&file, report.document()).context("docs/benchmarks.md")?;
    }
    Ok(())
}
