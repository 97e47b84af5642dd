//! What `GroupRepository` promises.

use support::stores::Stores;
use switchboard_domain::ports::{StorageError, Unlinked};
use switchboard_domain::{Campaign, CampaignStatus, LinkedGroup};

use super::fixtures::{account, all_at_once, at, campaign, group, have, have_groups, paired_session, session};

contract! {
    a_linked_group_reads_back,
    links_survive_a_restart,
    a_name_may_hold_anything,
    linking_again_keeps_the_row_and_takes_the_name,
    linking_again_under_the_same_name_changes_nothing,
    callers_at_once_link_a_group_once,
    callers_at_once_with_the_same_link_do_not_contradict_each_other,
    a_group_is_linked_to_a_session_that_exists,
    an_id_is_taken_once,
    groups_come_by_link_date_then_id,
    each_session_and_account_has_its_own,
    an_unlinked_group_leaves_the_list_once,
    only_the_group_named_is_unlinked,
    a_group_with_an_active_campaign_stays,
    a_group_whose_campaigns_are_over_is_unlinked,
    a_group_whose_campaign_was_deleted_is_unlinked,
    an_unlinked_groups_campaigns_are_kept,
    linking_after_an_unlink_revives_the_row,
    one_of_many_unlinks_at_once_happens,
    a_linked_group_takes_a_new_name,
    the_same_name_again_does_not_move_the_time,
    an_unlinked_group_takes_no_new_name,
}

async fn linked(stores: &Stores) -> Vec<LinkedGroup> {
    stores.groups.linked(&session(1).id, &account(1)).await.unwrap()
}

async fn unlink(stores: &Stores, n: u32) -> Unlinked {
    stores.groups.unlink(&session(1).id, &account(1), &group(n).group, at(50)).await.unwrap()
}

async fn a_linked_group_reads_back(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    assert_eq!(stores.groups.link(&group(1)).await.unwrap(), group(1));
    assert_eq!(linked(stores).await, [group(1)]);
}

async fn links_survive_a_restart(stores: &Stores) {
    have_groups(stores, [1]).await;
    assert_eq!(linked(&stores.reopened().await).await, [group(1)]);
}

async fn a_name_may_hold_anything(stores: &Stores) {
    have(stores, &session(1)).await;
    let name = "Robert'); DROP TABLE \"sessions\";-- %_ \\ 👩‍👩‍👧 مجموعة\n".to_owned();
    let odd = LinkedGroup { name, ..group(1) };
    assert_eq!(stores.groups.link(&odd).await.unwrap(), odd);
    let empty = LinkedGroup { name: String::new(), ..group(2) };
    assert_eq!(stores.groups.link(&empty).await.unwrap(), empty);
    assert_eq!(linked(stores).await, [odd, empty]);
}

async fn linking_again_keeps_the_row_and_takes_the_name(stores: &Stores) {
    have_groups(stores, [1]).await;
    let again =
        LinkedGroup { id: group(9).id, name: "Renamed".into(), created_at: at(8), updated_at: at(9), ..group(1) };
    let expected = LinkedGroup { name: "Renamed".into(), updated_at: at(9), ..group(1) };
    assert_eq!(stores.groups.link(&again).await.unwrap(), expected);
    assert_eq!(linked(stores).await, [expected]);
}

async fn linking_again_under_the_same_name_changes_nothing(stores: &Stores) {
    have_groups(stores, [1]).await;
    let again = LinkedGroup { id: group(9).id, created_at: at(8), updated_at: at(9), ..group(1) };
    assert_eq!(stores.groups.link(&again).await.unwrap(), group(1));
}

async fn callers_at_once_link_a_group_once(stores: &Stores) {
    have(stores, &session(1)).await;
    let all = all_at_once(stores, 50, |stores, n| async move {
        stores.groups.link(&LinkedGroup { id: group(n).id, ..group(1) }).await.unwrap()
    })
    .await;
    assert!(all.iter().all(|one| one == &all[0]), "{all:?}");
    assert_eq!(linked(stores).await, all[..1]);
}

async fn callers_at_once_with_the_same_link_do_not_contradict_each_other(stores: &Stores) {
    have(stores, &session(1)).await;
    let all = all_at_once(stores, 50, |stores, _| async move { stores.groups.link(&group(1)).await }).await;
    for result in all {
        assert_eq!(result.unwrap(), group(1));
    }
}

async fn a_group_is_linked_to_a_session_that_exists(stores: &Stores) {
    let result = stores.groups.link(&group(1)).await;
    assert!(matches!(result, Err(StorageError::Conflict)), "{result:?}");
}

async fn an_id_is_taken_once(stores: &Stores) {
    have_groups(stores, [1]).await;
    let result = stores.groups.link(&LinkedGroup { id: group(1).id, ..group(2) }).await;
    assert!(matches!(result, Err(StorageError::Conflict)), "{result:?}");
    assert_eq!(linked(stores).await, [group(1)]);
}

async fn groups_come_by_link_date_then_id(stores: &Stores) {
    have(stores, &session(1)).await;
    // A whole second and fractions of several lengths; two of one time.
    let micros = [0, 1, 10, 100_000, 123_456, 500_000, 500_000, 999_999, 1_000_000];
    let whole = at(0) - chrono::TimeDelta::microseconds(123_456);
    let expected: Vec<_> = (1..)
        .zip(micros)
        .map(|(n, micros)| LinkedGroup { created_at: whole + chrono::TimeDelta::microseconds(micros), ..group(n) })
        .collect();
    for group in expected.iter().rev() {
        stores.groups.link(group).await.unwrap();
    }
    assert_eq!(linked(stores).await, expected);
}

async fn each_session_and_account_has_its_own(stores: &Stores) {
    have(stores, &session(2)).await;
    have_groups(stores, [1]).await;
    let other_account = LinkedGroup { id: group(2).id, account: account(2), ..group(1) };
    let other_session = LinkedGroup { id: group(3).id, session: session(2).id, ..group(1) };
    for other in [&other_account, &other_session] {
        assert_eq!(stores.groups.link(other).await.unwrap(), *other);
    }
    assert_eq!(linked(stores).await, [group(1)]);
    assert_eq!(stores.groups.linked(&session(1).id, &account(2)).await.unwrap(), [other_account]);
    assert_eq!(stores.groups.linked(&session(2).id, &account(1)).await.unwrap(), [other_session]);
    assert_eq!(stores.groups.linked(&session(3).id, &account(1)).await.unwrap(), []);
}

async fn an_unlinked_group_leaves_the_list_once(stores: &Stores) {
    have_groups(stores, [1]).await;
    assert_eq!(unlink(stores, 1).await, Unlinked::Done);
    assert_eq!(linked(stores).await, []);
    assert_eq!(unlink(stores, 1).await, Unlinked::NotLinked);
}

async fn only_the_group_named_is_unlinked(stores: &Stores) {
    have_groups(stores, [1, 2]).await;
    assert_eq!(unlink(stores, 3).await, Unlinked::NotLinked);
    let elsewhere = stores.groups.unlink(&session(1).id, &account(2), &group(1).group, at(50)).await.unwrap();
    assert_eq!(elsewhere, Unlinked::NotLinked);
    let elsewhere = stores.groups.unlink(&session(2).id, &account(1), &group(1).group, at(50)).await.unwrap();
    assert_eq!(elsewhere, Unlinked::NotLinked);
    assert_eq!(unlink(stores, 2).await, Unlinked::Done);
    assert_eq!(linked(stores).await, [group(1)]);
}

async fn a_group_with_an_active_campaign_stays(stores: &Stores) {
    have_groups(stores, [1, 2]).await;
    for status in CampaignStatus::ACTIVE {
        stores.campaigns.save(&campaign("spring", status), at(0)).await.unwrap();
        assert_eq!(unlink(stores, 1).await, Unlinked::ActiveCampaign);
        assert_eq!(linked(stores).await, [group(1), group(2)], "and nothing of it changes");
    }
    assert_eq!(unlink(stores, 2).await, Unlinked::Done, "another group's campaign does not matter");
}

async fn a_group_whose_campaigns_are_over_is_unlinked(stores: &Stores) {
    have_groups(stores, [1]).await;
    let over = [CampaignStatus::Draft, CampaignStatus::Completed, CampaignStatus::Cancelled, CampaignStatus::Failed];
    for (id, status) in ["a", "b", "c", "d"].into_iter().zip(over) {
        stores.campaigns.save(&campaign(id, status), at(0)).await.unwrap();
    }
    assert_eq!(unlink(stores, 1).await, Unlinked::Done);
}

async fn a_group_whose_campaign_was_deleted_is_unlinked(stores: &Stores) {
    have_groups(stores, [1]).await;
    let campaign = campaign("spring", CampaignStatus::Scheduled);
    stores.campaigns.save(&campaign, at(0)).await.unwrap();
    stores.campaigns.delete(&campaign.id, at(1)).await.unwrap();
    assert_eq!(unlink(stores, 1).await, Unlinked::Done);
}

async fn an_unlinked_groups_campaigns_are_kept(stores: &Stores) {
    have_groups(stores, [1]).await;
    let over = campaign("spring", CampaignStatus::Completed);
    stores.campaigns.save(&over, at(0)).await.unwrap();
    unlink(stores, 1).await;
    assert_eq!(stores.campaigns.find(&over.id).await.unwrap(), Some(over.clone()));
    let later = Campaign { status: CampaignStatus::Failed, ..over };
    stores.campaigns.save(&later, at(60)).await.unwrap();
    assert_eq!(stores.campaigns.find(&later.id).await.unwrap(), Some(later));
}

async fn linking_after_an_unlink_revives_the_row(stores: &Stores) {
    have_groups(stores, [1]).await;
    unlink(stores, 1).await;
    let again = LinkedGroup { id: group(9).id, created_at: at(60), updated_at: at(60), ..group(1) };
    let expected = LinkedGroup { updated_at: at(60), ..group(1) };
    assert_eq!(stores.groups.link(&again).await.unwrap(), expected);
    assert_eq!(linked(stores).await, [expected]);
    assert_eq!(unlink(stores, 1).await, Unlinked::Done);
}

async fn one_of_many_unlinks_at_once_happens(stores: &Stores) {
    have_groups(stores, [1]).await;
    let all = all_at_once(stores, 50, |stores, _| async move { unlink(&stores, 1).await }).await;
    assert_eq!(all.iter().filter(|result| **result == Unlinked::Done).count(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|result| **result == Unlinked::NotLinked).count(), 49, "{all:?}");
}

async fn a_linked_group_takes_a_new_name(stores: &Stores) {
    have_groups(stores, [1, 2]).await;
    stores.groups.rename(&group(1).id, "Renamed", at(9)).await.unwrap();
    let renamed = LinkedGroup { name: "Renamed".into(), updated_at: at(9), ..group(1) };
    assert_eq!(linked(stores).await, [renamed, group(2)]);
    stores.groups.rename(&group(3).id, "Nobody", at(9)).await.unwrap();
}

async fn the_same_name_again_does_not_move_the_time(stores: &Stores) {
    have_groups(stores, [1]).await;
    stores.groups.rename(&group(1).id, &group(1).name, at(9)).await.unwrap();
    assert_eq!(linked(stores).await, [group(1)]);
}

async fn an_unlinked_group_takes_no_new_name(stores: &Stores) {
    have_groups(stores, [1]).await;
    unlink(stores, 1).await;
    stores.groups.rename(&group(1).id, "Renamed", at(60)).await.unwrap();
    assert_eq!(linked(stores).await, []);
    assert_eq!(stores.groups.link(&group(1)).await.unwrap(), group(1));
}
