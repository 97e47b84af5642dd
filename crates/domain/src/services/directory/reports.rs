//! What WAHA reports of groups, gathered for a second.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::refresh::Refresher;
use super::shelf::Shelf;
use crate::directory::GroupChanges;
use crate::ports::SessionRepository;
use crate::{ChatId, Error, GroupEvent, Session, SessionName, WorkerName};

/// Gathers reports and lays them over the lists, those of one session at most once a second.
pub(super) struct Reports {
    gathered: Arc<Mutex<Gathered>>,
    refresher: Arc<Refresher>,
    sessions: Arc<dyn SessionRepository>,
    runtime: Handle,
}

/// Of a session of an account, as far as that is told.
type Gathered = HashMap<Whose, GroupChanges>;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::services) struct Whose {
    pub(in crate::services) worker: WorkerName,
    pub(in crate::services) session: SessionName,
    pub(in crate::services) account: Option<ChatId>,
}

impl Whose {
    /// Whether the session is the one that was reported of: not one that moved to another worker, whose own reports count,
    /// nor one that was paired with another phone since.
    fn is(&self, session: &Session) -> bool {
        let is_of = |account| session.account.as_ref() == Some(account);
        session.worker == self.worker && session.lifecycle.is_wanted() && self.account.as_ref().is_none_or(is_of)
    }
}

impl Reports {
    /// How long reports are gathered: a burst of them is one new list.
    const PAUSE: Duration = Duration::from_secs(1);
    /// Of how many sessions at the same time. What is left out, the next fetch has.
    const MOST: usize = 10_000;

    pub(super) fn new(refresher: Arc<Refresher>, sessions: Arc<dyn SessionRepository>) -> Self {
        Self { gathered: Arc::default(), refresher, sessions, runtime: Handle::current() }
    }

    /// Takes a report. Returns at once.
    pub(super) fn take(&self, whose: Whose, mut group: GroupEvent) {
        // A clock that is far ahead would keep what was told over every fetch to come.
        group.at = group.at.min(self.refresher.clock().now() + Shelf::CHANGES_KEPT_FOR);
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = gathered.len();
        match gathered.entry(whose) {
            Entry::Occupied(mut known) => known.get_mut().add(group),
            Entry::Vacant(_) if sessions >= Self::MOST => {
                tracing::warn!("too many sessions report at once: some reports wait for the next fetch");
            }
            Entry::Vacant(first) => {
                let whose = first.key().clone();
                let mut changes = GroupChanges::default();
                changes.add(group);
                first.insert(changes);
                self.lay_over_later(whose);
            }
        }
    }

    fn lay_over_later(&self, whose: Whose) {
        let (gathered, refresher) = (Arc::clone(&self.gathered), Arc::clone(&self.refresher));
        let sessions = Arc::clone(&self.sessions);
        self.runtime.spawn(async move {
            refresher.clock().sleep(Self::PAUSE).await;
            let told = gathered.lock().unwrap_or_else(PoisonError::into_inner).remove(&whose);
            let Some(told) = told else { return };
            let laid_over: Result<(), Error> = async {
                let session = sessions.named(&whose.session).await?.filter(|session| whose.is(session));
                match session {
                    Some(session) => refresher.amend(&session, &told).await,
                    None => Ok(()),
                }
            }
            .await;
            if let Err(error) = laid_over {
                tracing::warn!(%error, "reports of groups were lost: the next fetch has them");
            }
        });
    }
}
