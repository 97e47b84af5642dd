//! Switchboard's storage ports on SQLite.

mod connect;
mod engine;
mod lock;
mod migrate;
mod options;
mod sqlite_store;
mod threads;
mod time;
// What is the same on every database is written once, in the PostgreSQL adapter's folder.
#[path = "../../pg-adapter/src/store/mod.rs"]
mod store;

pub use lock::{DatabaseLock, LockError};
pub use options::{SqliteOptions, SqliteUrlError};
pub use sqlite_store::SqliteStore;
