//! What the shared `store` folder needs to know about SQLite.

use diesel::result::DatabaseErrorInformation;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;

pub(crate) use diesel::sql_types::TimestamptzSqlite as Instant;
pub(crate) use diesel::sqlite::Sqlite as Backend;

pub(crate) use crate::sqlite_store::SqliteStore as Store;
use crate::store::schema::sessions;
use crate::threads::Threads;

/// A connection: its calls run on threads of their own.
pub(crate) type Conn = SyncConnectionWrapper<diesel::SqliteConnection, Threads>;

/// Sessions to make other rows from: those that are read stay as they are until the statement is committed.
pub(crate) fn held_sessions() -> sessions::table {
    // There is one writer at a time, and it is the one that asks.
    sessions::table
}

/// Whether an error without a kind of its own means that another process held the file for too long.
pub(crate) fn is_unavailable(error: &dyn DatabaseErrorInformation) -> bool {
    // SQLITE_BUSY and SQLITE_LOCKED, whose codes diesel does not tell.
    error.message().ends_with("is locked")
}
