//! Where long computations are done.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::Error;

/// Does what would keep a server's thread for milliseconds, a few pieces at a time: so many lists that are sorted or
/// searched at once slow down each other, and not everybody.
pub(super) struct Workbench(Arc<Semaphore>);

impl Workbench {
    /// As many places as this machine has cores.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new(cores)))
    }

    /// Does `work` on a thread of its own.
    ///
    /// # Errors
    /// [`Error::Internal`] if it panics.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let place = Arc::clone(&self.0).acquire_owned().await.map_err(|_| Error::Internal)?;
        // The place is taken until the work ends, even if its caller leaves.
        let work = move || {
            let done = work();
            drop(place);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Error::Internal)
    }
}
