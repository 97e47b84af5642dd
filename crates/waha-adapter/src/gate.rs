//! What every call of one WAHA has to pass: its breaker, and its bulkhead.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard_domain::WorkerName;
use switchboard_domain::ports::Clock;
use tokio::sync::SemaphorePermit;

use crate::breaker::{Breaker, Ticket, Turn, Verdict};
use crate::bulkhead::Bulkhead;
use crate::call::Bounds;
use crate::config::ClientConfig;
use crate::failure::Failure;

/// The gate of one WAHA.
pub(crate) struct Gate {
    worker: WorkerName,
    bulkhead: Bulkhead,
    breaker: Mutex<Breaker>,
    clock: Arc<dyn Clock>,
    /// Not the same on any two replicas.
    jitter: RandomState,
}

/// A request that may be sent. Dropped without a report, it told nothing of the worker.
pub(crate) struct Pass<'a> {
    gate: &'a Gate,
    ticket: Option<Ticket>,
    _place: SemaphorePermit<'a>,
}

const LEFT_ALONE: Failure = Failure::NotMade("it failed again and again, and is left alone for a while");

impl Gate {
    pub(crate) fn new(worker: WorkerName, config: &ClientConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            worker,
            bulkhead: Bulkhead::new(&config.places),
            breaker: Mutex::new(Breaker::new(config.breaker.clone())),
            clock,
            jitter: RandomState::new(),
        }
    }

    /// Lets one request be sent, when there is a place for it.
    pub(crate) async fn pass(&self, bounds: &Bounds) -> Result<Pass<'_>, Failure> {
        let may_try = bounds.kind.may_try();
        // Before the wait, so that it is known at once, and after it, since much may have happened meanwhile.
        if !self.breaker().admits(may_try, self.clock.now()) {
            return Err(LEFT_ALONE);
        }
        let place = self.bulkhead.place(bounds).await?;
        let ticket = self.breaker().admit(may_try, self.clock.now()).ok_or(LEFT_ALONE)?;
        Ok(Pass { gate: self, ticket: Some(ticket), _place: place })
    }

    /// Whether the worker is left alone, but for a try now and then.
    pub(crate) fn is_shut(&self) -> bool {
        !self.breaker().is_closed()
    }

    /// Whether it is time to try whether it answers again.
    pub(crate) fn awaits_a_try(&self) -> bool {
        self.breaker().awaits_a_try(self.clock.now())
    }

    fn report(&self, ticket: &Ticket, told: Verdict<'_>) {
        let now = self.clock.now();
        let turn = self.breaker().report(ticket, told, now, self.jitter(now.timestamp_micros()));
        let worker = self.worker.as_str();
        match turn {
            Some(Turn::Opened(pause)) => {
                tracing::warn!(worker, pause_ms = pause.as_millis(), "WAHA fails again and again: it is left alone");
            }
            Some(Turn::Closed) => tracing::info!(worker, "WAHA is called again"),
            None => {}
        }
    }

    /// From 0 to 1.
    fn jitter(&self, seed: i64) -> f64 {
        let [high, low, ..] = self.jitter.hash_one(seed).to_be_bytes();
        f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
    }

    /// Nothing that holds it panics half-way through a change.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Ends it with what it told of the worker.
    pub(crate) fn report(mut self, told: Verdict<'_>) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.report(&ticket, told);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.report(&ticket, Verdict::Unclear);
        }
    }
}
