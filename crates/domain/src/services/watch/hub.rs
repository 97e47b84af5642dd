//! Which sessions are watched.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::LiveStatus;
use crate::SessionId;

/// Where keepers put what they see: `None` until they have seen something. Whoever reads slowly finds the last only.
pub(super) type States = watch::Sender<Option<Arc<LiveStatus>>>;

/// The watched sessions, each with its keeper.
#[derive(Default)]
pub(in crate::services) struct Hub {
    watched: Mutex<HashMap<SessionId, Watched>>,
}

struct Watched {
    states: States,
    bell: Arc<Bell>,
}

/// Wakes a keeper.
#[derive(Default)]
pub(super) struct Bell {
    rung: Notify,
    /// Whether WAHA is to be asked if the row shows nothing new.
    ask: AtomicBool,
}

impl Bell {
    fn ring(&self, ask: bool) {
        if ask {
            self.ask.store(true, Ordering::SeqCst);
        }
        self.rung.notify_one();
    }

    /// Returns once it has been rung since the last time, and whether WAHA is to be asked. Nothing is lost if the caller
    /// does not wait for it.
    pub(super) async fn rung(&self) -> bool {
        self.rung.notified().await;
        self.ask.swap(false, Ordering::SeqCst)
    }
}

impl Hub {
    fn watched(&self) -> MutexGuard<'_, HashMap<SessionId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The states of a session; `start` starts its keeper if it has none. One that has told the last state is none any more
    /// for a session that is wanted again.
    pub(super) fn watch(
        &self,
        id: &SessionId,
        is_wanted: bool,
        start: impl FnOnce(States, Arc<Bell>),
    ) -> watch::Receiver<Option<Arc<LiveStatus>>> {
        let mut watched = self.watched();
        let known = watched.get(id).map(|known| &known.states);
        if let Some(states) = known.filter(|states| !(is_wanted && has_told_the_last(states))) {
            return states.subscribe();
        }
        let (states, receiver) = watch::channel(None);
        let bell = Arc::new(Bell::default());
        watched.insert(id.clone(), Watched { states: states.clone(), bell: Arc::clone(&bell) });
        start(states, bell);
        receiver
    }

    /// Has the session's keeper look at the row, if it has one, and ask WAHA if nothing new is to be seen there.
    pub(in crate::services) fn wake(&self, id: &SessionId) {
        if let Some(watched) = self.watched().get(id) {
            watched.bell.ring(true);
        }
    }

    /// Has all keepers look at their rows.
    pub(in crate::services) fn wake_all(&self) {
        self.watched().values().for_each(|watched| watched.bell.ring(false));
    }

    /// Ends a keeper's watch over a session if nobody watches it any more. Returns whether it did.
    pub(super) fn end(&self, id: &SessionId, states: &States) -> bool {
        let mut watched = self.watched();
        let is_unwatched = states.receiver_count() == 0;
        if is_unwatched {
            remove(&mut watched, id, states);
        }
        is_unwatched
    }

    /// Takes a keeper off that is no more, whatever ended it: the next watcher gets another.
    pub(super) fn remove(&self, id: &SessionId, states: &States) {
        remove(&mut self.watched(), id, states);
    }
}

fn remove(watched: &mut HashMap<SessionId, Watched>, id: &SessionId, states: &States) {
    if watched.get(id).is_some_and(|watched| watched.states.same_channel(states)) {
        watched.remove(id);
    }
}

fn has_told_the_last(states: &States) -> bool {
    states.borrow().as_ref().is_some_and(|state| state.is_last)
}
