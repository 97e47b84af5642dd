//! What a database said a moment ago of who somebody is.

use std::cell::Cell;
use std::future::ready;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use moka::sync::Cache;
use switchboard_domain::ports::{Clock, StorageError};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use super::NotSignedIn;
use crate::error::Chain;

/// Answers that are remembered for a few seconds, counted from the question on. Whoever asks while a question is under way
/// shares its answer; a failure is shared with them, and not remembered.
///
/// A question is asked to its end, whoever goes away meanwhile: one that was broken off would cost the database a connection,
/// and anybody may hang up.
///
/// Anybody may show something that nobody has. So what was not good a moment ago is asked about in a few places only: however
/// many ask for nonsense, the database has time for those whom it knows.
pub(super) struct Lately<K, T> {
    entries: Cache<K, Arc<Entry<T>>>,
    good_for: TimeDelta,
    strangers: Arc<Strangers>,
    clock: Arc<dyn Clock>,
}

/// What was answered: somebody, or nobody.
struct Entry<T> {
    asked_at: DateTime<Utc>,
    /// Whether the answer before this one was somebody.
    is_known: bool,
    /// Empty as long as there is no place to ask in.
    asked: OnceCell<Asked<T>>,
}

type Answer<T> = Result<Option<T>, NotSignedIn>;

/// The answer to come.
type Asked<T> = Shared<BoxFuture<'static, Answer<T>>>;

/// The places in which it is asked about what may be nobody's.
pub(super) struct Strangers {
    places: Arc<Semaphore>,
    /// When it was last said that nothing can be looked up.
    told_at: Mutex<Option<DateTime<Utc>>>,
    /// What questions are asked on: the threads that serve requests end before the process does.
    runtime: Handle,
    clock: Arc<dyn Clock>,
}

impl Strangers {
    /// As many questions, each of which takes a millisecond, are all that anybody else has to wait for.
    const PLACES: usize = 4;

    /// How long one waits for a place: some thousands are asked about meanwhile, so that all users may come at once.
    const PATIENCE: Duration = Duration::from_secs(3);

    /// How often it is said that nothing can be looked up, however many ask meanwhile.
    const TOLD_EVERY: TimeDelta = TimeDelta::seconds(5);

    /// All places are free. Questions are asked on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(Self::PLACES));
        Arc::new(Self { places, told_at: Mutex::default(), runtime: Handle::current(), clock })
    }

    /// A place, until it is dropped.
    async fn place(&self) -> Result<OwnedSemaphorePermit, NotSignedIn> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        tokio::select! {
            biased;
            place = Arc::clone(&self.places).acquire_owned() => place.map_err(|_closed| NotSignedIn::Failed),
            () = self.clock.sleep(Self::PATIENCE) => {
                tracing::debug!("too many keys or cookies are shown that are not known");
                Err(NotSignedIn::UNAVAILABLE)
            }
        }
    }

    /// What it means that the database did not say who it is.
    fn failed(&self, error: &StorageError) -> NotSignedIn {
        if self.is_news() {
            tracing::error!(error = %Chain(error), "it cannot be looked up who is signed in");
        } else {
            tracing::debug!(error = %Chain(error), "it cannot be looked up who is signed in");
        }
        match error {
            StorageError::Unavailable(_) => NotSignedIn::UNAVAILABLE,
            StorageError::Conflict | StorageError::Failed(_) => NotSignedIn::Failed,
        }
    }

    /// Whether it is time to say again that nobody can be looked up.
    fn is_news(&self) -> bool {
        let now = self.clock.now();
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_told = told_at.is_some_and(|at| (TimeDelta::zero()..Self::TOLD_EVERY).contains(&(now - at)));
        if !is_told {
            *told_at = Some(now);
        }
        !is_told
    }

    /// The answer to a question that keeps its place until then.
    fn asked<T>(
        self: &Arc<Self>,
        place: Option<OwnedSemaphorePermit>,
        question: impl Future<Output = Result<Option<T>, StorageError>> + Send + 'static,
    ) -> Asked<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let strangers = Arc::clone(self);
        let question = async move {
            let _place = place;
            question.await.map_err(|error| strangers.failed(&error))
        };
        let question = self.runtime.spawn(question.in_current_span());
        async move { question.await.unwrap_or(Err(NotSignedIn::Failed)) }.boxed().shared()
    }
}

impl<T: Clone> Entry<T> {
    /// The answer, if it is there.
    fn answer(&self) -> Option<Answer<T>> {
        self.asked.get()?.clone().now_or_never()
    }

    /// Whether an answer is somebody as far as is known.
    fn is_somebody(&self, answer: Option<&Answer<T>>) -> bool {
        match answer {
            Some(Ok(answer)) => answer.is_some(),
            Some(Err(_)) | None => self.is_known,
        }
    }
}

impl<K, T> Lately<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Whoever shows nonsense again and again pushes out what others have shown, and not more.
    const MOST: u64 = 100_000;
    /// What nobody asks for any more is forgotten.
    const IDLE: Duration = Duration::from_mins(1);

    pub(super) fn new(good_for: TimeDelta, strangers: Arc<Strangers>, clock: Arc<dyn Clock>) -> Self {
        let entries = Cache::builder().max_capacity(Self::MOST).time_to_idle(Self::IDLE).build();
        Self { entries, good_for, strangers, clock }
    }

    /// Who it is as `ask` says, or said a moment ago.
    #[expect(clippy::async_yields_async, reason = "what is awaited first is the place, then the answer")]
    pub(super) async fn get<Q>(&self, key: &K, ask: impl FnOnce() -> Q) -> Answer<T>
    where
        Q: Future<Output = Result<Option<T>, StorageError>> + Send + 'static,
    {
        let now = self.clock.now();
        let is_known = Cell::new(false);
        let is_over = |entry: &Arc<Entry<T>>| {
            let answer = entry.answer();
            is_known.set(entry.is_somebody(answer.as_ref()));
            let age = now - entry.asked_at;
            // A clock that was put back makes nothing last longer.
            age >= self.good_for || age < TimeDelta::zero() || matches!(answer, Some(Err(_)))
        };
        let new = || Arc::new(Entry { asked_at: now, is_known: is_known.get(), asked: OnceCell::new() });
        let entry = self.entries.entry_by_ref(key).or_insert_with_if(new, is_over).into_value();
        // Whoever waits for a place may go away: then the next one in the queue waits.
        let asked = entry.asked.get_or_init(async || {
            let place = if entry.is_known { Ok(None) } else { self.strangers.place().await.map(Some) };
            match place {
                Ok(place) => self.strangers.asked(place, ask()),
                Err(error) => ready(Err(error)).boxed().shared(),
            }
        });
        asked.await.clone().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

    use futures_util::stream::FuturesUnordered;
    use futures_util::{FutureExt, StreamExt};
    use switchboard_domain::ports::MockClock;
    use tokio::sync::Notify;

    use super::super::testing::{FakeClock, settle};
    use super::*;

    /// With a clock that shows what is stored, in milliseconds.
    fn lately(now: &Arc<AtomicI64>) -> Lately<&'static str, u32> {
        let mut clock = MockClock::new();
        let told = Arc::clone(now);
        clock.expect_now().returning(move || DateTime::from_timestamp_millis(told.load(Ordering::SeqCst)).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(clock);
        Lately::new(TimeDelta::seconds(3), Strangers::new(clock.clone()), clock)
    }

    #[tokio::test]
    async fn an_answer_is_good_for_its_time_and_the_clock_may_go_back() {
        let (now, asked) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicU32::new(0)));
        let lately = lately(&now);
        for (at, expected) in [(0, 0), (2999, 0), (3000, 1), (5999, 1), (6000, 2), (100, 3), (99, 4)] {
            now.store(at, Ordering::SeqCst);
            let asked = Arc::clone(&asked);
            let answer = lately.get(&"a", async move || Ok(Some(asked.fetch_add(1, Ordering::SeqCst)))).await;
            assert_eq!(answer, Ok(Some(expected)), "at {at} ms");
        }
        assert_eq!(lately.get(&"b", async || Ok(Some(99))).await, Ok(Some(99)), "another's is another");
    }

    #[tokio::test]
    async fn who_asks_meanwhile_shares_the_answer_and_a_failure_is_not_remembered() {
        let (lately, gate, asked) = (lately(&Arc::default()), Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
        let ask = || {
            let (gate, asked) = (Arc::clone(&gate), Arc::clone(&asked));
            lately.get(&"a", async move || {
                asked.fetch_add(1, Ordering::SeqCst);
                gate.notified().await;
                Err(StorageError::Conflict)
            })
        };
        let open = async {
            settle().await;
            gate.notify_one();
        };
        let (one, other, ()) = tokio::join!(ask(), ask(), open);
        assert_eq!((one, other, asked.load(Ordering::SeqCst)), (Err(NotSignedIn::Failed), Err(NotSignedIn::Failed), 1));
        assert_eq!(lately.get(&"a", async || Ok(Some(7))).await, Ok(Some(7)));
    }

    #[tokio::test]
    async fn what_somebody_asked_who_went_away_is_asked_to_its_end() {
        let (lately, gate) = (lately(&Arc::default()), Arc::new(Notify::new()));
        let opened = Arc::clone(&gate);
        let question = async move || {
            opened.notified().await;
            Ok(Some(7))
        };
        assert_eq!(lately.get(&"a", question).now_or_never(), None);
        gate.notify_one();
        assert_eq!(lately.get(&"a", async || Ok(Some(8))).await, Ok(Some(7)), "it was not asked again");

        assert_eq!(lately.get(&"b", async || Err(StorageError::Conflict)).now_or_never(), None);
        settle().await;
        assert_eq!(lately.get(&"b", async || Ok(Some(9))).await, Ok(Some(9)), "nobody saw it, nor is it remembered");
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_told_of_now_and_then_however_many_ask() {
        let clock = FakeClock::at(DateTime::UNIX_EPOCH);
        let strangers = Strangers::new(clock.clone());
        for (second, is_news) in [(0, true), (1, false), (4, false), (5, true), (6, false), (60, true)] {
            let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
            clock.advance((at - clock.now()).to_std().unwrap());
            assert_eq!(strangers.is_news(), is_news, "after {second} s");
        }
        let unavailable = StorageError::unavailable(std::io::Error::other("gone"));
        assert_eq!(strangers.failed(&unavailable), NotSignedIn::UNAVAILABLE);
    }

    #[tokio::test]
    async fn who_waited_for_a_place_and_went_away_leaves_it_to_the_next_one() {
        let (clock, gate) = (FakeClock::at(DateTime::UNIX_EPOCH), Arc::new(Notify::new()));
        let lately = Lately::new(TimeDelta::seconds(3), Strangers::new(clock.clone()), clock);
        let waiting = || {
            let gate = Arc::clone(&gate);
            async move || {
                gate.notified().await;
                Ok(None)
            }
        };
        for key in ["a", "b", "c", "d"] {
            assert_eq!(lately.get(&key, waiting()).now_or_never(), None);
        }
        settle().await;
        assert_eq!(lately.get(&"e", async || Ok(Some(7))).now_or_never(), None);
        gate.notify_waiters();
        assert_eq!(lately.get(&"e", async || Ok(Some(8))).await, Ok(Some(8)), "the first was not asked");
    }

    #[tokio::test]
    async fn however_many_show_nonsense_who_is_known_is_asked_about_at_once_and_others_do_not_wait_for_long() {
        let clock = FakeClock::at(DateTime::UNIX_EPOCH);
        let lately = Lately::new(TimeDelta::seconds(3), Strangers::new(clock.clone()), clock.clone());
        assert_eq!(lately.get(&0, async || Ok(Some("ana"))).await, Ok(Some("ana")));
        clock.advance(Duration::from_secs(3));

        let (asked, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let stranger = |key: u32| {
            let (lately, asked, gate) = (&lately, Arc::clone(&asked), Arc::clone(&gate));
            let ask = async move || {
                asked.fetch_add(1, Ordering::SeqCst);
                gate.notified().await;
                Ok(None)
            };
            async move { lately.get(&key, ask).await }
        };
        let mut flood: FuturesUnordered<_> = (1..=100).map(stranger).collect();
        assert_eq!(flood.next().now_or_never(), None);
        settle().await;
        assert_eq!(asked.load(Ordering::SeqCst), 4, "the others wait");
        let known = lately.get(&0, async || Ok(None)).await;
        assert_eq!(known, Ok(None), "ana's key has been revoked, which is found out at once");
        assert_eq!(lately.get(&101, async || Ok(Some("ben"))).now_or_never(), None, "ben waits like the others");

        clock.advance(Strangers::PATIENCE);
        for _ in 0..96 {
            assert_eq!(flood.next().await, Some(Err(NotSignedIn::UNAVAILABLE)));
        }
        assert_eq!(flood.next().now_or_never(), None, "four are asked about, still");
        assert_eq!(lately.get(&0, async || Ok(None)).now_or_never(), None, "ana's is nobody's by now");
        drop(flood);
        settle().await;
        assert_eq!(lately.get(&101, async || Ok(Some("ben"))).now_or_never(), None, "they are asked about to the end");
        gate.notify_waiters();
        assert_eq!(lately.get(&101, async || Ok(Some("ben"))).await, Ok(Some("ben")));
    }
}
