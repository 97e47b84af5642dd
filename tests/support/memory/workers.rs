//! Workers, placement and strays.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use switchboard_domain::placement::{self, Candidate};
use switchboard_domain::ports::{Fence, Placement, StorageError, Stray, StrayRepository, WorkerRepository};
use switchboard_domain::{Lifecycle, Revision, SessionId, SessionName, WorkerName, WorkerState};

use super::{Memory, Tables, forget, micros};

impl Tables {
    fn loads(&self) -> BTreeMap<WorkerName, u32> {
        let mut loads = BTreeMap::new();
        for session in self.sessions.values().map(|row| &row.session) {
            if session.lifecycle != Lifecycle::Disconnected {
                *loads.entry(session.worker.clone()).or_default() += 1;
            }
        }
        loads
    }

    fn leave_behind(&mut self, worker: &WorkerName, name: &SessionName, now: DateTime<Utc>) {
        let stray = Stray { name: name.clone(), since: micros(now), is_left_behind: true };
        self.strays.entry((worker.clone(), name.clone())).or_insert(stray).is_left_behind = true;
    }

    fn strays(&self, worker: &WorkerName) -> Vec<Stray> {
        self.strays.iter().filter(|((of, _), _)| of == worker).map(|(_, stray)| stray.clone()).collect()
    }
}

#[async_trait]
impl WorkerRepository for Memory {
    async fn states(&self) -> Result<BTreeMap<WorkerName, WorkerState>, StorageError> {
        Ok(self.tables().workers.clone())
    }

    async fn set_state(
        &self,
        worker: &WorkerName,
        state: WorkerState,
        now: DateTime<Utc>,
    ) -> Result<u32, StorageError> {
        let mut tables = self.tables();
        tables.workers.insert(worker.clone(), state);
        if state != WorkerState::Removed {
            return Ok(0);
        }
        let placed: Vec<_> = tables.placed_on(worker).map(|session| session.id.clone()).collect();
        for id in &placed {
            if let Some(row) = tables.sessions.get_mut(id) {
                row.session.lifecycle = Lifecycle::Disconnected;
                forget(&mut row.session, now);
            }
            tables.snapshots.retain(|(session, _), _| session != id);
        }
        Ok(u32::try_from(placed.len()).unwrap_or(u32::MAX))
    }

    async fn loads(&self) -> Result<BTreeMap<WorkerName, u32>, StorageError> {
        Ok(self.tables().loads())
    }

    async fn place(
        &self,
        id: &SessionId,
        fence: Fence,
        candidates: &[Candidate],
        now: DateTime<Utc>,
    ) -> Result<Placement, StorageError> {
        let mut tables = self.tables();
        let Some(before) = tables.under(id, fence).cloned() else { return Ok(Placement::Lost) };
        if before.lifecycle == Lifecycle::LoggingOut {
            return Ok(Placement::Lost);
        }
        let moves = before.lifecycle.is_wanted();
        let mut open = candidates.to_vec();
        open.retain(|one| tables.workers.get(&one.name).is_none_or(|state| *state == WorkerState::Active));
        open.retain(|one| !moves || one.name != before.worker);
        let loads = tables.loads();
        let Some(new) = placement::choose(&open, |name| loads.get(name).copied().unwrap_or(0)) else {
            return Ok(Placement::Full);
        };
        tables.strays.remove(&(new.clone(), before.name.clone()));
        if moves {
            tables.leave_behind(&before.worker, &before.name, now);
            tables.snapshots.retain(|(session, _), _| session != id);
        }
        let Some(session) = tables.under(id, fence) else { return Ok(Placement::Lost) };
        if moves {
            forget(session, now);
        } else {
            session.revision = Revision(session.revision.0 + 1);
        }
        if session.worker != *new {
            session.reported_at = None;
        }
        session.worker = new.clone();
        session.lifecycle = Lifecycle::Connecting;
        session.updated_at = micros(now);
        Ok(Placement::Placed(Box::new(session.clone())))
    }
}

#[async_trait]
impl StrayRepository for Memory {
    async fn strays(&self, worker: &WorkerName) -> Result<Vec<Stray>, StorageError> {
        Ok(self.tables().strays(worker))
    }

    async fn sight(
        &self,
        worker: &WorkerName,
        names: &[SessionName],
        now: DateTime<Utc>,
    ) -> Result<Vec<Stray>, StorageError> {
        let mut tables = self.tables();
        let wanted: BTreeSet<_> = tables.placed_on(worker).map(|session| session.name.clone()).collect();
        let seen: BTreeSet<_> = names.iter().filter(|name| !wanted.contains(name)).collect();
        tables.strays.retain(|(of, name), stray| of != worker || seen.contains(name) || stray.since > micros(now));
        for name in seen {
            let new = Stray { name: name.clone(), since: micros(now), is_left_behind: false };
            tables.strays.entry((worker.clone(), name.clone())).or_insert(new);
        }
        Ok(tables.strays(worker))
    }
}
