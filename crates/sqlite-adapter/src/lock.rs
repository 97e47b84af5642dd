//! One process a database file.

use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;

/// The right of this process to serve a database file, until it is dropped or the process ends.
#[derive(Debug)]
#[must_use = "dropping it unlocks the database"]
pub struct DatabaseLock {
    _file: File,
}

/// Why the file could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another process is using the database {} (many at once need PostgreSQL)", .0.display())]
    InUse(PathBuf),
    /// The lock's own file cannot be made.
    #[error("the lock file {} cannot be used", .path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
}

impl DatabaseLock {
    /// Locks `<database>.lock`. The file stays afterwards: removing it would let two processes lock two files.
    pub(crate) fn of(database: &str) -> Result<Self, LockError> {
        let path = PathBuf::from(format!("{database}.lock"));
        let failed = |cause| LockError::Io { path: path.clone(), cause };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::InUse(database.into())),
            Err(TryLockError::Error(cause)) => Err(failed(cause)),
        }
    }
}
