use super::*;
use crate::services::reconcile::finding::Remedy;
use crate::services::testing;
use crate::{Me, WorkerName};

const HERE: &str = "default";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn ago(delta: TimeDelta) -> DateTime<Utc> {
    now() - delta
}

fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// A row here.
fn row(lifecycle: Lifecycle) -> Session {
    Session { updated_at: ago(TimeDelta::days(400)), ..testing::session(lifecycle) }
}

fn connected() -> Session {
    row(Lifecycle::Connected)
}

/// Paired an hour ago.
fn paired() -> Session {
    Session { paired_at: Some(ago(seconds(3600))), account: Some(account()), ..connected() }
}

fn down_for(row: Session, delta: TimeDelta) -> Session {
    Session { down_since: Some(ago(delta)), ..row }
}

fn elsewhere(row: Session) -> Session {
    Session { worker: "other".parse().unwrap(), ..row }
}

fn account() -> crate::ChatId {
    "34600111222@c.us".parse().unwrap()
}

fn ours() -> DeploymentId {
    "tz4a98xxat96iws9zmbrgj3a".parse().unwrap()
}

/// Of ours, without an account.
fn unpaired(status: &str) -> UpstreamSession {
    let home = Some(HERE.parse().unwrap());
    UpstreamSession { me: None, deployment: Some(ours()), home, ..testing::upstream(status.into()) }
}

fn with_account(status: &str) -> UpstreamSession {
    UpstreamSession { me: Some(Me { id: account(), lid: None }), ..unpaired(status) }
}

/// The same, but created there, or nobody knows where.
fn from(home: Option<&str>, upstream: UpstreamSession) -> UpstreamSession {
    UpstreamSession { home: home.map(|home| home.parse().unwrap()), ..upstream }
}

fn outdated(upstream: UpstreamSession) -> UpstreamSession {
    UpstreamSession { is_webhook_outdated: true, ..upstream }
}

fn since(delta: TimeDelta, is_left_behind: bool) -> Stray {
    Stray { name: "session_1".parse().unwrap(), since: now() - delta, is_left_behind }
}

fn judge(row: Option<&Session>, upstream: Option<&UpstreamSession>, more: impl FnOnce(&mut Case<'_>)) -> Finding {
    let (worker, deployment): (WorkerName, _) = (HERE.parse().unwrap(), ours());
    let mut case = Case {
        worker: &worker,
        deployment: &deployment,
        row,
        upstream,
        note: Note::default(),
        stray: None,
        has_twin: false,
        now: now(),
    };
    more(&mut case);
    plan(&case)
}

/// Of a session with a row.
fn of(row: &Session, upstream: Option<&UpstreamSession>) -> Finding {
    judge(Some(row), upstream, |_| {})
}

/// Of one that no row wants, seen without an account for as long as it has been one.
fn of_stray(row: Option<&Session>, upstream: &UpstreamSession, stray: &Stray, has_twin: bool) -> Finding {
    let unpaired_since = (!is_paired_upstream(upstream)).then_some(stray.since);
    of_stray_seen(row, upstream, stray, has_twin, unpaired_since)
}

fn of_stray_seen(
    row: Option<&Session>,
    upstream: &UpstreamSession,
    stray: &Stray,
    has_twin: bool,
    unpaired_since: Option<DateTime<Utc>>,
) -> Finding {
    let (worker, deployment): (WorkerName, _) = (HERE.parse().unwrap(), ours());
    plan(&Case {
        worker: &worker,
        deployment: &deployment,
        row,
        upstream: Some(upstream),
        note: Note { unpaired_since, ..Note::default() },
        stray: Some(stray),
        has_twin,
        now: now(),
    })
}

const EVERY_STATUS: [&str; 8] = [
    "STOPPED",
    "STARTING",
    "SCAN_QR_CODE",
    "PASSKEY_REQUIRED",
    "PASSKEY_CONFIRMATION_REQUIRED",
    "WORKING",
    "FAILED",
    "HIBERNATING",
];

#[test]
fn a_logout_is_finished_whatever_waha_says() {
    for row in [row(Lifecycle::LoggingOut), Session { lifecycle: Lifecycle::LoggingOut, ..paired() }] {
        assert_eq!(of(&row, None), Finding::LogoutUnfinished);
        for status in EVERY_STATUS {
            assert_eq!(of(&row, Some(&with_account(status))), Finding::LogoutUnfinished, "{status}");
        }
    }
}

#[test]
fn a_connect_that_was_cut_off_is_adopted_if_waha_has_it_and_undone_if_not() {
    let connecting = row(Lifecycle::Connecting);
    for status in EVERY_STATUS {
        assert_eq!(of(&connecting, Some(&unpaired(status))), Finding::ConnectCutOff, "{status}");
    }
    assert_eq!(of(&connecting, None), Finding::ConnectUndone);
    let seen_working = Session { lifecycle: Lifecycle::Connecting, ..paired() };
    assert_eq!(of(&seen_working, None), Finding::Missing, "a volume that was mounted wrongly costs nobody anything");
}

#[test]
fn a_paired_session_comes_back_once_it_has_been_down_for_long_enough() {
    for (status, waits, found) in
        [("FAILED", seconds(30), Finding::Failed), ("STOPPED", seconds(120), Finding::Stopped)]
    {
        let known_by_account = Session { account: Some(account()), ..connected() };
        for (row, upstream) in
            [(paired(), unpaired(status)), (known_by_account, unpaired(status)), (connected(), with_account(status))]
        {
            assert_eq!(of(&row, Some(&upstream)), Finding::Waiting, "{status}: nobody knows since when");
            let early = down_for(row.clone(), waits - seconds(1));
            assert_eq!(of(&early, Some(&upstream)), Finding::Waiting, "{status}");
            assert_eq!(of(&down_for(row.clone(), waits), Some(&upstream)), found, "{status}");
            let late = down_for(row, TimeDelta::days(30));
            assert_eq!(of(&late, Some(&upstream)), found, "{status}: never given up");
        }
    }
}

#[test]
fn a_paired_session_that_starts_for_more_than_five_minutes_is_stuck() {
    let found = |upstream: &UpstreamSession, long| {
        let note = Note { starting_since: Some(ago(long)), ..Note::default() };
        judge(Some(&paired()), Some(upstream), |case| case.note = note)
    };
    assert_eq!(found(&with_account("STARTING"), seconds(299)), Finding::Waiting);
    assert_eq!(found(&with_account("STARTING"), seconds(300)), Finding::Stuck);
    assert_eq!(of(&connected(), Some(&unpaired("STARTING"))), Finding::Fine, "never paired: never restarted");
}

#[test]
fn who_was_restarted_a_moment_ago_is_left_alone() {
    let note = Note {
        attempts: 1,
        not_before: Some(ago(seconds(-1))),
        starting_since: Some(ago(TimeDelta::hours(1))),
        ..Note::default()
    };
    for status in ["FAILED", "STOPPED", "STARTING"] {
        let row = down_for(paired(), TimeDelta::hours(1));
        let found = |note| judge(Some(&row), Some(&with_account(status)), |case| case.note = note);
        assert_eq!(found(note), Finding::BackingOff, "{status}");
        assert!(found(Note { not_before: Some(ago(seconds(0))), ..note }).remedy().is_some(), "{status}");
    }
}

#[test]
fn nothing_else_that_a_wanted_session_says_is_a_reason_to_do_anything() {
    for status in ["SCAN_QR_CODE", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED", "WORKING", "HIBERNATING"] {
        for row in [connected(), paired(), down_for(paired(), TimeDelta::days(1))] {
            for upstream in [unpaired(status), with_account(status)] {
                assert_eq!(of(&row, Some(&upstream)), Finding::Fine, "{status}");
            }
        }
    }
}

#[test]
fn a_paired_session_that_waha_does_not_have_is_left_to_its_user() {
    for row in [paired(), Session { account: Some(account()), ..connected() }] {
        assert_eq!(of(&down_for(row, TimeDelta::days(30)), None), Finding::Missing);
    }
}

#[test]
fn a_session_that_was_never_paired_is_given_up_a_quarter_of_an_hour_after_it_went_down_and_never_restarted() {
    for upstream in [Some(unpaired("FAILED")), Some(unpaired("STOPPED")), None] {
        let found = |row: Session| of(&row, upstream.as_ref());
        assert_eq!(found(connected()), Finding::Waiting);
        assert_eq!(found(down_for(connected(), seconds(899))), Finding::Waiting);
        assert_eq!(found(down_for(connected(), seconds(900))), Finding::Abandoned);
        let connected_anew = Session { updated_at: ago(seconds(899)), ..down_for(connected(), TimeDelta::days(1)) };
        assert_eq!(found(connected_anew), Finding::Waiting);
    }
    // It may be paired: a restored database does not know.
    let old = down_for(connected(), TimeDelta::days(30));
    for status in EVERY_STATUS {
        let finding = of(&old, Some(&with_account(status)));
        assert_ne!(finding.remedy(), Some(Remedy::Discard), "{status}");
    }
    assert!(is_unconfirmed(&old, &with_account("FAILED")));
    assert!(!is_unconfirmed(&paired(), &with_account("FAILED")));
}

#[test]
fn a_webhook_is_renewed_while_its_session_works_and_has_for_a_minute() {
    let found = |row: &Session, upstream: UpstreamSession| of(row, Some(&outdated(upstream)));
    assert_eq!(found(&paired(), with_account("WORKING")), Finding::WebhookOutdated);
    let young = |at| Session { paired_at: Some(ago(at)), ..paired() };
    assert_eq!(found(&young(seconds(59)), with_account("WORKING")), Finding::Waiting);
    assert_eq!(found(&young(seconds(60)), with_account("WORKING")), Finding::WebhookOutdated);
    for status in EVERY_STATUS.into_iter().filter(|status| *status != "WORKING") {
        assert_ne!(
            found(&down_for(paired(), TimeDelta::days(1)), with_account(status)),
            Finding::WebhookOutdated,
            "{status}"
        );
    }
    let note = Note { attempts: 1, ..Note::default() };
    let in_trouble = judge(Some(&paired()), Some(&outdated(with_account("WORKING"))), |case| case.note = note);
    assert_eq!(in_trouble, Finding::Waiting, "one that has just come back is not dropped again");
}

#[test]
fn an_unpaired_orphan_of_ours_goes_after_a_quarter_of_an_hour() {
    let disconnected = row(Lifecycle::Disconnected);
    for row in [None, Some(&disconnected)] {
        for status in ["STOPPED", "FAILED", "SCAN_QR_CODE"] {
            let found = |long| of_stray(row, &unpaired(status), &since(long, false), false);
            assert_eq!(found(seconds(899)), Finding::OrphanUndecided, "{status}");
            assert_eq!(found(seconds(900)), Finding::Orphan, "{status}");
        }
        for status in ["STARTING", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED", "HIBERNATING"] {
            let old = since(TimeDelta::days(30), false);
            assert_eq!(of_stray(row, &unpaired(status), &old, true), Finding::OrphanUndecided, "{status}");
        }
    }
}

#[test]
fn an_orphan_that_was_paired_a_moment_ago_is_none_that_is_unpaired() {
    // WAHA names no account for a moment after a start.
    let stray = since(TimeDelta::days(30), false);
    for unpaired_since in [None, Some(ago(seconds(899)))] {
        let found = of_stray_seen(None, &unpaired("FAILED"), &stray, false, unpaired_since);
        assert_eq!(found, Finding::OrphanUndecided);
    }
    assert_eq!(
        of(&elsewhere(row(Lifecycle::Disconnected)), Some(&unpaired("FAILED"))),
        Finding::Waiting,
        "not sighted"
    );
}

#[test]
fn a_paired_orphan_goes_after_a_day_if_its_account_works_in_another_session_and_otherwise_never() {
    for upstream in [with_account("WORKING"), with_account("FAILED"), with_account("STOPPED"), with_account("STARTING")]
    {
        let found = |long, has_twin| of_stray(None, &upstream, &since(long, false), has_twin);
        assert_eq!(found(TimeDelta::hours(24) - seconds(1), true), Finding::OrphanPaired);
        assert_eq!(found(TimeDelta::hours(24), true), Finding::OrphanWithTwin);
        assert_eq!(found(TimeDelta::days(365), false), Finding::OrphanPaired, "a copied database looks like this");
    }
    let nameless = of_stray(None, &unpaired("WORKING"), &since(TimeDelta::days(365), false), false);
    assert_eq!(nameless, Finding::OrphanPaired, "what works is paired, named or not");
}

#[test]
fn what_is_not_ours_is_never_touched() {
    let strange: DeploymentId = "aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
    for deployment in [None, Some(strange)] {
        for status in EVERY_STATUS {
            for upstream in [unpaired(status), with_account(status)] {
                let upstream = UpstreamSession { deployment: deployment.clone(), ..upstream };
                let found = of_stray(None, &upstream, &since(TimeDelta::days(365), false), true);
                assert_eq!(found, Finding::Foreign, "{status}");
            }
        }
    }
}

#[test]
fn a_session_that_a_row_on_another_worker_wants_is_no_stray_unless_it_was_created_here() {
    // Workers that share a store list everybody's.
    let old = since(TimeDelta::days(365), false);
    for lifecycle in [Lifecycle::Connecting, Lifecycle::Connected, Lifecycle::LoggingOut] {
        let row = elsewhere(row(lifecycle));
        for status in EVERY_STATUS {
            for upstream in [unpaired(status), with_account(status)] {
                for home in [None, Some("other"), Some("third")] {
                    let found = of_stray(Some(&row), &from(home, upstream.clone()), &old, true);
                    assert_eq!(found, Finding::Fine, "{lifecycle:?} {status} {home:?}");
                }
                let strange = UpstreamSession { deployment: None, ..upstream };
                assert_eq!(of_stray(Some(&row), &strange, &old, true), Finding::Fine, "{lifecycle:?} {status}");
            }
        }
        let found = |upstream: UpstreamSession, long| of_stray(Some(&row), &upstream, &since(long, false), true);
        assert_eq!(found(unpaired("FAILED"), seconds(899)), Finding::OrphanUndecided);
        assert_eq!(found(unpaired("FAILED"), seconds(900)), Finding::Orphan);
        for upstream in [with_account("FAILED"), with_account("WORKING"), unpaired("WORKING")] {
            assert_eq!(found(upstream, TimeDelta::days(365)), Finding::OrphanPaired, "told, twin or not");
        }
    }
    for home in [None, Some("other"), Some(HERE)] {
        let given_up = elsewhere(row(Lifecycle::Disconnected));
        let found = of_stray(Some(&given_up), &from(home, unpaired("FAILED")), &old, false);
        assert_eq!(found, Finding::Orphan, "{home:?}");
    }
}

#[test]
fn what_a_moved_user_left_behind_goes_at_once_unless_they_are_back() {
    let just_now = since(seconds(0), true);
    for status in EVERY_STATUS {
        for row in [None, Some(elsewhere(paired())), Some(row(Lifecycle::Disconnected))] {
            let found = of_stray(row.as_ref(), &with_account(status), &just_now, false);
            assert_eq!(found, Finding::LeftBehind, "{status} {row:?}");
        }
    }
    let back = of_stray(Some(&paired()), &with_account("WORKING"), &just_now, false);
    assert_eq!(back, Finding::Fine);
}

#[test]
fn what_was_created_on_another_worker_was_not_left_behind_here() {
    // Two workers that share a store, or two names of one: this is the session that its user moved to.
    let old = since(TimeDelta::days(30), true);
    for status in EVERY_STATUS {
        for upstream in [unpaired(status), with_account(status)] {
            let found = of_stray(Some(&elsewhere(paired())), &from(Some("other"), upstream.clone()), &old, true);
            assert_eq!(found, Finding::Fine, "{status}");
            let strange = UpstreamSession { deployment: None, ..upstream };
            let found = of_stray(Some(&elsewhere(paired())), &strange, &old, true);
            assert_eq!(found, Finding::Fine, "{status}");
            assert_eq!(of_stray(None, &strange, &old, true), Finding::Foreign, "{status}");
        }
    }
}

#[test]
fn what_was_left_behind_and_does_not_say_where_it_was_created_goes_only_if_it_is_clearly_unpaired() {
    for row in [None, Some(elsewhere(paired())), Some(row(Lifecycle::Disconnected))] {
        let found = |upstream, long| of_stray(row.as_ref(), &from(None, upstream), &since(long, true), false);
        for status in ["STOPPED", "FAILED", "SCAN_QR_CODE"] {
            assert_eq!(found(unpaired(status), seconds(899)), Finding::OrphanUndecided, "{status} {row:?}");
            assert_eq!(found(unpaired(status), seconds(900)), Finding::LeftBehind, "{status} {row:?}");
        }
        for upstream in EVERY_STATUS.map(with_account).into_iter().chain([unpaired("WORKING"), unpaired("STARTING")]) {
            assert_eq!(found(upstream.clone(), TimeDelta::days(30)).remedy(), None, "{upstream:?} {row:?}");
        }
    }
}

/// Whether somebody may have a login in it, by WAHA's word or by its row's.
fn may_be_paired(row: Option<&Session>, upstream: Option<&UpstreamSession>) -> bool {
    let by_row = row.is_some_and(|row| is_here(row, &HERE.parse().unwrap()) && is_known_as_paired(row));
    by_row || upstream.is_some_and(is_paired_upstream)
}

/// Whether a deletion of something paired is what its user asked for, or costs nobody a login.
fn is_excused(case: &Case<'_>) -> bool {
    let row_wants_it_elsewhere =
        case.row.is_some_and(|row| row.worker != *case.worker && row.lifecycle != Lifecycle::Disconnected);
    let Some(upstream) = case.upstream else { return false };
    let is_ours = upstream.deployment.as_ref() == Some(case.deployment);
    let is_from_here = upstream.home.as_ref() == Some(case.worker);
    let was_left = case.stray.is_some_and(|stray| stray.is_left_behind) && is_from_here;
    let is_spare = case.has_twin
        && !row_wants_it_elsewhere
        && case.stray.is_some_and(|stray| case.now - stray.since >= TimeDelta::hours(24));
    let wants_it_here = case.row.is_some_and(|row| is_here(row, case.worker));
    is_ours && !wants_it_here && (was_left || is_spare)
}

/// Everything at once: whatever the facts, what may be paired is never deleted or given up, but to finish what its user
/// began where that was, or if its account works in another session.
#[test]
fn nobody_paired_is_ever_logged_out_by_the_machine() {
    let (worker, deployment): (WorkerName, _) = (HERE.parse().unwrap(), ours());
    let ages = [seconds(0), seconds(3600), TimeDelta::days(400)];
    let lifecycles = [Lifecycle::Connecting, Lifecycle::Connected, Lifecycle::Disconnected];
    let mut rows = vec![None];
    for lifecycle in lifecycles {
        for (account, paired_at) in
            [(None, None), (Some(account()), None), (None, Some(ago(seconds(3600)))), (Some(account()), Some(now()))]
        {
            let here = Session { account, paired_at, ..row(lifecycle) };
            rows.extend([Some(elsewhere(here.clone())), Some(here)]);
        }
    }
    let mut upstreams = vec![None];
    for session in EVERY_STATUS.iter().flat_map(|status| [unpaired(status), with_account(status)]) {
        for home in [None, Some(HERE), Some("other")] {
            let session = from(home, session.clone());
            upstreams.extend([Some(UpstreamSession { deployment: None, ..session.clone() }), Some(session)]);
        }
    }
    let (mut cases, mut deletions) = (0, 0);
    for (row, upstream) in rows.iter().flat_map(|row| upstreams.iter().map(move |upstream| (row, upstream))) {
        if !may_be_paired(row.as_ref(), upstream.as_ref()) {
            continue;
        }
        for age in ages {
            let row = row.clone().map(|row| down_for(row, age));
            for stray in [None, Some(since(age, false)), Some(since(age, true))] {
                for (has_twin, unpaired_since) in [(false, None), (true, None), (true, Some(ago(age)))] {
                    let note = Note { starting_since: Some(ago(age)), unpaired_since, ..Note::default() };
                    let (row, upstream, stray) = (row.as_ref(), upstream.as_ref(), stray.as_ref());
                    let (worker, deployment) = (&worker, &deployment);
                    let case = Case { worker, deployment, row, upstream, note, stray, has_twin, now: now() };
                    let remedy = plan(&case).remedy();
                    if matches!(remedy, Some(Remedy::Delete | Remedy::Discard | Remedy::FinishLogout)) {
                        assert!(is_excused(&case), "{case:?}: {remedy:?}");
                        deletions += 1;
                    }
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 30_000 && deletions > 0, "{cases} {deletions}");
}
