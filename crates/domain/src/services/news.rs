//! News of sessions: what is forgotten, who is woken, and which replicas are told when one changes.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;

use super::directory::Directory;
use super::roster::Roster;
use super::status::StatusMemory;
use super::watch::Hub;
use crate::ports::{Change, Clock, EventBus, Heard, Notice, Ports, ReplicaId};
use crate::{ListKind, Session, SessionId};

/// The one place where a change is made known, here and to the other replicas.
pub(super) struct News {
    pub(super) statuses: StatusMemory,
    pub(super) roster: Arc<Roster>,
    pub(super) hub: Hub,
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
    replica: ReplicaId,
}

impl News {
    /// Gaps that follow one another faster are one.
    const GAPS_APART: Duration = Duration::from_secs(5);

    pub(super) fn new(ports: &Ports, roster: Arc<Roster>) -> Self {
        let Ports { bus, clock, random, .. } = ports.clone();
        let replica = random.cuid().parse().expect("a cuid2 names a replica");
        Self { statuses: StatusMemory::new(), roster, hub: Hub::default(), bus, clock, replica }
    }

    /// We changed the session, or had WAHA change it: whatever is known of it is uncertain.
    pub(super) fn changed(&self, session: &Session) {
        self.statuses.forget(&session.id);
        self.observed(session);
    }

    /// What was heard of the session is on its row.
    pub(super) fn observed(&self, session: &Session) {
        self.roster.forget(session);
        self.hub.wake(&session.id);
        self.publish(Change::Session(session.id.clone()));
    }

    /// A list of the session was stored.
    pub(super) fn listed(&self, id: &SessionId, kind: ListKind) {
        self.publish(Change::List(id.clone(), kind));
    }

    /// The session is gone for good.
    pub(super) fn erased(&self, session: &Session) {
        self.statuses.forget(&session.id);
        self.roster.forget(session);
        self.hub.wake(&session.id);
        self.publish(Change::Erased(session.id.clone()));
    }

    fn publish(&self, change: Change) {
        self.bus.publish(Notice { from: self.replica.clone(), change });
    }

    /// Listens to the other replicas for ever.
    pub(super) async fn follow(&self, directory: &Directory) {
        let mut heard = self.bus.listen();
        let mut is_missing = false;
        let mut repaired_at: Option<DateTime<Utc>> = None;
        loop {
            let since = repaired_at.and_then(|at| (self.clock.now() - at).to_std().ok());
            let pause = since.map_or(Duration::ZERO, |since| Self::GAPS_APART.saturating_sub(since));
            tokio::select! {
                // Nothing to hear any more is no reason to end.
                Some(heard) = heard.next() => match heard {
                    Heard::Notice(Notice { from, change }) if from != self.replica => self.heed(change, directory),
                    Heard::Notice(_) => {}
                    Heard::Gap => is_missing = true,
                },
                // What is remembered for a second or less needs no repair.
                () = self.clock.sleep(pause), if is_missing => {
                    is_missing = false;
                    repaired_at = Some(self.clock.now());
                    self.hub.wake_all();
                }
                else => std::future::pending().await,
            }
        }
    }

    fn heed(&self, change: Change, directory: &Directory) {
        match change {
            Change::Session(id) => {
                self.statuses.forget(&id);
                self.hub.wake(&id);
            }
            Change::List(id, kind) => directory.adopt(&id, kind),
            Change::Erased(id) => {
                self.statuses.forget(&id);
                self.hub.wake(&id);
                directory.forget(&id);
            }
        }
    }
}
