//! What `LeaseRepository` promises.

use support::stores::Stores;
use switchboard_domain::ports::{Lease, LeaseHolder};

use super::fixtures::{all_at_once, at, have, lease, session, stored};

contract! {
    a_free_lease_is_given,
    a_session_that_does_not_exist_has_no_lease,
    a_held_lease_is_given_to_nobody_else,
    a_lease_that_has_run_out_is_given,
    one_of_many_callers_at_once_gets_it,
    leases_of_different_sessions_do_not_meet,
    each_fence_is_higher_than_all_before_it,
    fences_go_on_after_a_restart,
    a_renewed_lease_lasts_longer,
    a_lease_that_has_run_out_is_renewed_if_nobody_took_it,
    a_lost_lease_is_not_renewed,
    a_released_lease_is_not_renewed,
    a_released_lease_is_free,
    releasing_a_lost_lease_leaves_the_new_one_alone,
    a_lease_changes_nothing_that_a_user_sees,
}

async fn acquire(stores: &Stores, holder: &str, from: i64) -> Option<Lease> {
    let holder = LeaseHolder(holder.to_owned());
    stores.leases.acquire(&session(1).id, &holder, at(from), at(from + 10)).await.unwrap()
}

async fn a_free_lease_is_given(stores: &Stores) {
    have(stores, &session(1)).await;
    let lease = lease(stores, &session(1), "us", 0).await;
    assert_eq!((lease.session, lease.holder.0.as_str()), (session(1).id, "us"));
}

async fn a_session_that_does_not_exist_has_no_lease(stores: &Stores) {
    have(stores, &session(2)).await;
    assert_eq!(acquire(stores, "us", 0).await, None);
}

async fn a_held_lease_is_given_to_nobody_else(stores: &Stores) {
    have(stores, &session(1)).await;
    lease(stores, &session(1), "us", 0).await;
    assert_eq!(acquire(stores, "them", 0).await, None);
    assert_eq!(acquire(stores, "them", 9).await, None);
}

async fn a_lease_that_has_run_out_is_given(stores: &Stores) {
    have(stores, &session(1)).await;
    lease(stores, &session(1), "us", 0).await;
    assert!(acquire(stores, "them", 10).await.is_some(), "it runs until then, not past it");
}

async fn one_of_many_callers_at_once_gets_it(stores: &Stores) {
    have(stores, &session(1)).await;
    let all = all_at_once(stores, 50, |stores, n| async move { acquire(&stores, &format!("caller {n}"), 0).await });
    assert_eq!(all.await.into_iter().flatten().count(), 1);
}

async fn leases_of_different_sessions_do_not_meet(stores: &Stores) {
    have(stores, &session(1)).await;
    have(stores, &session(2)).await;
    let first = lease(stores, &session(1), "us", 0).await;
    lease(stores, &session(2), "them", 0).await;
    assert!(stores.leases.renew(&first, at(20)).await.unwrap());
}

async fn each_fence_is_higher_than_all_before_it(stores: &Stores) {
    have(stores, &session(1)).await;
    let mut fences = vec![lease(stores, &session(1), "us", 0).await.fence];
    // Taken over, taken again by its own holder, released and taken.
    fences.push(lease(stores, &session(1), "them", 10).await.fence);
    fences.push(lease(stores, &session(1), "them", 11).await.fence);
    let last = lease(stores, &session(1), "them", 12).await;
    stores.leases.release(&last).await.unwrap();
    fences.extend([last.fence, lease(stores, &session(1), "us", 13).await.fence]);
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
}

async fn fences_go_on_after_a_restart(stores: &Stores) {
    have(stores, &session(1)).await;
    let before = lease(stores, &session(1), "us", 0).await;
    let reopened = stores.reopened().await;
    assert_eq!(acquire(&reopened, "them", 5).await, None);
    assert!(lease(&reopened, &session(1), "them", 10).await.fence > before.fence);
}

async fn a_renewed_lease_lasts_longer(stores: &Stores) {
    have(stores, &session(1)).await;
    let lease = lease(stores, &session(1), "us", 0).await;
    assert!(stores.leases.renew(&lease, at(30)).await.unwrap());
    assert_eq!(acquire(stores, "them", 29).await, None);
    assert!(acquire(stores, "them", 30).await.is_some());
}

async fn a_lease_that_has_run_out_is_renewed_if_nobody_took_it(stores: &Stores) {
    have(stores, &session(1)).await;
    let lease = lease(stores, &session(1), "us", 0).await;
    assert!(stores.leases.renew(&lease, at(60)).await.unwrap());
    assert_eq!(acquire(stores, "them", 50).await, None);
}

async fn a_lost_lease_is_not_renewed(stores: &Stores) {
    have(stores, &session(1)).await;
    let lost = lease(stores, &session(1), "us", 0).await;
    lease(stores, &session(1), "them", 10).await;
    assert!(!stores.leases.renew(&lost, at(99)).await.unwrap());
    assert!(acquire(stores, "others", 20).await.is_some(), "the new holder's time is unchanged");
}

async fn a_released_lease_is_not_renewed(stores: &Stores) {
    have(stores, &session(1)).await;
    let lease = lease(stores, &session(1), "us", 0).await;
    stores.leases.release(&lease).await.unwrap();
    assert!(!stores.leases.renew(&lease, at(99)).await.unwrap());
    assert!(acquire(stores, "them", 1).await.is_some());
}

async fn a_released_lease_is_free(stores: &Stores) {
    have(stores, &session(1)).await;
    let lease = lease(stores, &session(1), "us", 0).await;
    stores.leases.release(&lease).await.unwrap();
    stores.leases.release(&lease).await.unwrap();
    assert!(acquire(stores, "them", 0).await.is_some());
}

async fn releasing_a_lost_lease_leaves_the_new_one_alone(stores: &Stores) {
    have(stores, &session(1)).await;
    let lost = lease(stores, &session(1), "us", 0).await;
    let held = lease(stores, &session(1), "them", 10).await;
    stores.leases.release(&lost).await.unwrap();
    assert_eq!(acquire(stores, "others", 10).await, None);
    assert!(stores.leases.renew(&held, at(30)).await.unwrap());
}

async fn a_lease_changes_nothing_that_a_user_sees(stores: &Stores) {
    have(stores, &session(1)).await;
    let lease = lease(stores, &session(1), "us", 0).await;
    stores.leases.renew(&lease, at(30)).await.unwrap();
    stores.leases.release(&lease).await.unwrap();
    assert_eq!(stored(stores, &session(1)).await, session(1));
}
