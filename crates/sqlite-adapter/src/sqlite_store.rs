//! The storage ports on SQLite.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use switchboard_domain::ports::StorageError;

use crate::connect::{Access, connect};
use crate::engine::Conn;
use crate::lock::{DatabaseLock, LockError};
use crate::options::{SqliteOptions, SqliteUrlError, checked, path_of};
use crate::{migrate, store};

/// How long bringing the schema up to date may take.
const MIGRATION_TIMEOUT: Duration = Duration::from_mins(10);

/// Every storage port, on one SQLite file. Clones share their connections.
#[derive(Clone)]
pub struct SqliteStore {
    path: String,
    // SQLite has one writer at a time: callers queue here, where the wait has a deadline, and not in SQLite.
    writer: Pool<Conn>,
    readers: Pool<Conn>,
    options: SqliteOptions,
    /// Who decides next who has a place where.
    pub(crate) turns: store::Turns,
    /// Whether a write was refused since it was last checked that writes are taken.
    pub(crate) refused: Arc<AtomicBool>,
}

impl SqliteStore {
    /// A store on the file at `url`: `sqlite://` and its path. Opened, and made, only when asked for something.
    ///
    /// # Errors
    /// [`SqliteUrlError`] if there cannot be such a file.
    pub fn new(url: &str, options: SqliteOptions) -> Result<Self, SqliteUrlError> {
        Self::at(&path_of(url)?, options)
    }

    /// A store on the file at `path`.
    ///
    /// # Errors
    /// [`SqliteUrlError`] if there cannot be such a file.
    pub fn at(path: &Path, options: SqliteOptions) -> Result<Self, SqliteUrlError> {
        let path = checked(path)?;
        let writer = pool(&path, Access::Write, 1, &options);
        let readers = pool(&path, Access::Read, options.readers.max(1), &options);
        // The wait for a connection and the one for the database's turn would be as long together.
        let turns = store::Turns::new(1, options.acquire_timeout + options.statement_timeout);
        Ok(Self { path, writer, readers, options, turns, refused: Arc::default() })
    }

    /// Locks the file against other processes for as long as the answer is kept. Whoever serves it needs this; what is
    /// cached in one process must not be changed by another.
    ///
    /// # Errors
    /// [`LockError::InUse`] if another process has it.
    pub fn lock(&self) -> Result<DatabaseLock, LockError> {
        DatabaseLock::of(&self.path)
    }

    /// Makes the file and brings its schema up to date.
    ///
    /// # Errors
    /// [`StorageError`] if the file cannot be written.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        let mut conn =
            store::Checkout::from_pool(&self.writer, self.options.acquire_timeout, MIGRATION_TIMEOUT).await?;
        conn.run(async |conn| conn.spawn_blocking(migrate::run).await).await
    }

    pub(crate) async fn reader(&self) -> Result<store::Checkout, StorageError> {
        self.checkout(&self.readers).await
    }

    pub(crate) async fn writer(&self) -> Result<store::Checkout, StorageError> {
        Ok(self.checkout(&self.writer).await?.noting(&self.refused))
    }

    async fn checkout(&self, pool: &Pool<Conn>) -> Result<store::Checkout, StorageError> {
        store::Checkout::from_pool(pool, self.options.acquire_timeout, self.options.statement_timeout).await
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).field("options", &self.options).finish_non_exhaustive()
    }
}

fn pool(path: &str, access: Access, size: usize, options: &SqliteOptions) -> Pool<Conn> {
    let busy_timeout = options.busy_timeout();
    let mut manager = ManagerConfig::<Conn>::default();
    // A file does not go away between two queries.
    manager.recycling_method = RecyclingMethod::Fast;
    manager.custom_setup = Box::new(move |path| Box::pin(connect(path.to_owned(), access, busy_timeout)));
    Pool::builder(AsyncDieselConnectionManager::new_with_config(path, manager))
        .max_size(size)
        .build()
        .expect("only a pool with timeouts of its own needs to know a runtime")
}
