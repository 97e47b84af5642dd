//! How much a user may ask for, and how long an answer may take.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use moka::sync::Cache;
use switchboard_domain::UserId;
use switchboard_domain::ports::Clock;

use crate::trpc::{Call, Code, Error, Exceeded, Kind};

/// How many calls a user may make in a minute, by what they are. Each number is also how many may come at once: they are
/// taken from a bucket that is full at first, and fills up within a minute. 0 is any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Calls that read.
    pub reads: u32,
    /// Calls that change something, but for those that connect.
    pub mutations: u32,
    /// Calls of `user.initiateWhatsAppSession`, each of which may start something in WAHA.
    pub connects: u32,
    /// Streams that are opened, however long they last.
    pub streams: u32,
}

/// What users have left of their quotas, and the time that a request may take.
///
/// Each process counts for itself: a user may have so much of each of them.
pub struct Limits {
    quotas: Quotas,
    pub(crate) deadline: Duration,
    /// Of users who have called within the last minute: others have all that there is.
    users: Cache<UserId, Arc<Buckets>>,
    clock: Ticks,
}

/// A user's buckets, in the order of [`Counted`]; none for what is not limited.
struct Buckets([Option<Bucket>; 4]);

type Bucket = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>;

/// What a call is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Read,
    Mutation,
    Connect,
    Stream,
}

/// Our clock, as governor reads it: the time since the epoch.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl Quotas {
    /// Nothing is limited.
    pub const NONE: Self = Self { reads: 0, mutations: 0, connects: 0, streams: 0 };

    fn of(&self, counted: Counted) -> Option<NonZeroU32> {
        NonZeroU32::new(match counted {
            Counted::Read => self.reads,
            Counted::Mutation => self.mutations,
            Counted::Connect => self.connects,
            Counted::Stream => self.streams,
        })
    }
}

/// Far more than a user with a few open pages needs, and little beside what a process can do.
impl Default for Quotas {
    fn default() -> Self {
        // Ten streams that are lost come back every three seconds each: who is refused then does not try again.
        Self { reads: 3000, mutations: 300, connects: 30, streams: 300 }
    }
}

impl Limits {
    /// How long a request may take, unless said otherwise: a little less than proxies wait, as a rule, so that callers are
    /// told what is wrong.
    pub const DEADLINE: Duration = Duration::from_secs(55);

    /// In which a bucket fills up.
    const PERIOD: Duration = Duration::from_mins(1);

    /// Users who are counted at the same time; of more, those who call least are forgotten, and have all that there is.
    const MOST: u64 = 50_000;

    /// Nobody has asked for anything yet.
    pub fn new(quotas: Quotas, deadline: Duration, clock: Arc<dyn Clock>) -> Self {
        // Who has not called for as long has full buckets, as one has who is not known.
        let users = Cache::builder().max_capacity(Self::MOST).time_to_idle(Self::PERIOD).build();
        Self { quotas, deadline, users, clock: Ticks(clock) }
    }

    /// Takes from the user's quota what the call costs.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`] if there is nothing left.
    pub(crate) fn take(&self, user: &UserId, call: &Call<'_>) -> Result<(), Error> {
        let counted = Counted::of(call);
        let Some(quota) = self.quotas.of(counted) else { return Ok(()) };
        let buckets = self.users.get_with_by_ref(user, || Arc::new(self.buckets()));
        let Some(bucket) = buckets.of(counted) else { return Ok(()) };
        let Err(refused) = bucket.check() else { return Ok(()) };
        let wait = refused.wait_time_from(governor::clock::Clock::now(&self.clock));
        if wait > Self::PERIOD {
            // Nobody waits that long but after the clock was put back: this one begins anew.
            self.users.invalidate(user);
            return Ok(());
        }
        Err(used_up(counted, quota, wait))
    }

    fn buckets(&self) -> Buckets {
        let bucket = |counted| {
            let quota = Quota::per_minute(self.quotas.of(counted)?);
            Some(RateLimiter::direct_with_clock(quota, self.clock.clone()))
        };
        Buckets(Counted::ALL.map(bucket))
    }
}

impl Buckets {
    fn of(&self, counted: Counted) -> Option<&Bucket> {
        self.0.get(counted as usize)?.as_ref()
    }
}

impl Counted {
    const ALL: [Self; 4] = [Self::Read, Self::Mutation, Self::Connect, Self::Stream];

    fn of(call: &Call<'_>) -> Self {
        match call.kind {
            Kind::Query => Self::Read,
            Kind::Mutation if call.path == "user.initiateWhatsAppSession" => Self::Connect,
            Kind::Mutation => Self::Mutation,
            Kind::Subscription => Self::Stream,
        }
    }

    /// What its quota is called in a response.
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Mutation => "mutations",
            Self::Connect => "connects",
            Self::Stream => "streams",
        }
    }
}

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        (self.0.now() - DateTime::<Utc>::UNIX_EPOCH).to_std().unwrap_or_default()
    }
}

/// What a client is told whose quota is used up for so long.
fn used_up(counted: Counted, quota: NonZeroU32, wait: Duration) -> Error {
    let exceeded = Exceeded { name: counted.name(), quota: quota.get(), window: Limits::PERIOD };
    Error::new(Code::TooManyRequests, "Too many requests: try again later")
        .with_reason("rate_limited")
        // There may be more by now, since time goes on: a second is told all the same.
        .with_retry_after(wait.max(Duration::from_nanos(1)))
        .with_exceeded(exceeded)
}

/// What that call may be told, whatever it is told otherwise.
pub(crate) fn example(call: &Call<'_>) -> Error {
    let counted = Counted::of(call);
    used_up(counted, Quotas::default().of(counted).unwrap_or(NonZeroU32::MIN), Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use switchboard_domain::ports::MockClock;

    use super::*;
    use crate::trpc::user::router;

    const READ: Call<'_> = Call { path: "user.getSessionStatus", kind: Kind::Query };
    const MUTATION: Call<'_> = Call { path: "user.restartSession", kind: Kind::Mutation };

    /// Limits by a clock that shows what is stored, in milliseconds.
    fn limits(quotas: Quotas, now: &Arc<AtomicI64>) -> Limits {
        let mut clock = MockClock::new();
        let told = Arc::clone(now);
        clock.expect_now().returning(move || DateTime::from_timestamp_millis(told.load(Ordering::SeqCst)).unwrap());
        Limits::new(quotas, Limits::DEADLINE, Arc::new(clock))
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    /// How many of so many calls are taken.
    fn taken(limits: &Limits, name: &str, call: &Call<'_>, calls: usize) -> usize {
        (0..calls).filter(|_| limits.take(&user(name), call).is_ok()).count()
    }

    #[test]
    fn a_bucket_is_full_at_first_and_fills_up_within_a_minute() {
        let now = Arc::new(AtomicI64::new(1_800_000_000_000));
        let limits = limits(Quotas { reads: 60, ..Quotas::NONE }, &now);
        for (later, expected) in [(0, 60), (999, 0), (1, 1), (2_500, 2), (500, 1), (60_000, 60), (3_600_000, 60)] {
            now.fetch_add(later, Ordering::SeqCst);
            assert_eq!(taken(&limits, "ana", &READ, 100), expected, "{later} ms later");
        }
    }

    #[test]
    fn who_has_used_everything_up_is_told_when_there_is_more() {
        let now = Arc::new(AtomicI64::new(1_800_000_000_000));
        let limits = limits(Quotas { reads: 2, ..Quotas::NONE }, &now);
        assert_eq!(taken(&limits, "ana", &READ, 2), 2);
        now.fetch_add(100, Ordering::SeqCst);
        let refused = limits.take(&user("ana"), &READ).unwrap_err();
        assert_eq!((refused.code(), refused.reason()), (Code::TooManyRequests, Some("rate_limited")));
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(29_900)));
        now.fetch_add(29_899, Ordering::SeqCst);
        assert!(limits.take(&user("ana"), &READ).is_err(), "a refused call costs nothing, and gains nothing");
        now.fetch_add(1, Ordering::SeqCst);
        assert_eq!(limits.take(&user("ana"), &READ), Ok(()));
    }

    #[test]
    fn users_and_kinds_of_calls_have_quotas_of_their_own() {
        let limits = limits(Quotas { reads: 1, mutations: 2, connects: 3, streams: 4 }, &Arc::default());
        let connect = Call { path: "user.initiateWhatsAppSession", kind: Kind::Mutation };
        let stream = Call { path: "user.onSessionStatus", kind: Kind::Subscription };
        for name in ["ana", "ben"] {
            let each = [READ, MUTATION, connect, stream].map(|call| taken(&limits, name, &call, 10));
            assert_eq!(each, [1, 2, 3, 4], "{name}");
        }
    }

    #[test]
    fn what_has_no_quota_is_not_limited() {
        let quotas = Quotas { reads: 1, ..Quotas::NONE };
        for (quotas, call) in [(quotas, &MUTATION), (Quotas::NONE, &READ)] {
            assert_eq!(taken(&limits(quotas, &Arc::default()), "ana", call, 10_000), 10_000, "{call:?}");
        }
    }

    #[test]
    fn a_clock_that_is_put_back_keeps_nobody_out() {
        let now = Arc::new(AtomicI64::new(1_800_000_000_000));
        let limits = limits(Quotas { reads: 60, ..Quotas::NONE }, &now);
        assert_eq!(taken(&limits, "ana", &READ, 100), 60);
        now.fetch_sub(3_600_000, Ordering::SeqCst);
        assert!(taken(&limits, "ana", &READ, 100) >= 60);
        assert!(limits.take(&user("ana"), &READ).is_err());
    }

    #[test]
    fn the_procedure_that_connects_is_one_of_the_table() {
        let connects = router().procedures().filter(|call| Counted::of(call) == Counted::Connect).count();
        assert_eq!(connects, 1);
    }
}
