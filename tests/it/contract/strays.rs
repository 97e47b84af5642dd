//! What `StrayRepository` promises.

use support::stores::Stores;
use switchboard_domain::placement::Candidate;
use switchboard_domain::ports::Stray;
use switchboard_domain::{Lifecycle, Session, SessionName};

use super::fixtures::{at, have, lease, session, worker};

contract! {
    a_stray_is_one_since_it_was_first_seen,
    a_stray_that_is_seen_no_more_is_forgotten,
    strays_of_one_worker_are_none_of_another,
    what_became_a_stray_after_the_worker_was_asked_is_not_forgotten,
    a_session_that_was_left_behind_stays_one,
    a_session_that_a_row_wants_there_is_no_stray,
    many_strays_are_remembered_and_forgotten_at_once,
}

fn names(numbers: impl IntoIterator<Item = u32>) -> Vec<SessionName> {
    numbers.into_iter().map(|n| session(n).name).collect()
}

fn stray(n: u32, since: i64) -> Stray {
    Stray { name: session(n).name, since: at(since), is_left_behind: false }
}

async fn sight(stores: &Stores, on: &str, numbers: impl IntoIterator<Item = u32>, now: i64) -> Vec<Stray> {
    let seen = stores.strays.sight(&worker(on), &names(numbers), at(now)).await.unwrap();
    assert_eq!(stores.strays.strays(&worker(on)).await.unwrap(), seen);
    seen
}

async fn a_stray_is_one_since_it_was_first_seen(stores: &Stores) {
    assert_eq!(stores.strays.strays(&worker("a")).await.unwrap(), []);
    assert_eq!(sight(stores, "a", [2, 1, 2], 10).await, [stray(1, 10), stray(2, 10)]);
    assert_eq!(sight(stores, "a", [1, 2, 3], 20).await, [stray(1, 10), stray(2, 10), stray(3, 20)]);
    let reopened = stores.reopened().await;
    assert_eq!(reopened.strays.strays(&worker("a")).await.unwrap(), [stray(1, 10), stray(2, 10), stray(3, 20)]);
}

async fn a_stray_that_is_seen_no_more_is_forgotten(stores: &Stores) {
    sight(stores, "a", [1, 2], 10).await;
    assert_eq!(sight(stores, "a", [2], 20).await, [stray(2, 10)]);
    assert_eq!(sight(stores, "a", [1, 2], 30).await, [stray(1, 30), stray(2, 10)], "a new one of that name");
    assert_eq!(sight(stores, "a", [], 40).await, []);
}

async fn strays_of_one_worker_are_none_of_another(stores: &Stores) {
    sight(stores, "a", [1], 10).await;
    assert_eq!(sight(stores, "b", [1, 2], 20).await, [stray(1, 20), stray(2, 20)]);
    assert_eq!(sight(stores, "b", [], 30).await, []);
    assert_eq!(stores.strays.strays(&worker("a")).await.unwrap(), [stray(1, 10)]);
}

async fn what_became_a_stray_after_the_worker_was_asked_is_not_forgotten(stores: &Stores) {
    sight(stores, "a", [1], 20).await;
    assert_eq!(sight(stores, "a", [2], 10).await, [stray(1, 20), stray(2, 10)]);
    assert_eq!(sight(stores, "a", [2], 20).await, [stray(2, 10)]);
}

async fn a_session_that_was_left_behind_stays_one(stores: &Stores) {
    let to_b = [Candidate { name: worker("b"), capacity: 9 }];
    sight(stores, "a", [3], 10).await;
    for n in [1, 2] {
        have(stores, &Session { worker: worker("a"), ..session(n) }).await;
        let lease = lease(stores, &session(n), "us", 0).await;
        stores.workers.place(&session(n).id, lease.fence, &to_b, at(20)).await.unwrap();
    }
    let left = |n| Stray { is_left_behind: true, ..stray(n, 20) };
    assert_eq!(sight(stores, "a", [1, 3], 30).await, [left(1), stray(3, 10)]);
    assert_eq!(sight(stores, "a", [1, 2, 3], 40).await, [left(1), stray(2, 40), stray(3, 10)], "it came back");
}

async fn a_session_that_a_row_wants_there_is_no_stray(stores: &Stores) {
    sight(stores, "a", [1, 2, 3, 4, 5], 10).await;
    let all = [Lifecycle::Connecting, Lifecycle::Connected, Lifecycle::LoggingOut, Lifecycle::Disconnected];
    for (n, lifecycle) in (1..).zip(all) {
        have(stores, &Session { worker: worker("a"), lifecycle, ..session(n) }).await;
    }
    have(stores, &Session { worker: worker("b"), ..session(5) }).await;
    assert_eq!(sight(stores, "a", [1, 2, 3, 4, 5], 20).await, [stray(4, 10), stray(5, 10)]);
    assert_eq!(sight(stores, "b", [1, 5], 20).await, [stray(1, 20)]);
}

async fn many_strays_are_remembered_and_forgotten_at_once(stores: &Stores) {
    assert_eq!(sight(stores, "a", 1..=2500, 10).await.len(), 2500);
    assert_eq!(sight(stores, "a", 2499..=2510, 20).await.len(), 12);
}
