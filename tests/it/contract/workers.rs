//! What `WorkerRepository` promises.

use std::collections::BTreeMap;

use support::stores::Stores;
use switchboard_domain::placement::Candidate;
use switchboard_domain::ports::{Generation, Placement, SnapshotHead, Stray};
use switchboard_domain::{Lifecycle, ListKind, ListVersion, Revision, Session, WorkerState};

use super::fixtures::{all_at_once_of, at, have, lease, paired_session, session, stale_fence, stored, worker};

contract! {
    a_worker_has_the_state_it_was_given_last,
    loads_count_all_sessions_but_disconnected_ones,
    whoever_comes_goes_or_moves_is_counted,
    a_session_is_placed_where_most_places_are_free,
    a_draining_or_removed_worker_gets_nothing,
    without_a_free_place_nothing_changes,
    nothing_is_placed_under_a_lost_lease,
    nothing_is_placed_that_its_user_logged_out,
    a_placed_session_is_connecting_and_otherwise_as_it_was,
    a_session_that_moves_forgets_its_pairing_and_leaves_a_stray_behind,
    a_session_moves_to_another_worker_or_not_at_all,
    a_session_that_comes_back_is_a_stray_no_longer,
    placements_at_once_spread_evenly,
    placements_at_once_never_exceed_a_capacity,
    a_removed_worker_loses_its_sessions_and_nobody_elses,
    a_removal_keeps_what_was_left_behind_before,
    a_worker_that_drains_keeps_its_sessions,
    a_removal_and_placements_at_once_leave_nobody_on_the_worker,
}

fn candidates(capacities: &[(&str, u32)]) -> Vec<Candidate> {
    capacities.iter().map(|(name, capacity)| Candidate { name: worker(name), capacity: *capacity }).collect()
}

/// User n's session, which nobody has connected yet.
fn unplaced(n: u32) -> Session {
    Session { lifecycle: Lifecycle::Disconnected, worker: worker("nowhere"), ..session(n) }
}

fn on(name: &str, session: Session) -> Session {
    Session { worker: worker(name), ..session }
}

async fn place(stores: &Stores, session: &Session, capacities: &[(&str, u32)]) -> Placement {
    let lease = lease(stores, session, "us", 0).await;
    let placement = stores.workers.place(&session.id, lease.fence, &candidates(capacities), at(50)).await.unwrap();
    stores.leases.release(&lease).await.unwrap();
    if let Placement::Placed(placed) = &placement {
        assert_eq!(stored(stores, session).await, **placed);
    }
    placement
}

/// The worker that a session is placed on.
async fn placed(stores: &Stores, session: &Session, capacities: &[(&str, u32)]) -> Option<String> {
    match place(stores, session, capacities).await {
        Placement::Placed(placed) => Some(placed.worker.to_string()),
        Placement::Full | Placement::Lost => None,
    }
}

async fn loads(stores: &Stores) -> BTreeMap<String, u32> {
    let loads = stores.workers.loads().await.unwrap();
    loads.into_iter().map(|(worker, load)| (worker.to_string(), load)).collect()
}

async fn set_state(stores: &Stores, name: &str, state: WorkerState) -> u32 {
    stores.workers.set_state(&worker(name), state, at(40)).await.unwrap()
}

async fn strays(stores: &Stores, name: &str) -> Vec<Stray> {
    stores.strays.strays(&worker(name)).await.unwrap()
}

fn left_behind(session: &Session, since: i64) -> Stray {
    Stray { name: session.name.clone(), since: at(since), is_left_behind: true }
}

/// Stores a list of the session's.
async fn have_list(stores: &Stores, session: &Session) {
    let head = SnapshotHead {
        epoch: session.epoch,
        generation: Generation(1),
        version: "0123456789abcdef0123456789abcdef".parse::<ListVersion>().unwrap(),
        synced_at: at(0),
        settled: true,
    };
    assert!(stores.snapshots.save(&session.id, ListKind::Groups, None, &head, Some(b"list")).await.unwrap());
}

async fn has_list(stores: &Stores, session: &Session) -> bool {
    stores.snapshots.head(&session.id, ListKind::Groups).await.unwrap().is_some()
}

/// The session once its pairing is forgotten at that second.
fn forgotten(session: &Session, now: i64) -> Session {
    Session {
        epoch: session.epoch.next(),
        revision: Revision(session.revision.0 + 1),
        phone: None,
        account: None,
        paired_at: None,
        status: None,
        down_since: None,
        revived_at: None,
        updated_at: at(now),
        ..session.clone()
    }
}

async fn a_worker_has_the_state_it_was_given_last(stores: &Stores) {
    let states = async || {
        let states = stores.workers.states().await.unwrap();
        states.into_iter().map(|(worker, state)| format!("{worker} {}", state.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(states().await, Vec::<String>::new());
    set_state(stores, "b", WorkerState::Draining).await;
    set_state(stores, "a", WorkerState::Removed).await;
    set_state(stores, "c", WorkerState::Active).await;
    assert_eq!(states().await, ["a removed", "b draining", "c active"]);
    set_state(stores, "b", WorkerState::Active).await;
    set_state(stores, "a", WorkerState::Draining).await;
    assert_eq!(states().await, ["a draining", "b active", "c active"]);
}

async fn loads_count_all_sessions_but_disconnected_ones(stores: &Stores) {
    assert_eq!(loads(stores).await, BTreeMap::new());
    let all = [Lifecycle::Connecting, Lifecycle::Connected, Lifecycle::LoggingOut, Lifecycle::Disconnected];
    for (n, lifecycle) in (1..).zip(all) {
        have(stores, &on("a", Session { lifecycle, ..session(n) })).await;
    }
    have(stores, &on("b", paired_session(5))).await;
    have(stores, &on("c", unplaced(6))).await;
    assert_eq!(loads(stores).await, [("a", 3), ("b", 1)].map(|(name, load)| (name.to_owned(), load)).into());
}

async fn whoever_comes_goes_or_moves_is_counted(stores: &Stores) {
    let on_each = async |expected: [(&str, u32); 2]| {
        let taken = expected.into_iter().filter(|(_, load)| *load > 0);
        assert_eq!(loads(stores).await, taken.map(|(name, load)| (name.to_owned(), load)).collect());
    };
    have(stores, &unplaced(1)).await;
    have(stores, &on("a", paired_session(2))).await;
    assert_eq!(placed(stores, &unplaced(1), &[("a", 9)]).await.as_deref(), Some("a"));
    on_each([("a", 2), ("b", 0)]).await;
    assert_eq!(placed(stores, &unplaced(1), &[("a", 9), ("b", 1)]).await.as_deref(), Some("b"), "it moves");
    on_each([("a", 1), ("b", 1)]).await;

    let transition = async |from, to| {
        let moved = stores.sessions.transition(&session(1).id, &[from], to, None, at(60)).await;
        assert!(moved.unwrap(), "{from:?} becomes {to:?}");
    };
    transition(Lifecycle::Connecting, Lifecycle::Connected).await;
    on_each([("a", 1), ("b", 1)]).await;
    transition(Lifecycle::Connected, Lifecycle::Disconnected).await;
    on_each([("a", 1), ("b", 0)]).await;

    let lease = lease(stores, &session(2), "us", 0).await;
    let logging_out = [Lifecycle::Connected];
    assert!(
        stores.sessions.transition(&session(2).id, &logging_out, Lifecycle::LoggingOut, None, at(60)).await.unwrap()
    );
    on_each([("a", 1), ("b", 0)]).await;
    assert!(stores.sessions.finish_logout(&session(2).id, lease.fence, at(61)).await.unwrap());
    on_each([("a", 0), ("b", 0)]).await;
}

async fn a_session_is_placed_where_most_places_are_free(stores: &Stores) {
    for n in 1..=6 {
        have(stores, &unplaced(n)).await;
    }
    have(stores, &on("c", session(7))).await;
    let workers = [("c", 3), ("b", 3), ("a", 2)];
    // Free: a 2, b 3, c 2; then of equals the first by name.
    for (n, expected) in (1..).zip(["b", "a", "b", "c", "a"]) {
        assert_eq!(placed(stores, &unplaced(n), &workers).await.as_deref(), Some(expected), "{n}");
    }
    assert_eq!(loads(stores).await, [("a", 2), ("b", 2), ("c", 2)].map(|(name, load)| (name.to_owned(), load)).into());
    assert_eq!(placed(stores, &unplaced(6), &[("a", 2), ("c", 3)]).await.as_deref(), Some("c"), "b is no candidate");
}

async fn a_draining_or_removed_worker_gets_nothing(stores: &Stores) {
    for n in 1..=3 {
        have(stores, &unplaced(n)).await;
    }
    set_state(stores, "a", WorkerState::Draining).await;
    set_state(stores, "b", WorkerState::Removed).await;
    assert_eq!(placed(stores, &unplaced(1), &[("a", 9), ("b", 9), ("c", 1)]).await.as_deref(), Some("c"));
    assert_eq!(place(stores, &unplaced(2), &[("a", 9), ("b", 9), ("c", 1)]).await, Placement::Full);
    set_state(stores, "a", WorkerState::Active).await;
    assert_eq!(placed(stores, &unplaced(2), &[("a", 9), ("b", 9), ("c", 1)]).await.as_deref(), Some("a"));
}

async fn without_a_free_place_nothing_changes(stores: &Stores) {
    have(stores, &on("a", session(1))).await;
    have(stores, &unplaced(2)).await;
    let moving = on("b", paired_session(3));
    have(stores, &moving).await;
    have_list(stores, &moving).await;
    for workers in [&[("a", 1), ("c", 0)][..], &[]] {
        assert_eq!(place(stores, &unplaced(2), workers).await, Placement::Full);
        assert_eq!(place(stores, &moving, workers).await, Placement::Full);
    }
    assert_eq!(stored(stores, &unplaced(2)).await, unplaced(2));
    assert_eq!(stored(stores, &moving).await, moving);
    assert!(has_list(stores, &moving).await);
    assert_eq!(strays(stores, "b").await, []);
}

async fn nothing_is_placed_under_a_lost_lease(stores: &Stores) {
    let moving = on("b", paired_session(2));
    for session in [unplaced(1), moving.clone()] {
        have(stores, &session).await;
        let lost = stale_fence(stores, &session).await;
        let placement = stores.workers.place(&session.id, lost, &candidates(&[("a", 9)]), at(50)).await.unwrap();
        assert_eq!(placement, Placement::Lost);
        assert_eq!(stored(stores, &session).await, session);
    }
    assert_eq!(strays(stores, "b").await, []);
    let released = lease(stores, &unplaced(1), "others", 30).await;
    stores.leases.release(&released).await.unwrap();
    let placement = stores.workers.place(&unplaced(1).id, released.fence, &candidates(&[("a", 9)]), at(50)).await;
    assert_eq!(placement.unwrap(), Placement::Lost);
}

async fn nothing_is_placed_that_its_user_logged_out(stores: &Stores) {
    let leaving = on("b", Session { lifecycle: Lifecycle::LoggingOut, ..paired_session(1) });
    have(stores, &leaving).await;
    assert_eq!(place(stores, &leaving, &[("a", 9)]).await, Placement::Lost);
    assert_eq!(stored(stores, &leaving).await, leaving);
    assert_eq!(strays(stores, "b").await, []);
}

async fn a_placed_session_is_connecting_and_otherwise_as_it_was(stores: &Stores) {
    // Its create failed once, when it had been paired already.
    let session = on("a", Session { lifecycle: Lifecycle::Disconnected, ..paired_session(1) });
    have(stores, &session).await;
    let expected = Session {
        lifecycle: Lifecycle::Connecting,
        revision: Revision(session.revision.0 + 1),
        updated_at: at(50),
        ..session.clone()
    };
    assert_eq!(place(stores, &session, &[("a", 1)]).await, Placement::Placed(Box::new(expected)));
    assert_eq!(strays(stores, "a").await, []);

    let session = on("a", Session { lifecycle: Lifecycle::Disconnected, ..paired_session(2) });
    have(stores, &session).await;
    let Placement::Placed(placed) = place(stores, &session, &[("b", 1)]).await else { panic!("there is room") };
    assert_eq!((placed.worker, placed.account, placed.epoch), (worker("b"), session.account, session.epoch));
    assert_eq!(placed.reported_at, None, "another worker has another clock");
    assert_eq!(strays(stores, "a").await, [], "nothing was left there");
}

async fn a_session_that_moves_forgets_its_pairing_and_leaves_a_stray_behind(stores: &Stores) {
    for (n, lifecycle) in [(1, Lifecycle::Connecting), (2, Lifecycle::Connected)] {
        let session = on("a", Session { lifecycle, ..paired_session(n) });
        have(stores, &session).await;
        have_list(stores, &session).await;
        let expected = Session {
            lifecycle: Lifecycle::Connecting,
            worker: worker("b"),
            reported_at: None,
            ..forgotten(&session, 50)
        };
        let placement = place(stores, &session, &[("b", 9)]).await;
        assert_eq!(placement, Placement::Placed(Box::new(expected)));
        assert!(!has_list(stores, &session).await);
    }
    assert_eq!(strays(stores, "a").await, [left_behind(&session(1), 50), left_behind(&session(2), 50)]);
    assert_eq!(strays(stores, "b").await, []);
}

async fn a_session_moves_to_another_worker_or_not_at_all(stores: &Stores) {
    have(stores, &on("a", session(1))).await;
    assert_eq!(place(stores, &session(1), &[("a", 9)]).await, Placement::Full);
    assert_eq!(placed(stores, &session(1), &[("a", 9), ("b", 1)]).await.as_deref(), Some("b"));
}

async fn a_session_that_comes_back_is_a_stray_no_longer(stores: &Stores) {
    have(stores, &on("a", session(1))).await;
    have(stores, &on("a", session(2))).await;
    for n in [1, 2] {
        assert_eq!(placed(stores, &session(n), &[("b", 9)]).await.as_deref(), Some("b"));
    }
    assert_eq!(placed(stores, &session(1), &[("a", 9)]).await.as_deref(), Some("a"));
    assert_eq!(strays(stores, "a").await, [left_behind(&session(2), 50)]);
    assert_eq!(strays(stores, "b").await, [left_behind(&session(1), 50)]);
}

/// Places 200 sessions at once, through two stores on the same database; returns how many found a place.
async fn place_two_hundred(stores: &Stores, workers: &[(&str, u32)]) -> usize {
    for n in 0..200 {
        have(stores, &unplaced(n)).await;
    }
    let (replicas, candidates) = ([stores.clone(), stores.reopened().await], candidates(workers));
    let placements = all_at_once_of(200, |n| {
        let (stores, candidates) = (replicas[n as usize % 2].clone(), candidates.clone());
        async move {
            let lease = lease(&stores, &session(n), "us", 0).await;
            stores.workers.place(&session(n).id, lease.fence, &candidates, at(50)).await.unwrap()
        }
    });
    let placed = placements.await.into_iter().filter(|placement| matches!(placement, Placement::Placed(_)));
    placed.count()
}

async fn placements_at_once_spread_evenly(stores: &Stores) {
    let workers = [("a", 50), ("b", 50), ("c", 50), ("d", 50), ("e", 50)];
    assert_eq!(place_two_hundred(stores, &workers).await, 200);
    assert_eq!(loads(stores).await, workers.map(|(name, _)| (name.to_owned(), 40)).into());
}

async fn placements_at_once_never_exceed_a_capacity(stores: &Stores) {
    let workers = [("a", 33), ("b", 1), ("c", 7), ("d", 60), ("e", 0)];
    assert_eq!(place_two_hundred(stores, &workers).await, 101);
    let full = [("a", 33), ("b", 1), ("c", 7), ("d", 60)];
    assert_eq!(loads(stores).await, full.map(|(name, load)| (name.to_owned(), load)).into());
}

async fn a_removed_worker_loses_its_sessions_and_nobody_elses(stores: &Stores) {
    let all = [Lifecycle::Connecting, Lifecycle::Connected, Lifecycle::LoggingOut];
    let gone: Vec<Session> =
        (1..).zip(all).map(|(n, lifecycle)| on("a", Session { lifecycle, ..paired_session(n) })).collect();
    let rest = [on("a", unplaced(4)), on("b", paired_session(5))];
    for session in gone.iter().chain(&rest) {
        have(stores, session).await;
    }
    have_list(stores, &gone[1]).await;
    have_list(stores, &rest[1]).await;

    assert_eq!(set_state(stores, "a", WorkerState::Removed).await, 3);
    for session in &gone {
        let expected = Session { lifecycle: Lifecycle::Disconnected, ..forgotten(session, 40) };
        assert_eq!(stored(stores, session).await, expected);
        assert!(!has_list(stores, session).await);
    }
    for session in &rest {
        assert_eq!(stored(stores, session).await, *session);
    }
    assert!(has_list(stores, &rest[1]).await);
    assert_eq!(strays(stores, "a").await, [], "nobody has asked for a logout");
    assert_eq!(loads(stores).await, [("b".to_owned(), 1)].into());
    assert_eq!(set_state(stores, "a", WorkerState::Removed).await, 0, "again");
}

async fn a_removal_keeps_what_was_left_behind_before(stores: &Stores) {
    have(stores, &on("a", session(1))).await;
    have(stores, &on("a", session(2))).await;
    assert_eq!(placed(stores, &session(1), &[("b", 9)]).await.as_deref(), Some("b"));
    assert_eq!(set_state(stores, "a", WorkerState::Removed).await, 1);
    assert_eq!(strays(stores, "a").await, [left_behind(&session(1), 50)]);
}

async fn a_worker_that_drains_keeps_its_sessions(stores: &Stores) {
    have(stores, &on("a", paired_session(1))).await;
    for state in [WorkerState::Draining, WorkerState::Active] {
        assert_eq!(set_state(stores, "a", state).await, 0);
        assert_eq!(stored(stores, &session(1)).await, on("a", paired_session(1)));
    }
    assert_eq!(strays(stores, "a").await, []);
}

async fn a_removal_and_placements_at_once_leave_nobody_on_the_worker(stores: &Stores) {
    for n in 0..40 {
        have(stores, &unplaced(n)).await;
    }
    let replicas = [stores.clone(), stores.reopened().await];
    let all = all_at_once_of(40, |n| {
        let stores = replicas[n as usize % 2].clone();
        async move {
            if n == 20 {
                set_state(&stores, "a", WorkerState::Removed).await;
            }
            let lease = lease(&stores, &session(n), "us", 0).await;
            stores.workers.place(&session(n).id, lease.fence, &candidates(&[("a", 99)]), at(50)).await.unwrap()
        }
    });
    let placed = all.await.iter().filter(|placement| matches!(placement, Placement::Placed(_))).count();
    assert_eq!(loads(stores).await, BTreeMap::new());
    let mut left = 0;
    for n in 0..40 {
        let row = stored(stores, &session(n)).await;
        assert_eq!(row.lifecycle, Lifecycle::Disconnected);
        left += usize::from(row.worker == worker("a"));
    }
    assert_eq!(left, placed, "each that was placed before the removal");
    assert_eq!(strays(stores, "a").await, []);
}
