//! Sessions in WAHA that no row wants.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncConnection, RunQueryDsl};
use switchboard_domain::ports::{StorageError, Stray, StrayRepository};
use switchboard_domain::{SessionName, WorkerName};

use super::rows::{StrayRow, micros};
use super::schema::{sessions, strays};
use super::workers::has_a_place;
use crate::engine::{Backend, Conn, Instant, Store, await_turn};

/// How many names are looked up at once: SQLite takes 32 766 parameters.
const NAMES: usize = 10_000;
/// How many are stored at once: each takes four of those.
const ROWS: usize = 1000;

#[async_trait]
impl StrayRepository for Store {
    async fn strays(&self, worker: &WorkerName) -> Result<Vec<Stray>, StorageError> {
        let rows = self.reader().await?.run(async |conn| known(conn, worker).await).await?;
        Ok(rows.into_iter().map(Stray::try_from).collect::<Result<_, _>>()?)
    }

    async fn sight(
        &self,
        worker: &WorkerName,
        names: &[SessionName],
        now: DateTime<Utc>,
    ) -> Result<Vec<Stray>, StorageError> {
        let sight = async |conn: &mut Conn| {
            await_turn(conn).await?;
            sight(conn, worker, names, micros(now)).await
        };
        let _turn = self.turns.take().await?;
        let rows = self.writer().await?.run(async |conn| conn.transaction(sight).await).await?;
        Ok(rows.into_iter().map(Stray::try_from).collect::<Result<_, _>>()?)
    }
}

/// Part of a transaction whose turn it is.
async fn sight(
    conn: &mut Conn,
    worker: &WorkerName,
    names: &[SessionName],
    now: DateTime<Utc>,
) -> QueryResult<Vec<StrayRow>> {
    let wanted = sessions::table.filter(sessions::worker.eq(worker.as_str())).filter(has_a_place());
    let wanted: BTreeSet<String> = wanted.select(sessions::name).load(conn).await?.into_iter().collect();
    let seen: BTreeSet<&str> = names.iter().map(SessionName::as_str).filter(|name| !wanted.contains(*name)).collect();

    let (mut known, mut gone) = (BTreeSet::new(), Vec::new());
    for row in self::known(conn, worker).await? {
        // What became one after the worker was asked cannot be missing from its answer.
        if seen.contains(row.name.as_str()) || row.since > now {
            known.insert(row.name);
        } else {
            gone.push(row.name);
        }
    }
    for gone in gone.chunks(NAMES) {
        let gone = strays::table.filter(strays::worker.eq(worker.as_str())).filter(strays::name.eq_any(gone));
        diesel::delete(gone).execute(conn).await?;
    }
    let new: Vec<_> = seen.into_iter().filter(|name| !known.contains(*name)).collect();
    for names in new.chunks(ROWS) {
        Sightings { worker: worker.as_str(), names, now }.execute(conn).await?;
    }
    self::known(conn, worker).await
}

/// Inserts many strays at once, which the query builder cannot do for SQLite.
struct Sightings<'a> {
    worker: &'a str,
    names: &'a [&'a str],
    now: DateTime<Utc>,
}

impl QueryId for Sightings<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Backend> for Sightings<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        // As many statements as there are numbers of names.
        pass.unsafe_to_cache_prepared();
        pass.push_sql("INSERT INTO strays (worker, name, since, left_behind) VALUES ");
        for (n, name) in self.names.iter().enumerate() {
            pass.push_sql(if n == 0 { "(" } else { ", (" });
            pass.push_bind_param::<Text, _>(self.worker)?;
            pass.push_sql(", ");
            pass.push_bind_param::<Text, _>(*name)?;
            pass.push_sql(", ");
            pass.push_bind_param::<Instant, _>(&self.now)?;
            pass.push_sql(", ");
            pass.push_bind_param::<Bool, _>(&false)?;
            pass.push_sql(")");
        }
        Ok(())
    }
}

async fn known(conn: &mut Conn, worker: &WorkerName) -> QueryResult<Vec<StrayRow>> {
    let query = strays::table.filter(strays::worker.eq(worker.as_str())).order(strays::name);
    query.select(StrayRow::as_select()).load(conn).await
}

/// A row wants the session there: part of a transaction.
pub(super) async fn forget(conn: &mut Conn, worker: &WorkerName, name: &str) -> QueryResult<()> {
    diesel::delete(strays::table.find((worker.as_str(), name))).execute(conn).await?;
    Ok(())
}

/// A row wants the session elsewhere: part of a transaction.
pub(super) async fn leave_behind(conn: &mut Conn, worker: &str, name: &str, now: DateTime<Utc>) -> QueryResult<()> {
    let row = StrayRow { worker: worker.to_owned(), name: name.to_owned(), since: now, left_behind: true };
    let upsert = diesel::insert_into(strays::table)
        .values(row)
        .on_conflict((strays::worker, strays::name))
        .do_update()
        .set(strays::left_behind.eq(true));
    upsert.execute(conn).await?;
    Ok(())
}
