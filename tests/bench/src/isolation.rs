//! What the users of other WAHA servers notice of one that takes half a minute for every answer.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::future::{join_all, try_join_all};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tokio::time::Instant;

use crate::database::Database;
use crate::fleet::{Fleet, Newcomer, Seen};
use crate::http::{Connection, Request};

/// As many servers, of which the last one is going to be sick.
const WORKERS: usize = 3;
/// Spread over the servers.
const USERS: usize = 500;
/// How often each user asks for the status: less often than it may be remembered.
const POLL: Duration = Duration::from_secs(5);
/// How many connect at a time.
const AT_A_TIME: usize = 25;
/// How long the sick one takes.
const SLOWNESS: Duration = Duration::from_secs(30);

/// A user, and what their client sends.
struct User {
    session: String,
    status: Request,
}

/// Measures, and prints what was found.
pub(crate) async fn run(time: Duration) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let fleet = Fleet::start(WORKERS, &Database::sqlite(folder.path()), folder).await?;
    let address = fleet.server.address;
    let users = connect(address).await?;
    let sick = fleet.wahas.last().context("there are servers")?;
    let of_the_sick: HashSet<String> = sick.sessions().await?.into_iter().collect();
    ensure!((USERS / WORKERS).abs_diff(of_the_sick.len()) <= 1, "{} sessions on one server", of_the_sick.len());

    let mut told =
        format!("{USERS} users on {WORKERS} WAHA servers ask for the status every {POLL:?}, for {time:?}:\n");
    let phases = [("all servers well", None), ("one answers after 30 s", Some(SLOWNESS)), ("all well again", None)];
    for (phase, slowness) in phases {
        sick.slow_down(slowness).await?;
        sick.forget_calls().await?;
        let (well, ill) = ask(address, &users, &of_the_sick, time).await?;
        let calls = sick.calls().await?.all;
        write!(
            told,
            "{phase}:\n  users of the others:   {well}\n  users of that server: {ill}; it was called {calls} times\n"
        )?;
    }
    Ok(told)
}

/// Connects everybody, and nobody scans: a status is a status.
async fn connect(address: SocketAddr) -> anyhow::Result<Vec<User>> {
    let mut users = Vec::new();
    for first in (0..USERS).step_by(AT_A_TIME) {
        let some = (first..USERS.min(first + AT_A_TIME)).map(async |number| -> anyhow::Result<User> {
            let newcomer = Newcomer::of(number)?;
            let session = newcomer.connect(&mut Connection::open(address).await?).await?;
            let session = session.context("somebody was refused")?;
            let input = json!({ "sessionName": session }).to_string();
            let target =
                format!("/api/trpc/user.getSessionStatus?input={}", utf8_percent_encode(&input, NON_ALPHANUMERIC));
            Ok(User { session, status: Request::get(&target, Some(&newcomer.token)) })
        });
        users.extend(try_join_all(some).await?);
    }
    Ok(users)
}

/// All users ask for so long, each at a time of their own. What those of the other servers see, and those of the sick one.
async fn ask(
    address: SocketAddr,
    users: &[User],
    of_the_sick: &HashSet<String>,
    time: Duration,
) -> anyhow::Result<(Seen, Seen)> {
    let (well, ill) = (Seen::new()?, Seen::new()?);
    let count = u32::try_from(users.len())?;
    let until = Instant::now() + time;
    let all = users.iter().zip(0..).map(async |(user, number)| -> anyhow::Result<()> {
        let seen = if of_the_sick.contains(&user.session) { &ill } else { &well };
        let mut due = Instant::now() + POLL * number / count;
        tokio::time::sleep_until(due).await;
        // A connection on which nothing is sent at first would be closed.
        let mut connection = Connection::open(address).await?;
        while due < until {
            tokio::time::sleep_until(due).await;
            let status = connection.send(&user.status).await?.status;
            seen.answered(due)?;
            if status != 200 {
                seen.refused();
            }
            due = (due + POLL).max(Instant::now());
        }
        Ok(())
    });
    join_all(all).await.into_iter().collect::<anyhow::Result<()>>()?;
    Ok((well, ill))
}
