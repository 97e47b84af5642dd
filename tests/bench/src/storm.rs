//! Two thousand users who connect at once, and what the others notice when one of five WAHA servers is killed meanwhile.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::time::Duration;

use anyhow::ensure;
use futures_util::future::join_all;
use support::postgres::Cluster;
use tokio::time::Instant;

use crate::database::{Database, MORE};
use crate::fleet::{Fleet, Newcomer, Seen};
use crate::http::Connection;

const WORKERS: usize = 5;
const USERS: usize = 2000;
/// How many users come in a second, where they do not come all at once.
const A_SECOND: u32 = 25;
/// After how long somebody who was refused asks again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often somebody asks.
const TRIES: usize = 60;

/// What users saw who were connected at once, and those who were refused first.
struct Connected {
    at_once: Seen,
    later: Seen,
}

/// Measures, and prints what was found.
pub(crate) async fn run(cluster: &Cluster) -> anyhow::Result<String> {
    let mut told = format!("{USERS} users, {WORKERS} WAHA servers for 500 each, PostgreSQL\n");

    for others in [0, MORE] {
        let database = Database::postgres(cluster).await;
        let fleet = Fleet::start(WORKERS, &database, tempfile::tempdir()?).await?;
        if others > 0 {
            database.add_sessions_elsewhere().await?;
        }
        let (began, cpu) = (Instant::now(), fleet.server.process.cpu()?);
        let all = connect(&fleet, (0..USERS).map(|number| (number, began))).await?;
        let (took, cpu) = (began.elapsed(), fleet.server.process.cpu()?.saturating_sub(cpu));
        let placed = placed(&fleet).await?;
        ensure!(placed.iter().sum::<usize>() == USERS, "{placed:?}");
        ensure!(is_even(&placed), "{placed:?}");
        writeln!(told, "all at the same moment, beside {others} sessions of other workers:\n{all}")?;
        writeln!(
            told,
            "  all are connected after {took:.1?} and {cpu:.1?} of the server's CPU; {placed:?}, none twice"
        )?;
    }

    let mut fleet = Fleet::start(WORKERS, &Database::postgres(cluster).await, tempfile::tempdir()?).await?;
    let began = Instant::now();
    let due = |number: usize| began + Duration::from_secs(1) / A_SECOND * u32::try_from(number).unwrap_or(u32::MAX);
    for (quarter, number) in (0..USERS).step_by(USERS / 4).enumerate() {
        if quarter == 2 {
            fleet.wahas.pop();
        }
        let (from, to) = (number, number + USERS / 4);
        let some = connect(&fleet, (from..to).map(|number| (number, due(number)))).await?;
        let of = if quarter < 2 { "all servers are well" } else { "one server was killed" };
        writeln!(told, "{A_SECOND} a second, {from} to {to}, {of}:\n{some}")?;
    }
    Ok(told)
}

fn is_even(placed: &[usize]) -> bool {
    placed.iter().max().zip(placed.iter().min()).is_some_and(|(most, least)| most - least <= 1)
}

/// Connects users, each at their time; those who are refused ask again.
async fn connect(fleet: &Fleet, users: impl Iterator<Item = (usize, Instant)>) -> anyhow::Result<Connected> {
    let (connected, sessions) =
        (Connected { at_once: Seen::new()?, later: Seen::new()? }, RefCell::new(HashSet::new()));
    let all = users.map(async |(number, due)| -> anyhow::Result<()> {
        let newcomer = Newcomer::of(number)?;
        tokio::time::sleep_until(due).await;
        let mut connection = Connection::open(fleet.server.address).await?;
        let mut seen = &connected.at_once;
        for tried in 0.. {
            ensure!(tried < TRIES, "user {number} was refused {TRIES} times");
            if let Some(session) = newcomer.connect(&mut connection).await? {
                ensure!(sessions.borrow_mut().insert(session), "two users have one session");
                break;
            }
            seen = &connected.later;
            seen.refused();
            tokio::time::sleep(AGAIN).await;
        }
        seen.answered(due)
    });
    join_all(all).await.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(connected)
}

/// How many sessions each WAHA server has; none is on two.
async fn placed(fleet: &Fleet) -> anyhow::Result<Vec<usize>> {
    let (mut all, mut placed) = (HashSet::new(), Vec::new());
    for waha in &fleet.wahas {
        let sessions = waha.sessions().await?;
        placed.push(sessions.len());
        for session in sessions {
            ensure!(all.insert(session), "a session is on two servers");
        }
    }
    Ok(placed)
}

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", self.at_once)?;
        if self.later.is_empty() { Ok(()) } else { write!(f, "\n  refused first, connected later: {}", self.later) }
    }
}
