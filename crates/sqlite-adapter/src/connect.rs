//! Opening connections.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, ConnectionError, ConnectionResult, QueryResult, SqliteConnection};
use tokio::task::spawn_blocking;

use crate::engine::Conn;

/// After which time a switch to WAL is tried again.
const AGAIN: Duration = Duration::from_millis(10);

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
    set_up(&mut conn, access, busy_timeout).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

fn set_up(conn: &mut SqliteConnection, access: Access, busy_timeout: Duration) -> QueryResult<()> {
    let began = Instant::now();
    conn.batch_execute(&format!("PRAGMA busy_timeout = {};", busy_timeout.as_millis()))?;
    // The switch to WAL is itself a write, for which SQLite does not wait where two make it at once.
    while let Err(error) = conn.batch_execute("PRAGMA journal_mode = WAL;") {
        let is_held = error.to_string().ends_with("is locked");
        if !is_held || began.elapsed() > busy_timeout {
            return Err(error);
        }
        std::thread::sleep(AGAIN);
    }
    conn.batch_execute(&format!(
        "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA query_only = {};",
        if access == Access::Read { "ON" } else { "OFF" },
    ))
}
