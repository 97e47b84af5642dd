//! Whose sessions are whose, for many callers at once.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use moka::sync::Cache;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::access;
use super::hits::{HitCounter, Hits};
use crate::ports::{Clock, SessionRepository, StorageError};
use crate::{Error, Session, SessionName, UserId};

/// Knows for a moment which wanted session is whose, and looks up the others for all who ask meanwhile together.
///
/// Nobody is shown what a logout or another account has taken away, on any replica: whoever takes it away says so only
/// when nobody can remember otherwise. See [`Roster::MEMORY`].
pub(super) struct Roster {
    desk: Arc<Desk>,
    runtime: Handle,
    hits: HitCounter,
}

struct Desk {
    sessions: Arc<dyn SessionRepository>,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    /// By name, which no two sessions share.
    known: Cache<SessionName, Known>,
}

/// A session as it was a moment ago.
#[derive(Clone)]
struct Known {
    session: Arc<Session>,
    /// When the database was asked.
    asked_at: DateTime<Utc>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Caller>,
    /// Whether somebody is asking, and will ask again for those who wait.
    asking: bool,
}

struct Caller {
    owner: UserId,
    name: SessionName,
    answer: oneshot::Sender<Result<Option<Arc<Session>>, StorageError>>,
}

impl Roster {
    /// For how long a session is taken to be as it was: a logout, and whatever raises the epoch, lets that much time pass
    /// between its write and its answer.
    pub(super) const MEMORY: Duration = Duration::from_millis(100);
    /// How many sessions are remembered.
    const KNOWN: u64 = 100_000;
    /// How many sessions one question is about, at most.
    const AT_ONCE: usize = 500;

    /// A roster that asks on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(sessions: Arc<dyn SessionRepository>, clock: Arc<dyn Clock>) -> Self {
        // By the machine's clock, which only frees the memory.
        let known = Cache::builder().max_capacity(Self::KNOWN).time_to_live(Self::MEMORY * 10).build();
        let desk = Desk { sessions, clock, queue: Mutex::default(), known };
        Self { desk: Arc::new(desk), runtime: Handle::current(), hits: HitCounter::default() }
    }

    /// The owner's session of that name: as [`SessionRepository::find`], or as it was [`Roster::MEMORY`] ago.
    pub(super) async fn find(&self, owner: &UserId, name: &SessionName) -> Result<Option<Arc<Session>>, Error> {
        if let Some(session) = self.hits.count(self.desk.remembered(owner, name)) {
            return Ok(Some(session));
        }
        let (answer, answered) = oneshot::channel();
        let caller = Caller { owner: owner.clone(), name: name.clone(), answer };
        if self.desk.enqueue(caller) {
            self.runtime.spawn(Arc::clone(&self.desk).serve());
        }
        Ok(answered.await.map_err(|_| Error::Internal)??)
    }

    /// The owner's session of that name.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that is somebody else's or nobody's: the caller cannot tell which.
    pub(super) async fn owned(&self, owner: &UserId, name: &SessionName) -> Result<Arc<Session>, Error> {
        self.find(owner, name).await?.ok_or(Error::NotFound)
    }

    /// The owner's session of that name, if they have not logged it out.
    ///
    /// # Errors
    /// As [`Roster::owned`], and [`crate::Precondition::NotConnected`].
    pub(super) async fn wanted(&self, owner: &UserId, name: &SessionName) -> Result<Arc<Session>, Error> {
        access::if_wanted(self.owned(owner, name).await?)
    }

    /// How often a session was remembered.
    pub(super) fn hits(&self) -> Hits {
        self.hits.so_far()
    }

    /// Forgets what was known of the session.
    pub(super) fn forget(&self, session: &Session) {
        self.desk.known.invalidate(&session.name);
    }
}

impl Desk {
    fn remembered(&self, owner: &UserId, name: &SessionName) -> Option<Arc<Session>> {
        let known = self.known.get(name).filter(|known| known.session.owner == *owner)?;
        let age = (self.clock.now() - known.asked_at).to_std().ok()?;
        (age < Roster::MEMORY).then_some(known.session)
    }

    /// Remembers a session that its user wants; of the others it matters what they are now.
    fn remember(&self, session: &Arc<Session>, asked_at: DateTime<Utc>) {
        if session.lifecycle.is_wanted() {
            let known = Known { session: Arc::clone(session), asked_at };
            self.known.insert(session.name.clone(), known);
        }
    }

    /// Returns whether somebody has to begin asking.
    fn enqueue(&self, caller: Caller) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.push(caller);
        !std::mem::replace(&mut queue.asking, true)
    }

    fn next(&self) -> Vec<Caller> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = queue.waiting.len().min(Roster::AT_ONCE);
        let callers: Vec<_> = queue.waiting.drain(..batch).collect();
        queue.asking = !callers.is_empty();
        callers
    }

    async fn serve(self: Arc<Self>) {
        loop {
            let callers = self.next();
            if callers.is_empty() {
                return;
            }
            // A panic drops these callers, who are told; the next ones are served.
            let _ = AssertUnwindSafe(self.answer(callers)).catch_unwind().await;
        }
    }

    async fn answer(&self, callers: Vec<Caller>) {
        let wanted: HashSet<_> = callers.iter().map(|caller| (&caller.owner, &caller.name)).collect();
        let wanted: Vec<_> = wanted.into_iter().map(|(owner, name)| (owner.clone(), name.clone())).collect();
        let asked_at = self.clock.now();
        let found = match self.sessions.find_all(&wanted).await {
            Ok(found) => found,
            // Perhaps one of them cannot be read: that is no reason to fail the others.
            Err(StorageError::Failed(_)) if wanted.len() > 1 => return self.answer_one_by_one(callers).await,
            Err(error) => {
                for caller in callers {
                    // Whoever has gone away needs no answer.
                    let _ = caller.answer.send(Err(error.clone()));
                }
                return;
            }
        };
        let found: HashMap<_, _> = found.into_iter().map(|session| (session.name.clone(), Arc::new(session))).collect();
        for session in found.values() {
            self.remember(session, asked_at);
        }
        for caller in callers {
            let session = found.get(&caller.name).filter(|session| session.owner == caller.owner);
            let _ = caller.answer.send(Ok(session.cloned()));
        }
    }

    async fn answer_one_by_one(&self, callers: Vec<Caller>) {
        for Caller { owner, name, answer } in callers {
            let found = self.sessions.find(&owner, &name).await;
            let _ = answer.send(found.map(|session| session.map(Arc::new)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Lifecycle;
    use crate::ports::MockSessionRepository;
    use crate::services::testing::{PausedClock, session};

    #[tokio::test]
    async fn callers_who_come_while_a_question_is_under_way_share_the_next_one() {
        let (questions, asked) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let (counted, sizes): (_, Arc<Mutex<Vec<usize>>>) = (Arc::clone(&questions), Arc::clone(&asked));
        let mut sessions = MockSessionRepository::new();
        sessions.expect_find_all().returning(move |wanted| {
            counted.fetch_add(1, Ordering::SeqCst);
            sizes.lock().unwrap().push(wanted.len());
            Ok(vec![session(Lifecycle::Disconnected)])
        });
        let roster = Roster::new(Arc::new(sessions), PausedClock::new());
        let known = session(Lifecycle::Disconnected);
        let (other, mallory): (SessionName, UserId) = ("session_2".parse().unwrap(), "mallory".parse().unwrap());
        let first = (0..100).map(|_| roster.find(&known.owner, &known.name));
        let (mine, absent, somebody_elses) = tokio::join!(
            futures_util::future::join_all(first),
            roster.find(&known.owner, &other),
            roster.find(&mallory, &known.name),
        );
        assert!(mine.iter().all(|found| found.as_ref().unwrap().as_deref() == Some(&known)));
        assert_eq!((absent.unwrap(), somebody_elses.unwrap()), (None, None));
        assert_eq!(*asked.lock().unwrap(), [3], "one question, each session once");
        assert!(roster.find(&known.owner, &known.name).await.unwrap().is_some());
        assert_eq!(questions.load(Ordering::SeqCst), 2, "a session that nobody wants is not remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wanted_session_is_remembered_for_a_moment_from_the_question_on() {
        let wanted = session(Lifecycle::Connected);
        let (questions, row) = (Arc::new(AtomicUsize::new(0)), wanted.clone());
        let counted = Arc::clone(&questions);
        let mut sessions = MockSessionRepository::new();
        sessions.expect_find_all().returning(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(vec![row.clone()])
        });
        let roster = Roster::new(Arc::new(sessions), PausedClock::new());
        let mallory: UserId = "mallory".parse().unwrap();
        for (wait, asked) in [(0, 1), (99, 1), (1, 2), (50, 2), (50, 3)] {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            assert_eq!(roster.find(&wanted.owner, &wanted.name).await.unwrap().as_deref(), Some(&wanted));
            assert_eq!(questions.load(Ordering::SeqCst), asked, "after {wait} ms more");
        }
        assert_eq!(roster.find(&mallory, &wanted.name).await.unwrap(), None, "whose it is, is remembered too");
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_fails_its_own_caller_only() {
        let mut sessions = MockSessionRepository::new();
        let unreadable = || StorageError::failed(std::io::Error::other("unreadable"));
        sessions.expect_find_all().returning(move |_| Err(unreadable()));
        sessions.expect_find().returning(move |_, name| match name.as_str() {
            "session_1" => Ok(Some(session(Lifecycle::Connected))),
            _ => Err(unreadable()),
        });
        let roster = Roster::new(Arc::new(sessions), PausedClock::new());
        let known = session(Lifecycle::Connected);
        let other: SessionName = "session_2".parse().unwrap();
        let (good, bad) = tokio::join!(roster.find(&known.owner, &known.name), roster.find(&known.owner, &other));
        assert!(good.unwrap().is_some());
        assert!(matches!(bad, Err(Error::Storage(StorageError::Failed(_)))));
    }

    #[tokio::test]
    async fn a_failure_and_a_panic_are_told_to_those_who_asked_and_to_nobody_else() {
        let mut sessions = MockSessionRepository::new();
        let mut order = mockall::Sequence::new();
        let known = session(Lifecycle::Connected);
        sessions.expect_find_all().times(1).in_sequence(&mut order).returning(|_| Err(StorageError::Conflict));
        sessions.expect_find_all().times(1).in_sequence(&mut order).returning(|_| panic!("on purpose"));
        sessions.expect_find_all().returning(|_| Ok(vec![session(Lifecycle::Connected)]));
        let roster = Roster::new(Arc::new(sessions), PausedClock::new());
        assert!(matches!(roster.find(&known.owner, &known.name).await, Err(Error::Storage(StorageError::Conflict))));
        assert!(matches!(roster.find(&known.owner, &known.name).await, Err(Error::Internal)));
        assert!(roster.find(&known.owner, &known.name).await.unwrap().is_some());
    }
}
