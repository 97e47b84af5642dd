//! What a database said a moment ago.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use switchboard_domain::ports::Clock;
use tokio::sync::OnceCell;

use super::NotSignedIn;

/// Answers that are remembered for a few seconds, counted from the question on. Whoever asks while a question is under way
/// shares its answer; a failure is shared with them, and not remembered.
pub(super) struct Lately<K, T> {
    entries: Cache<K, Arc<Entry<T>>>,
    good_for: TimeDelta,
    clock: Arc<dyn Clock>,
}

struct Entry<T> {
    asked_at: DateTime<Utc>,
    answer: OnceCell<Result<T, NotSignedIn>>,
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

    pub(super) fn new(good_for: TimeDelta, clock: Arc<dyn Clock>) -> Self {
        let entries = Cache::builder().max_capacity(Self::MOST).time_to_idle(Self::IDLE).build();
        Self { entries, good_for, clock }
    }

    /// What `ask` says, or said a moment ago.
    pub(super) async fn get(
        &self,
        key: &K,
        ask: impl AsyncFnOnce() -> Result<T, NotSignedIn>,
    ) -> Result<T, NotSignedIn> {
        let now = self.clock.now();
        let is_over = |entry: &Arc<Entry<T>>| {
            let age = now - entry.asked_at;
            // A clock that was put back makes nothing last longer.
            age >= self.good_for || age < TimeDelta::zero() || matches!(entry.answer.get(), Some(Err(_)))
        };
        let new = || Arc::new(Entry { asked_at: now, answer: OnceCell::new() });
        let entry = self.entries.entry_by_ref(key).or_insert_with_if(new, is_over).into_value();
        // Whoever asks may go away: then the next one in the queue asks.
        entry.answer.get_or_init(async || ask().await).await.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

    use futures_util::FutureExt;
    use switchboard_domain::ports::MockClock;
    use tokio::sync::Notify;

    use super::*;

    /// With a clock that shows what is stored, in milliseconds.
    fn lately(now: &Arc<AtomicI64>) -> Lately<&'static str, u32> {
        let mut clock = MockClock::new();
        let told = Arc::clone(now);
        clock.expect_now().returning(move || DateTime::from_timestamp_millis(told.load(Ordering::SeqCst)).unwrap());
        Lately::new(TimeDelta::seconds(3), Arc::new(clock))
    }

    #[tokio::test]
    async fn an_answer_is_good_for_its_time_and_the_clock_may_go_back() {
        let (now, asked) = (Arc::new(AtomicI64::new(0)), AtomicU32::new(0));
        let lately = lately(&now);
        for (at, expected) in [(0, 0), (2999, 0), (3000, 1), (5999, 1), (6000, 2), (100, 3), (99, 4)] {
            now.store(at, Ordering::SeqCst);
            let answer = lately.get(&"a", async || Ok(asked.fetch_add(1, Ordering::SeqCst))).await;
            assert_eq!(answer, Ok(expected), "at {at} ms");
        }
        assert_eq!(lately.get(&"b", async || Ok(99)).await, Ok(99), "another's is another");
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
        assert_eq!(lately.get(&"a", async || Ok(7)).await, Ok(7));
    }

    #[tokio::test]
    async fn who_asked_and_went_away_leaves_the_question_to_the_next_one() {
        let lately = lately(&Arc::default());
        assert_eq!(lately.get(&"a", async || std::future::pending().await).now_or_never(), None);
        assert_eq!(lately.get(&"a", async || Ok(7)).await, Ok(7));
    }
}
