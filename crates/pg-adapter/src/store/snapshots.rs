//! Directory snapshots.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Text};
use diesel_async::RunQueryDsl;
use switchboard_domain::ports::{Generation, SnapshotHead, SnapshotStore, StorageError, StoredSnapshot};
use switchboard_domain::{Lifecycle, ListKind, SessionId, WorkerName};

use super::rows::{SnapshotHeadRow, micros};
use super::schema::{directory_snapshots, sessions};
use crate::engine::{Conn, Instant, Store, held_sessions};

#[async_trait]
impl SnapshotStore for Store {
    async fn head(&self, session: &SessionId, kind: ListKind) -> Result<Option<SnapshotHead>, StorageError> {
        let query =
            directory_snapshots::table.find((session.as_str(), kind.as_str())).select(SnapshotHeadRow::as_select());
        let row = self.reader().await?.run(async |conn| query.get_result(conn).await.optional()).await?;
        Ok(row.map(SnapshotHead::try_from).transpose()?)
    }

    async fn load(&self, session: &SessionId, kind: ListKind) -> Result<Option<StoredSnapshot>, StorageError> {
        let query = directory_snapshots::table
            .find((session.as_str(), kind.as_str()))
            .select((SnapshotHeadRow::as_select(), directory_snapshots::data));
        let row: Option<(SnapshotHeadRow, Vec<u8>)> =
            self.reader().await?.run(async |conn| query.get_result(conn).await.optional()).await?;
        let Some((head, data)) = row else { return Ok(None) };
        Ok(Some(StoredSnapshot { head: head.try_into()?, data }))
    }

    async fn save<'a>(
        &self,
        session: &SessionId,
        kind: ListKind,
        replaces: Option<Generation>,
        head: &SnapshotHead,
        data: Option<&'a [u8]>,
    ) -> Result<bool, StorageError> {
        match (replaces, data) {
            (Some(replaces), data) => self.replace(session, kind, replaces, head, data).await,
            (None, Some(data)) => self.add(session, kind, head, data).await,
            (None, None) => Ok(false),
        }
    }

    async fn purge(&self, before: DateTime<Utc>) -> Result<u64, StorageError> {
        let over = sessions::table.filter(sessions::id.eq(directory_snapshots::session_id)).filter(
            sessions::epoch.gt(directory_snapshots::epoch).or(sessions::lifecycle.eq(Lifecycle::Disconnected.as_str())),
        );
        let delete = diesel::delete(directory_snapshots::table)
            .filter(directory_snapshots::synced_at.lt(micros(before)).or(exists(over)));
        let deleted = self.writer().await?.run(async |conn| delete.execute(conn).await).await?;
        Ok(deleted as u64)
    }
}

impl Store {
    /// Stores the first snapshot. A logout either sees the row, or is seen by this: the session is held until the row is
    /// committed, and a logout that holds it is waited for.
    async fn add(
        &self,
        session: &SessionId,
        kind: ListKind,
        head: &SnapshotHead,
        data: &[u8],
    ) -> Result<bool, StorageError> {
        let row = held_sessions().filter(is_wanted(session.as_str(), head.epoch.0)).select((
            sessions::id,
            kind.as_str().into_sql::<Text>(),
            sessions::epoch,
            head.generation.0.into_sql::<BigInt>(),
            head.version.to_string().into_sql::<Text>(),
            micros(head.synced_at).into_sql::<Instant>(),
            head.settled.into_sql::<Bool>(),
            data.into_sql::<Binary>(),
        ));
        let insert = diesel::insert_into(directory_snapshots::table)
            .values(row)
            .into_columns((
                directory_snapshots::session_id,
                directory_snapshots::kind,
                directory_snapshots::epoch,
                directory_snapshots::generation,
                directory_snapshots::version,
                directory_snapshots::synced_at,
                directory_snapshots::settled,
                directory_snapshots::data,
            ))
            .on_conflict_do_nothing();
        let stored = self.writer().await?.run(async |conn| insert.execute(conn).await).await?;
        Ok(stored > 0)
    }

    /// Stores a snapshot over another one. A logout needs no more than that: it deletes the row that is written here,
    /// and what it has deleted is not written.
    async fn replace(
        &self,
        session: &SessionId,
        kind: ListKind,
        replaces: Generation,
        head: &SnapshotHead,
        data: Option<&[u8]>,
    ) -> Result<bool, StorageError> {
        let version = head.version.to_string();
        let mut update = diesel::update(directory_snapshots::table.find((session.as_str(), kind.as_str())))
            .filter(directory_snapshots::generation.eq(replaces.0))
            .filter(exists(sessions::table.filter(is_wanted(session.as_str(), head.epoch.0))))
            .set((
                directory_snapshots::epoch.eq(head.epoch.0),
                directory_snapshots::generation.eq(head.generation.0),
                directory_snapshots::version.eq(&version),
                directory_snapshots::synced_at.eq(micros(head.synced_at)),
                directory_snapshots::settled.eq(head.settled),
                data.map(|data| directory_snapshots::data.eq(data)),
            ))
            .into_boxed();
        if data.is_none() {
            update = update.filter(directory_snapshots::version.eq(&version));
        }
        let stored = self.writer().await?.run(async |conn| update.execute(conn).await).await?;
        Ok(stored > 0)
    }
}

/// Deletes what is stored of a session: part of a transaction that has changed the session's row, so that nothing more
/// is stored of its old epoch.
pub(super) async fn delete_all(conn: &mut Conn, session: &SessionId) -> QueryResult<()> {
    let snapshots = directory_snapshots::table.filter(directory_snapshots::session_id.eq(session.as_str()));
    diesel::delete(snapshots).execute(conn).await?;
    Ok(())
}

/// Deletes what is stored of the disconnected sessions of a worker: as [`delete_all`], for many.
pub(super) async fn delete_disconnected(conn: &mut Conn, worker: &WorkerName) -> QueryResult<()> {
    let disconnected = sessions::table
        .filter(sessions::worker.eq(worker.as_str()))
        .filter(sessions::lifecycle.eq(Lifecycle::Disconnected.as_str()))
        .select(sessions::id);
    let snapshots = directory_snapshots::table.filter(directory_snapshots::session_id.eq_any(disconnected));
    diesel::delete(snapshots).execute(conn).await?;
    Ok(())
}

/// Whether the session is of that epoch and wanted.
#[diesel::dsl::auto_type]
#[expect(clippy::elidable_lifetime_names, reason = "the type that `auto_type` makes of it needs the name")]
fn is_wanted<'a>(session: &'a str, epoch: i64) -> _ {
    let connecting: &'static str = Lifecycle::Connecting.as_str();
    let connected: &'static str = Lifecycle::Connected.as_str();
    sessions::id
        .eq(session)
        .and(sessions::epoch.eq(epoch))
        .and(sessions::lifecycle.eq(connecting).or(sessions::lifecycle.eq(connected)))
}
