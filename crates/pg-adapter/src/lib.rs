//! Switchboard's storage ports and its bus on PostgreSQL.

mod app_sessions;
mod bus;
mod connect;
mod engine;
mod migrate;
mod options;
mod pg_store;
// What is the same on every database: the SQLite adapter compiles this folder too.
mod store;
mod tls;
mod web_sessions;

pub use app_sessions::{AppTables, AppTablesError, PgAppSessions};
pub use bus::PgEventBus;
pub use options::{PgOptions, PgUrlError};
pub use pg_store::PgStore;
pub use web_sessions::{PgWebSessions, SqlName, WebSessionTable};
