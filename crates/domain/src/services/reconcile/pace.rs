//! How much of what was found is done in one round.

use super::finding::{Finding, Remedy};
use crate::ports::Stray;
use crate::{SessionId, SessionName, SessionStatus};

/// A session about which something is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What is so with it.
    pub(super) finding: Finding,
    /// What is done about that.
    pub(super) remedy: Remedy,
    /// Its name.
    pub(super) name: SessionName,
    /// The row of that name.
    pub(super) row: Option<SessionId>,
    /// What WAHA said.
    pub(super) status: Option<SessionStatus>,
    /// Since when no row wants it.
    pub(super) stray: Option<Stray>,
    /// Whether its account works in another session of ours.
    pub(super) has_twin: bool,
    /// How often that failed.
    pub(super) failures: u32,
    /// How often it was restarted or started.
    pub(super) attempts: u32,
}

/// What a worker is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    /// How many sessions it has.
    pub(super) sessions: usize,
    /// Whether half or more of its paired sessions are FAILED.
    pub(super) is_failing: bool,
    /// Whether webhooks that are renewed stay outdated.
    pub(super) is_renewal_in_vain: bool,
}

/// What is done in a round, in that order, and what is not.
#[derive(Debug, Default)]
pub(super) struct Paced {
    pub(super) now: Vec<Found>,
    pub(super) later: Vec<Found>,
    /// Whether so many are to be deleted that none is.
    pub(super) is_too_much: bool,
}

/// How many of each are done in a round.
fn at_most(remedy: Remedy, worker: Condition) -> usize {
    match remedy {
        Remedy::FinishLogout | Remedy::Adopt | Remedy::Undo => 20,
        // If the worker is at fault, one shows whether it has come to itself.
        Remedy::Restart if worker.is_failing => 1,
        Remedy::Restart => 5,
        Remedy::Start | Remedy::Discard | Remedy::Delete => 10,
        // Each one loses its connection for a moment.
        Remedy::RenewWebhook if worker.is_failing || worker.is_renewal_in_vain => 0,
        Remedy::RenewWebhook => 1,
    }
}

/// What users wait for comes first.
fn turn(remedy: Remedy) -> u8 {
    match remedy {
        Remedy::FinishLogout => 0,
        Remedy::Adopt | Remedy::Undo => 1,
        Remedy::Start => 2,
        Remedy::Restart => 3,
        Remedy::Discard => 4,
        Remedy::Delete => 5,
        Remedy::RenewWebhook => 6,
    }
}

/// More orphans than this are no accident of one session's: 5 % of a worker's sessions, at least 5.
fn orphans_allowed(worker: Condition) -> usize {
    (worker.sessions / 20).max(5)
}

/// Whether its deletion is a conclusion of ours, and not the end of something that its user or an operator did.
fn is_concluded(finding: Finding) -> bool {
    matches!(finding, Finding::Orphan | Finding::OrphanWithTwin)
}

/// Chooses what is done now.
pub(super) fn pace(mut found: Vec<Found>, worker: Condition) -> Paced {
    let orphans = found.iter().filter(|found| is_concluded(found.finding)).count();
    let is_too_much = orphans > orphans_allowed(worker);
    // What failed before comes behind everything else: a worker is left alone after a few failures, and those that always
    // fail would keep all others from their turn. Stable: among equals, the order is that of the rows.
    found.sort_by_key(|found| (found.failures > 0, turn(found.remedy), found.failures, found.attempts));
    let mut paced = Paced { is_too_much, ..Paced::default() };
    let mut taken = Vec::<Remedy>::new();
    for found in found {
        let already = taken.iter().filter(|remedy| **remedy == found.remedy).count();
        if already >= at_most(found.remedy, worker) || is_too_much && is_concluded(found.finding) {
            paced.later.push(found);
        } else {
            taken.push(found.remedy);
            paced.now.push(found);
        }
    }
    paced
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Condition = Condition { sessions: 100, is_failing: false, is_renewal_in_vain: false };

    fn found(finding: Finding, count: usize) -> Vec<Found> {
        let one = |number| Found {
            finding,
            remedy: finding.remedy().unwrap(),
            name: format!("session_{number}").parse().unwrap(),
            row: None,
            status: None,
            stray: None,
            has_twin: false,
            failures: 0,
            attempts: 0,
        };
        (0..count).map(one).collect()
    }

    fn done(found: Vec<Found>, worker: Condition) -> (usize, usize, bool) {
        let paced = pace(found, worker);
        (paced.now.len(), paced.later.len(), paced.is_too_much)
    }

    #[test]
    fn what_disturbs_waha_is_done_a_few_at_a_time() {
        for (finding, at_most) in [
            (Finding::LogoutUnfinished, 20),
            (Finding::ConnectCutOff, 20),
            (Finding::ConnectUndone, 20),
            (Finding::Failed, 5),
            (Finding::Stuck, 5),
            (Finding::Stopped, 10),
            (Finding::Abandoned, 10),
            (Finding::LeftBehind, 10),
            (Finding::WebhookOutdated, 1),
        ] {
            assert_eq!(done(found(finding, 50), WELL), (at_most, 50 - at_most, false), "{finding:?}");
        }
    }

    #[test]
    fn a_worker_at_fault_gets_one_restart_as_a_trial_and_no_webhook() {
        let failing = Condition { is_failing: true, ..WELL };
        assert_eq!(done(found(Finding::Failed, 50), failing), (1, 49, false));
        assert_eq!(done(found(Finding::WebhookOutdated, 5), failing), (0, 5, false));
        let in_vain = Condition { is_renewal_in_vain: true, ..WELL };
        assert_eq!(done(found(Finding::WebhookOutdated, 5), in_vain), (0, 5, false));
    }

    #[test]
    fn of_more_orphans_than_five_or_five_percent_none_is_deleted() {
        for (sessions, allowed) in [(0, 5), (100, 5), (119, 5), (120, 6), (200, 10)] {
            let worker = Condition { sessions, ..WELL };
            assert_eq!(done(found(Finding::Orphan, allowed), worker), (allowed, 0, false), "{sessions}");
            assert_eq!(done(found(Finding::Orphan, allowed + 1), worker), (0, allowed + 1, true), "{sessions}");
        }
        let mut both = found(Finding::Orphan, 3);
        both.extend(found(Finding::OrphanWithTwin, 3));
        assert_eq!(done(both, WELL), (0, 6, true), "they count together");
        let mut others = found(Finding::Orphan, 6);
        others.extend(found(Finding::LeftBehind, 3));
        assert_eq!(done(others, WELL), (3, 6, true), "what was decided before is done all the same");
    }

    #[test]
    fn many_orphans_of_a_large_worker_go_ten_a_round() {
        assert_eq!(done(found(Finding::Orphan, 40), Condition { sessions: 1000, ..WELL }), (10, 30, false));
    }

    #[test]
    fn what_always_fails_keeps_nothing_else_from_its_turn() {
        let mut all = found(Finding::LogoutUnfinished, 3);
        for found in &mut all {
            found.failures = 7;
        }
        all.extend(found(Finding::WebhookOutdated, 1));
        all.extend(found(Finding::Stopped, 2));
        let order: Vec<_> = pace(all, WELL).now.into_iter().map(|found| found.finding).collect();
        let last = [Finding::LogoutUnfinished; 3];
        assert_eq!(order, [&[Finding::Stopped, Finding::Stopped, Finding::WebhookOutdated][..], &last].concat());
    }

    #[test]
    fn what_users_wait_for_comes_first_and_what_failed_before_last() {
        let mut all = found(Finding::Failed, 1);
        all.extend(found(Finding::LogoutUnfinished, 21));
        all[1].failures = 1;
        let paced = pace(all, WELL);
        assert_eq!(paced.now[0].finding, Finding::LogoutUnfinished);
        assert_eq!(paced.now[20].finding, Finding::Failed);
        assert_eq!(paced.later.iter().map(|found| found.failures).collect::<Vec<_>>(), [1]);
    }
}
