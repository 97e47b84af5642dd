//! A bulkhead: so many calls of a kind at a time, and no more.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::call::{Bounds, Kind};
use crate::config::Places;
use crate::failure::Failure;

/// The places for calls of one WAHA. Each kind has its own, so that lists that take minutes leave room for a status.
pub(crate) struct Bulkhead {
    /// Never taken by anything else: whether a worker answers has to be known when it is busiest.
    probe: Semaphore,
    status: Semaphore,
    qr: Semaphore,
    lifecycle: Semaphore,
    lists: Semaphore,
    longest_wait: Duration,
}

impl Bulkhead {
    pub(crate) fn new(places: &Places) -> Self {
        // Without a single place, nothing could ever be asked.
        let room = |places: usize| Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            probe: room(1),
            status: room(places.status),
            qr: room(places.qr),
            lifecycle: room(places.lifecycle),
            lists: room(places.lists),
            longest_wait: places.longest_wait,
        }
    }

    /// A place for such a call, until it is dropped. Whoever came first is first.
    pub(crate) async fn place(&self, bounds: &Bounds) -> Result<SemaphorePermit<'_>, Failure> {
        let places = match bounds.kind {
            Kind::Probe => &self.probe,
            Kind::Status => &self.status,
            Kind::Qr => &self.qr,
            Kind::Lifecycle => &self.lifecycle,
            Kind::Lists => &self.lists,
        };
        // Most of the deadline is left for the call itself: one that has no time is taken for one that hangs.
        let wait = (bounds.deadline / 5).min(self.longest_wait);
        match timeout(wait, places.acquire()).await {
            Ok(place) => Ok(place.expect("it is never closed")),
            Err(_elapsed) => Err(Failure::NotMade("too many calls of this WAHA are under way")),
        }
    }
}
