//! What people run today: a tRPC server on Node that asks WAHA each time (`tests/bench/peer`).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::cells::Cell;
use crate::goal::FLOOR_ELSEWHERE;
use crate::measure::{Measured, Place, Subject};
use crate::process::Process;
use crate::server::built;
use crate::stage::Stage;
use crate::waha::Waha;

/// The files that it is made of.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "server.mjs"];

/// How long the packages may take to be fetched.
const PATIENCE: Duration = Duration::from_mins(3);

/// What is asked of us and of the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contest {
    pub(crate) what: &'static str,
    /// CPU of a request, in microseconds, of a peer with everything: Node 20 with `@trpc/server` 11.25, superjson, zod and
    /// Prisma 7, one worker. Measured once, elsewhere.
    elsewhere: f64,
    /// How many times less ours shall be.
    pub(crate) goal: Option<f64>,
    /// Whether the peer that is run here can do it: it has no database.
    pub(crate) is_run_here: bool,
}

impl Contest {
    pub(crate) const STATUS: Self =
        Self { what: "getSessionStatus, hot", elsewhere: 720.0, goal: Some(30.0), is_run_here: true };
    pub(crate) const SESSION: Self = Self {
        what: "getWhatsAppSession, 10 groups × 2 campaigns",
        elsewhere: 1590.0,
        goal: Some(25.0),
        is_run_here: false,
    };
    pub(crate) const GROUPS: Self = Self { what: "groups, first 10", elsewhere: 810.0, goal: None, is_run_here: true };
    pub(crate) const GROUPS_SEARCH: Self =
        Self { what: "groups search in 1 000", elsewhere: 32_000.0, goal: None, is_run_here: true };
    pub(crate) const CONTACTS_SEARCH: Self =
        Self { what: "contacts search in 10 000", elsewhere: 32_000.0, goal: Some(500.0), is_run_here: true };

    /// What it cost elsewhere, in floors of that machine.
    pub(crate) const fn floors_elsewhere(&self) -> f64 {
        self.elsewhere / FLOOR_ELSEWHERE
    }
}

/// What came of a contest.
pub(crate) struct Outcome {
    pub(crate) contest: Contest,
    pub(crate) ours: Measured,
    /// If the peer was run.
    pub(crate) theirs: Option<Measured>,
}

impl Outcome {
    /// All that was measured for it.
    pub(crate) fn measured(&mut self) -> impl Iterator<Item = &mut Measured> {
        std::iter::once(&mut self.ours).chain(&mut self.theirs)
    }

    /// What a request costs the peer, in floors.
    pub(crate) fn their_floors(&self) -> Option<f64> {
        match &self.theirs {
            Some(theirs) => theirs.floors(),
            None => Some(self.contest.floors_elsewhere()),
        }
    }

    /// How many times less ours is.
    pub(crate) fn times_less(&self) -> Option<f64> {
        Some(self.their_floors()? / self.ours.floors()?)
    }
}

/// A peer that runs.
pub(crate) struct Peer {
    process: Process,
    address: SocketAddr,
}

impl Peer {
    /// A folder with the peer and its packages, or why there is none.
    pub(crate) async fn install() -> Result<PathBuf, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peer");
        let installing = async {
            // Beside what cargo builds.
            let folder = built("bench-peer")?;
            fs::create_dir_all(&folder)?;
            for file in FILES {
                fs::copy(source.join(file), folder.join(file)).with_context(|| file.to_owned())?;
            }
            let (lock, installed) = (folder.join(FILES[1]), folder.join("node_modules/installed-lock.json"));
            if fs::read(&installed).ok() == Some(fs::read(&lock)?) {
                return Ok(folder);
            }
            let mut npm = tokio::process::Command::new("npm");
            // Without it, npm installs TypeScript for those who want the types.
            npm.args(["ci", "--legacy-peer-deps", "--silent"])
                .current_dir(&folder)
                .stdin(Stdio::null())
                .kill_on_drop(true);
            let status = tokio::time::timeout(PATIENCE, npm.status()).await.context("npm took too long")?;
            anyhow::ensure!(status.context("there is no npm")?.success(), "npm ci failed");
            // Written last: what broke off half-way is installed anew.
            fs::copy(&lock, &installed)?;
            anyhow::Ok(folder)
        };
        installing.await.map_err(|error| format!("{error:#}"))
    }

    /// Starts it before the WAHA of a stage.
    pub(crate) fn start(folder: &Path, stage: &Stage) -> anyhow::Result<Self> {
        let mut command = Command::new("node");
        command.arg("server.mjs").current_dir(folder).env("NODE_ENV", "production");
        command.env("WAHA_URL", stage.waha.url()).env("WAHA_API_KEY", Waha::API_KEY);
        let (process, line) = Process::start_and_listen("peer", &mut command, folder)?;
        let address = line.strip_prefix("http://").context("the peer says where it listens")?.parse()?;
        Ok(Self { process, address })
    }

    /// Measures one cell for about this time, after as long a time in which the peer is compiled.
    pub(crate) async fn measure(&self, cell: &Cell, time: Duration) -> anyhow::Result<Measured> {
        let subject = Subject { process: &self.process, address: self.address, waha: None, place: Place::default() };
        subject.measure(cell, time).await?;
        subject.measure(cell, time).await
    }
}
