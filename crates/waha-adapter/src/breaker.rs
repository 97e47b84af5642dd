//! A circuit breaker: who fails again and again is left alone for a while. Nothing but states; time is passed in.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::BreakerConfig;

/// Whether one WAHA may be called.
pub(crate) struct Breaker {
    config: BreakerConfig,
    state: State,
    /// Counts the changes of state. What was admitted in one round says nothing in another: a call that hung since before
    /// the last pause is old news.
    round: u64,
}

enum State {
    /// All calls are made.
    Closed {
        /// In a row.
        failures: u32,
        /// What may be why.
        suspect: Suspect,
    },
    /// No call is made, until the pause is over.
    Open {
        since: DateTime<Utc>,
        pause: Duration,
        /// How often it was opened in a row.
        times: u32,
    },
    /// One call is under way, to try.
    HalfOpen { times: u32 },
}

/// What may be why calls fail.
enum Suspect {
    /// None failed.
    Nobody,
    /// This session: the worker may be well.
    Session(Box<str>),
    /// The worker: it failed by itself, or with several sessions.
    Worker,
}

/// That a call is made. It has to be handed back.
#[derive(Debug)]
pub(crate) struct Ticket(u64);

/// What a call that was made told of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// It answers, whatever the answer.
    Answers,
    /// It does not do its part, unless that is this session's doing.
    Fails(Option<&'a str>),
    /// Neither.
    Unclear,
}

/// What became of the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The worker is left alone for so long.
    Opened(Duration),
    /// It is called again.
    Closed,
}

const CLOSED: State = State::Closed { failures: 0, suspect: Suspect::Nobody };

impl Breaker {
    pub(crate) fn new(config: BreakerConfig) -> Self {
        Self { config, state: CLOSED, round: 0 }
    }

    /// Whether all calls are made.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Whether a call may be made now. `may_try` says whether it is fit to be the one that tries.
    pub(crate) fn admits(&mut self, may_try: bool, now: DateTime<Utc>) -> bool {
        match &mut self.state {
            State::Closed { .. } => true,
            State::Open { since, pause, .. } => {
                // A clock that was set back must not make the pause longer.
                *since = now.min(*since);
                may_try && now - *since >= delta(*pause)
            }
            State::HalfOpen { .. } => false,
        }
    }

    /// Lets a call be made, if it may. After a pause, exactly one may until it is known what came of it.
    pub(crate) fn admit(&mut self, may_try: bool, now: DateTime<Utc>) -> Option<Ticket> {
        if !self.admits(may_try, now) {
            return None;
        }
        if let State::Open { times, .. } = self.state {
            self.enter(State::HalfOpen { times });
        }
        Some(Ticket(self.round))
    }

    /// Whether it waits for somebody to try.
    pub(crate) fn awaits_a_try(&mut self, now: DateTime<Utc>) -> bool {
        !self.is_closed() && self.admits(true, now)
    }

    /// Takes note of what a call told. `jitter`, from 0 to 1, shortens the pause by up to a quarter, so that replicas do
    /// not all try in the same moment.
    pub(crate) fn report(
        &mut self,
        ticket: &Ticket,
        told: Verdict<'_>,
        now: DateTime<Utc>,
        jitter: f64,
    ) -> Option<Turn> {
        if ticket.0 != self.round {
            return None;
        }
        match (&mut self.state, told) {
            (closed @ State::Closed { .. }, Verdict::Answers) => {
                *closed = CLOSED;
                None
            }
            (State::Closed { failures, suspect }, Verdict::Fails(session)) => {
                *failures = failures.saturating_add(1);
                suspect.add(session);
                let is_enough = *failures >= self.config.failures && matches!(suspect, Suspect::Worker);
                is_enough.then(|| self.open(1, now, jitter))
            }
            (State::HalfOpen { .. }, Verdict::Answers) => {
                self.enter(CLOSED);
                Some(Turn::Closed)
            }
            (State::HalfOpen { times }, Verdict::Fails(_)) => {
                let times = times.saturating_add(1);
                Some(self.open(times, now, jitter))
            }
            (State::HalfOpen { times }, Verdict::Unclear) => {
                // It told nothing: the next one may try, at once.
                let times = *times;
                self.enter(State::Open { since: now, pause: Duration::ZERO, times });
                None
            }
            (State::Closed { .. }, Verdict::Unclear) | (State::Open { .. }, _) => None,
        }
    }

    fn open(&mut self, times: u32, now: DateTime<Utc>, jitter: f64) -> Turn {
        let factor = 2_u32.saturating_pow(times.saturating_sub(1));
        let longest = self.config.pause.saturating_mul(factor).min(self.config.longest_pause);
        let pause = longest.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0);
        self.enter(State::Open { since: now, pause, times });
        Turn::Opened(pause)
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.round += 1;
    }
}

impl Suspect {
    fn add(&mut self, session: Option<&str>) {
        *self = match (&self, session) {
            (Self::Nobody, Some(session)) => Self::Session(session.into()),
            (Self::Session(known), Some(session)) if **known == *session => return,
            _ => Self::Worker,
        };
    }
}

fn delta(pause: Duration) -> TimeDelta {
    TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: BreakerConfig =
        BreakerConfig { failures: 3, pause: Duration::from_secs(5), longest_pause: Duration::from_mins(1) };

    /// The worker itself.
    const FAILS: Verdict<'_> = Verdict::Fails(None);

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn report(breaker: &mut Breaker, told: Verdict<'_>, second: i64) -> Option<Turn> {
        let ticket = breaker.admit(true, at(second)).expect("it may be called");
        breaker.report(&ticket, told, at(second), 0.0)
    }

    /// Opened at second 0, for 5 s.
    fn open() -> Breaker {
        let mut breaker = Breaker::new(CONFIG);
        assert_eq!(report(&mut breaker, FAILS, 0), None);
        assert_eq!(report(&mut breaker, FAILS, 0), None);
        assert_eq!(report(&mut breaker, FAILS, 0), Some(Turn::Opened(Duration::from_secs(5))));
        breaker
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_and_not_before() {
        let mut breaker = Breaker::new(CONFIG);
        for _ in 0..10 {
            assert_eq!(report(&mut breaker, FAILS, 0), None);
            assert_eq!(report(&mut breaker, Verdict::Unclear, 0), None);
            assert_eq!(report(&mut breaker, FAILS, 0), None);
            assert_eq!(report(&mut breaker, Verdict::Answers, 0), None);
        }
        report(&mut breaker, FAILS, 0);
        report(&mut breaker, Verdict::Unclear, 0);
        report(&mut breaker, FAILS, 0);
        assert!(report(&mut breaker, FAILS, 0).is_some() && !breaker.is_closed());
    }

    #[test]
    fn one_session_alone_never_opens_it() {
        let mut breaker = Breaker::new(CONFIG);
        for _ in 0..10 {
            assert_eq!(report(&mut breaker, Verdict::Fails(Some("a")), 0), None);
        }
        assert_eq!(report(&mut breaker, Verdict::Answers, 0), None);
        for session in ["b", "a", "a"] {
            assert!(breaker.is_closed(), "what failed before the answer counts no more");
            report(&mut breaker, Verdict::Fails(Some(session)), 0);
        }
        assert!(!breaker.is_closed(), "two sessions do");
    }

    #[test]
    fn one_session_and_the_worker_itself_open_it() {
        for order in [[Some("a"), Some("a"), None], [None, Some("a"), Some("a")]] {
            let mut breaker = Breaker::new(CONFIG);
            let turns = order.map(|session| report(&mut breaker, Verdict::Fails(session), 0));
            assert_eq!(turns, [None, None, Some(Turn::Opened(Duration::from_secs(5)))], "{order:?}");
        }
    }

    #[test]
    fn it_awaits_a_try_from_the_end_of_the_pause_until_somebody_tries() {
        let mut closed = Breaker::new(CONFIG);
        assert!(!closed.awaits_a_try(at(100)));
        let mut breaker = open();
        assert!(!breaker.awaits_a_try(at(4)));
        assert!(breaker.awaits_a_try(at(5)) && breaker.awaits_a_try(at(5)));
        let ticket = breaker.admit(true, at(5)).unwrap();
        assert!(!breaker.awaits_a_try(at(6)));
        breaker.report(&ticket, Verdict::Unclear, at(6), 0.0);
        assert!(breaker.awaits_a_try(at(6)));
    }

    #[test]
    fn after_the_pause_exactly_one_may_try() {
        let mut breaker = open();
        assert!((0..5).all(|second| breaker.admit(true, at(second)).is_none()));
        assert!(breaker.admit(false, at(9)).is_none(), "it is not fit to try");
        let admitted = (0..100).filter_map(|_| breaker.admit(true, at(9))).collect::<Vec<_>>();
        assert_eq!(admitted.len(), 1);
        assert_eq!(breaker.report(&admitted[0], Verdict::Answers, at(9), 0.0), Some(Turn::Closed));
        assert!((0..100).all(|_| breaker.admit(false, at(9)).is_some()));
    }

    #[test]
    fn asking_whether_a_call_may_be_made_is_not_making_it() {
        let mut breaker = open();
        assert!(!breaker.admits(true, at(4)));
        assert!(breaker.admits(true, at(5)) && breaker.admits(true, at(5)));
        assert!(breaker.admit(true, at(5)).is_some());
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_once_it_answers() {
        let mut breaker = open();
        let mut second = 0;
        for pause in [10, 20, 40, 60, 60, 60] {
            second += 60;
            let turn = report(&mut breaker, FAILS, second);
            assert_eq!(turn, Some(Turn::Opened(Duration::from_secs(pause))));
            assert!(breaker.admit(true, at(second + i64::try_from(pause).unwrap() - 1)).is_none());
        }
        assert_eq!(report(&mut breaker, Verdict::Answers, second + 60), Some(Turn::Closed));
        report(&mut breaker, FAILS, second + 60);
        report(&mut breaker, FAILS, second + 60);
        let turn = report(&mut breaker, FAILS, second + 60);
        assert_eq!(turn, Some(Turn::Opened(Duration::from_secs(5))));
    }

    #[test]
    fn jitter_makes_a_pause_shorter_by_up_to_a_quarter() {
        for (jitter, millis) in [(0.0, 5000), (0.5, 4375), (1.0, 3750), (7.0, 3750)] {
            let mut breaker = Breaker::new(BreakerConfig { failures: 1, ..CONFIG });
            let ticket = breaker.admit(true, at(0)).unwrap();
            let turn = breaker.report(&ticket, FAILS, at(0), jitter);
            assert_eq!(turn, Some(Turn::Opened(Duration::from_millis(millis))));
        }
    }

    #[test]
    fn a_try_that_told_nothing_lets_the_next_one_try() {
        let mut breaker = open();
        for _ in 0..3 {
            assert_eq!(report(&mut breaker, Verdict::Unclear, 5), None);
            assert!(!breaker.is_closed());
        }
        let turn = report(&mut breaker, FAILS, 5);
        assert_eq!(turn, Some(Turn::Opened(Duration::from_secs(10))), "the pauses go on where they were");
    }

    #[test]
    fn what_was_called_before_the_pause_says_nothing_after_it() {
        let mut breaker = Breaker::new(CONFIG);
        let old = (0..5).map(|_| breaker.admit(true, at(0)).unwrap()).collect::<Vec<_>>();
        for ticket in &old[..3] {
            breaker.report(ticket, FAILS, at(0), 0.0);
        }
        assert!(!breaker.is_closed());
        assert_eq!(breaker.report(&old[3], Verdict::Answers, at(1), 0.0), None);
        assert!(!breaker.is_closed(), "only the one that tries closes it");
        let trying = breaker.admit(true, at(5)).unwrap();
        assert_eq!(breaker.report(&old[4], FAILS, at(6), 0.0), None);
        assert_eq!(breaker.report(&trying, Verdict::Answers, at(6), 0.0), Some(Turn::Closed));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_the_pause_longer() {
        let mut breaker = open();
        assert!(breaker.admit(true, at(-3600)).is_none());
        assert!(breaker.admit(true, at(-3595)).is_some());
    }
}
