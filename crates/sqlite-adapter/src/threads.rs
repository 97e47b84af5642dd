//! Where SQLite's calls, which block, are run.

use std::error::Error;
use std::pin::Pin;

use diesel_async::sync_connection_wrapper::SpawnBlocking;

/// The caller's runtime has threads for what blocks.
///
/// A caller that goes away, or has waited for long enough, leaves its call behind, which ends by itself and closes the
/// connection. diesel's own way is to block until then, for which it needs a runtime of many threads: a web worker's
/// has one, and there it panics.
pub(crate) struct Threads;

impl SpawnBlocking for Threads {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> Pin<Box<dyn Future<Output = Result<R, Box<dyn Error + Send + Sync>>> + Send + 'a>>
    where
        R: Send + 'static,
    {
        let running = tokio::task::spawn_blocking(task);
        Box::pin(async move { Ok(running.await?) })
    }

    fn get_runtime() -> Self {
        Self
    }
}
