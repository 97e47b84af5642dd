//! Single flight: many callers, one piece of work, and it ends even if all of them leave.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tracing::Instrument as _;

use crate::Error;

/// The answer to come, for as many as want it.
type Flight<V> = Shared<BoxFuture<'static, Result<V, Error>>>;

/// Runs at most one piece of work per key at a time; who asks meanwhile gets the same answer.
///
/// The work runs in a task of its own, so that a caller who goes away (a client that hangs up) interrupts nothing; and on
/// the runtime that the flights were made on, since a server's worker threads end before the process does.
pub(crate) struct SingleFlight<K, V> {
    runtime: Handle,
    flights: Arc<Mutex<HashMap<K, Flight<V>>>>,
}

impl<K, V> SingleFlight<K, V> {
    /// Flights on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn new() -> Self {
        Self { runtime: Handle::current(), flights: Arc::default() }
    }
}

impl<K: Eq + Hash + Clone + Send + 'static, V: Clone + Send + Sync + 'static> SingleFlight<K, V> {
    /// The answer of the flight for `key`; `work` starts it if none is under way, as a part of what its caller does. A panic
    /// is [`Error::Internal`].
    pub(crate) async fn run<W>(&self, key: K, work: impl FnOnce() -> W) -> Result<V, Error>
    where
        W: Future<Output = Result<V, Error>> + Send + 'static,
    {
        self.board(key, || work().in_current_span()).await
    }

    /// Sees to it that there is a flight for `key`, and waits for nothing.
    pub(crate) fn start<W>(&self, key: K, work: impl FnOnce() -> W)
    where
        W: Future<Output = Result<V, Error>> + Send + 'static,
    {
        drop(self.board(key, work));
    }

    fn board<W>(&self, key: K, work: impl FnOnce() -> W) -> Flight<V>
    where
        W: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key) {
            return flight.clone();
        }
        let flight = self.launch(key.clone(), work());
        flights.insert(key, flight.clone());
        flight
    }

    fn launch<W>(&self, key: K, work: W) -> Flight<V>
    where
        W: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let flights = Arc::clone(&self.flights);
        let task = self.runtime.spawn(async move {
            let answer = AssertUnwindSafe(work).catch_unwind().await;
            flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            answer.unwrap_or(Err(Error::Internal))
        });
        async move { task.await.unwrap_or(Err(Error::Internal)) }.boxed().shared()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn everyone_who_asks_meanwhile_gets_the_one_answer() {
        let flights = Arc::new(SingleFlight::<&str, usize>::new());
        let (runs, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let ask = || {
            let (flights, runs, gate) = (flights.clone(), runs.clone(), gate.clone());
            async move {
                let work = || async move {
                    gate.notified().await;
                    Ok(runs.fetch_add(1, Ordering::SeqCst))
                };
                flights.run("a", work).await
            }
        };
        let open = async {
            tokio::task::yield_now().await;
            gate.notify_one();
        };
        let (first, second, ()) = tokio::join!(ask(), ask(), open);
        assert_eq!((first.unwrap(), second.unwrap(), runs.load(Ordering::SeqCst)), (0, 0, 1));
    }

    #[tokio::test]
    async fn work_whose_caller_left_still_ends_and_the_next_one_starts_anew() {
        let flights = SingleFlight::<&str, u8>::new();
        let (gate, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        {
            let (gate, done) = (gate.clone(), done.clone());
            let left = flights.run("a", || async move {
                gate.notified().await;
                done.notify_one();
                Ok(1)
            });
            assert!(left.now_or_never().is_none());
        }
        gate.notify_one();
        done.notified().await;
        while flights.flights.lock().unwrap().contains_key("a") {
            tokio::task::yield_now().await;
        }
        assert_eq!(flights.run("a", || async { Ok(2) }).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_panic_answers_nothing_and_blocks_nobody() {
        let flights = SingleFlight::<&str, u8>::new();
        let broken = flights.run("a", || async { panic!("on purpose") }).await;
        assert!(matches!(broken, Err(Error::Internal)), "{broken:?}");
        assert_eq!(flights.run("a", || async { Ok(2) }).await.unwrap(), 2);
    }
}
