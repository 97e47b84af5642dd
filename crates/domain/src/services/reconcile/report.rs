//! What a round did, for logs, tests and metrics: counts and workers' names, never whose.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use crate::WorkerName;

/// What a round saw and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// How many workers were reconciled.
    pub workers: u32,
    /// How many could not be: their sessions stay as they are until the next round.
    pub unreached: u32,
    /// How many rows were looked at.
    pub rows: u32,
    /// Of how many of them WAHA said something new.
    pub observed: u32,
    /// How many sessions WAHA names an account of that was never seen to work.
    pub unconfirmed: u32,
    /// What was found; [`Finding::Fine`] is left out.
    pub found: BTreeMap<Finding, u32>,
    /// About which of it something was done.
    pub done: BTreeMap<Finding, u32>,
    /// About which of it something was tried in vain.
    pub failed: BTreeMap<Finding, u32>,
    /// How many were left for the next round: beyond the pace, in somebody else's hands, or different when looked at
    /// again.
    pub put_off: u32,
    /// Whether the next round comes sooner: a logout or a connect is among those, or the worker is known to be down.
    pub is_urgent: bool,
    /// What an operator should look at.
    pub alarms: BTreeMap<WorkerName, BTreeSet<Alarm>>,
}

/// What an operator should look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alarm {
    /// It cannot be reconciled: it does not answer, or the database does not.
    Unreached,
    /// It has sessions, and the replica that reconciles does not have it in its configuration: nothing there is repaired.
    Unconfigured,
    /// Half or more of its paired sessions are FAILED: only one is restarted a round, as a trial.
    Failing,
    /// More sessions are to be deleted than a worker loses by itself, so that none is: a copied or restored database looks
    /// like this.
    TooManyOrphans,
    /// It has paired sessions of ours that no row wants. They stay until somebody deletes them in WAHA.
    PairedOrphans,
    /// It does not keep the webhooks that it is given: no more are renewed there.
    WebhooksNotKept,
}

impl Alarm {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Unreached,
        Self::Unconfigured,
        Self::Failing,
        Self::TooManyOrphans,
        Self::PairedOrphans,
        Self::WebhooksNotKept,
    ];

    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreached => "unreached",
            Self::Unconfigured => "unconfigured",
            Self::Failing => "failing",
            Self::TooManyOrphans => "too_many_orphans",
            Self::PairedOrphans => "paired_orphans",
            Self::WebhooksNotKept => "webhooks_not_kept",
        }
    }
}

impl Round {
    /// How often that was found.
    pub fn found(&self, finding: Finding) -> u32 {
        self.found.get(&finding).copied().unwrap_or(0)
    }

    /// About how many of those something was done.
    pub fn done(&self, finding: Finding) -> u32 {
        self.done.get(&finding).copied().unwrap_or(0)
    }

    /// Whether any worker has that alarm.
    pub fn alarms(&self, alarm: Alarm) -> bool {
        self.alarms.values().any(|alarms| alarms.contains(&alarm))
    }

    /// Of a worker that could not be reconciled.
    pub(super) fn unreached(worker: &WorkerName) -> Self {
        let alarms = BTreeMap::from([(worker.clone(), BTreeSet::from([Alarm::Unreached]))]);
        Self { unreached: 1, alarms, ..Self::default() }
    }

    pub(super) fn find(&mut self, finding: Finding) {
        if finding != Finding::Fine {
            *self.found.entry(finding).or_default() += 1;
        }
    }

    pub(super) fn put_off(&mut self, finding: Finding) {
        self.put_off += 1;
        self.is_urgent |= matches!(
            finding,
            Finding::LogoutUnfinished | Finding::ConnectCutOff | Finding::ConnectUndone | Finding::LeftBehind
        );
    }

    /// Adds what another worker's round did.
    pub(super) fn add(&mut self, other: Self) {
        self.workers += other.workers;
        self.unreached += other.unreached;
        self.rows += other.rows;
        self.observed += other.observed;
        self.unconfirmed += other.unconfirmed;
        add(&mut self.found, other.found);
        add(&mut self.done, other.done);
        add(&mut self.failed, other.failed);
        self.put_off += other.put_off;
        self.is_urgent |= other.is_urgent;
        self.alarms.extend(other.alarms);
    }
}

fn add(counts: &mut BTreeMap<Finding, u32>, more: BTreeMap<Finding, u32>) {
    for (finding, count) in more {
        *counts.entry(finding).or_default() += count;
    }
}

/// Counts as one field of a log line: `failed=2 orphan=1`.
pub(super) fn line(counts: &BTreeMap<Finding, u32>) -> String {
    let words: Vec<_> = counts.iter().map(|(finding, count)| format!("{}={count}", finding.as_str())).collect();
    words.join(" ")
}
