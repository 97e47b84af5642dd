//! What WAHA said a moment ago.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;

use super::Reading;
use crate::{Session, SessionId};

/// The last reading of each session, and which questions have been overtaken since they were asked.
pub(in crate::services) struct StatusMemory {
    known: Cache<SessionId, Known>,
    /// When, in `sequence`, something happened to a session that no earlier question knows of.
    touched: Cache<SessionId, u64>,
    sequence: AtomicU64,
    /// Held while something is written, so that nothing comes between the look and the write.
    writing: Mutex<()>,
}

#[derive(Clone)]
struct Known {
    reading: Arc<Reading>,
    /// When WAHA was asked, or told us by itself.
    since: DateTime<Utc>,
    /// When, in `sequence`, WAHA was last asked; 0 if it only told us by itself.
    asked: u64,
}

/// The moment at which a question was asked, or a report arrived.
#[derive(Clone, Copy)]
pub(in crate::services) struct Began {
    at: DateTime<Utc>,
    sequence: u64,
}

impl StatusMemory {
    /// For how long WAHA is not asked again.
    pub(in crate::services) const FRESH_FOR: TimeDelta = TimeDelta::seconds(1);
    /// How many sessions are remembered.
    const KNOWN: u64 = 200_000;
    /// Longer than any question takes.
    const TOUCHED_FOR: Duration = Duration::from_mins(5);

    pub(in crate::services) fn new() -> Self {
        // By the machine's clock, which only frees the memory.
        let known = Cache::builder().max_capacity(Self::KNOWN).time_to_live(Duration::from_secs(10)).build();
        let touched = Cache::builder().max_capacity(Self::KNOWN).time_to_live(Self::TOUCHED_FOR).build();
        Self { known, touched, sequence: AtomicU64::new(0), writing: Mutex::default() }
    }

    /// What WAHA said of the session less than [`StatusMemory::FRESH_FOR`] ago, if the row has not moved on since.
    pub(super) fn fresh(&self, session: &Session, now: DateTime<Utc>) -> Option<Arc<Reading>> {
        let Known { reading, since, .. } = self.known.get(&session.id)?;
        let is_fresh = (TimeDelta::zero()..Self::FRESH_FOR).contains(&(now - since));
        (is_fresh && reading.session.revision >= session.revision).then_some(reading)
    }

    /// A question begins, or a report arrives.
    pub(super) fn begin(&self, at: DateTime<Utc>) -> Began {
        Began { at, sequence: self.sequence.fetch_add(1, Ordering::SeqCst) + 1 }
    }

    /// Whether WAHA has answered a question that was asked later.
    pub(super) fn is_answered_since(&self, id: &SessionId, began: Began) -> bool {
        self.known.get(id).is_some_and(|known| known.asked > began.sequence)
    }

    /// Whether something has happened to the session since.
    pub(super) fn is_overtaken(&self, id: &SessionId, began: Began) -> bool {
        self.touched.get(id).is_some_and(|touched| touched > began.sequence)
    }

    /// Remembers an answer, unless it was overtaken. Returns whether it was not.
    pub(super) fn remember(&self, reading: &Arc<Reading>, began: Began) -> bool {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let id = &reading.session.id;
        let is_news = !self.is_overtaken(id, began);
        if is_news {
            let known = Known { reading: Arc::clone(reading), since: began.at, asked: began.sequence };
            self.known.insert(id.clone(), known);
        }
        is_news
    }

    /// Remembers what WAHA told by itself: every question that is under way is overtaken. Of two reports, the one that was
    /// written later counts, whichever of them comes here first.
    pub(super) fn told(&self, reading: &Arc<Reading>, now: DateTime<Utc>) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let id = &reading.session.id;
        self.overtake(id);
        let revision = reading.session.revision;
        let known = self.known.get(id);
        if known.as_ref().is_none_or(|known| known.reading.session.revision <= revision) {
            let asked = known.map_or(0, |known| known.asked);
            self.known.insert(id.clone(), Known { reading: Arc::clone(reading), since: now, asked });
        }
    }

    /// Forgets what was said, and lets no question that is under way bring it back.
    pub(in crate::services) fn forget(&self, id: &SessionId) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.overtake(id);
        self.known.invalidate(id);
    }

    fn overtake(&self, id: &SessionId) {
        let now = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
        self.touched.insert(id.clone(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::testing::{session, upstream};
    use crate::{Lifecycle, Revision, SessionStatus};

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + milliseconds).unwrap()
    }

    fn reading(status: SessionStatus) -> Arc<Reading> {
        Arc::new(Reading { session: Arc::new(session(Lifecycle::Connected)), upstream: Some(upstream(status)) })
    }

    fn status(memory: &StatusMemory, now: DateTime<Utc>) -> Option<SessionStatus> {
        memory.fresh(&session(Lifecycle::Connected), now).map(|reading| reading.status())
    }

    #[test]
    fn an_answer_is_fresh_for_a_second_from_the_question_on() {
        let memory = StatusMemory::new();
        assert!(memory.remember(&reading(SessionStatus::Working), memory.begin(at(0))));
        assert_eq!(status(&memory, at(0)), Some(SessionStatus::Working));
        assert_eq!(status(&memory, at(999)), Some(SessionStatus::Working));
        assert_eq!(status(&memory, at(1000)), None);
        assert_eq!(status(&memory, at(-1)), None, "a clock that was put back makes nothing fresh for long");
    }

    #[test]
    fn an_answer_to_a_question_from_before_a_report_is_dropped() {
        let memory = StatusMemory::new();
        let began = memory.begin(at(0));
        memory.told(&reading(SessionStatus::Working), at(10));
        assert!(!memory.remember(&reading(SessionStatus::Starting), began));
        assert_eq!(status(&memory, at(20)), Some(SessionStatus::Working));
        assert!(memory.remember(&reading(SessionStatus::Failed), memory.begin(at(30))), "a later one wins");
        assert_eq!(status(&memory, at(40)), Some(SessionStatus::Failed));
    }

    #[test]
    fn an_answer_is_newer_than_what_arrived_before_it_was_asked_for() {
        let (memory, id) = (StatusMemory::new(), session(Lifecycle::Connected).id);
        let early = memory.begin(at(0));
        memory.remember(&reading(SessionStatus::Working), memory.begin(at(0)));
        let late = memory.begin(at(0));
        assert!(memory.is_answered_since(&id, early) && !memory.is_answered_since(&id, late));
        memory.told(&reading(SessionStatus::Working), at(1));
        assert!(memory.is_answered_since(&id, early), "a report takes nothing from that");
        assert!(!memory.is_answered_since(&id, late), "reports are ordered by their own time");
    }

    #[test]
    fn what_we_did_ourselves_makes_every_answer_uncertain() {
        let memory = StatusMemory::new();
        let began = memory.begin(at(0));
        memory.remember(&reading(SessionStatus::Working), memory.begin(at(0)));
        memory.forget(&session(Lifecycle::Connected).id);
        assert_eq!(status(&memory, at(1)), None);
        assert!(memory.is_overtaken(&session(Lifecycle::Connected).id, began));
        assert!(!memory.remember(&reading(SessionStatus::Working), began));
    }

    #[test]
    fn of_two_reports_the_one_written_later_counts_whichever_comes_first() {
        let memory = StatusMemory::new();
        let row = Session { revision: Revision(2), ..session(Lifecycle::Connected) };
        let newer = Arc::new(Reading { session: Arc::new(row), upstream: Some(upstream(SessionStatus::Working)) });
        memory.told(&newer, at(0));
        memory.told(&reading(SessionStatus::Starting), at(1));
        assert_eq!(status(&memory, at(2)), Some(SessionStatus::Working));
    }

    #[test]
    fn a_row_that_moved_on_is_asked_about_anew() {
        let memory = StatusMemory::new();
        memory.remember(&reading(SessionStatus::Working), memory.begin(at(0)));
        let newer = Session { revision: Revision(1), ..session(Lifecycle::Connected) };
        assert!(memory.fresh(&newer, at(1)).is_none());
    }
}
