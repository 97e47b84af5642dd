//! The storage ports on PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use secrecy::{ExposeSecret, SecretString};
use switchboard_domain::ports::StorageError;
use tokio::runtime::Handle;

use crate::connect::{Server, connect, connect_at};
use crate::options::{PgOptions, PgUrlError};
use crate::{migrate, store};

/// Every storage port, on one PostgreSQL database. Clones share their connections.
#[derive(Clone)]
pub struct PgStore {
    pool: Pool<AsyncPgConnection>,
    migration: Server,
    options: PgOptions,
    /// Who decides next who has a place where.
    pub(crate) turns: store::Turns,
    /// Whether a write was refused since it was last checked that writes are taken.
    pub(crate) refused: Arc<AtomicBool>,
}

impl PgStore {
    /// A store on the database at `url`. Connects only when asked for something.
    ///
    /// Connections are opened on the runtime this is called on, if it is called on one.
    ///
    /// # Errors
    /// [`PgUrlError`] if `url` is not one of a database we can talk to.
    pub fn new(url: &SecretString, options: PgOptions) -> Result<Self, PgUrlError> {
        let server = options.server(url.expose_secret())?;
        let migration = options.server_for_migrations(url.expose_secret())?;
        let pool = pool(server, &options);
        // The wait for a connection and the one for the database's turn would be as long together.
        let turns = store::Turns::new(options.max_connections, options.acquire_timeout + options.statement_timeout);
        Ok(Self { pool, migration, options, turns, refused: Arc::default() })
    }

    /// Makes the schema and brings it up to date. Any number of replicas may do so at once.
    ///
    /// # Errors
    /// [`StorageError`] if the database cannot be reached, or refuses.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        let conn = connect(&self.migration, self.options.acquire_timeout).await.map_err(StorageError::unavailable)?;
        // diesel's migrations are blocking code.
        let migration = tokio::task::spawn_blocking(move || migrate::run(conn));
        tokio::time::timeout(self.options.migration_timeout, migration)
            .await
            .map_err(StorageError::unavailable)?
            .map_err(StorageError::failed)?
    }

    pub(crate) async fn reader(&self) -> Result<store::Checkout, StorageError> {
        store::Checkout::from_pool(&self.pool, self.options.acquire_timeout, self.options.statement_timeout).await
    }

    pub(crate) async fn writer(&self) -> Result<store::Checkout, StorageError> {
        Ok(self.reader().await?.noting(&self.refused))
    }
}

impl std::fmt::Debug for PgStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgStore").field("options", &self.options).finish_non_exhaustive()
    }
}

fn pool(server: Server, options: &PgOptions) -> Pool<AsyncPgConnection> {
    let (home, deadline) = (Handle::try_current().ok(), options.acquire_timeout);
    let mut manager = ManagerConfig::<AsyncPgConnection>::default();
    // No question before each checkout: one that is known to be closed is thrown away all the same.
    manager.recycling_method = RecyclingMethod::Fast;
    manager.custom_setup = Box::new(move |_| Box::pin(connect_at(home.clone(), server.clone(), deadline)));
    Pool::builder(AsyncDieselConnectionManager::new_with_config(String::new(), manager))
        .max_size(options.max_connections.max(1))
        .build()
        .expect("only a pool with timeouts of its own needs to know a runtime")
}
