//! Bringing the schema up to date.

use diesel::{QueryResult, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Runs what has not run yet, in one transaction that starts as a write: another process that does the same waits,
/// and then finds nothing left to do.
pub(crate) fn run(conn: &mut SqliteConnection) -> QueryResult<()> {
    conn.immediate_transaction(|conn| {
        conn.run_pending_migrations(MIGRATIONS).map_err(diesel::result::Error::QueryBuilderError)?;
        Ok(())
    })
}
