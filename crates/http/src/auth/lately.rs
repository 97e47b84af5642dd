//! What a database said a moment ago of who somebody is.

use std::cell::Cell;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use switchboard_domain::ports::Clock;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use super::NotSignedIn;

/// Answers that are remembered for a few seconds, counted from the question on. Whoever asks while a question is under way
/// shares its answer; a failure is shared with them, and not remembered.
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
    answer: OnceCell<Result<Option<T>, NotSignedIn>>,
}

/// The places in which it is asked about what may be nobody's.
pub(super) struct Strangers {
    places: Semaphore,
    clock: Arc<dyn Clock>,
}

impl Strangers {
    /// As many questions, each of which takes a millisecond, are all that anybody else has to wait for.
    const PLACES: usize = 4;

    /// How long one waits for a place: some thousands are asked about meanwhile, so that all users may come at once.
    const PATIENCE: Duration = Duration::from_secs(3);

    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { places: Semaphore::new(Self::PLACES), clock })
    }

    /// A place, until it is dropped.
    async fn place(&self) -> Result<SemaphorePermit<'_>, NotSignedIn> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        tokio::select! {
            biased;
            place = self.places.acquire() => place.map_err(|_closed| NotSignedIn::Failed),
            () = self.clock.sleep(Self::PATIENCE) => {
                tracing::debug!("too many keys or cookies are shown that are not known");
                Err(NotSignedIn::UNAVAILABLE)
            }
        }
    }
}

impl<T> Entry<T> {
    /// Whether it is somebody as far as is known.
    fn is_somebody(&self) -> bool {
        match self.answer.get() {
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
    pub(super) async fn get(
        &self,
        key: &K,
        ask: impl AsyncFnOnce() -> Result<Option<T>, NotSignedIn>,
    ) -> Result<Option<T>, NotSignedIn> {
        let now = self.clock.now();
        let is_known = Cell::new(false);
        let is_over = |entry: &Arc<Entry<T>>| {
            is_known.set(entry.is_somebody());
            let age = now - entry.asked_at;
            // A clock that was put back makes nothing last longer.
            age >= self.good_for || age < TimeDelta::zero() || matches!(entry.answer.get(), Some(Err(_)))
        };
        let new = || Arc::new(Entry { asked_at: now, is_known: is_known.get(), answer: OnceCell::new() });
        let entry = self.entries.entry_by_ref(key).or_insert_with_if(new, is_over).into_value();
        // Whoever asks may go away: then the next one in the queue asks.
        let asked = entry.answer.get_or_init(async || {
            let _place = if entry.is_known { None } else { Some(self.strangers.place().await?) };
            ask().await
        });
        asked.await.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

    use futures_util::stream::FuturesUnordered;
    use futures_util::{FutureExt, StreamExt};
    use switchboard_domain::ports::MockClock;
    use tokio::sync::Notify;

    use super::super::testing::FakeClock;
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
        let (now, asked) = (Arc::new(AtomicI64::new(0)), AtomicU32::new(0));
        let lately = lately(&now);
        for (at, expected) in [(0, 0), (2999, 0), (3000, 1), (5999, 1), (6000, 2), (100, 3), (99, 4)] {
            now.store(at, Ordering::SeqCst);
            let answer = lately.get(&"a", async || Ok(Some(asked.fetch_add(1, Ordering::SeqCst)))).await;
            assert_eq!(answer, Ok(Some(expected)), "at {at} ms");
        }
        assert_eq!(lately.get(&"b", async || Ok(Some(99))).await, Ok(Some(99)), "another's is another");
    }

    #[tokio::test]
    async fn who_asks_meanwhile_shares_the_answer_and_a_failure_is_not_remembered() {
        let (lately, gate) = (lately(&Arc::default()), Notify::new());
        let asked = AtomicU32::new(0);
        let ask = || {
            lately.get(&"a", async || {
                asked.fetch_add(1, Ordering::SeqCst);
                gate.notified().await;
                Err(NotSignedIn::Failed)
            })
        };
        let open = async {
            tokio::task::yield_now().await;
            gate.notify_one();
        };
        let (one, other, ()) = tokio::join!(ask(), ask(), open);
        assert_eq!((one, other, asked.load(Ordering::SeqCst)), (Err(NotSignedIn::Failed), Err(NotSignedIn::Failed), 1));
        assert_eq!(lately.get(&"a", async || Ok(Some(7))).await, Ok(Some(7)));
    }

    #[tokio::test]
    async fn who_asked_and_went_away_leaves_the_question_to_the_next_one() {
        let lately = lately(&Arc::default());
        assert_eq!(lately.get(&"a", async || std::future::pending().await).now_or_never(), None);
        assert_eq!(lately.get(&"a", async || Ok(Some(7))).await, Ok(Some(7)));
    }

    #[tokio::test]
    async fn however_many_show_nonsense_who_is_known_is_asked_about_at_once_and_others_do_not_wait_for_long() {
        let clock = FakeClock::at(DateTime::UNIX_EPOCH);
        let lately = Lately::new(TimeDelta::seconds(3), Strangers::new(clock.clone()), clock.clone());
        assert_eq!(lately.get(&0, async || Ok(Some("ana"))).await, Ok(Some("ana")));
        clock.advance(Duration::from_secs(3));

        let asked = AtomicU32::new(0);
        let stranger = async |key: u32| {
            let ask = async || {
                asked.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            };
            lately.get(&key, ask).await
        };
        let mut flood: FuturesUnordered<_> = (1..=100).map(stranger).collect();
        assert_eq!(flood.next().now_or_never(), None);
        assert_eq!(asked.load(Ordering::SeqCst), 4, "the others wait");
        let known = lately.get(&0, async || Ok(None)).now_or_never();
        assert_eq!(known, Some(Ok(None)), "ana's key has been revoked, which is found out at once");
        assert_eq!(lately.get(&101, async || Ok(Some("ben"))).now_or_never(), None, "ben waits like the others");

        clock.advance(Strangers::PATIENCE);
        for _ in 0..96 {
            assert_eq!(flood.next().await, Some(Err(NotSignedIn::UNAVAILABLE)));
        }
        assert_eq!(flood.next().now_or_never(), None, "four are asked about, still");
        assert_eq!(lately.get(&0, async || Ok(None)).now_or_never(), None, "ana's is nobody's by now");
        drop(flood);
        assert_eq!(lately.get(&101, async || Ok(Some("ben"))).await, Ok(Some("ben")));
    }
}
