//! What WAHA reports by itself, on its way to those whom it concerns.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::directory::{Directory, Whose};
use super::status::{Began, StatusReader};
use crate::ports::{Report, UpstreamEvent};
use crate::{SessionName, UpstreamSession, WorkerName};

/// Takes in WAHA's reports.
pub struct TakeReport {
    statuses: Arc<Statuses>,
    directory: Arc<Directory>,
    runtime: Handle,
}

/// Of each session the newest status that is still to be taken in: the older ones do not matter any more.
struct Statuses {
    waiting: Mutex<HashMap<(WorkerName, SessionName), Told>>,
    /// Whether some had to be left out, which is said once.
    is_full: AtomicBool,
    turns: Semaphore,
    reader: Arc<StatusReader>,
}

struct Told {
    at: DateTime<Utc>,
    arrived: Began,
    upstream: UpstreamSession,
}

impl TakeReport {
    /// How many sessions may wait for their turn. What is left out, the next question has.
    const WAITING: usize = 10_000;
    /// How many statuses are written at the same time: a burst of reports leaves connections to the database for others.
    const AT_THE_SAME_TIME: usize = 4;

    /// The use case; its work runs on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(reader: Arc<StatusReader>, directory: Arc<Directory>) -> Self {
        let turns = Semaphore::new(Self::AT_THE_SAME_TIME);
        let statuses = Arc::new(Statuses { waiting: Mutex::default(), is_full: AtomicBool::new(false), turns, reader });
        Self { statuses, directory, runtime: Handle::current() }
    }

    /// Takes a report. Returns at once: WAHA waits for the answer, and sends again what is not answered.
    pub fn run(&self, event: UpstreamEvent) {
        let UpstreamEvent { worker, session, me, report } = event;
        match report {
            Report::Group(group) => {
                self.directory.take(Whose { worker, session, account: me.map(|me| me.id) }, group);
            }
            Report::Status { at, status } => {
                let upstream = UpstreamSession {
                    name: session.clone(),
                    status,
                    me,
                    deployment: None,
                    home: None,
                    is_webhook_outdated: false,
                };
                let arrived = self.statuses.reader.begin();
                if self.statuses.add((worker, session), Told { at, arrived, upstream }) {
                    self.runtime.spawn(Arc::clone(&self.statuses).take_next());
                }
            }
        }
    }
}

impl Statuses {
    /// Returns whether the session was not waiting yet.
    fn add(&self, whose: (WorkerName, SessionName), told: Told) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = waiting.len();
        match waiting.entry(whose) {
            Entry::Occupied(mut known) => {
                if known.get().at < told.at {
                    known.insert(told);
                }
                false
            }
            Entry::Vacant(_) if sessions >= TakeReport::WAITING => {
                if !self.is_full.swap(true, Ordering::Relaxed) {
                    tracing::warn!("too many sessions report at once: some statuses wait until they are asked for");
                }
                false
            }
            Entry::Vacant(first) => {
                first.insert(told);
                self.is_full.store(false, Ordering::Relaxed);
                true
            }
        }
    }

    /// Takes in one of those that wait.
    async fn take_next(self: Arc<Self>) {
        let Ok(_turn) = self.turns.acquire().await else { return };
        let next = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let whose = waiting.keys().next().cloned();
            whose.and_then(|whose| waiting.remove_entry(&whose))
        };
        let Some(((worker, _), Told { at, arrived, upstream })) = next else { return };
        if let Err(error) = self.reader.take(&worker, upstream, at, arrived).await {
            tracing::warn!(%error, "a reported status was lost: the next question has it");
        }
    }
}
