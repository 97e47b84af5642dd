//! What waits to be sent.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use switchboard_domain::ports::Notice;

use super::wire::{GAP, Payload};

/// Notices that wait: equal ones once, and so many at most. When there are more, that anything may have changed is all
/// that is told.
#[derive(Default)]
pub(super) struct Outbox(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    notices: HashSet<Notice>,
    has_gap: bool,
}

impl Outbox {
    const CAPACITY: usize = 10_000;

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, notice: Notice) {
        let mut waiting = self.waiting();
        // A gap that waits will tell of it too.
        if waiting.has_gap {
            return;
        }
        waiting.notices.insert(notice);
        if waiting.notices.len() > Self::CAPACITY {
            *waiting = Waiting { notices: HashSet::new(), has_gap: true };
        }
    }

    /// Takes out as much as one notification carries.
    pub(super) fn take(&self) -> Option<String> {
        let mut waiting = self.waiting();
        if std::mem::take(&mut waiting.has_gap) {
            return Some(GAP.to_owned());
        }
        if waiting.notices.is_empty() {
            return None;
        }
        let mut payload = Payload::new();
        waiting.notices.retain(|notice| !payload.add(notice));
        Some(payload.into_text())
    }
}

#[cfg(test)]
mod tests {
    use switchboard_domain::ports::Change;

    use super::super::wire;
    use super::*;

    fn notice(n: usize) -> Notice {
        Notice { from: "replica1".parse().unwrap(), change: Change::Session(format!("s{n}").parse().unwrap()) }
    }

    fn add(outbox: &Outbox, numbers: impl IntoIterator<Item = usize>) {
        numbers.into_iter().for_each(|n| outbox.add(notice(n)));
    }

    /// Everything that waits, and in how many notifications it comes.
    fn taken(outbox: &Outbox) -> (HashSet<Notice>, usize) {
        let payloads: Vec<_> = std::iter::from_fn(|| outbox.take()).collect();
        let notices = payloads.iter().flat_map(|payload| wire::read(payload).expect("no gap"));
        (notices.collect(), payloads.len())
    }

    #[test]
    fn what_waits_goes_together_and_equal_notices_once() {
        let outbox = Outbox::default();
        assert_eq!(outbox.take(), None);
        add(&outbox, [1, 2, 1, 1]);
        let payload = outbox.take().unwrap();
        assert_eq!(wire::read(&payload).unwrap().len(), 2);
        assert_eq!(outbox.take(), None);
        add(&outbox, [1]);
        assert_eq!(taken(&outbox), (HashSet::from([notice(1)]), 1), "what was sent may be told again");
    }

    #[test]
    fn as_many_as_may_wait_are_all_told() {
        let outbox = Outbox::default();
        add(&outbox, 0..Outbox::CAPACITY);
        add(&outbox, 0..Outbox::CAPACITY);
        let (notices, payloads) = taken(&outbox);
        assert_eq!(notices.len(), Outbox::CAPACITY);
        assert!(payloads < 50, "{payloads} notifications");
    }

    #[test]
    fn one_more_makes_a_gap_of_them_and_of_whatever_comes_until_it_is_told() {
        let outbox = Outbox::default();
        add(&outbox, 0..=Outbox::CAPACITY);
        add(&outbox, 0..10);
        assert_eq!(outbox.take().as_deref(), Some(GAP));
        assert_eq!(outbox.take(), None);
        add(&outbox, [1]);
        assert_eq!(taken(&outbox), (HashSet::from([notice(1)]), 1));
    }
}
