//! Opening connections.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Mutex, PoisonError};
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
    make(path);
    let mut conn = SqliteConnection::establish(path)?;
    set_up(&mut conn, access, busy_timeout).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Makes the file, for its owner only, if there is none: it holds phone numbers and address books. SQLite gives the files
/// beside it the same mode. Where it cannot be made, SQLite says why.
fn make(path: &str) {
    /// To close a file ends all locks on it that this process has: nobody else may open it before the one who made it is
    /// done. For the same reason, one that is there is not opened.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = File::options().create_new(true).write(true).mode(0o600).open(path);
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
