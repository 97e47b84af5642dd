//! `switchboard workers`: the WAHA servers, and which of them take new sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::bail;
use serde::Serialize;
use switchboard_domain::ports::{AuditLog, Clock as _, StorageError, WhatsAppGateway, WorkerRepository};
use switchboard_domain::{AuditAction, Deed, Means, SystemClock, WorkerHealth, WorkerInfo, WorkerName, WorkerState};

use super::audit::note;
use super::cli::WorkersCommand;
use super::config::Config;
use super::table::columns;
use super::wiring::{self, Storage};

/// Runs one of its commands on the configured database. A server that runs on it meanwhile heeds what is changed.
pub(crate) async fn run(config: &Config, command: WorkersCommand) -> anyhow::Result<()> {
    let Storage { workers, audit, .. } = wiring::storage(config)?;
    let desk = Desk { gateway: wiring::gateway(config)?, workers, audit };
    match command {
        WorkersCommand::List { json } => desk.list(json).await,
        WorkersCommand::Drain { name } => {
            desk.set_state(&name, WorkerState::Draining).await?;
            let load = desk.load(&name).await?;
            println!("{name} is draining: it gets no new sessions, and still has {}.", sessions(load));
            Ok(())
        }
        WorkersCommand::Activate { name } => {
            desk.set_state(&name, WorkerState::Active).await?;
            println!("{name} is active: it gets new sessions.");
            Ok(())
        }
        WorkersCommand::Remove { name, yes } => desk.remove(&name, yes).await,
    }
}

struct Desk {
    gateway: Arc<dyn WhatsAppGateway>,
    workers: Arc<dyn WorkerRepository>,
    audit: Arc<dyn AuditLog>,
}

/// A worker, as it is listed.
#[derive(Debug, Serialize)]
struct Row {
    name: WorkerName,
    state: &'static str,
    /// Absent if it is not configured here, like what follows but `sessions`.
    health: Option<&'static str>,
    engine: Option<Box<str>>,
    version: Option<Box<str>>,
    sessions: u32,
    capacity: Option<u32>,
}

impl Desk {
    async fn list(&self, json: bool) -> anyhow::Result<()> {
        let states = self.workers.states().await.map_err(of_database)?;
        let loads = self.workers.loads().await.map_err(of_database)?;
        let rows = rows(self.gateway.probe().await, &states, &loads);
        if json {
            println!("{}", serde_json::to_string_pretty(&rows)?);
        } else {
            print!("{}", table(&rows));
        }
        Ok(())
    }

    async fn remove(&self, name: &WorkerName, yes: bool) -> anyhow::Result<()> {
        self.expect(name).await?;
        let load = self.load(name).await?;
        if load > 0 && !yes {
            bail!(
                "{name} still has {}, and to remove it is to have those users scan a QR code again: let it drain first \
                 (switchboard workers drain {name}), or say --yes",
                sessions(load)
            );
        }
        let lost = self.set_state(name, WorkerState::Removed).await?;
        println!("{name} is removed: it gets no new sessions. Disconnected: {}.", sessions(lost));
        println!(
            "Phones stay linked to that WAHA: shut it down, or delete its sessions there. To bring it back: switchboard \
             workers activate {name}"
        );
        Ok(())
    }

    /// Returns how many sessions it lost.
    async fn set_state(&self, name: &WorkerName, state: WorkerState) -> anyhow::Result<u32> {
        self.expect(name).await?;
        let lost = self.workers.set_state(name, state, SystemClock.now()).await.map_err(of_database)?;
        let action = match state {
            WorkerState::Active => AuditAction::ActivateWorker,
            WorkerState::Draining => AuditAction::DrainWorker,
            WorkerState::Removed => AuditAction::RemoveWorker,
        };
        note(&*self.audit, Deed::new(action, Means::Cli).at(name)).await;
        Ok(lost)
    }

    async fn load(&self, name: &WorkerName) -> anyhow::Result<u32> {
        Ok(self.workers.loads().await.map_err(of_database)?.get(name).copied().unwrap_or(0))
    }

    /// A name that nobody knows is a slip of the finger.
    async fn expect(&self, name: &WorkerName) -> anyhow::Result<()> {
        let mut known: BTreeSet<WorkerName> = self.gateway.workers().into_iter().map(|worker| worker.name).collect();
        known.extend(self.workers.states().await.map_err(of_database)?.into_keys());
        known.extend(self.workers.loads().await.map_err(of_database)?.into_keys());
        if !known.contains(name) {
            let known: Vec<&str> = known.iter().map(WorkerName::as_str).collect();
            bail!("there is no worker {name}: expected one of {}", known.join(", "));
        }
        Ok(())
    }
}

fn sessions(count: u32) -> String {
    if count == 1 { "1 session".to_owned() } else { format!("{count} sessions") }
}

fn of_database(error: StorageError) -> anyhow::Error {
    anyhow::Error::new(error)
        .context("the workers' states cannot be had (is the database up to date? switchboard migrate)")
}

/// Every worker that is configured or in the database, by name.
fn rows(
    configured: Vec<WorkerInfo>,
    states: &BTreeMap<WorkerName, WorkerState>,
    loads: &BTreeMap<WorkerName, u32>,
) -> Vec<Row> {
    let mut configured: BTreeMap<WorkerName, WorkerInfo> =
        configured.into_iter().map(|worker| (worker.name.clone(), worker)).collect();
    let names: BTreeSet<WorkerName> = configured.keys().chain(states.keys()).chain(loads.keys()).cloned().collect();
    let row = |name: WorkerName| {
        let info = configured.remove(&name);
        let health = info.as_ref().map(|info| match info.health {
            WorkerHealth::Unknown => "unknown",
            WorkerHealth::Up => "up",
            WorkerHealth::Down => "down",
        });
        let capacity = info.as_ref().map(|info| info.capacity);
        let (engine, version) = info.and_then(|info| info.software).map(|it| (it.engine, it.version)).unzip();
        let state = states.get(&name).copied().unwrap_or(WorkerState::Active).as_str();
        Row { state, health, engine, version, sessions: loads.get(&name).copied().unwrap_or(0), capacity, name }
    };
    names.into_iter().map(row).collect()
}

fn table(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            row.name.to_string(),
            row.state.to_owned(),
            row.health.unwrap_or("not configured").to_owned(),
            or_dash(row.engine.as_deref().map(str::to_owned)),
            or_dash(row.version.as_deref().map(str::to_owned)),
            row.sessions.to_string(),
            or_dash(row.capacity.map(|capacity| capacity.to_string())),
        ]
    };
    columns(["NAME", "STATE", "HEALTH", "ENGINE", "VERSION", "SESSIONS", "CAPACITY"], rows.iter().map(cells))
}

#[cfg(test)]
mod tests {
    use switchboard_domain::WorkerSoftware;

    use super::*;

    fn name(name: &str) -> WorkerName {
        name.parse().unwrap()
    }

    #[test]
    fn workers_are_listed_whether_they_are_configured_or_known_to_the_database() {
        let software = Some(WorkerSoftware { engine: "NOWEB".into(), version: "2026.7.1".into() });
        let up = WorkerInfo {
            name: name("waha-1"),
            capacity: 500,
            health: WorkerHealth::Up,
            is_left_alone: false,
            software,
        };
        let down = WorkerInfo {
            name: name("waha-2"),
            capacity: 50,
            health: WorkerHealth::Down,
            is_left_alone: true,
            software: None,
        };
        let states = BTreeMap::from([(name("waha-2"), WorkerState::Draining), (name("old"), WorkerState::Removed)]);
        let loads = BTreeMap::from([(name("waha-1"), 499), (name("mislaid"), 3)]);
        let expected = "\
NAME     STATE     HEALTH          ENGINE  VERSION   SESSIONS  CAPACITY
mislaid  active    not configured  -       -         3         -
old      removed   not configured  -       -         0         -
waha-1   active    up              NOWEB   2026.7.1  499       500
waha-2   draining  down            -       -         0         50
";
        assert_eq!(table(&rows(vec![up, down], &states, &loads)), expected);
    }
}
