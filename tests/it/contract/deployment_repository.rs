//! What `DeploymentRepository` promises, and that a store in order says so.

use support::stores::Stores;
use switchboard_domain::DeploymentId;

use super::fixtures::all_at_once;

contract! {
    the_first_id_stays,
    the_id_survives_a_restart,
    callers_at_once_get_the_same_id,
    a_database_with_its_tables_is_in_order,
}

fn id(n: u32) -> DeploymentId {
    format!("d{n:023}").parse().unwrap()
}

async fn the_first_id_stays(stores: &Stores) {
    assert_eq!(stores.deployments.ensure(&id(1)).await.unwrap(), id(1));
    assert_eq!(stores.deployments.ensure(&id(2)).await.unwrap(), id(1));
}

async fn the_id_survives_a_restart(stores: &Stores) {
    stores.deployments.ensure(&id(1)).await.unwrap();
    assert_eq!(stores.reopened().await.deployments.ensure(&id(2)).await.unwrap(), id(1));
}

async fn callers_at_once_get_the_same_id(stores: &Stores) {
    let all =
        all_at_once(stores, 50, |stores, n| async move { stores.deployments.ensure(&id(n)).await.unwrap() }).await;
    assert!(all.iter().all(|one| one == &all[0]), "{all:?}");
}

async fn a_database_with_its_tables_is_in_order(stores: &Stores) {
    stores.database.check().await.unwrap();
}
