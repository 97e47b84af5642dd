//! What rounds came to, for metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::finding::Finding;
use super::report::{Alarm, Round};
use crate::WorkerName;

/// What this replica's rounds came to, by worker.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    leads: bool,
    workers: BTreeMap<WorkerName, Reconciled>,
}

/// What this replica's rounds over a worker came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Rounds since the start, those that could not reach it included.
    pub rounds: u64,
    /// What the last round found: 0 for what an earlier one did. Nothing is known while another replica reconciles.
    pub found: BTreeMap<Finding, u32>,
    /// About which of it something was done, since the start.
    pub done: BTreeMap<Finding, u64>,
    /// About which of it something was tried in vain, since the start.
    pub failed: BTreeMap<Finding, u64>,
    /// What an operator should look at now.
    pub alarms: BTreeSet<Alarm>,
}

impl Ledger {
    /// Enters a round.
    pub(super) fn enter(&self, worker: &WorkerName, round: &Round) {
        let mut entries = self.entries();
        let entry = entries.workers.entry(worker.clone()).or_default();
        entry.rounds += 1;
        entry.forget_last();
        entry.found.extend(&round.found);
        add(&mut entry.done, &round.done);
        add(&mut entry.failed, &round.failed);
        entry.alarms = round.alarms.get(worker).cloned().unwrap_or_default();
    }

    /// This replica reconciles from now on, or does no more: then what it saw last is another one's to say.
    pub(super) fn lead(&self, leads: bool) {
        let mut entries = self.entries();
        entries.leads = leads;
        if !leads {
            entries.workers.values_mut().for_each(Reconciled::forget_last);
        }
    }

    pub(super) fn leads(&self) -> bool {
        self.entries().leads
    }

    pub(super) fn workers(&self) -> BTreeMap<WorkerName, Reconciled> {
        self.entries().workers.clone()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reconciled {
    fn forget_last(&mut self) {
        self.found.values_mut().for_each(|count| *count = 0);
        self.alarms.clear();
    }
}

fn add(totals: &mut BTreeMap<Finding, u64>, more: &BTreeMap<Finding, u32>) {
    for (finding, count) in more {
        *totals.entry(*finding).or_default() += u64::from(*count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(failed: u32, alarm: Option<Alarm>) -> Round {
        let worker = "w1".parse().unwrap();
        let counts = |count| BTreeMap::from_iter((count > 0).then_some((Finding::Failed, count)));
        Round {
            found: counts(failed),
            done: counts(failed),
            alarms: alarm.map(|alarm| (worker, [alarm].into())).into_iter().collect(),
            ..Round::default()
        }
    }

    #[test]
    fn what_was_done_adds_up_and_what_was_found_is_of_the_last_round() {
        let (ledger, worker) = (Ledger::default(), "w1".parse().unwrap());
        ledger.lead(true);
        ledger.enter(&worker, &round(3, Some(Alarm::Failing)));
        assert_eq!(ledger.workers()[&worker].alarms, [Alarm::Failing].into());
        ledger.enter(&worker, &round(2, None));
        ledger.enter(&worker, &round(0, None));

        let entry = &ledger.workers()[&worker];
        assert_eq!((entry.rounds, entry.done[&Finding::Failed], entry.found[&Finding::Failed]), (3, 5, 0));
        assert!(entry.alarms.is_empty());
    }

    #[test]
    fn who_reconciles_no_more_knows_of_no_alarm() {
        let (ledger, worker) = (Ledger::default(), "w1".parse().unwrap());
        ledger.lead(true);
        ledger.enter(&worker, &round(1, Some(Alarm::Failing)));
        ledger.lead(false);

        let entry = &ledger.workers()[&worker];
        assert!(!ledger.leads() && entry.alarms.is_empty());
        assert_eq!((entry.found[&Finding::Failed], entry.done[&Finding::Failed]), (0, 1));
    }
}
