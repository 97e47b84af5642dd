//! What a failed query means to the ports.

use diesel::result::{DatabaseErrorKind, Error};
use switchboard_domain::ports::StorageError;

use crate::engine;

/// Translates what diesel says. Its own text is for the log only.
pub(crate) fn storage(error: Error) -> StorageError {
    // A transaction that the database ended by itself cannot be rolled back, which is no news.
    let error = match error {
        Error::RollbackErrorOnCommit { commit_error, .. } => *commit_error,
        error => error,
    };
    match &error {
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::ForeignKeyViolation, _) => {
            StorageError::Conflict
        }
        // A read-only database is one that is about to be replaced by another.
        Error::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::ReadOnlyTransaction,
            _,
        )
        // The database ended the transaction by itself, which it does when it cannot go on.
        | Error::BrokenTransactionManager
        | Error::NotInTransaction => StorageError::unavailable(error),
        Error::DatabaseError(_, info) if engine::is_unavailable(info.as_ref()) => StorageError::unavailable(error),
        _ => StorageError::failed(error),
    }
}
