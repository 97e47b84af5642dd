//! Lists in the database: read into memory, and written behind everybody's back.

use std::sync::Arc;

use super::super::shelf::{Held, ListKey};
use super::Refresher;
use crate::ports::{Generation, SnapshotHead};
use crate::{Error, ListKind, Session, Snapshot};

impl Refresher {
    /// How often a snapshot is stored again that another one came in the way of.
    const STORE_ATTEMPTS: usize = 3;

    /// What is stored, put into memory; once for all who ask meanwhile.
    pub(super) async fn load(self: &Arc<Self>, session: &Session, kind: ListKind) -> Result<Option<Arc<Held>>, Error> {
        let (refresher, session) = (Arc::clone(self), session.clone());
        let key = (ListKey::of(&session, kind), session.epoch);
        self.loads.run(key, || async move { refresher.read_stored(&session, kind).await }).await
    }

    pub(super) async fn read_stored(&self, session: &Session, kind: ListKind) -> Result<Option<Arc<Held>>, Error> {
        let Some(stored) = self.ports.snapshots.load(&session.id, kind).await? else { return Ok(None) };
        if stored.head.epoch != session.epoch {
            return Ok(None);
        }
        let (version, data) = (stored.head.version, stored.data);
        let snapshot = match self.workbench.run(move || Snapshot::decode(kind, version, &data)).await? {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!(%error, kind = kind.as_str(), "a stored list cannot be read: it is fetched anew");
                return Ok(None);
            }
        };
        let (key, held) = (ListKey::of(session, kind), Held::of(Arc::new(snapshot), &stored.head));
        let held = self.shelf.put(&key, held, self.clock().now());
        Ok(Some(self.with_changes(session, &key, held).await?))
    }

    /// Stores a list in the place of `stored`, unless what is stored is newer by then. Content that is stored already is
    /// not written again, unless it `is_damaged`.
    pub(super) async fn store(&self, key: &ListKey, held: &Held, stored: Option<SnapshotHead>, is_damaged: bool) {
        if let Err(error) = self.try_store(key, held, stored, is_damaged).await {
            tracing::warn!(%error, kind = key.kind.as_str(), "a list was not stored: other replicas fetch it anew");
        }
    }

    async fn try_store(
        &self,
        key: &ListKey,
        held: &Held,
        mut stored: Option<SnapshotHead>,
        is_damaged: bool,
    ) -> Result<(), Error> {
        let snapshots = &self.ports.snapshots;
        let mut encoded = None;
        for _ in 0..Self::STORE_ATTEMPTS {
            let replaces = stored.as_ref().map(|head| head.generation);
            let head = SnapshotHead { generation: Generation::after(replaces), ..held.head() };
            let is_there = !is_damaged && stored.as_ref().is_some_and(|stored| stored.version == head.version);
            if !is_there && encoded.is_none() {
                let snapshot = Arc::clone(&held.snapshot);
                encoded = Some(self.workbench.run(move || snapshot.encode()).await?);
            }
            let data = encoded.as_deref().filter(|_| !is_there);
            if snapshots.save(&key.session, key.kind, replaces, &head, data).await? {
                self.news.listed(&key.session, key.kind);
                return Ok(());
            }
            stored = snapshots.head(&key.session, key.kind).await?;
            let is_newer = |stored: &SnapshotHead| (stored.epoch, stored.synced_at) > (head.epoch, head.synced_at);
            // Something else took its place here, and is stored in its turn.
            let is_shown = self.shelf.get(key, held.epoch).is_none_or(|shown| shown.snapshot.version() == head.version);
            if stored.as_ref().is_some_and(is_newer) || !is_shown {
                return Ok(());
            }
        }
        Ok(())
    }
}
