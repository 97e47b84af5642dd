//! Turns within this process, before those that the database gives.

use std::sync::Arc;
use std::time::Duration;

use switchboard_domain::ports::StorageError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Who decides next who has a place where, among the callers of one process.
///
/// Taken before a connection: of a crowd that waits for the other processes, few hold a connection, and all others are left
/// to whoever only reads.
#[derive(Clone)]
pub(crate) struct Turns {
    places: Arc<Semaphore>,
    wait: Duration,
}

impl Turns {
    /// As many as one out of four of these connections at a time, so that the next one is at hand when the database's turn
    /// is free. Nobody waits for longer than `wait`.
    pub(crate) fn new(connections: usize, wait: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new((connections / 4).clamp(1, Semaphore::MAX_PERMITS))), wait }
    }

    /// The turn, until it is dropped. Whoever came first is first.
    pub(crate) async fn take(&self) -> Result<OwnedSemaphorePermit, StorageError> {
        let turn = timeout(self.wait, Arc::clone(&self.places).acquire_owned()).await;
        turn.map_err(StorageError::unavailable)?.map_err(StorageError::failed)
    }
}
