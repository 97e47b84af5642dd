//! Directory snapshots and leases on tasks.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use switchboard_domain::ports::{
    Claim, Generation, LeaseHolder, SnapshotHead, SnapshotStore, StorageError, StoredSnapshot, TaskLeases,
};
use switchboard_domain::{Lifecycle, ListKind, SessionId};

use super::{Memory, Tables, micros};

#[async_trait]
impl SnapshotStore for Memory {
    async fn head(&self, session: &SessionId, kind: ListKind) -> Result<Option<SnapshotHead>, StorageError> {
        Ok(self.load(session, kind).await?.map(|snapshot| snapshot.head))
    }

    async fn load(&self, session: &SessionId, kind: ListKind) -> Result<Option<StoredSnapshot>, StorageError> {
        Ok(self.tables().snapshots.get(&(session.clone(), kind)).cloned())
    }

    async fn save<'a>(
        &self,
        session: &SessionId,
        kind: ListKind,
        replaces: Option<Generation>,
        head: &SnapshotHead,
        data: Option<&'a [u8]>,
    ) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let key = (session.clone(), kind);
        let stored = tables.snapshots.get(&key);
        let wanted = tables
            .sessions
            .get(session)
            .is_some_and(|row| row.session.epoch == head.epoch && row.session.lifecycle.is_wanted());
        if !wanted || stored.map(|stored| stored.head.generation) != replaces {
            return Ok(false);
        }
        let kept = || stored.filter(|stored| stored.head.version == head.version).map(|stored| stored.data.clone());
        let Some(data) = data.map(<[u8]>::to_vec).or_else(kept) else { return Ok(false) };
        let head = SnapshotHead { synced_at: micros(head.synced_at), ..head.clone() };
        tables.snapshots.insert(key, StoredSnapshot { head, data });
        Ok(true)
    }

    async fn purge(&self, before: DateTime<Utc>) -> Result<u64, StorageError> {
        let Tables { sessions, snapshots, .. } = &mut *self.tables();
        let all = snapshots.len();
        snapshots.retain(|(session, _), snapshot| {
            let is_over = sessions.get(session).is_some_and(|row| {
                row.session.epoch > snapshot.head.epoch || row.session.lifecycle == Lifecycle::Disconnected
            });
            snapshot.head.synced_at >= micros(before) && !is_over
        });
        Ok((all - snapshots.len()) as u64)
    }
}

#[async_trait]
impl TaskLeases for Memory {
    async fn claim(
        &self,
        task: &str,
        holder: &LeaseHolder,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Claim, StorageError> {
        let mut tables = self.tables();
        match tables.tasks.get(task) {
            Some((other, until)) if other != holder && *until > micros(now) => Ok(Claim::HeldUntil(*until)),
            _ => {
                tables.tasks.insert(task.to_owned(), (holder.clone(), micros(until)));
                Ok(Claim::Granted)
            }
        }
    }

    async fn release(&self, task: &str, holder: &LeaseHolder) -> Result<(), StorageError> {
        self.tables().tasks.retain(|name, (by, _)| name != task || by != holder);
        Ok(())
    }
}
