//! What `TaskLeases` promises.

use support::stores::Stores;
use switchboard_domain::ports::{Claim, LeaseHolder};

use super::fixtures::{all_at_once, at};

contract! {
    a_free_task_is_granted,
    a_held_task_is_granted_to_nobody_else_and_says_until_when,
    a_claim_that_has_run_out_is_granted_to_another,
    a_holder_extends_its_own_claim,
    a_holder_whose_claim_ran_out_may_claim_again,
    a_released_task_is_free,
    a_task_is_released_by_its_holder_alone,
    what_nobody_holds_is_released_in_vain,
    tasks_do_not_meet,
    one_of_many_claims_at_once_is_granted,
    one_of_many_claims_at_once_gets_what_has_run_out,
    claims_survive_a_restart,
}

fn holder(name: &str) -> LeaseHolder {
    LeaseHolder(name.to_owned())
}

/// Claims a task at second `from`, for ten seconds.
async fn claim(stores: &Stores, task: &str, by: &str, from: i64) -> Claim {
    stores.tasks.claim(task, &holder(by), at(from), at(from + 10)).await.unwrap()
}

async fn release(stores: &Stores, task: &str, by: &str) {
    stores.tasks.release(task, &holder(by)).await.unwrap();
}

async fn a_free_task_is_granted(stores: &Stores) {
    assert_eq!(claim(stores, "sweep", "us", 0).await, Claim::Granted);
}

async fn a_held_task_is_granted_to_nobody_else_and_says_until_when(stores: &Stores) {
    claim(stores, "sweep", "us", 0).await;
    assert_eq!(claim(stores, "sweep", "them", 1).await, Claim::HeldUntil(at(10)));
    assert_eq!(claim(stores, "sweep", "them", 9).await, Claim::HeldUntil(at(10)), "asking does not move it");
    assert_eq!(claim(stores, "sweep", "us", 9).await, Claim::Granted, "nor is it lost by that");
}

async fn a_claim_that_has_run_out_is_granted_to_another(stores: &Stores) {
    claim(stores, "sweep", "us", 0).await;
    assert_eq!(claim(stores, "sweep", "them", 10).await, Claim::Granted, "it runs until then, not past it");
    assert_eq!(claim(stores, "sweep", "us", 10).await, Claim::HeldUntil(at(20)));
}

async fn a_holder_extends_its_own_claim(stores: &Stores) {
    claim(stores, "sweep", "us", 0).await;
    assert_eq!(claim(stores, "sweep", "us", 5).await, Claim::Granted);
    assert_eq!(claim(stores, "sweep", "them", 14).await, Claim::HeldUntil(at(15)));
}

async fn a_holder_whose_claim_ran_out_may_claim_again(stores: &Stores) {
    claim(stores, "sweep", "us", 0).await;
    assert_eq!(claim(stores, "sweep", "us", 60).await, Claim::Granted);
    assert_eq!(claim(stores, "sweep", "them", 60).await, Claim::HeldUntil(at(70)));
}

async fn a_released_task_is_free(stores: &Stores) {
    claim(stores, "sweep", "us", 0).await;
    release(stores, "sweep", "us").await;
    assert_eq!(claim(stores, "sweep", "them", 0).await, Claim::Granted);
}

async fn a_task_is_released_by_its_holder_alone(stores: &Stores) {
    claim(stores, "sweep", "us", 0).await;
    claim(stores, "sweep", "them", 10).await;
    release(stores, "sweep", "us").await;
    assert_eq!(claim(stores, "sweep", "others", 10).await, Claim::HeldUntil(at(20)));
}

async fn what_nobody_holds_is_released_in_vain(stores: &Stores) {
    release(stores, "sweep", "us").await;
    assert_eq!(claim(stores, "sweep", "them", 0).await, Claim::Granted);
}

async fn tasks_do_not_meet(stores: &Stores) {
    claim(stores, "sweep", "us", 0).await;
    assert_eq!(claim(stores, "Sweep", "them", 0).await, Claim::Granted);
    release(stores, "Sweep", "us").await;
    release(stores, "Sweep", "them").await;
    assert_eq!(claim(stores, "sweep", "them", 0).await, Claim::HeldUntil(at(10)));
}

async fn one_of_many_claims_at_once_is_granted(stores: &Stores) {
    for round in 0..20 {
        let all = all_at_once(stores, 20, move |stores, n| async move {
            claim(&stores, &format!("task {round}"), &format!("caller {n}"), 0).await
        });
        let all = all.await;
        assert_eq!(all.iter().filter(|claim| **claim == Claim::Granted).count(), 1, "{all:?}");
        assert_eq!(all.iter().filter(|claim| **claim == Claim::HeldUntil(at(10))).count(), 19, "{all:?}");
    }
}

async fn one_of_many_claims_at_once_gets_what_has_run_out(stores: &Stores) {
    claim(stores, "sweep", "us", 0).await;
    let all =
        all_at_once(stores, 20, |stores, n| async move { claim(&stores, "sweep", &format!("caller {n}"), 10).await });
    let all = all.await;
    assert_eq!(all.iter().filter(|claim| **claim == Claim::Granted).count(), 1, "{all:?}");
}

async fn claims_survive_a_restart(stores: &Stores) {
    claim(stores, "sweep", "us", 0).await;
    let reopened = stores.reopened().await;
    assert_eq!(claim(&reopened, "sweep", "them", 5).await, Claim::HeldUntil(at(10)));
    release(&reopened, "sweep", "us").await;
    assert_eq!(claim(stores, "sweep", "them", 5).await, Claim::Granted);
}
