//! What the shared `store` folder needs to know about SQLite.

use diesel::result::DatabaseErrorInformation;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;

pub(crate) use diesel::sql_types::TimestamptzSqlite as Instant;
pub(crate) use diesel::sqlite::Sqlite as Backend;

pub(crate) use crate::sqlite_store::SqliteStore as Store;

/// A connection: its calls run on threads of their own.
pub(crate) type Conn = SyncConnectionWrapper<diesel::SqliteConnection>;

/// Whether an error without a kind of its own means that another process held the file for too long.
pub(crate) fn is_unavailable(error: &dyn DatabaseErrorInformation) -> bool {
    // SQLITE_BUSY and SQLITE_LOCKED, whose codes diesel does not tell.
    error.message().ends_with("is locked")
}
