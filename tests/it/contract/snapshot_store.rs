//! What `SnapshotStore` promises, and what becomes of snapshots when a pairing ends.

use std::pin::pin;

use chrono::TimeDelta;
use futures_util::future::select;
use support::stores::Stores;
use switchboard_domain::ports::{Generation, SnapshotHead, StoredSnapshot};
use switchboard_domain::{Epoch, Lifecycle, ListKind, ListVersion, Session};

use super::fixtures::{
    all_at_once, at, have, lease, paired_session, session, stale_fence, stored as stored_session, working,
};

contract! {
    nothing_is_stored_at_first,
    a_first_snapshot_reads_back,
    snapshots_survive_a_restart,
    what_a_store_cannot_keep_of_a_time_is_cut_off,
    a_snapshot_replaces_the_one_it_was_made_from,
    a_snapshot_made_from_another_generation_is_refused,
    one_of_two_first_snapshots_at_once_is_stored,
    one_of_two_replacements_at_once_is_stored,
    a_snapshot_of_another_epoch_is_refused,
    a_snapshot_of_an_older_epoch_is_replaced,
    a_session_that_nobody_wants_stores_nothing,
    a_session_that_does_not_exist_stores_nothing,
    what_is_stored_can_be_confirmed_without_its_content,
    content_of_another_version_is_not_kept,
    content_that_is_not_there_is_not_kept,
    each_session_and_kind_has_its_own,
    a_finished_logout_deletes_the_snapshots,
    a_forgotten_pairing_deletes_the_snapshots,
    what_is_not_done_under_a_lost_lease_deletes_nothing,
    after_a_logout_the_next_epoch_starts_anew,
    a_snapshot_that_meets_a_logout_never_stays,
    a_snapshot_that_meets_a_forgotten_pairing_never_stays,
    a_pairing_is_forgotten_with_its_snapshots_or_not_at_all,
    old_snapshots_are_purged,
    snapshots_of_an_epoch_that_is_over_are_purged,
    snapshots_of_disconnected_sessions_are_purged,
    megabytes_read_back,
    an_empty_content_reads_back,
}

/// How often a race is run: it has to be lost by chance.
const ROUNDS: u32 = 50;

/// A snapshot of user 1's paired session, and of the others', that was written `generation` times.
fn snapshot(generation: i64) -> StoredSnapshot {
    let head = SnapshotHead {
        epoch: paired_session(1).epoch,
        generation: Generation(generation),
        version: ListVersion(u128::MAX - u128::from(generation.unsigned_abs())),
        synced_at: at(generation),
        settled: generation > 1,
    };
    StoredSnapshot { head, data: format!("content {generation}").into_bytes() }
}

/// Stores it over the generation before it.
async fn save(stores: &Stores, session: &Session, kind: ListKind, snapshot: &StoredSnapshot) -> bool {
    let generation = snapshot.head.generation.0;
    let replaces = (generation > 1).then(|| Generation(generation - 1));
    stores.snapshots.save(&session.id, kind, replaces, &snapshot.head, Some(&snapshot.data)).await.unwrap()
}

/// Stores user 1's paired session and the first snapshot of its groups.
async fn have_groups_of_first(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    assert!(save(stores, &session(1), ListKind::Groups, &snapshot(1)).await);
}

/// What is stored; `head` and `load` say the same of it.
async fn stored(stores: &Stores, session: &Session, kind: ListKind) -> Option<StoredSnapshot> {
    let stored = stores.snapshots.load(&session.id, kind).await.unwrap();
    let head = stores.snapshots.head(&session.id, kind).await.unwrap();
    assert_eq!(head, stored.as_ref().map(|snapshot| snapshot.head.clone()));
    stored
}

async fn groups(stores: &Stores) -> Option<StoredSnapshot> {
    stored(stores, &session(1), ListKind::Groups).await
}

/// Moves a session to the next epoch as another account does it: by what WAHA says, and without deleting anything.
async fn raise_epoch(stores: &Stores, session: &Session) {
    let stored = stored_session(stores, session).await;
    let mut seen = working(&stored);
    seen.epoch = stored.epoch.next();
    assert!(stores.sessions.record(&session.id, stored.revision, &seen, at(9)).await.unwrap());
}

async fn nothing_is_stored_at_first(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    assert_eq!(groups(stores).await, None);
    assert_eq!(stored(stores, &session(2), ListKind::Contacts).await, None);
}

async fn a_first_snapshot_reads_back(stores: &Stores) {
    have_groups_of_first(stores).await;
    assert_eq!(groups(stores).await, Some(snapshot(1)));
}

async fn snapshots_survive_a_restart(stores: &Stores) {
    have_groups_of_first(stores).await;
    assert_eq!(groups(&stores.reopened().await).await, Some(snapshot(1)));
}

async fn what_a_store_cannot_keep_of_a_time_is_cut_off(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    let mut precise = snapshot(1);
    for generation in [1, 2] {
        precise.head.generation = Generation(generation);
        precise.head.synced_at = at(generation) + TimeDelta::nanoseconds(999);
        assert!(save(stores, &session(1), ListKind::Groups, &precise).await);
        assert_eq!(groups(stores).await.unwrap().head.synced_at, at(generation));
    }
}

async fn a_snapshot_replaces_the_one_it_was_made_from(stores: &Stores) {
    have_groups_of_first(stores).await;
    for generation in 2..5 {
        assert!(save(stores, &session(1), ListKind::Groups, &snapshot(generation)).await);
        assert_eq!(groups(stores).await, Some(snapshot(generation)), "all of it");
    }
}

async fn a_snapshot_made_from_another_generation_is_refused(stores: &Stores) {
    have_groups_of_first(stores).await;
    assert!(save(stores, &session(1), ListKind::Groups, &snapshot(2)).await);
    let next = snapshot(3);
    for replaces in [None, Some(Generation(1)), Some(Generation(3))] {
        let id = &session(1).id;
        let saved = stores.snapshots.save(id, ListKind::Groups, replaces, &next.head, Some(&next.data)).await.unwrap();
        assert!(!saved, "{replaces:?}");
        assert_eq!(groups(stores).await, Some(snapshot(2)));
    }
    assert!(!save(stores, &session(1), ListKind::Contacts, &snapshot(2)).await, "there is none to replace");
    assert_eq!(stored(stores, &session(1), ListKind::Contacts).await, None);
}

async fn one_of_two_first_snapshots_at_once_is_stored(stores: &Stores) {
    for n in 1..=ROUNDS {
        have(stores, &paired_session(n)).await;
        one_of_two_is_stored(stores, n, 1).await;
    }
}

async fn one_of_two_replacements_at_once_is_stored(stores: &Stores) {
    have_groups_of_first(stores).await;
    for generation in 2..=i64::from(ROUNDS) + 1 {
        one_of_two_is_stored(stores, 1, generation).await;
    }
}

/// Two callers save a snapshot of that generation at once, each with its own content.
async fn one_of_two_is_stored(stores: &Stores, n: u32, generation: i64) {
    let of = move |caller: u32| StoredSnapshot { data: format!("of {caller}").into_bytes(), ..snapshot(generation) };
    let saved = all_at_once(stores, 2, move |stores, caller| async move {
        save(&stores, &session(n), ListKind::Groups, &of(caller)).await
    });
    let winner = match saved.await[..] {
        [true, false] => 0,
        [false, true] => 1,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(stored(stores, &session(n), ListKind::Groups).await, Some(of(winner)));
}

async fn a_snapshot_of_another_epoch_is_refused(stores: &Stores) {
    have_groups_of_first(stores).await;
    let Epoch(epoch) = paired_session(1).epoch;
    for epoch in [epoch - 1, epoch + 1] {
        let mut first = snapshot(1);
        first.head.epoch = Epoch(epoch);
        assert!(!save(stores, &session(1), ListKind::Contacts, &first).await);
        let mut next = snapshot(2);
        next.head.epoch = Epoch(epoch);
        assert!(!save(stores, &session(1), ListKind::Groups, &next).await);
    }
    assert_eq!(groups(stores).await, Some(snapshot(1)));
    assert_eq!(stored(stores, &session(1), ListKind::Contacts).await, None);
}

async fn a_snapshot_of_an_older_epoch_is_replaced(stores: &Stores) {
    have_groups_of_first(stores).await;
    raise_epoch(stores, &session(1)).await;
    assert_eq!(groups(stores).await, Some(snapshot(1)), "it is read whatever its epoch");
    let mut next = snapshot(2);
    assert!(!save(stores, &session(1), ListKind::Groups, &next).await, "it is of the older epoch");
    next.head.epoch = next.head.epoch.next();
    assert!(save(stores, &session(1), ListKind::Groups, &next).await);
    assert_eq!(groups(stores).await, Some(next));
}

async fn a_session_that_nobody_wants_stores_nothing(stores: &Stores) {
    have_groups_of_first(stores).await;
    let mut lifecycle = Lifecycle::Connected;
    for to in [Lifecycle::LoggingOut, Lifecycle::Disconnected] {
        assert!(stores.sessions.transition(&session(1).id, &[lifecycle], to, None, at(5)).await.unwrap());
        assert!(!save(stores, &session(1), ListKind::Groups, &snapshot(2)).await, "{to:?}");
        assert!(!save(stores, &session(1), ListKind::Contacts, &snapshot(1)).await, "{to:?}");
        lifecycle = to;
    }
    assert_eq!(groups(stores).await, Some(snapshot(1)));
    assert_eq!(stored(stores, &session(1), ListKind::Contacts).await, None);

    let again = Lifecycle::Connecting;
    assert!(stores.sessions.transition(&session(1).id, &[lifecycle], again, None, at(6)).await.unwrap());
    assert!(save(stores, &session(1), ListKind::Groups, &snapshot(2)).await);
    assert!(save(stores, &session(1), ListKind::Contacts, &snapshot(1)).await);
}

async fn a_session_that_does_not_exist_stores_nothing(stores: &Stores) {
    have_groups_of_first(stores).await;
    for generation in [1, 2] {
        assert!(!save(stores, &session(2), ListKind::Groups, &snapshot(generation)).await);
    }
    assert_eq!(stored(stores, &session(2), ListKind::Groups).await, None);
}

async fn what_is_stored_can_be_confirmed_without_its_content(stores: &Stores) {
    have_groups_of_first(stores).await;
    let confirmed = SnapshotHead { generation: Generation(2), synced_at: at(60), settled: true, ..snapshot(1).head };
    let replaces = Some(Generation(1));
    let id = &session(1).id;
    assert!(stores.snapshots.save(id, ListKind::Groups, replaces, &confirmed, None).await.unwrap());
    assert_eq!(groups(stores).await, Some(StoredSnapshot { head: confirmed.clone(), data: snapshot(1).data }));
    assert!(!stores.snapshots.save(id, ListKind::Groups, replaces, &confirmed, None).await.unwrap(), "of another one");
}

async fn content_of_another_version_is_not_kept(stores: &Stores) {
    have_groups_of_first(stores).await;
    let other = snapshot(2).head;
    let replaces = Some(Generation(1));
    assert!(!stores.snapshots.save(&session(1).id, ListKind::Groups, replaces, &other, None).await.unwrap());
    assert_eq!(groups(stores).await, Some(snapshot(1)));
}

async fn content_that_is_not_there_is_not_kept(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    for replaces in [None, Some(Generation(1))] {
        let head = snapshot(1).head;
        assert!(!stores.snapshots.save(&session(1).id, ListKind::Groups, replaces, &head, None).await.unwrap());
    }
    assert_eq!(groups(stores).await, None);
}

async fn each_session_and_kind_has_its_own(stores: &Stores) {
    have_groups_of_first(stores).await;
    have(stores, &paired_session(2)).await;
    let contacts = StoredSnapshot { data: b"contacts".to_vec(), ..snapshot(1) };
    let of_another = StoredSnapshot { data: b"of another".to_vec(), ..snapshot(1) };
    assert!(save(stores, &session(1), ListKind::Contacts, &contacts).await);
    assert!(save(stores, &session(2), ListKind::Groups, &of_another).await);
    assert!(save(stores, &session(1), ListKind::Groups, &snapshot(2)).await);
    assert_eq!(groups(stores).await, Some(snapshot(2)));
    assert_eq!(stored(stores, &session(1), ListKind::Contacts).await, Some(contacts));
    assert_eq!(stored(stores, &session(2), ListKind::Groups).await, Some(of_another));
    assert_eq!(stored(stores, &session(2), ListKind::Contacts).await, None);
}

/// Stores both lists of the paired sessions of users 1 and 2.
async fn have_lists_of_two(stores: &Stores) {
    for n in [1, 2] {
        have(stores, &paired_session(n)).await;
        for kind in [ListKind::Groups, ListKind::Contacts] {
            assert!(save(stores, &session(n), kind, &snapshot(1)).await);
        }
    }
}

async fn assert_only_the_second_ones_are_left(stores: &Stores) {
    for kind in [ListKind::Groups, ListKind::Contacts] {
        assert_eq!(stored(stores, &session(1), kind).await, None);
        assert_eq!(stored(stores, &session(2), kind).await, Some(snapshot(1)));
    }
}

async fn log_out(stores: &Stores, session: &Session) {
    let (from, to) = (Lifecycle::Connected, Lifecycle::LoggingOut);
    assert!(stores.sessions.transition(&session.id, &[from], to, None, at(5)).await.unwrap());
    let fence = lease(stores, session, "us", 0).await.fence;
    assert!(stores.sessions.finish_logout(&session.id, fence, at(6)).await.unwrap());
}

async fn a_finished_logout_deletes_the_snapshots(stores: &Stores) {
    have_lists_of_two(stores).await;
    log_out(stores, &session(1)).await;
    assert_only_the_second_ones_are_left(stores).await;
}

async fn a_forgotten_pairing_deletes_the_snapshots(stores: &Stores) {
    have_lists_of_two(stores).await;
    let fence = lease(stores, &session(1), "us", 0).await.fence;
    assert!(stores.sessions.forget_pairing(&session(1).id, fence, at(6)).await.unwrap());
    assert_only_the_second_ones_are_left(stores).await;
}

async fn what_is_not_done_under_a_lost_lease_deletes_nothing(stores: &Stores) {
    have_groups_of_first(stores).await;
    let fence = stale_fence(stores, &session(1)).await;
    assert!(!stores.sessions.finish_logout(&session(1).id, fence, at(6)).await.unwrap());
    assert!(!stores.sessions.forget_pairing(&session(1).id, fence, at(6)).await.unwrap());
    let held = lease(stores, &session(1), "others", 30).await.fence;
    assert!(!stores.sessions.finish_logout(&session(1).id, held, at(6)).await.unwrap(), "nobody is logging out");
    assert_eq!(groups(stores).await, Some(snapshot(1)));
}

async fn after_a_logout_the_next_epoch_starts_anew(stores: &Stores) {
    have_groups_of_first(stores).await;
    log_out(stores, &session(1)).await;
    let (from, to) = (Lifecycle::Disconnected, Lifecycle::Connecting);
    assert!(stores.sessions.transition(&session(1).id, &[from], to, None, at(7)).await.unwrap());
    assert!(!save(stores, &session(1), ListKind::Groups, &snapshot(1)).await, "it is of the pairing before");
    let mut first = snapshot(1);
    first.head.epoch = first.head.epoch.next();
    assert!(save(stores, &session(1), ListKind::Groups, &first).await);
    assert_eq!(groups(stores).await, Some(first));
}

async fn a_snapshot_that_meets_a_logout_never_stays(stores: &Stores) {
    for n in 1..=ROUNDS {
        have(stores, &paired_session(n)).await;
        all_at_once(stores, 5, move |stores, caller| async move {
            match caller {
                0 => log_out(&stores, &session(n)).await,
                1 | 2 => drop(save(&stores, &session(n), ListKind::Groups, &snapshot(1)).await),
                _ => drop(save(&stores, &session(n), ListKind::Contacts, &snapshot(1)).await),
            }
        })
        .await;
        assert_eq!(stored(stores, &session(n), ListKind::Groups).await, None, "round {n}");
        assert_eq!(stored(stores, &session(n), ListKind::Contacts).await, None, "round {n}");
    }
}

async fn a_snapshot_that_meets_a_forgotten_pairing_never_stays(stores: &Stores) {
    for n in 1..=ROUNDS {
        have(stores, &paired_session(n)).await;
        assert!(save(stores, &session(n), ListKind::Groups, &snapshot(1)).await);
        let fence = lease(stores, &session(n), "us", 0).await.fence;
        all_at_once(stores, 4, move |stores, caller| async move {
            match caller {
                0 => drop(save(&stores, &session(n), ListKind::Contacts, &snapshot(1)).await),
                2 => assert!(stores.sessions.forget_pairing(&session(n).id, fence, at(6)).await.unwrap()),
                _ => drop(save(&stores, &session(n), ListKind::Groups, &snapshot(2)).await),
            }
        })
        .await;
        assert_eq!(stored(stores, &session(n), ListKind::Groups).await, None, "round {n}");
        assert_eq!(stored(stores, &session(n), ListKind::Contacts).await, None, "round {n}");
    }
}

async fn a_pairing_is_forgotten_with_its_snapshots_or_not_at_all(stores: &Stores) {
    for n in 1..=ROUNDS {
        have(stores, &paired_session(n)).await;
        assert!(save(stores, &session(n), ListKind::Groups, &snapshot(1)).await);
        let fence = lease(stores, &session(n), "us", 0).await.fence;

        // The caller goes away, each time a little later.
        let patience = async {
            for _ in 0..n {
                tokio::task::yield_now().await;
            }
        };
        let id = &session(n).id;
        drop(select(stores.sessions.forget_pairing(id, fence, at(6)), pin!(patience)).await);

        let forgotten = loop {
            let before = stored_session(stores, &session(n)).await.epoch;
            let snapshot = stored(stores, &session(n), ListKind::Groups).await;
            // What was on its way may still arrive.
            if stored_session(stores, &session(n)).await.epoch == before {
                assert_eq!(snapshot.is_none(), before > paired_session(n).epoch, "round {n}");
                break snapshot.is_none();
            }
        };
        if !forgotten {
            assert!(stores.sessions.forget_pairing(id, fence, at(6)).await.unwrap(), "round {n}");
        }
    }
}

async fn old_snapshots_are_purged(stores: &Stores) {
    have_lists_of_two(stores).await;
    assert!(save(stores, &session(2), ListKind::Contacts, &snapshot(2)).await);
    assert_eq!(stores.snapshots.purge(at(1)).await.unwrap(), 0, "synced then is not synced before");
    assert_eq!(stores.snapshots.purge(at(2)).await.unwrap(), 3);
    assert_eq!(stored(stores, &session(2), ListKind::Contacts).await, Some(snapshot(2)));
    assert_eq!(groups(stores).await, None);
    assert_eq!(stores.snapshots.purge(at(2)).await.unwrap(), 0);
}

async fn snapshots_of_an_epoch_that_is_over_are_purged(stores: &Stores) {
    have_lists_of_two(stores).await;
    raise_epoch(stores, &session(1)).await;
    let mut next = snapshot(2);
    next.head.epoch = next.head.epoch.next();
    assert!(save(stores, &session(1), ListKind::Groups, &next).await);
    assert_eq!(stores.snapshots.purge(at(0)).await.unwrap(), 1);
    assert_eq!(stored(stores, &session(1), ListKind::Contacts).await, None);
    assert_eq!(groups(stores).await, Some(next));
    assert_eq!(stored(stores, &session(2), ListKind::Groups).await, Some(snapshot(1)));
}

async fn snapshots_of_disconnected_sessions_are_purged(stores: &Stores) {
    have_lists_of_two(stores).await;
    let from = Lifecycle::Connected;
    for (n, to) in [(1, Lifecycle::Disconnected), (2, Lifecycle::LoggingOut)] {
        assert!(stores.sessions.transition(&session(n).id, &[from], to, None, at(5)).await.unwrap());
    }
    assert_eq!(stores.snapshots.purge(at(0)).await.unwrap(), 2);
    assert_only_the_second_ones_are_left(stores).await;
}

/// Bytes that do not compress.
fn noise(length: u32) -> Vec<u8> {
    (0..length).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

async fn megabytes_read_back(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    for (generation, length) in [(1, 3_000_000), (2, 2_999_999)] {
        let large = StoredSnapshot { data: noise(length), ..snapshot(generation) };
        assert!(save(stores, &session(1), ListKind::Groups, &large).await);
        // Not `assert_eq`, which would print them.
        assert!(groups(stores).await == Some(large), "generation {generation}");
    }
}

async fn an_empty_content_reads_back(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    let empty = StoredSnapshot { data: Vec::new(), ..snapshot(1) };
    assert!(save(stores, &session(1), ListKind::Groups, &empty).await);
    assert_eq!(groups(stores).await, Some(empty));
}
