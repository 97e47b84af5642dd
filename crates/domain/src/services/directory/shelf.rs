//! The lists in memory.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::directory::GroupChanges;
use crate::ports::{Generation, SnapshotHead};
use crate::{Epoch, ListKind, ListVersion, Matches, SearchTerm, Session, SessionId, Snapshot, View};

/// One of a session's lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ListKey {
    pub(super) session: SessionId,
    pub(super) kind: ListKind,
}

/// A list as it was last fetched, here or on another replica.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) epoch: Epoch,
    /// The stored generation that it is or follows.
    pub(super) generation: Generation,
    /// When WAHA was asked for it.
    pub(super) synced_at: DateTime<Utc>,
    /// Whether WhatsApp had finished filling it by then.
    pub(super) settled: bool,
    /// That it could not be refreshed since.
    pub(super) failure: Option<Failure>,
    /// Whether another replica has stored one since.
    pub(super) is_superseded: bool,
}

/// That a list could not be refreshed.
#[derive(Clone, Copy)]
pub(super) struct Failure {
    /// Before then it is not tried again.
    until: DateTime<Utc>,
    pause: TimeDelta,
}

impl Held {
    /// A list younger than this is not refreshed.
    pub(super) const FRESH_FOR: TimeDelta = TimeDelta::seconds(60);
    /// A list older than this is called stale, whatever the reason.
    const STALE_AFTER: TimeDelta = TimeDelta::minutes(5);
    /// How long WhatsApp may take after a pairing to fill the lists.
    pub(super) const SYNC_TIME: TimeDelta = TimeDelta::minutes(3);

    pub(super) fn of(snapshot: Arc<Snapshot>, head: &SnapshotHead) -> Self {
        let SnapshotHead { epoch, generation, synced_at, settled, .. } = *head;
        Self { snapshot, epoch, generation, synced_at, settled, failure: None, is_superseded: false }
    }

    pub(super) fn head(&self) -> SnapshotHead {
        SnapshotHead {
            epoch: self.epoch,
            generation: self.generation,
            version: self.snapshot.version(),
            synced_at: self.synced_at,
            settled: self.settled,
        }
    }

    /// Of two lists of a session, the greater one counts: of the later pairing, of the later fetch, written later.
    fn order(&self) -> (Epoch, DateTime<Utc>, Generation) {
        (self.epoch, self.synced_at, self.generation)
    }

    /// Whether it is time to refresh it.
    pub(super) fn is_due(&self, now: DateTime<Utc>) -> bool {
        now - self.synced_at >= Self::FRESH_FOR && self.failure.is_none_or(|failure| failure.until <= now)
    }

    /// Whether it is older than it should be: it could not be refreshed, or nobody asked for it for a while.
    pub(super) fn is_stale(&self, now: DateTime<Utc>) -> bool {
        self.failure.is_some() || now - self.synced_at >= Self::STALE_AFTER
    }

    /// Whether WhatsApp may still be filling it.
    pub(super) fn is_syncing(&self, session: &Session, now: DateTime<Utc>) -> bool {
        let paired_at = session.paired_at.filter(|paired_at| now - *paired_at < Self::SYNC_TIME);
        paired_at.is_some_and(|paired_at| !self.settled || self.synced_at < paired_at)
    }

    /// The same, after a refresh that failed: the next one waits twice as long as the last did.
    pub(super) fn failed(&self, now: DateTime<Utc>) -> Self {
        let pause = self.failure.map_or(Failure::FIRST, |failure| (failure.pause * 2).min(Failure::LONGEST));
        Self { failure: Some(Failure { until: now + pause, pause }), ..self.clone() }
    }
}

impl Failure {
    const FIRST: TimeDelta = TimeDelta::seconds(5);
    const LONGEST: TimeDelta = TimeDelta::seconds(30);
}

/// A version of a list that another one took the place of.
#[derive(Clone)]
struct Replaced {
    held: Arc<Held>,
    at: DateTime<Utc>,
}

/// What a search found in a list.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Found {
    version: ListVersion,
    view: View,
    term: SearchTerm,
}

/// The lists in memory, within a budget of bytes. What does not fit comes back from the database.
pub(super) struct Shelf {
    lists: Cache<ListKey, Arc<Held>>,
    replaced: Cache<(ListKey, ListVersion), Replaced>,
    found: Cache<Found, Arc<Matches>>,
    changes: Cache<(ListKey, Epoch), Arc<GroupChanges>>,
}

impl Shelf {
    /// How long a version can be paged through after another took its place.
    const KEPT_FOR: TimeDelta = TimeDelta::seconds(60);
    /// What a key and its place in a cache take, in bytes and roughly.
    const PLACE: usize = 256;
    /// A list that nobody asks for is forgotten here after this time, for the database has it; what a search found too.
    const IDLE: Duration = Duration::from_hours(1);
    /// For how long it matters what was told of a group: longer than a fetch may take, and a report's retries.
    pub(super) const CHANGES_KEPT_FOR: Duration = Duration::from_mins(10);
    /// How many of a session's groups are remembered as changed. More is no user's doing.
    const CHANGED_GROUPS: usize = 20_000;

    /// A shelf of that many bytes: most of it for lists, the rest for older versions, what searches found, and reports.
    pub(super) fn new(bytes: u64) -> Self {
        // Least recently used, so that a list that was just fetched is never refused for want of popularity.
        let lru = EvictionPolicy::lru;
        let weight = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self {
            lists: Cache::builder()
                .max_capacity(bytes / 8 * 5)
                .weigher(move |_, held: &Arc<Held>| weight(held.snapshot.bytes() + Self::PLACE))
                .eviction_policy(lru())
                .time_to_idle(Self::IDLE)
                .build(),
            replaced: Cache::builder()
                .max_capacity(bytes / 8)
                .weigher(move |_, replaced: &Replaced| weight(replaced.held.snapshot.bytes() + Self::PLACE))
                .eviction_policy(lru())
                // By the machine's clock, which only frees the memory: whether one may be served is decided by ours.
                .time_to_live(Duration::from_mins(2))
                .build(),
            found: Cache::builder()
                .max_capacity(bytes / 8)
                .weigher(move |found: &Found, matches: &Arc<Matches>| {
                    weight(found.term.bytes() + matches.bytes() + Self::PLACE)
                })
                .eviction_policy(lru())
                .time_to_idle(Self::IDLE)
                .build(),
            changes: Cache::builder()
                .max_capacity(bytes / 8)
                .weigher(move |_, changes: &Arc<GroupChanges>| weight(changes.len() * Self::PLACE))
                .eviction_policy(lru())
                .time_to_live(Self::CHANGES_KEPT_FOR)
                .build(),
        }
    }

    /// The list, if it is of that epoch.
    pub(super) fn get(&self, key: &ListKey, epoch: Epoch) -> Option<Arc<Held>> {
        self.lists.get(key).filter(|held| held.epoch == epoch)
    }

    /// The bytes that it holds, roughly.
    pub(super) fn bytes(&self) -> u64 {
        let Self { lists, replaced, found, changes } = self;
        lists.weighted_size() + replaced.weighted_size() + found.weighted_size() + changes.weighted_size()
    }

    /// Notes that another replica has stored a list in the place of the one that is here, if there is one.
    pub(super) fn supersede(&self, key: &ListKey) {
        self.lists.entry_by_ref(key).and_compute_with(|known| match known.map(moka::Entry::into_value) {
            Some(known) => moka::ops::compute::Op::Put(Arc::new(Held { is_superseded: true, ..(*known).clone() })),
            None => moka::ops::compute::Op::Nop,
        });
    }

    /// Forgets the list.
    pub(super) fn forget(&self, key: &ListKey) {
        self.lists.invalidate(key);
    }

    /// A version of the list that is no longer the present one but may still be paged through.
    pub(super) fn replaced(
        &self,
        key: &ListKey,
        version: ListVersion,
        epoch: Epoch,
        now: DateTime<Utc>,
    ) -> Option<Arc<Held>> {
        let replaced = self.replaced.get(&(key.clone(), version))?;
        (replaced.held.epoch == epoch && now - replaced.at < Self::KEPT_FOR).then_some(replaced.held)
    }

    /// Puts a list in the place of an older one, unless there is a newer one already.
    pub(super) fn put(&self, key: &ListKey, held: Held, now: DateTime<Utc>) -> Arc<Held> {
        let held = Arc::new(held);
        let entry = self.lists.entry_by_ref(key).and_upsert_with(|known| match known.map(moka::Entry::into_value) {
            Some(known) if known.order() > held.order() => Arc::new(Held { is_superseded: false, ..(*known).clone() }),
            known => {
                // First: whoever pages through it finds it in one place or the other.
                if let Some(known) = known.filter(|known| known.snapshot.version() != held.snapshot.version()) {
                    let version = known.snapshot.version();
                    self.replaced.insert((key.clone(), version), Replaced { held: known, at: now });
                }
                Arc::clone(&held)
            }
        });
        entry.into_value()
    }

    /// Notes that the list could not be refreshed.
    pub(super) fn failed(&self, key: &ListKey, epoch: Epoch, now: DateTime<Utc>) {
        self.lists.entry_by_ref(key).and_compute_with(|known| match known.map(moka::Entry::into_value) {
            Some(known) if known.epoch == epoch => moka::ops::compute::Op::Put(Arc::new(known.failed(now))),
            _ => moka::ops::compute::Op::Nop,
        });
    }

    /// What a search found in that version before.
    pub(super) fn found(&self, version: ListVersion, view: View, term: &SearchTerm) -> Option<Arc<Matches>> {
        self.found.get(&Found { version, view, term: term.clone() })
    }

    /// Remembers what a search found.
    pub(super) fn remember(&self, version: ListVersion, view: View, term: SearchTerm, matches: Arc<Matches>) {
        self.found.insert(Found { version, view, term }, matches);
    }

    /// What was told of the session's groups lately.
    pub(super) fn changes(&self, key: &ListKey, epoch: Epoch) -> Arc<GroupChanges> {
        self.changes.get(&(key.clone(), epoch)).unwrap_or_default()
    }

    /// Remembers what was told of the session's groups.
    pub(super) fn add_changes(&self, key: &ListKey, epoch: Epoch, told: &GroupChanges, now: DateTime<Utc>) {
        self.changes.entry((key.clone(), epoch)).and_upsert_with(|known| {
            let mut changes = known.map(|known| (*known.into_value()).clone()).unwrap_or_default();
            changes.extend(told);
            changes.forget_before(now - TimeDelta::from_std(Self::CHANGES_KEPT_FOR).unwrap_or(TimeDelta::MAX));
            if changes.len() > Self::CHANGED_GROUPS {
                // A bound, not a rule: the next fetch has it all.
                tracing::warn!("too many groups changed at once: some changes wait for the next fetch");
                changes = GroupChanges::default();
            }
            Arc::new(changes)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::testing;
    use crate::{Group, Lifecycle};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn held(name: &str, synced_at: i64) -> Held {
        let group = Group { id: "120363000000000001@g.us".parse().unwrap(), name: name.to_owned() };
        Held {
            snapshot: Arc::new(Snapshot::of_groups(Epoch(1), &[group])),
            epoch: Epoch(1),
            generation: Generation(1),
            synced_at: at(synced_at),
            settled: true,
            failure: None,
            is_superseded: false,
        }
    }

    fn key() -> ListKey {
        ListKey { session: testing::session(Lifecycle::Connected).id, kind: ListKind::Groups }
    }

    #[test]
    fn a_list_is_due_after_a_minute_and_after_failures_ever_more_slowly() {
        let list = held("a", 0);
        assert_eq!([59, 60].map(|second| list.is_due(at(second))), [false, true]);
        let mut failed = list;
        let mut now = 60;
        for pause in [5, 10, 20, 30, 30] {
            failed = failed.failed(at(now));
            assert_eq!(
                [now + pause - 1, now + pause].map(|second| failed.is_due(at(second))),
                [false, true],
                "{pause}"
            );
            now += pause;
        }
    }

    #[test]
    fn a_list_that_another_replica_replaced_is_known_as_such_until_the_other_one_is_here() {
        let shelf = Shelf::new(1 << 20);
        let is_superseded = || shelf.get(&key(), Epoch(1)).map(|held| held.is_superseded);
        shelf.supersede(&key());
        assert_eq!(is_superseded(), None, "there is none to be replaced");
        shelf.put(&key(), held("old", 10), at(10));
        shelf.supersede(&key());
        assert_eq!(is_superseded(), Some(true));
        shelf.put(&key(), held("older", 5), at(11));
        assert_eq!(is_superseded(), Some(false), "what is stored is older than what is here");
    }

    #[test]
    fn a_list_is_stale_when_it_could_not_be_refreshed_or_is_five_minutes_old() {
        let list = held("a", 0);
        assert_eq!([299, 300].map(|second| list.is_stale(at(second))), [false, true]);
        assert!(list.failed(at(60)).is_stale(at(60)));
    }

    #[test]
    fn a_list_is_syncing_until_it_is_settled_for_this_pairing_or_three_minutes_are_over() {
        let mut session = testing::session(Lifecycle::Connected);
        session.paired_at = Some(at(0));
        let settled = |synced_at, settled| Held { settled, ..held("a", synced_at) };
        assert!(settled(10, false).is_syncing(&session, at(179)));
        assert!(!settled(10, false).is_syncing(&session, at(180)));
        assert!(!settled(10, true).is_syncing(&session, at(10)));
        assert!(settled(-10, true).is_syncing(&session, at(10)), "it settled for another pairing");
    }

    #[test]
    fn a_version_is_kept_for_a_minute_after_another_took_its_place() {
        let shelf = Shelf::new(1 << 20);
        let old = shelf.put(&key(), held("a", 0), at(0));
        shelf.put(&key(), held("b", 60), at(61));
        let version = old.snapshot.version();
        let kept = |second, epoch| shelf.replaced(&key(), version, Epoch(epoch), at(second)).is_some();
        assert_eq!([kept(120, 1), kept(121, 1), kept(61, 2)], [true, false, false]);
    }

    #[test]
    fn an_older_list_does_not_take_the_place_of_a_newer_one_and_another_epoch_has_none() {
        let shelf = Shelf::new(1 << 20);
        shelf.put(&key(), held("new", 60), at(60));
        shelf.put(&key(), held("old", 0), at(61));
        shelf.put(&key(), Held { epoch: Epoch(0), ..held("another account's", 70) }, at(70));
        assert_eq!(shelf.get(&key(), Epoch(1)).unwrap().synced_at, at(60));
        assert!(shelf.get(&key(), Epoch(0)).is_none() && shelf.get(&key(), Epoch(2)).is_none());
    }

    #[test]
    fn the_shelf_keeps_to_its_budget() {
        let shelf = Shelf::new(64 * 1024);
        for number in 0..2000 {
            let session = format!("tz4a98xxat96iws9zmbr{number:04}").parse().unwrap();
            shelf.put(&ListKey { session, kind: ListKind::Groups }, held("a", 0), at(0));
        }
        shelf.lists.run_pending_tasks();
        assert!(shelf.lists.weighted_size() <= 40 * 1024, "{}", shelf.lists.weighted_size());
        assert!(shelf.lists.entry_count() > 50);
    }

    #[test]
    fn what_searches_found_keeps_to_its_budget_though_nothing_was_found() {
        let budget = 4 << 20;
        let shelf = Shelf::new(budget);
        let list = held("a", 0);
        let long = "\u{fdfa}".repeat(250);
        let bytes = SearchTerm::parse(&long).unwrap().folded().len();
        assert!(bytes > 8000, "{bytes}: one character folds to many");
        for number in 0..150 {
            let term = SearchTerm::parse(&format!("{number} {long}")).unwrap();
            let matches = Arc::new(list.snapshot.search(View::All, &term));
            shelf.remember(list.snapshot.version(), View::All, term, matches);
        }
        shelf.found.run_pending_tasks();
        let count = shelf.found.entry_count();
        assert!(count > 20 && count * bytes as u64 <= budget / 8, "{count} terms of {bytes} bytes");
        assert_eq!(shelf.found.policy().time_to_idle(), Some(Shelf::IDLE));
    }
}
