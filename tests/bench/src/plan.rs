//! The plan: which stages are set, and what is measured on each.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::cells::{self, Cell};
use crate::database::{Database, Kind, MORE, Streamed};
use crate::load::{self, Script, Until};
use crate::machine::Machine;
use crate::measure::{Measured, Place, Subject};
use crate::peer::{Contest, Outcome, Peer};
use crate::process::Process;
use crate::report::{Fact, Report};
use crate::server::built;
use crate::stage::{List, Stage, Warmed};
use crate::streams::{self, Form};
use crate::{Cli, micro};

/// One stage of the plan.
struct Act {
    kind: Kind,
    entries: usize,
    users: usize,
    /// All cells, or only those that are asked by all users.
    whole: bool,
    /// Whether it ends with many more sessions in the database.
    grows: bool,
}

/// SQLite at every size. On PostgreSQL, what does not come from the database at all is not repeated at each.
const ACTS: [Act; 5] = [
    Act { kind: Kind::Sqlite, entries: 1000, users: 50, whole: true, grows: true },
    Act { kind: Kind::Sqlite, entries: 10_000, users: 10, whole: true, grows: false },
    Act { kind: Kind::Sqlite, entries: 100_000, users: 2, whole: true, grows: false },
    Act { kind: Kind::Postgres, entries: 1000, users: 50, whole: false, grows: true },
    Act { kind: Kind::Postgres, entries: 10_000, users: 10, whole: true, grows: false },
];

/// How long the floor is measured, even by a quick run: everything is compared with it.
const FLOOR_TIME: Duration = Duration::from_secs(2);

/// What a run has found so far.
struct Run<'a> {
    cli: &'a Cli,
    time: Duration,
    /// What is measured.
    program: PathBuf,
    /// Where the peer is, if there is one.
    peer: Option<PathBuf>,
    /// One before each act, and one after the last.
    floors: Vec<Measured>,
    cells: Vec<Measured>,
    outcomes: Vec<Outcome>,
    facts: Vec<Fact>,
}

/// Measures everything.
pub(crate) async fn run(cli: &Cli) -> anyhow::Result<Report> {
    let mut left_out = Vec::new();
    let mut run = Run {
        cli,
        time: cli.time(),
        program: cli.program()?,
        peer: None,
        floors: Vec::new(),
        cells: Vec::new(),
        outcomes: Vec::new(),
        facts: Vec::new(),
    };
    if !cli.streams {
        match Peer::install().await {
            Ok(folder) => run.peer = Some(folder),
            Err(reason) => left_out.push(format!("the peer on Node, because {reason}")),
        }
    }
    let cluster = if cli.no_postgres { None } else { support::postgres::cluster() };
    if cluster.is_none() {
        let reason = if cli.no_postgres { "as was asked for" } else { "because there is none to be had" };
        left_out.push(format!("PostgreSQL, {reason}"));
    }
    run.floor().await?;
    let is_wanted = |act: &&Act| !cli.streams && (cli.entries.is_empty() || cli.entries.contains(&act.entries));
    for act in ACTS.iter().filter(is_wanted) {
        let folder = tempfile::tempdir()?;
        let database = match (act.kind, cluster) {
            (Kind::Sqlite, _) => Database::sqlite(folder.path()),
            (Kind::Postgres, Some(cluster)) => Database::postgres(cluster).await,
            (Kind::Postgres, None) => continue,
        };
        run.act(act, folder, database).await?;
        run.floor().await?;
        run.compare();
    }
    if cli.streams || cli.entries.is_empty() && cli.cells.is_empty() {
        match streams::hindrance()? {
            None => run.streams(cli.silence()).await?,
            Some(reason) => left_out.push(format!("streams, {reason}")),
        }
    }
    let Run { floors, cells, outcomes, facts, .. } = run;
    let micro = if cli.streams || !cli.cells.is_empty() {
        let asked_for = if cli.streams { "the streams".to_owned() } else { cli.cells.join(", ") };
        left_out.push(format!("all but {asked_for}, as was asked for"));
        String::new()
    } else {
        eprintln!("the domain's own benchmarks");
        micro::run().await?
    };
    if micro.is_empty() && !cli.streams && cli.cells.is_empty() {
        left_out.push("the domain's own benchmarks, because it has none".to_owned());
    }
    Ok(Report { machine: Machine::this(), command: Cli::command(), floors, cells, outcomes, facts, left_out, micro })
}

impl Run<'_> {
    async fn floor(&mut self) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(built("switchboard-bench-floor")?);
        let (process, line) = Process::start_and_listen("floor", &mut command, folder.path())?;
        let address = line.strip_prefix("http://").context("the floor says where it listens")?.parse()?;
        let subject = Subject { process: &process, address, waha: None, place: Place::default() };
        let measured = subject.measure(&cells::floor(), FLOOR_TIME).await?;
        ensure!(measured.cpu_micros.is_some(), "the machine is too busy: the floor got hardly any CPU");
        self.floors.push(measured);
        Ok(())
    }

    /// Tells the cells that do not know yet what the floor costs: the mean of the last two, between which they are.
    fn compare(&mut self) {
        let around: Vec<f64> = self.floors.iter().rev().take(2).filter_map(|floor| floor.cpu_micros).collect();
        if let [after, before] = around[..] {
            let all = self.cells.iter_mut().chain(self.outcomes.iter_mut().flat_map(Outcome::measured));
            let unknown = all.filter(|measured| measured.floor_micros.is_none());
            unknown.for_each(|measured| measured.floor_micros = Some(f64::midpoint(before, after)));
        }
    }

    async fn act(&mut self, act: &Act, folder: TempDir, database: Database) -> anyhow::Result<()> {
        let Act { kind, entries, users, .. } = *act;
        eprintln!("{}: {users} users with {entries} groups and {entries} contacts each", kind.as_str());
        let mut stage = Stage::set(&self.program, folder, database, entries, users).await?;
        self.started(&stage, users);
        let warmed = stage.warm().await?;
        self.warmed(&stage, &warmed);
        let lists = if act.whole {
            Some((stage.directory(List::Groups).await?, stage.directory(List::Contacts).await?))
        } else {
            None
        };
        if let Some((groups, contacts)) = &lists {
            // First, while no term has been searched for.
            self.measure(&stage, users, cells::searches(&stage, groups, contacts)).await?;
            self.measure(&stage, users, cells::pages(&stage, groups, contacts)).await?;
        }
        self.measure(&stage, users, cells::of_all_users(&stage)).await?;
        self.contest(&stage, users, cells::contests(&stage, lists.as_ref())).await?;
        if act.grows {
            if self.cli.cells.is_empty() {
                self.polled(&stage).await?;
            }
            // The same users as before: what differs is the database.
            stage = stage.restart(async |database, _| database.add_sessions().await).await?;
            let sessions = MORE + users;
            self.started(&stage, sessions);
            stage.warm().await?;
            self.measure(&stage, sessions, cells::of_all_users(&stage)).await?;
        }
        Ok(())
    }

    async fn measure(&mut self, stage: &Stage, sessions: usize, cells: Vec<Cell>) -> anyhow::Result<()> {
        for cell in cells.into_iter().filter(|cell| self.cli.is_wanted(&cell.name)) {
            let measured = Subject::of(stage, sessions).measure(&cell, self.time).await?;
            eprintln!(
                "  {}: {} µs, {:.0} requests/s",
                measured.cell,
                measured.cpu_micros.map_or_else(|| "?".to_owned(), |cpu| format!("{cpu:.1}")),
                measured.requests_per_second
            );
            self.cells.push(measured);
        }
        Ok(())
    }

    /// The same requests to us and to the peer, before the same WAHA.
    async fn contest(&mut self, stage: &Stage, sessions: usize, cells: Vec<(Contest, Cell)>) -> anyhow::Result<()> {
        let wanted: Vec<_> = cells.into_iter().filter(|(contest, _)| self.cli.is_wanted(contest.what)).collect();
        let peer = self.peer.as_ref().filter(|_| wanted.iter().any(|(contest, _)| contest.is_run_here));
        let peer = peer.map(|folder| Peer::start(folder, stage)).transpose()?;
        for (contest, cell) in wanted {
            let ours = Subject::of(stage, sessions).measure(&cell, self.time).await?;
            let theirs = match &peer {
                Some(peer) if contest.is_run_here => Some(peer.measure(&cell, self.time).await?),
                _ => None,
            };
            self.outcomes.push(Outcome { contest, ours, theirs });
        }
        Ok(())
    }

    /// Many clients poll one session's status.
    async fn polled(&mut self, stage: &Stage) -> anyhow::Result<()> {
        /// How many.
        const CLIENTS: usize = 1000;
        /// For how many seconds.
        const SECONDS: u8 = 10;
        let user = stage.users.first().context("a stage has users")?;
        stage.waha.forget_calls().await?;
        let until = Until::Elapsed(Duration::from_secs(SECONDS.into()));
        let load = load::run(stage.server.address, &Script::new(vec![user.status()]), CLIENTS, until).await?;
        let calls = stage.waha.status_calls(&user.session).await?;
        ensure!(calls > 0, "for so long nobody remembers a status");
        #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^53 calls")]
        let calls = calls as f64;
        self.facts.push(Fact {
            what: format!(
                "{CLIENTS} clients poll one session's status for {SECONDS} s, {}: calls of WAHA for it, {} requests",
                stage.database.kind.as_str(),
                load.requests
            ),
            found: calls,
            unit: "calls",
            at_most: Some(f64::from(SECONDS) + 1.0),
        });
        Ok(())
    }

    /// Open streams, of one kind and of the other.
    async fn streams(&mut self, silence: Duration) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let database = Database::sqlite(folder.path());
        eprintln!("{}: {} streams of as many users", database.kind.as_str(), streams::STREAMS);
        let mut stage = Stage::set(&self.program, folder, database, 1, 1).await?;
        let sessions: Vec<_> = (0..streams::STREAMS).map(Streamed::of).collect::<Result<_, _>>()?;
        stage.waha.restore(&sessions).await?;
        stage.believe_webhooks();
        let mut stage = stage.restart(async |database, _| database.add_streamed().await).await?;
        for form in Form::ALL {
            self.facts.extend(streams::measure(&stage, form, silence).await?);
            stage = stage.restart(async |_, _| Ok(())).await?;
        }
        Ok(())
    }

    fn started(&mut self, stage: &Stage, sessions: usize) {
        let database = stage.database.kind.as_str();
        self.facts.push(Fact {
            what: format!("start to ready, {database} with {sessions} sessions, migrated"),
            found: stage.server.ready_after.as_secs_f64() * 1000.0,
            unit: "ms",
            at_most: Some(150.0),
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 bytes of memory")]
    fn warmed(&mut self, stage: &Stage, warmed: &Warmed) {
        const MEGABYTE: f64 = 1024.0 * 1024.0;
        let Warmed { entries, resident_before, resident_after } = *warmed;
        let lists = format!("{}, {} × 2 lists of {}", stage.database.kind.as_str(), stage.users.len(), stage.entries);
        let (before, after) = (resident_before as f64, resident_after as f64);
        let fact =
            |what: String, found: f64, unit: &'static str, at_most: Option<f64>| Fact { what, found, unit, at_most };
        self.facts.extend([
            fact(format!("memory idle, {lists}"), before / MEGABYTE, "MB", Some(25.0)),
            fact(format!("memory loaded, {lists}"), after / MEGABYTE, "MB", None),
            fact(
                format!("memory an entry, everything included, {lists}"),
                (after - before) / entries as f64,
                "bytes",
                (entries >= 100_000).then_some(60.0),
            ),
        ]);
    }
}
