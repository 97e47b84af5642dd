//! Bringing the schema up to date, on one replica at a time.

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Bool};
use diesel::{QueryResult, RunQueryDsl};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use switchboard_domain::ports::StorageError;

use crate::options::SCHEMA;
use crate::store::error::storage;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Which advisory lock: "switchbd" in ASCII.
const LOCK: i64 = 0x7377_6974_6368_6264;

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[error("a migration failed")]
struct MigrationError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Runs what has not run yet. Blocks: never on a runtime's own thread.
pub(crate) fn run(conn: AsyncPgConnection) -> Result<(), StorageError> {
    let mut conn = AsyncConnectionWrapper::<AsyncPgConnection>::from(conn);
    // Held by the connection, which is closed at the end of this function, whatever happens in between.
    diesel::sql_query("SELECT pg_advisory_lock($1)").bind::<BigInt, _>(LOCK).execute(&mut conn).map_err(storage)?;
    // Whoever waits for a table makes everybody else wait too: better give up and be started again.
    conn.batch_execute("SET lock_timeout = '10s'").map_err(storage)?;
    make_schema(&mut conn).map_err(storage)?;
    conn.run_pending_migrations(MIGRATIONS).map_err(|e| StorageError::failed(MigrationError(e)))?;
    Ok(())
}

/// Whoever may not make a schema can still use one that an administrator made: so look first.
fn make_schema(conn: &mut AsyncConnectionWrapper<AsyncPgConnection>) -> QueryResult<()> {
    let there = diesel::dsl::sql::<Bool>("SELECT to_regnamespace(").bind::<diesel::sql_types::Text, _>(SCHEMA);
    let there: bool = there.sql(") IS NOT NULL").get_result(conn)?;
    if there { Ok(()) } else { conn.batch_execute(&format!("CREATE SCHEMA {SCHEMA}")) }
}
