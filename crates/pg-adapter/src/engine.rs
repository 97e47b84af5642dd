//! What the shared `store` folder needs to know about PostgreSQL.

use diesel::dsl::ForShare;
use diesel::prelude::*;
use diesel::result::DatabaseErrorInformation;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use diesel_async::methods::LoadQuery;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join};

pub(crate) use diesel::pg::Pg as Backend;
pub(crate) use diesel::sql_types::Timestamptz as Instant;
pub(crate) use diesel_async::AsyncPgConnection as Conn;

/// A time, as it is read.
pub(crate) type Time = chrono::DateTime<chrono::Utc>;

pub(crate) use crate::pg_store::PgStore as Store;
use crate::store::schema::sessions;

/// Sessions to make other rows from: those that are read stay as they are until the statement is committed. One that is
/// being changed is waited for, and read as it is then.
pub(crate) fn held_sessions() -> ForShare<sessions::table> {
    // A reference alone would not do: it holds only the row's key.
    sessions::table.for_share()
}

/// What two queries find, in one trip: the second is sent before the first is answered, and run after it.
pub(crate) fn load_both<'c, A, B, T, U>(
    conn: &'c mut Conn,
    first: A,
    second: B,
) -> BoxFuture<'c, QueryResult<(Vec<T>, Vec<U>)>>
where
    A: LoadQuery<'static, &'c Conn, T> + Send + 'static,
    B: LoadQuery<'static, &'c Conn, U> + Send + 'static,
    T: Send + 'static,
    U: Send + 'static,
{
    let (mut one, mut other) = (&*conn, &*conn);
    async move { try_join(first.load(&mut one), second.load(&mut other)).await }.boxed()
}

/// Whether an error without a kind of its own means that the server is going away or that its disk is full, rather than
/// that the query is wrong.
pub(crate) fn is_unavailable(error: &dyn DatabaseErrorInformation) -> bool {
    // SQLSTATE 57P01 to 57P03 and 53100, which diesel does not tell.
    error.message().starts_with("terminating connection")
        || error.message().starts_with("the database system is")
        || error.message().ends_with("No space left on device")
}

/// Which advisory lock: "switchbp" in ASCII.
const PLACES: i64 = 0x7377_6974_6368_6270;

/// Waits until no other transaction decides who has a place where; none does before this one's end.
pub(crate) async fn await_turn(conn: &mut Conn) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)").bind::<BigInt, _>(PLACES).execute(conn).await?;
    Ok(())
}
