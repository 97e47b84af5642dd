//! What the reconciler remembers from one round to the next.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::is_paired_upstream;
use super::report::Alarm;
use crate::{SessionName, SessionStatus, UpstreamSession, WorkerName};

/// What is remembered of a session that is in some trouble; of the others, nothing.
///
/// In memory only. Another replica that takes over knows none of it: what has to be so for a time is so that much later
/// for it, and a session that was restarted in vain may be restarted once more than its pause allows. One that takes over
/// again keeps the pauses, but nothing that says since when: it was not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// How often it was restarted or started without having been WORKING for a while since.
    pub(super) attempts: u32,
    /// When that may be done again.
    pub(super) not_before: Option<DateTime<Utc>>,
    /// Since when it has been STARTING in every round.
    pub(super) starting_since: Option<DateTime<Utc>>,
    /// Since when it has been WORKING in every round, after attempts.
    pub(super) working_since: Option<DateTime<Utc>>,
    /// Since when a session that no row wants has been without an account in every round.
    pub(super) unpaired_since: Option<DateTime<Utc>>,
    /// How often in a row something that was done about it failed: the others come first.
    pub(super) failures: u32,
}

/// The pause after the first attempt; it doubles with each.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// How often it doubles: up to 32 minutes.
const DOUBLINGS: u32 = 5;
/// For how long a session works before its attempts are forgotten.
const SETTLED_FOR: TimeDelta = TimeDelta::minutes(10);

impl Note {
    /// The note after rounds in which nobody looked.
    fn unwatched(self) -> Self {
        Self { starting_since: None, working_since: None, unpaired_since: None, ..self }
    }

    pub(super) fn is_backing_off(&self, now: DateTime<Utc>) -> bool {
        self.not_before.is_some_and(|at| now < at)
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.attempts > 0
    }

    /// The note after WAHA was seen to have the session like this.
    fn seen(mut self, upstream: Option<&UpstreamSession>, is_stray: bool, now: DateTime<Utc>) -> Self {
        let status = upstream.map(|upstream| &upstream.status);
        let since = |known: Option<DateTime<Utc>>, is_so: bool| if is_so { known.or(Some(now)) } else { None };
        self.starting_since = since(self.starting_since, !is_stray && status == Some(&SessionStatus::Starting));
        self.working_since = since(self.working_since, self.attempts > 0 && status == Some(&SessionStatus::Working));
        let is_unpaired = upstream.is_some_and(|upstream| !is_paired_upstream(upstream));
        self.unpaired_since = since(self.unpaired_since, is_stray && is_unpaired);
        if self.working_since.is_some_and(|since| now - since >= SETTLED_FOR) {
            self = Self { failures: self.failures, ..Self::default() };
        }
        self
    }

    /// The note after an attempt. `jitter`, a random number, makes the pause up to a quarter longer, so that sessions that
    /// failed together do not come back together.
    fn attempted(mut self, now: DateTime<Utc>, jitter: u128) -> Self {
        let pause = FIRST_PAUSE * 2_i32.pow(self.attempts.min(DOUBLINGS));
        let quarters = i32::try_from(jitter % 256).unwrap_or(0);
        self.attempts = self.attempts.saturating_add(1);
        self.not_before = Some(now + pause + pause / 4 * quarters / 256);
        self.starting_since = None;
        self.working_since = None;
        self
    }
}

/// The notes on every worker.
#[derive(Default)]
pub(super) struct Notes {
    workers: Mutex<HashMap<WorkerName, WorkerNotes>>,
}

#[derive(Default)]
struct WorkerNotes {
    sessions: HashMap<SessionName, Note>,
    /// The session whose webhook was renewed last.
    renewed: Option<(SessionName, DateTime<Utc>)>,
    alarms: BTreeSet<Alarm>,
    /// When the last round in which its sessions were seen ended.
    rested: Option<DateTime<Utc>>,
}

/// The notes on one worker, while a round looks at its sessions. Those that it does not see are forgotten at the end.
pub(super) struct Page {
    before: HashMap<SessionName, Note>,
    after: HashMap<SessionName, Note>,
    renewed: Option<(SessionName, DateTime<Utc>)>,
    now: DateTime<Utc>,
    /// Whether a webhook that was renewed is outdated as before.
    pub(super) is_renewal_in_vain: bool,
}

impl Page {
    /// Notes how a session was seen.
    pub(super) fn see(&mut self, name: &SessionName, upstream: Option<&UpstreamSession>, is_stray: bool) -> Note {
        let note = self.before.get(name).copied().unwrap_or_default().seen(upstream, is_stray, self.now);
        if note != Note::default() {
            self.after.insert(name.clone(), note);
        }
        if let Some((renewed, at)) = &self.renewed
            && renewed == name
            && self.now - *at >= Notes::RENEWAL_TAKES
        {
            self.is_renewal_in_vain = upstream.is_some_and(|upstream| upstream.is_webhook_outdated);
        }
        note
    }
}

impl Notes {
    /// How long a renewed webhook may read as before.
    const RENEWAL_TAKES: TimeDelta = TimeDelta::seconds(20);

    /// For how long nobody may look before it is unknown what was so meanwhile: three rounds. How long a round itself takes
    /// is counted apart, since one that has much to do takes minutes.
    const UNWATCHED: TimeDelta = TimeDelta::seconds(90);

    /// This replica begins to reconcile the worker.
    pub(super) fn begin(&self, worker: &WorkerName) {
        self.with(worker, |notes| (notes.renewed, notes.alarms, notes.rested) = (None, BTreeSet::new(), None));
    }

    /// The notes on a worker, for a round.
    pub(super) fn open(&self, worker: &WorkerName, now: DateTime<Utc>) -> Page {
        self.with(worker, |notes| {
            let mut before = notes.sessions.clone();
            if notes.rested.is_none_or(|rested| now - rested > Self::UNWATCHED) {
                for note in before.values_mut() {
                    *note = note.unwatched();
                }
            }
            let renewed = notes.renewed.clone();
            Page { before, after: HashMap::new(), renewed, now, is_renewal_in_vain: false }
        })
    }

    /// What a round has seen is what is remembered.
    pub(super) fn close(&self, worker: &WorkerName, page: Page) {
        self.with(worker, |notes| (notes.sessions, notes.rested) = (page.after, Some(page.now)));
    }

    /// A round that saw the worker's sessions has ended.
    pub(super) fn rest(&self, worker: &WorkerName, now: DateTime<Utc>) {
        self.with(worker, |notes| notes.rested = Some(now));
    }

    /// The note on a session.
    pub(super) fn get(&self, worker: &WorkerName, name: &SessionName) -> Note {
        self.with(worker, |notes| notes.sessions.get(name).copied().unwrap_or_default())
    }

    /// A session is about to be restarted or started.
    pub(super) fn attempted(&self, worker: &WorkerName, name: &SessionName, now: DateTime<Utc>, jitter: u128) {
        self.with(worker, |notes| {
            let note = notes.sessions.entry(name.clone()).or_default();
            *note = note.attempted(now, jitter);
        });
    }

    /// Something was done about a session, or failed.
    pub(super) fn tried(&self, worker: &WorkerName, name: &SessionName, failed: bool) {
        self.with(worker, |notes| match notes.sessions.get_mut(name) {
            Some(note) => note.failures = if failed { note.failures.saturating_add(1) } else { 0 },
            None if failed => {
                notes.sessions.insert(name.clone(), Note { failures: 1, ..Note::default() });
            }
            None => {}
        });
    }

    /// A session's webhook was renewed.
    pub(super) fn renewed(&self, worker: &WorkerName, name: &SessionName, now: DateTime<Utc>) {
        self.with(worker, |notes| notes.renewed = Some((name.clone(), now)));
    }

    /// Sets a worker's alarms; returns those that are new, and those that are over.
    pub(super) fn alarm(&self, worker: &WorkerName, alarms: BTreeSet<Alarm>) -> (Vec<Alarm>, Vec<Alarm>) {
        self.with(worker, |notes| {
            let new = alarms.difference(&notes.alarms).copied().collect();
            let over = notes.alarms.difference(&alarms).copied().collect();
            notes.alarms = alarms;
            (new, over)
        })
    }

    fn with<T>(&self, worker: &WorkerName, work: impl FnOnce(&mut WorkerNotes) -> T) -> T {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        work(workers.entry(worker.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::testing::upstream;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn names() -> (WorkerName, SessionName) {
        ("default".parse().unwrap(), "session_1".parse().unwrap())
    }

    /// A round that sees the session like this.
    fn see(notes: &Notes, status: &str, seconds: i64) -> Note {
        let (worker, name) = names();
        let mut page = notes.open(&worker, at(seconds));
        let note = page.see(&name, Some(&upstream(status.into())), false);
        notes.close(&worker, page);
        note
    }

    #[test]
    fn pauses_double_up_to_half_an_hour_and_jitter_only_lengthens_them() {
        let mut note = Note::default();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let (least, most) = (note.attempted(at(0), 0), note.attempted(at(0), u128::MAX));
            let pause = |note: Note| (note.not_before.unwrap() - at(0)).num_seconds();
            assert!((pause(least)..=pause(least) * 5 / 4).contains(&pause(most)));
            assert!(pause(most) > pause(least));
            pauses.push(pause(least) / 60);
            note = least;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 32, 32]);
    }

    #[test]
    fn attempts_are_forgotten_once_the_session_has_worked_for_ten_minutes_without_a_break() {
        let (notes, (worker, name)) = (Notes::default(), names());
        notes.attempted(&worker, &name, at(0), 0);
        assert_eq!(see(&notes, "WORKING", 30).attempts, 1);
        assert_eq!(see(&notes, "FAILED", 500).attempts, 1);
        for seconds in (530..1130).step_by(60).chain([1129]) {
            assert_eq!(see(&notes, "WORKING", seconds).attempts, 1);
        }
        assert_eq!(see(&notes, "WORKING", 1130), Note::default());
    }

    #[test]
    fn starting_counts_from_the_first_round_that_saw_it_and_anew_after_a_break() {
        let notes = Notes::default();
        assert_eq!(see(&notes, "STARTING", 0).starting_since, Some(at(0)));
        assert_eq!(see(&notes, "STARTING", 30).starting_since, Some(at(0)));
        see(&notes, "WORKING", 60);
        assert_eq!(see(&notes, "STARTING", 90).starting_since, Some(at(90)));
    }

    #[test]
    fn nothing_is_so_in_every_round_if_nobody_looked_for_a_while() {
        let (notes, (worker, name)) = (Notes::default(), names());
        let see_stray = |seconds| {
            let mut page = notes.open(&worker, at(seconds));
            let note = page.see(&name, Some(&UpstreamSession { me: None, ..upstream(SessionStatus::Failed) }), true);
            notes.close(&worker, page);
            note.unpaired_since.unwrap()
        };
        assert_eq!(see_stray(0), at(0));
        assert_eq!(see_stray(90), at(0));
        assert_eq!(see_stray(181), at(181), "an outage");
        notes.rest(&worker, at(400));
        assert_eq!(see_stray(490), at(181), "a round that took long");
        notes.begin(&worker);
        assert_eq!(see_stray(491), at(491), "another replica reconciled");

        notes.attempted(&worker, &name, at(500), 0);
        see(&notes, "WORKING", 510);
        let later = see(&notes, "WORKING", 1200);
        assert_eq!((later.attempts, later.working_since), (1, Some(at(1200))));
        assert_eq!(see(&notes, "STARTING", 1230).starting_since, Some(at(1230)));
        assert_eq!(see(&notes, "STARTING", 1400).starting_since, Some(at(1400)));
    }

    #[test]
    fn a_session_that_a_round_does_not_see_and_one_without_trouble_take_no_memory() {
        let (notes, (worker, name)) = (Notes::default(), names());
        notes.attempted(&worker, &name, at(0), 0);
        notes.close(&worker, notes.open(&worker, at(30)));
        assert_eq!(notes.get(&worker, &name), Note::default());
        see(&notes, "WORKING", 60);
        assert!(notes.workers.lock().unwrap()[&worker].sessions.is_empty());
    }

    #[test]
    fn a_webhook_that_stays_outdated_after_it_was_renewed_is_noticed() {
        let (notes, (worker, name)) = (Notes::default(), names());
        notes.renewed(&worker, &name, at(0));
        let is_in_vain = |seconds, is_webhook_outdated| {
            let mut page = notes.open(&worker, at(seconds));
            let upstream = UpstreamSession { is_webhook_outdated, ..upstream(SessionStatus::Working) };
            page.see(&name, Some(&upstream), false);
            page.is_renewal_in_vain
        };
        assert!(!is_in_vain(5, true), "the list may be older");
        assert!(is_in_vain(30, true));
        assert!(!is_in_vain(60, false));
    }

    #[test]
    fn an_alarm_is_new_once_and_over_once() {
        let (notes, (worker, _)) = (Notes::default(), names());
        let failing = || BTreeSet::from([Alarm::Failing]);
        assert_eq!(notes.alarm(&worker, failing()), (vec![Alarm::Failing], vec![]));
        assert_eq!(notes.alarm(&worker, failing()), (vec![], vec![]));
        assert_eq!(notes.alarm(&worker, BTreeSet::new()), (vec![], vec![Alarm::Failing]));
    }
}
