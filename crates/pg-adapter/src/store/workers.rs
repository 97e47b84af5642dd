//! The states of workers, and which of them gets a session.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::{NotEq, case_when};
use diesel::expression::{AppearsOnTable, ValidGrouping, is_aggregate};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Text;
use diesel::upsert::excluded;
use diesel_async::{AsyncConnection, RunQueryDsl};
use switchboard_domain::placement::{self, Candidate};
use switchboard_domain::ports::{Fence, Placement, StorageError, WorkerRepository};
use switchboard_domain::{Lifecycle, Session, SessionId, WorkerName, WorkerState};

use super::leases::holds;
use super::pairing::{Pairing, next_epoch};
use super::rows::{SessionRow, UnreadableRow, micros};
use super::schema::{sessions, worker_loads, workers};
use super::{snapshots, strays};
use crate::engine::{Backend, Conn, Store, await_turn};

#[async_trait]
impl WorkerRepository for Store {
    async fn states(&self) -> Result<BTreeMap<WorkerName, WorkerState>, StorageError> {
        let query = workers::table.select((workers::name, workers::state));
        let rows: Vec<(String, String)> = self.reader().await?.run(async |conn| query.load(conn).await).await?;
        let parsed = rows.into_iter().map(|(name, state)| Ok((name.parse()?, state.parse()?)));
        Ok(parsed.collect::<Result<_, _>>().map_err(UnreadableRow::of("workers"))?)
    }

    async fn set_state(
        &self,
        worker: &WorkerName,
        state: WorkerState,
        now: DateTime<Utc>,
    ) -> Result<u32, StorageError> {
        let change = async |conn: &mut Conn| {
            await_turn(conn).await?;
            write_state(conn, worker, state, micros(now)).await?;
            if state == WorkerState::Removed { clear(conn, worker, micros(now)).await } else { Ok(0) }
        };
        let _turn = self.turns.take().await?;
        let cleared = self.writer().await?.run(async |conn| conn.transaction(change).await).await?;
        Ok(u32::try_from(cleared).unwrap_or(u32::MAX))
    }

    async fn loads(&self) -> Result<BTreeMap<WorkerName, u32>, StorageError> {
        let loads = self.reader().await?.run(async |conn| loads(conn).await).await?;
        let taken = loads.into_iter().filter(|(_, load)| *load > 0);
        let parsed = taken.map(|(name, load)| Ok((name.parse()?, load)));
        Ok(parsed.collect::<Result<_, _>>().map_err(UnreadableRow::of("worker_loads"))?)
    }

    async fn place(
        &self,
        id: &SessionId,
        fence: Fence,
        candidates: &[Candidate],
        now: DateTime<Utc>,
    ) -> Result<Placement, StorageError> {
        let place = async |conn: &mut Conn| {
            await_turn(conn).await?;
            place(conn, id, fence, candidates, micros(now)).await
        };
        let _turn = self.turns.take().await?;
        Ok(match self.writer().await?.run(async |conn| conn.transaction(place).await).await? {
            Outcome::Placed(row) => Placement::Placed(Box::new(Session::try_from(*row)?)),
            Outcome::Full => Placement::Full,
            Outcome::Lost => Placement::Lost,
        })
    }
}

enum Outcome {
    Placed(Box<SessionRow>),
    Full,
    Lost,
}

/// Part of a transaction whose turn it is.
async fn place(
    conn: &mut Conn,
    id: &SessionId,
    fence: Fence,
    candidates: &[Candidate],
    now: DateTime<Utc>,
) -> QueryResult<Outcome> {
    let query = sessions::table
        .find(id.as_str())
        .filter(holds(fence))
        .filter(sessions::lifecycle.ne(Lifecycle::LoggingOut.as_str()))
        .select((sessions::worker, sessions::lifecycle));
    let Some((old, lifecycle)) = query.get_result::<(String, String)>(conn).await.optional()? else {
        return Ok(Outcome::Lost);
    };
    let moves = lifecycle != Lifecycle::Disconnected.as_str();
    let closed = workers::table.filter(workers::state.ne(WorkerState::Active.as_str())).select(workers::name);
    let closed: Vec<String> = closed.load(conn).await?;
    let is_open = |name: &str| !(moves && name == old || closed.iter().any(|closed| closed == name));
    let open = candidates.iter().filter(|one| is_open(one.name.as_str()));
    // Until the end of the transaction no worker gets another session, though it may lose some.
    let loads = loads(conn).await?;
    let load = |name: &WorkerName| loads.get(name.as_str()).copied().unwrap_or(0);
    let Some(new) = placement::choose(open, load) else { return Ok(Outcome::Full) };

    let update = diesel::update(sessions::table.find(id.as_str()))
        .filter(holds(fence))
        // A logout needs no lease to be intended.
        .filter(sessions::lifecycle.eq(&lifecycle))
        .set((
            sessions::worker.eq(new.as_str()),
            sessions::lifecycle.eq(Lifecycle::Connecting.as_str()),
            sessions::revision.eq(sessions::revision + 1),
            sessions::updated_at.eq(now),
            moves.then(|| sessions::epoch.eq(sessions::epoch + 1)),
            moves.then(Pairing::default),
            // Another worker has another clock.
            (old != new.as_str()).then(|| sessions::reported_at.eq(None::<DateTime<Utc>>)),
        ))
        .returning(SessionRow::as_returning());
    let Some(row) = update.get_result(conn).await.optional()? else { return Ok(Outcome::Lost) };
    strays::forget(conn, new, &row.name).await?;
    if moves {
        strays::leave_behind(conn, &old, &row.name, now).await?;
        snapshots::delete_all(conn, id).await?;
    }
    Ok(Outcome::Placed(Box::new(row)))
}

async fn write_state(conn: &mut Conn, worker: &WorkerName, state: WorkerState, now: DateTime<Utc>) -> QueryResult<()> {
    let changed = workers::state.ne(excluded(workers::state));
    let upsert = diesel::insert_into(workers::table)
        .values((workers::name.eq(worker.as_str()), workers::state.eq(state.as_str()), workers::changed_at.eq(now)))
        .on_conflict(workers::name)
        .do_update()
        .set((
            workers::state.eq(excluded(workers::state)),
            workers::changed_at.eq(case_when(changed, excluded(workers::changed_at)).otherwise(workers::changed_at)),
        ));
    upsert.execute(conn).await?;
    Ok(())
}

/// Disconnects every session of a worker, whose pairings are over. Part of a transaction whose turn it is.
async fn clear(conn: &mut Conn, worker: &WorkerName, now: DateTime<Utc>) -> QueryResult<usize> {
    let update = diesel::update(sessions::table.filter(sessions::worker.eq(worker.as_str())).filter(has_a_place()))
        .set((sessions::lifecycle.eq(Lifecycle::Disconnected.as_str()), Pairing::default(), next_epoch(now)));
    let cleared = update.execute(conn).await?;
    snapshots::delete_disconnected(conn, worker).await?;
    Ok(cleared)
}

/// How many places are taken on each worker, as the database's triggers count.
async fn loads(conn: &mut Conn) -> QueryResult<BTreeMap<String, u32>> {
    let loads: Vec<(String, i64)> = worker_loads::table.load(conn).await?;
    Ok(loads.into_iter().map(|(worker, load)| (worker, u32::try_from(load).unwrap_or(u32::MAX))).collect())
}

/// Whether a session takes a place on its worker.
pub(super) fn has_a_place() -> NotEq<sessions::lifecycle, Disconnected> {
    sessions::lifecycle.ne(Disconnected)
}

/// The word in the statement itself: of a parameter, the database does not know that the index on the sessions that have
/// a place holds all of them.
#[derive(Clone, Copy, Debug, QueryId)]
pub(super) struct Disconnected;

impl Expression for Disconnected {
    type SqlType = Text;
}

impl<T> AppearsOnTable<T> for Disconnected {}

impl<T> SelectableExpression<T> for Disconnected {}

impl<G> ValidGrouping<G> for Disconnected {
    type IsAggregate = is_aggregate::Never;
}

impl QueryFragment<Backend> for Disconnected {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        pass.push_sql("'disconnected'");
        Ok(())
    }
}
