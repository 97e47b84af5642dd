//! Measuring a cell.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;

use crate::cells::{Cell, Pace};
use crate::goal::Goal;
use crate::http::Request;
use crate::load::{self, Load, Script, Until};
use crate::process::Process;
use crate::stage::Stage;
use crate::waha::{Calls, Waha};

/// Connections of a crowd.
pub(crate) const CROWD: usize = 64;

/// CPU time is counted in ticks of 10 ms: from fewer than this a figure would be off by more than a few per cent.
const LEAST_CPU: Duration = Duration::from_millis(200);

/// How often a cell is measured anew because the server fetched a list meanwhile, which is none of its work.
const ATTEMPTS: usize = 3;

/// What is measured, and who else may be asked about it.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) process: &'a Process,
    pub(crate) address: SocketAddr,
    pub(crate) waha: Option<&'a Waha>,
    /// Database, entries of a list, rows of sessions; empty for the floor.
    pub(crate) place: Place,
}

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) database: &'static str,
    pub(crate) entries: usize,
    pub(crate) sessions: usize,
}

/// What a cell costs.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) cell: String,
    pub(crate) place: Place,
    /// CPU of the server a request, in microseconds, if there was enough of it to tell.
    pub(crate) cpu_micros: Option<f64>,
    /// The same of the floor, about then; for the floor itself, nothing.
    pub(crate) floor_micros: Option<f64>,
    pub(crate) requests_per_second: f64,
    /// Over many connections; if there were many.
    pub(crate) crowd: Option<Latency>,
    /// Over one connection, if that was asked for.
    pub(crate) alone: Option<Latency>,
    /// Calls of WAHA's API a second.
    pub(crate) calls_per_second: f64,
    /// Whether a list was fetched all the same.
    pub(crate) disturbed: bool,
    pub(crate) goals: Vec<Goal>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Measured {
    /// CPU in floors.
    pub(crate) fn floors(&self) -> Option<f64> {
        Some(self.cpu_micros? / self.floor_micros?)
    }
}

impl<'a> Subject<'a> {
    pub(crate) fn of(stage: &'a Stage, sessions: usize) -> Self {
        let place = Place { database: stage.database.kind.as_str(), entries: stage.entries, sessions };
        Self { process: &stage.server.process, address: stage.server.address, waha: Some(&stage.waha), place }
    }

    /// Measures one cell for about this time.
    pub(crate) async fn measure(&self, cell: &Cell, time: Duration) -> anyhow::Result<Measured> {
        self.try_measure(cell, time).await.with_context(|| format!("{}, {:?}", cell.name, self.place))
    }

    async fn try_measure(&self, cell: &Cell, time: Duration) -> anyhow::Result<Measured> {
        let check = async |request: &Request| cell.expected.check(&request.send(self.address).await?);
        let (connections, until) = match cell.pace {
            Pace::Crowd | Pace::CrowdThenOne => (CROWD, Until::Elapsed(time)),
            Pace::EachOnce => (1, Until::Once),
        };
        if cell.pace != Pace::EachOnce {
            check(cell.script.first()?).await?;
            self.load(&cell.script, connections, Until::Elapsed(time / 10)).await?;
        }
        let mut attempt = 1;
        let (load, cpu, calls) = loop {
            let measured = self.watched(&cell.script, connections, until).await?;
            if measured.2.lists == 0 || attempt == ATTEMPTS || cell.pace == Pace::EachOnce {
                break measured;
            }
            attempt += 1;
        };
        let alone = match cell.pace {
            Pace::Crowd => None,
            Pace::CrowdThenOne => Some(Latency::of(&self.load(&cell.script, 1, Until::Elapsed(time / 4)).await?)),
            Pace::EachOnce => Some(Latency::of(&load)),
        };
        check(cell.script.first()?).await?;
        #[expect(clippy::cast_precision_loss, reason = "nobody sends 2^53 requests")]
        let (requests, called) = (load.requests as f64, calls.all as f64);
        Ok(Measured {
            cell: cell.name.clone(),
            place: self.place,
            cpu_micros: (cpu >= LEAST_CPU).then(|| cpu.as_secs_f64() * 1e6 / requests),
            floor_micros: None,
            requests_per_second: load.requests_per_second(),
            crowd: (cell.pace != Pace::EachOnce).then(|| Latency::of(&load)),
            alone,
            calls_per_second: called / load.took.as_secs_f64(),
            disturbed: calls.lists > 0,
            goals: cell.goals.clone(),
        })
    }

    /// A load, the server's CPU time, and the calls it made.
    async fn watched(
        &self,
        script: &Script,
        connections: usize,
        until: Until,
    ) -> anyhow::Result<(Load, Duration, Calls)> {
        if let Some(waha) = self.waha {
            waha.forget_calls().await?;
        }
        let before = self.process.cpu()?;
        let load = self.load(script, connections, until).await?;
        let cpu = self.process.cpu()?.saturating_sub(before);
        let calls = match self.waha {
            Some(waha) => waha.calls().await?,
            None => Calls::default(),
        };
        Ok((load, cpu, calls))
    }

    async fn load(&self, script: &Script, connections: usize, until: Until) -> anyhow::Result<Load> {
        load::run(self.address, script, connections, until).await
    }
}

impl Latency {
    fn of(load: &Load) -> Self {
        Self { p50: load.latency(0.5), p99: load.latency(0.99) }
    }
}
