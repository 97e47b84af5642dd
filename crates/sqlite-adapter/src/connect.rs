//! Opening connections.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, ConnectionError, ConnectionResult, SqliteConnection};
use tokio::task::spawn_blocking;

use crate::engine::Conn;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Queries: it cannot write.
    Read,
    /// Everything.
    Write,
}

/// Opens one connection.
pub(crate) async fn connect(path: String, access: Access, busy_timeout: Duration) -> ConnectionResult<Conn> {
    spawn_blocking(move || open(&path, access, busy_timeout))
        .await
        .unwrap_or_else(|e| Err(ConnectionError::BadConnection(e.to_string())))
        .map(Conn::new)
}

fn open(path: &str, access: Access, busy_timeout: Duration) -> ConnectionResult<SqliteConnection> {
    let mut conn = SqliteConnection::establish(path)?;
    // The timeout comes first: the switch to WAL is itself a write that may have to wait.
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; \
         PRAGMA query_only = {};",
        busy_timeout.as_millis(),
        if access == Access::Read { "ON" } else { "OFF" },
    ))
    .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}
