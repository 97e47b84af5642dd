//! A connection on loan, with a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::QueryResult;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use switchboard_domain::ports::StorageError;
use tokio::time::timeout;

use super::error::storage;
use crate::engine::Conn;

/// A pooled connection. It goes back to the pool only if each of its statements came to an end: one that timed out, or
/// whose caller went away in the middle, is closed instead.
pub(crate) struct Checkout {
    conn: Option<Object<Conn>>,
    limit: Duration,
    refused: Option<Arc<AtomicBool>>,
}

impl Checkout {
    /// A free connection of the pool, or a new one, within `wait`; each of its statements within `limit`.
    pub(crate) async fn from_pool(pool: &Pool<Conn>, wait: Duration, limit: Duration) -> Result<Self, StorageError> {
        let conn =
            timeout(wait, pool.get()).await.map_err(StorageError::unavailable)?.map_err(StorageError::unavailable)?;
        Ok(Self { conn: Some(conn), limit, refused: None })
    }

    /// The same, which sets `refused` when a statement finds the database unavailable.
    pub(crate) fn noting(self, refused: &Arc<AtomicBool>) -> Self {
        Self { refused: Some(Arc::clone(refused)), ..self }
    }

    /// Runs one statement, or one transaction from its beginning to its end, within the time of one statement.
    pub(crate) async fn run<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut Conn) -> QueryResult<T>,
    ) -> Result<T, StorageError> {
        // Out of `self` while it runs, so that it is closed if this future is dropped.
        let mut conn = OnLoan(self.conn.take());
        let Some(running) = conn.0.as_deref_mut() else { return Err(StorageError::unavailable(Closed)) };
        let result = timeout(self.limit, statement(running)).await;
        let result = result.map_err(StorageError::unavailable).and_then(|result| result.map_err(storage));
        let is_unavailable = matches!(result, Err(StorageError::Unavailable(_)));
        if !is_unavailable {
            self.conn = conn.0.take();
        } else if let Some(refused) = &self.refused {
            refused.store(true, Ordering::Relaxed);
        }
        result
    }
}

/// The connection of a statement that runs. Dropped with one in it, it closes it.
struct OnLoan(Option<Object<Conn>>);

impl Drop for OnLoan {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            drop(Object::take(conn));
        }
    }
}

/// An earlier statement did not come to an end.
#[derive(Debug, thiserror::Error)]
#[error("the connection was closed")]
struct Closed;
