//! Everything at once, for a long time: does memory grow, do files stay open, does anything fail?

mod actors;
mod series;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;
use support::postgres::Cluster;
use tokio::time::{Instant, sleep, timeout};

use self::series::Series;
use crate::database::Database;
use crate::http::{Connection, Request};
use crate::stage::Stage;

/// Users who are there all the time, each with as many groups and as many contacts.
const USERS: usize = 20;
const ENTRIES: usize = 500;
/// What the server may keep of lists and of what was searched for, in bytes: more than the lists of those users take, and so
/// little that what is kept on purpose does not grow any more after the first minutes.
const MEMORY: u64 = 8 * 1024 * 1024;
/// How often the process is looked at.
const SAMPLE: Duration = Duration::from_secs(5);
/// The most that memory may grow, in KB a minute: 6 MB an hour.
const MOST_GROWTH: f64 = 100.0;
/// The most open files that there may be more at the end than at the beginning, by the medians.
const MOST_MORE_FILES: f64 = 10.0;
/// Whatever is asked, it is answered by then.
const PATIENCE: Duration = Duration::from_secs(40);

/// A server under load.
struct Soak {
    stage: Stage,
    until: Instant,
    /// How often what was asked came to what.
    outcomes: RefCell<BTreeMap<(&'static str, String), u64>>,
    /// Numbers that were never used before.
    next: Cell<usize>,
    dice: RefCell<StdRng>,
}

/// Soaks, and prints what was found.
///
/// # Errors
/// If memory or open files grow, or anything is answered with a 5xx.
pub(crate) async fn run(program: &Path, cluster: &Cluster, time: Duration) -> anyhow::Result<()> {
    let database = Database::postgres(cluster).await;
    let mut stage = Stage::set(program, tempfile::tempdir()?, database, ENTRIES, USERS).await?;
    stage.believe_webhooks();
    stage.limit_memory(MEMORY);
    let stage = stage.restart(async |_, _| Ok(())).await?;
    stage.warm().await?;
    let began = Instant::now();
    let soak = Soak {
        stage,
        until: began + time,
        outcomes: RefCell::default(),
        next: Cell::new(10_000),
        dice: RefCell::new(StdRng::seed_from_u64(0)),
    };
    // At first everything that is remembered fills up.
    let warm_up = time / 3;
    let mut series = Series::default();
    let watch = async {
        while Instant::now() < soak.until {
            sleep(SAMPLE).await;
            let process = &soak.stage.server.process;
            let (at, resident, files) = (began.elapsed(), process.resident()?, process.descriptors()?);
            eprintln!("{:5.1} min: {} KB resident, {files} files", at.as_secs_f64() / 60.0, resident / 1024);
            if at > warm_up {
                series.push(at, resident, files);
            }
            soak.stage.waha.forget_calls().await?;
        }
        anyhow::Ok(())
    };
    let (watched, ()) = futures_util::future::join(watch, soak.act()).await;
    watched?;
    let failed = soak.failed();
    println!(
        "{USERS} users with {ENTRIES} groups and {ENTRIES} contacts each, PostgreSQL, {time:?} of which {warm_up:?} are not counted"
    );
    println!("{}{series}", soak.told());
    let (growth, more_files) = (series.growth().slope, series.more_files());
    ensure!(failed == 0, "{failed} requests were answered with a 5xx");
    ensure!(growth <= MOST_GROWTH, "memory grows by {growth:.1} KB a minute, and {MOST_GROWTH} is the most");
    ensure!(
        more_files <= MOST_MORE_FILES,
        "{more_files} more files are open at the end, and {MOST_MORE_FILES} is the most"
    );
    Ok(())
}

impl Soak {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// A number that was never used before.
    fn next(&self) -> usize {
        self.next.replace(self.next.get() + 1)
    }

    /// A number below that one.
    fn dice(&self, sides: usize) -> usize {
        self.dice.borrow_mut().random_range(0..sides)
    }

    /// Sends a request; the JSON of a success. A connection that was closed is opened again the next time.
    async fn ask(&self, connection: &mut Option<Connection>, what: &'static str, request: &Request) -> Option<Value> {
        let asked = async {
            let open = match connection.take() {
                Some(open) => open,
                None => Connection::open(self.stage.server.address).await?,
            };
            let answer = connection.insert(open).send(request).await?;
            anyhow::Ok((answer.status, serde_json::from_slice(answer.body).ok()))
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok((status, body))) => {
                self.count(what, status.to_string());
                body.filter(|_| (200..300).contains(&status))
            }
            failed => {
                *connection = None;
                self.count(what, if failed.is_err() { "no answer in time" } else { "connection closed" }.to_owned());
                None
            }
        }
    }

    fn count(&self, what: &'static str, came_to: String) {
        *self.outcomes.borrow_mut().entry((what, came_to)).or_default() += 1;
    }

    fn failed(&self) -> u64 {
        let outcomes = self.outcomes.borrow();
        outcomes.iter().filter(|((_, came_to), _)| came_to.starts_with('5')).map(|(_, count)| count).sum()
    }

    fn told(&self) -> String {
        let mut told = String::new();
        for ((what, came_to), count) in self.outcomes.borrow().iter() {
            let _ = writeln!(told, "  {count:8} {what}: {came_to}");
        }
        told
    }
}
