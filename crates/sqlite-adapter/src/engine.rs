//! What the shared `store` folder needs to know about SQLite.

use diesel::prelude::*;
use diesel::query_dsl::methods::LoadQuery;
use diesel::result::DatabaseErrorInformation;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;

pub(crate) use diesel::sql_types::TimestamptzSqlite as Instant;
pub(crate) use diesel::sqlite::Sqlite as Backend;

pub(crate) use crate::sqlite_store::SqliteStore as Store;
use crate::store::schema::{sessions, workers};
use crate::threads::Threads;
pub(crate) use crate::time::Time;

/// A connection: its calls run on threads of their own.
pub(crate) type Conn = SyncConnectionWrapper<diesel::SqliteConnection, Threads>;

/// Sessions to make other rows from: those that are read stay as they are until the statement is committed.
pub(crate) fn held_sessions() -> sessions::table {
    // There is one writer at a time, and it is the one that asks.
    sessions::table
}

/// What two queries find, in one trip to a thread that may block. Their rows become models there, too: to carry them here
/// first, each value would be copied.
pub(crate) async fn load_both<A, B, T, U>(conn: &mut Conn, first: A, second: B) -> QueryResult<(Vec<T>, Vec<U>)>
where
    A: LoadQuery<'static, SqliteConnection, T> + Send + 'static,
    B: LoadQuery<'static, SqliteConnection, U> + Send + 'static,
    T: Send + 'static,
    U: Send + 'static,
{
    conn.spawn_blocking(|conn| Ok((diesel::RunQueryDsl::load(first, conn)?, diesel::RunQueryDsl::load(second, conn)?)))
        .await
}

/// Whether an error without a kind of its own means that another process held the file for too long, or that the disk does
/// not do its part, rather than that the query is wrong.
pub(crate) fn is_unavailable(error: &dyn DatabaseErrorInformation) -> bool {
    // SQLITE_BUSY and SQLITE_LOCKED, whose codes diesel does not tell.
    error.message().ends_with("is locked") || DISK.contains(&error.message())
}

/// What SQLite says of a disk that is full, broken, gone or read-only.
const DISK: [&str; 5] = [
    "database or disk is full",
    "disk I/O error",
    "unable to open database file",
    "attempt to write a readonly database",
    // It ended the transaction by itself, as it does for these reasons only, and diesel would have it ended once more.
    "cannot rollback - no transaction is active",
];

/// Waits until no other transaction decides who has a place where; none does before this one's end.
pub(crate) async fn await_turn(conn: &mut Conn) -> QueryResult<()> {
    // There is one writer at a time. A transaction is one from its first write, even of nothing; one that reads first may
    // find that somebody else wrote meanwhile.
    diesel::update(workers::table.filter(false.into_sql::<Bool>())).set(workers::state.eq("")).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use diesel::prelude::*;
    use switchboard_domain::ports::StorageError;

    use crate::store::error::storage;

    /// A database in which there is room for little.
    fn full() -> SqliteConnection {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        conn.batch_execute("CREATE TABLE t (x); PRAGMA max_page_count = 3").unwrap();
        conn
    }

    const TOO_MUCH: &str = "INSERT INTO t VALUES (zeroblob(100000))";

    #[test]
    fn a_full_disk_is_a_database_that_is_not_available() {
        let error = storage(full().batch_execute(TOO_MUCH).unwrap_err());
        assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    }

    #[test]
    fn it_is_in_a_transaction_too() {
        let error = full().transaction(|conn| {
            conn.batch_execute("INSERT INTO t VALUES (1)")?;
            // As SQLite does by itself when it cannot write what it needs to go back half-way.
            conn.batch_execute("ROLLBACK")?;
            conn.batch_execute(TOO_MUCH)
        });
        let error = storage(error.unwrap_err());
        assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    }
}
