//! What was last heard of a WAHA.

use std::sync::{Mutex, MutexGuard, PoisonError};

use switchboard_domain::{WorkerHealth, WorkerSoftware};

/// After so many probes in vain, a worker that answered does not any more.
const FAILURES: u32 = 2;

/// What probes and other calls of one WAHA have told.
pub(crate) struct Memory(Mutex<Heard>);

#[derive(Clone)]
struct Heard {
    health: WorkerHealth,
    /// How many probes in a row, since anything was answered.
    failures: u32,
    software: Option<WorkerSoftware>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Heard { health: WorkerHealth::Unknown, failures: 0, software: None }))
    }

    /// It did what some call asked of it.
    pub(crate) fn answered(&self) {
        let mut heard = self.heard();
        (heard.health, heard.failures) = (WorkerHealth::Up, 0);
    }

    /// This is what it runs.
    pub(crate) fn runs(&self, software: WorkerSoftware) {
        self.heard().software = Some(software);
    }

    /// It was probed in vain. What it ran, it will most likely run again. One that answered before is given another chance:
    /// a packet may get lost. One that never did is not.
    pub(crate) fn failed(&self) {
        let mut heard = self.heard();
        heard.failures = heard.failures.saturating_add(1);
        if heard.health != WorkerHealth::Up || heard.failures >= FAILURES {
            heard.health = WorkerHealth::Down;
        }
    }

    pub(crate) fn health(&self) -> WorkerHealth {
        self.heard().health
    }

    pub(crate) fn software(&self) -> Option<WorkerSoftware> {
        self.heard().software.clone()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
