//! What `SessionRepository` promises, the overview apart.

use chrono::TimeDelta;
use support::stores::Stores;
use switchboard_domain::ports::{Fence, StorageError};
use switchboard_domain::{Lifecycle, Observation, PhoneNumber, Revision, Session, SessionStatus};

use super::fixtures::{
    account, all_at_once, at, have, lease, paired_session, session, stale_fence, stored, user, working,
};

contract! {
    a_session_reads_back_equal_to_the_microsecond,
    what_a_store_cannot_keep_is_cut_off_at_once,
    a_status_of_no_known_word_reads_back,
    sessions_survive_a_restart,
    an_owner_keeps_the_first_session,
    two_hundred_callers_at_once_get_the_same_session,
    callers_at_once_with_the_same_candidate_do_not_contradict_each_other,
    callers_at_once_of_many_owners_all_get_their_own,
    a_name_is_taken_once,
    an_id_is_taken_once,
    a_session_is_found_only_by_its_owner_and_its_name,
    owners_and_names_that_differ_only_in_case_are_different,
    a_session_that_does_not_exist_is_not_changed,
    a_transition_leaves_only_the_states_it_names,
    one_of_many_transitions_at_once_happens,
    a_transition_under_a_lease_that_holds_happens,
    a_transition_under_a_lost_lease_is_refused,
    a_transition_under_a_released_lease_is_refused,
    a_finished_logout_forgets_everything_but_the_row,
    a_pairing_is_forgotten_under_a_lease_that_holds,
    only_a_logout_can_be_finished,
    a_logout_is_not_finished_under_a_lost_lease,
    what_waha_said_is_written,
    what_is_no_longer_so_is_forgotten,
    the_time_of_a_report_is_kept_over_logouts_and_the_next_pairing,
    what_was_made_from_another_revision_is_refused,
    of_two_observations_at_once_that_raise_the_epoch_one_is_written,
    what_was_said_of_a_session_nobody_wants_is_refused,
    an_observation_moves_the_time_only_with_another_number,
    a_revival_is_written_under_a_lease_that_holds,
    a_revival_is_not_written_under_a_lost_lease,
    a_number_is_written_by_its_owner_alone,
    the_same_number_again_does_not_move_the_time,
}

const ALL: [Lifecycle; 4] =
    [Lifecycle::Connecting, Lifecycle::Connected, Lifecycle::LoggingOut, Lifecycle::Disconnected];

fn phone(text: &str) -> PhoneNumber {
    text.parse().unwrap()
}

async fn a_session_reads_back_equal_to_the_microsecond(stores: &Stores) {
    for session in [session(1), paired_session(2)] {
        let added = stores.sessions.ensure(&session).await.unwrap();
        assert_eq!(added, session);
        assert_eq!(stores.sessions.ensure(&session).await.unwrap(), session);
        assert_eq!(stores.sessions.get(&session.id).await.unwrap(), Some(session.clone()));
        assert_eq!(stores.sessions.find(&session.owner, &session.name).await.unwrap(), Some(session));
    }
}

async fn what_a_store_cannot_keep_is_cut_off_at_once(stores: &Stores) {
    let precise = Session { created_at: at(0) + TimeDelta::nanoseconds(999), ..session(1) };
    let added = stores.sessions.ensure(&precise).await.unwrap();
    assert_eq!(added.created_at, at(0));
    assert_eq!(stored(stores, &precise).await, added);
}

async fn a_status_of_no_known_word_reads_back(stores: &Stores) {
    have(stores, &Session { status: Some(SessionStatus::from("HIBERNATING")), ..session(1) }).await;
}

async fn sessions_survive_a_restart(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    let reopened = stores.reopened().await;
    assert_eq!(stored(&reopened, &session(1)).await, paired_session(1));
}

async fn an_owner_keeps_the_first_session(stores: &Stores) {
    have(stores, &session(1)).await;
    let candidate = Session { owner: user(1), ..session(2) };
    assert_eq!(stores.sessions.ensure(&candidate).await.unwrap(), session(1));
    assert_eq!(stores.sessions.get(&candidate.id).await.unwrap(), None);
}

async fn two_hundred_callers_at_once_get_the_same_session(stores: &Stores) {
    let candidates = |n| Session { owner: user(1), ..session(n) };
    let all = all_at_once(stores, 200, |stores, n| async move { stores.sessions.ensure(&candidates(n)).await }).await;

    let winner = all[0].as_ref().unwrap().clone();
    for result in all {
        assert_eq!(result.unwrap(), winner);
    }
    let mut rows = 0;
    for n in 0..200 {
        rows += usize::from(stores.sessions.get(&candidates(n).id).await.unwrap().is_some());
    }
    assert_eq!(rows, 1);
}

async fn callers_at_once_with_the_same_candidate_do_not_contradict_each_other(stores: &Stores) {
    let all = all_at_once(stores, 50, |stores, _| async move { stores.sessions.ensure(&session(1)).await }).await;
    for result in all {
        assert_eq!(result.unwrap(), session(1));
    }
}

async fn callers_at_once_of_many_owners_all_get_their_own(stores: &Stores) {
    let all = all_at_once(stores, 50, |stores, n| async move { stores.sessions.ensure(&session(n)).await }).await;
    for (n, result) in (0..).zip(all) {
        assert_eq!(result.unwrap(), session(n));
    }
}

async fn a_name_is_taken_once(stores: &Stores) {
    have(stores, &session(1)).await;
    let result = stores.sessions.ensure(&Session { name: session(1).name, ..session(2) }).await;
    assert!(matches!(result, Err(StorageError::Conflict)), "{result:?}");
    assert_eq!(stores.sessions.get(&session(2).id).await.unwrap(), None);
}

async fn an_id_is_taken_once(stores: &Stores) {
    have(stores, &session(1)).await;
    let result = stores.sessions.ensure(&Session { id: session(1).id, ..session(2) }).await;
    assert!(matches!(result, Err(StorageError::Conflict)), "{result:?}");
    assert_eq!(stored(stores, &session(1)).await, session(1));
}

async fn a_session_is_found_only_by_its_owner_and_its_name(stores: &Stores) {
    have(stores, &session(1)).await;
    have(stores, &session(2)).await;
    assert_eq!(stores.sessions.find(&user(1), &session(1).name).await.unwrap(), Some(session(1)));
    assert_eq!(stores.sessions.find(&user(1), &session(2).name).await.unwrap(), None);
    assert_eq!(stores.sessions.find(&user(3), &session(1).name).await.unwrap(), None);
    assert_eq!(stores.sessions.find(&user(1), &session(3).name).await.unwrap(), None);
}

async fn owners_and_names_that_differ_only_in_case_are_different(stores: &Stores) {
    let lower = Session { owner: "zoë".parse().unwrap(), name: "shop".parse().unwrap(), ..session(1) };
    let upper = Session { owner: "Zoë".parse().unwrap(), name: "Shop".parse().unwrap(), ..session(2) };
    have(stores, &lower).await;
    have(stores, &upper).await;
    assert_eq!(stores.sessions.find(&lower.owner, &lower.name).await.unwrap(), Some(lower.clone()));
    assert_eq!(stores.sessions.find(&lower.owner, &upper.name).await.unwrap(), None);
}

async fn a_session_that_does_not_exist_is_not_changed(stores: &Stores) {
    let id = &session(1).id;
    assert_eq!(stores.sessions.get(id).await.unwrap(), None);
    assert!(!stores.sessions.transition(id, &ALL, Lifecycle::Connected, None, at(1)).await.unwrap());
    assert!(!stores.sessions.finish_logout(id, Fence(0), at(1)).await.unwrap());
    assert!(!stores.sessions.record(id, Revision(0), &working(&session(1)), at(1)).await.unwrap());
    assert!(!stores.sessions.set_revived(id, Fence(0), at(1)).await.unwrap());
    assert!(!stores.sessions.set_phone(&user(1), id, &phone("+34600111222"), at(1)).await.unwrap());
}

async fn a_transition_leaves_only_the_states_it_names(stores: &Stores) {
    for (n, state) in (1..).zip(ALL) {
        let session = Session { lifecycle: state, ..paired_session(n) };
        have(stores, &session).await;
        let others: Vec<_> = ALL.into_iter().filter(|other| *other != state).collect();

        for from in [&others[..], &[]] {
            assert!(!stores.sessions.transition(&session.id, from, others[0], None, at(9)).await.unwrap());
            assert_eq!(stored(stores, &session).await, session);
        }
        assert!(stores.sessions.transition(&session.id, &[others[1], state], others[0], None, at(9)).await.unwrap());
        let expected = Session { lifecycle: others[0], revision: next(&session), updated_at: at(9), ..session.clone() };
        assert_eq!(stored(stores, &session).await, expected);
    }
}

async fn one_of_many_transitions_at_once_happens(stores: &Stores) {
    have(stores, &session(1)).await;
    let moved = all_at_once(stores, 50, |stores, _| async move {
        let from = [Lifecycle::Connecting];
        stores.sessions.transition(&session(1).id, &from, Lifecycle::LoggingOut, None, at(1)).await.unwrap()
    });
    assert_eq!(moved.await.into_iter().filter(|moved| *moved).count(), 1);
}

async fn a_transition_under_a_lease_that_holds_happens(stores: &Stores) {
    have(stores, &session(1)).await;
    let lease = lease(stores, &session(1), "us", 0).await;
    let fence = Some(lease.fence);
    assert!(stores.sessions.transition(&session(1).id, &ALL, Lifecycle::Connected, fence, at(1)).await.unwrap());
    // Late, but nobody else has taken it.
    assert!(stores.sessions.transition(&session(1).id, &ALL, Lifecycle::LoggingOut, fence, at(99)).await.unwrap());
}

async fn a_transition_under_a_lost_lease_is_refused(stores: &Stores) {
    have(stores, &session(1)).await;
    let fence = Some(stale_fence(stores, &session(1)).await);
    assert!(!stores.sessions.transition(&session(1).id, &ALL, Lifecycle::Connected, fence, at(1)).await.unwrap());
    assert_eq!(stored(stores, &session(1)).await, session(1));
}

async fn a_transition_under_a_released_lease_is_refused(stores: &Stores) {
    have(stores, &session(1)).await;
    let lease = lease(stores, &session(1), "us", 0).await;
    stores.leases.release(&lease).await.unwrap();
    let fence = Some(lease.fence);
    assert!(!stores.sessions.transition(&session(1).id, &ALL, Lifecycle::Connected, fence, at(1)).await.unwrap());
}

async fn a_finished_logout_forgets_everything_but_the_row(stores: &Stores) {
    let before = Session { lifecycle: Lifecycle::LoggingOut, ..paired_session(1) };
    have(stores, &before).await;
    let lease = lease(stores, &before, "us", 0).await;

    assert!(stores.sessions.finish_logout(&before.id, lease.fence, at(9)).await.unwrap());

    let expected = Session { lifecycle: Lifecycle::Disconnected, updated_at: at(9), ..forgotten(&before) };
    assert_eq!(stored(stores, &before).await, expected);
    assert!(!stores.sessions.finish_logout(&before.id, lease.fence, at(10)).await.unwrap(), "it is finished once");
    assert_eq!(stored(stores, &before).await, expected);
}

/// The session without its pairing. What WAHA reported before is still the past: that stays.
fn forgotten(before: &Session) -> Session {
    Session {
        lifecycle: before.lifecycle,
        epoch: before.epoch.next(),
        revision: next(before),
        reported_at: before.reported_at,
        ..session(1)
    }
}

fn next(before: &Session) -> Revision {
    Revision(before.revision.0 + 1)
}

async fn a_pairing_is_forgotten_under_a_lease_that_holds(stores: &Stores) {
    let before = paired_session(1);
    have(stores, &before).await;
    let fence = stale_fence(stores, &before).await;
    assert!(!stores.sessions.forget_pairing(&before.id, fence, at(9)).await.unwrap(), "a lost lease");
    assert_eq!(stored(stores, &before).await, before);
    let lease = lease(stores, &before, "us", 30).await;
    assert!(stores.sessions.forget_pairing(&before.id, lease.fence, at(9)).await.unwrap());
    assert_eq!(stored(stores, &before).await, Session { updated_at: at(9), ..forgotten(&before) });
}

async fn only_a_logout_can_be_finished(stores: &Stores) {
    for (n, state) in (1..).zip([Lifecycle::Connecting, Lifecycle::Connected, Lifecycle::Disconnected]) {
        let session = Session { lifecycle: state, ..paired_session(n) };
        have(stores, &session).await;
        let lease = lease(stores, &session, "us", 0).await;
        assert!(!stores.sessions.finish_logout(&session.id, lease.fence, at(9)).await.unwrap());
        assert_eq!(stored(stores, &session).await, session);
    }
}

async fn a_logout_is_not_finished_under_a_lost_lease(stores: &Stores) {
    let session = Session { lifecycle: Lifecycle::LoggingOut, ..paired_session(1) };
    have(stores, &session).await;
    let fence = stale_fence(stores, &session).await;
    assert!(!stores.sessions.finish_logout(&session.id, fence, at(9)).await.unwrap());
    assert_eq!(stored(stores, &session).await, session);
}

async fn what_waha_said_is_written(stores: &Stores) {
    let before = session(1);
    have(stores, &before).await;
    let seen = Observation {
        epoch: before.epoch.next(),
        down_since: Some(at(11)),
        revived_at: Some(at(12)),
        reported_at: Some(at(14)),
        phone: Some(phone("+34600111222")),
        ..working(&before)
    };

    assert!(stores.sessions.record(&before.id, before.revision, &seen, at(13)).await.unwrap());

    assert_eq!(stored(stores, &before).await, Session { updated_at: at(13), ..before.with(seen) });
}

async fn what_is_no_longer_so_is_forgotten(stores: &Stores) {
    let before = paired_session(1);
    have(stores, &before).await;
    let seen = Observation {
        epoch: before.epoch,
        status: SessionStatus::ScanQrCode,
        down_since: None,
        account: None,
        paired_at: None,
        revived_at: None,
        reported_at: None,
        phone: None,
    };
    assert!(stores.sessions.record(&before.id, before.revision, &seen, at(13)).await.unwrap());
    let after = stored(stores, &before).await;
    assert_eq!(after, Session { updated_at: at(13), ..before.with(seen) });
}

async fn the_time_of_a_report_is_kept_over_logouts_and_the_next_pairing(stores: &Stores) {
    let before = Session { reported_at: None, ..paired_session(1) };
    have(stores, &before).await;
    // As finely as WAHA tells it, and finer than is kept.
    for (told, kept) in [(at(20), at(20)), (at(20) + TimeDelta::nanoseconds(1001), at(20) + TimeDelta::microseconds(1))]
    {
        let known = stored(stores, &before).await;
        let seen = Observation { reported_at: Some(told), ..working(&known) };
        assert!(stores.sessions.record(&known.id, known.revision, &seen, at(30)).await.unwrap());
        assert_eq!(stored(stores, &before).await.reported_at, Some(kept));
    }
    let reported_at = stored(stores, &before).await.reported_at;
    let lease = lease(stores, &before, "us", 0).await;
    assert!(stores.sessions.forget_pairing(&before.id, lease.fence, at(31)).await.unwrap());
    assert_eq!(stored(stores, &before).await.reported_at, reported_at);
    let logging_out = [Lifecycle::Connected];
    assert!(stores.sessions.transition(&before.id, &logging_out, Lifecycle::LoggingOut, None, at(32)).await.unwrap());
    assert!(stores.sessions.finish_logout(&before.id, lease.fence, at(33)).await.unwrap());
    assert_eq!(stored(stores, &before).await.reported_at, reported_at);
}

async fn what_was_made_from_another_revision_is_refused(stores: &Stores) {
    let before = paired_session(1);
    have(stores, &before).await;
    let number = phone("+491701234567");
    let lease = lease(stores, &before, "us", 0).await;
    let sessions = &stores.sessions;
    let mut known = before.clone();
    // Whatever is written makes the next revision: what was read before it is late.
    for write in 0..5 {
        let wrote = match write {
            0 => sessions.record(&known.id, known.revision, &working(&known), at(13)).await,
            1 => sessions.set_phone(&known.owner, &known.id, &number, at(14)).await,
            2 => sessions.set_revived(&known.id, lease.fence, at(15)).await,
            3 => sessions.transition(&known.id, &ALL, Lifecycle::Connected, None, at(15)).await,
            _ => sessions.forget_pairing(&known.id, lease.fence, at(16)).await,
        };
        assert!(wrote.unwrap(), "{write}");
        let after = stored(stores, &known).await;
        assert_eq!(after.revision, next(&known), "{write}");
        assert!(!sessions.record(&known.id, known.revision, &working(&known), at(17)).await.unwrap(), "{write}");
        assert_eq!(stored(stores, &known).await, after, "{write}");
        known = after;
    }
}

async fn of_two_observations_at_once_that_raise_the_epoch_one_is_written(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    let written = all_at_once(stores, 20, |stores, n| async move {
        let session = paired_session(1);
        let seen = Observation { epoch: session.epoch.next(), account: Some(account(n % 10)), ..working(&session) };
        stores.sessions.record(&session.id, session.revision, &seen, at(13)).await.unwrap()
    });
    assert_eq!(written.await.into_iter().filter(|written| *written).count(), 1);
    assert_eq!(stored(stores, &session(1)).await.epoch, paired_session(1).epoch.next());
}

async fn what_was_said_of_a_session_nobody_wants_is_refused(stores: &Stores) {
    for (n, state) in (1..).zip(ALL) {
        let session = Session { lifecycle: state, ..session(n) };
        have(stores, &session).await;
        let written = stores.sessions.record(&session.id, session.revision, &working(&session), at(13)).await.unwrap();
        assert_eq!(written, state.is_wanted(), "{state:?}");
        assert_eq!(stored(stores, &session).await != session, state.is_wanted(), "{state:?}");
    }
}

async fn an_observation_moves_the_time_only_with_another_number(stores: &Stores) {
    let before = paired_session(1);
    have(stores, &before).await;
    let record = async |phone, now| {
        let known = stored(stores, &before).await;
        let seen = Observation { phone, ..working(&known) };
        assert!(stores.sessions.record(&known.id, known.revision, &seen, now).await.unwrap());
        stored(stores, &before).await
    };
    assert_eq!(record(before.phone.clone(), at(20)).await.updated_at, before.updated_at);
    let another = Some(phone("+491701234567"));
    for (number, now, moved) in
        [(&another, at(21), at(21)), (&another, at(22), at(21)), (&None, at(23), at(23)), (&None, at(24), at(23))]
    {
        let after = record(number.clone(), now).await;
        assert_eq!((after.updated_at, &after.phone), (moved, number));
    }
}

async fn a_revival_is_written_under_a_lease_that_holds(stores: &Stores) {
    have(stores, &session(1)).await;
    let lease = lease(stores, &session(1), "us", 0).await;
    assert!(stores.sessions.set_revived(&session(1).id, lease.fence, at(5)).await.unwrap());
    let expected = Session { revived_at: Some(at(5)), revision: Revision(1), ..session(1) };
    assert_eq!(stored(stores, &session(1)).await, expected);
}

async fn a_revival_is_not_written_under_a_lost_lease(stores: &Stores) {
    have(stores, &session(1)).await;
    let fence = stale_fence(stores, &session(1)).await;
    assert!(!stores.sessions.set_revived(&session(1).id, fence, at(5)).await.unwrap());
    assert_eq!(stored(stores, &session(1)).await, session(1));
}

async fn a_number_is_written_by_its_owner_alone(stores: &Stores) {
    have(stores, &session(1)).await;
    have(stores, &session(2)).await;
    let number = phone("+34600111222");
    assert!(!stores.sessions.set_phone(&user(2), &session(1).id, &number, at(7)).await.unwrap());
    assert_eq!(stored(stores, &session(1)).await, session(1));
    assert!(stores.sessions.set_phone(&user(1), &session(1).id, &number, at(7)).await.unwrap());
    let expected = Session { phone: Some(number), updated_at: at(7), revision: Revision(1), ..session(1) };
    assert_eq!(stored(stores, &session(1)).await, expected);
    assert_eq!(stored(stores, &session(2)).await, session(2));
}

async fn the_same_number_again_does_not_move_the_time(stores: &Stores) {
    have(stores, &session(1)).await;
    let number = phone("+34600111222");
    for now in [at(7), at(8)] {
        assert!(stores.sessions.set_phone(&user(1), &session(1).id, &number, now).await.unwrap());
        assert_eq!(stored(stores, &session(1)).await.updated_at, at(7));
    }
}
