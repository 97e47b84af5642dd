//! What `SessionRepository::overview` promises.

use chrono::TimeDelta;
use support::stores::Stores;
use switchboard_domain::{Campaign, CampaignStatus, GroupCampaigns, LinkedGroup, Session, SessionOverview};

use super::fixtures::{account, at, campaign, group, have, have_groups, paired_session, session, user, working};

contract! {
    nobody_without_a_session_has_an_overview,
    a_session_without_groups_is_shown_alone,
    before_pairing_no_groups_are_shown,
    groups_and_campaigns_come_in_order,
    only_active_campaigns_are_shown,
    another_accounts_groups_are_not_shown,
    another_users_groups_are_not_shown,
    an_unlinked_group_is_not_shown,
}

async fn overview(stores: &Stores) -> SessionOverview {
    stores.sessions.overview(&user(1)).await.unwrap().expect("there is a session")
}

fn shown(group: LinkedGroup, campaigns: Vec<Campaign>) -> GroupCampaigns {
    GroupCampaigns { group, campaigns }
}

async fn nobody_without_a_session_has_an_overview(stores: &Stores) {
    have(stores, &session(2)).await;
    assert_eq!(stores.sessions.overview(&user(1)).await.unwrap(), None);
}

async fn a_session_without_groups_is_shown_alone(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    assert_eq!(overview(stores).await, SessionOverview { session: paired_session(1), groups: vec![] });
}

async fn before_pairing_no_groups_are_shown(stores: &Stores) {
    have(stores, &session(1)).await;
    stores.groups.link(&group(1)).await.unwrap();
    assert_eq!(overview(stores).await, SessionOverview { session: session(1), groups: vec![] });
}

async fn groups_and_campaigns_come_in_order(stores: &Stores) {
    have(stores, &paired_session(1)).await;
    let first = group(7);
    let same_time = [LinkedGroup { created_at: at(9), ..group(8) }, LinkedGroup { created_at: at(9), ..group(9) }];
    for group in [&same_time[1], &first, &same_time[0]] {
        stores.groups.link(group).await.unwrap();
    }
    // Byte order of the ids, not a language's, and microseconds count.
    let on = |group: &LinkedGroup, id, micros| Campaign {
        group: group.id.clone(),
        start_date: at(100) + TimeDelta::microseconds(micros),
        ..campaign(id, CampaignStatus::Scheduled)
    };
    let of_first =
        vec![on(&first, "z", 0), on(&first, "-", 1), on(&first, "B", 1), on(&first, "_", 1), on(&first, "a", 1)];
    let of_last = vec![on(&same_time[1], "only", 0)];
    for campaign in of_first.iter().chain(&of_last).rev() {
        stores.campaigns.save(campaign, at(0)).await.unwrap();
    }

    let [second, last] = same_time;
    let expected = vec![shown(first, of_first), shown(second, vec![]), shown(last, of_last)];
    assert_eq!(overview(stores).await.groups, expected);
}

async fn only_active_campaigns_are_shown(stores: &Stores) {
    have_groups(stores, [1]).await;
    let all = [
        campaign("draft", CampaignStatus::Draft),
        campaign("scheduled", CampaignStatus::Scheduled),
        campaign("running", CampaignStatus::InProgress),
        campaign("completed", CampaignStatus::Completed),
        campaign("cancelled", CampaignStatus::Cancelled),
        campaign("failed", CampaignStatus::Failed),
        campaign("deleted", CampaignStatus::Scheduled),
    ];
    for campaign in &all {
        stores.campaigns.save(campaign, at(0)).await.unwrap();
    }
    stores.campaigns.delete(&all[6].id, at(1)).await.unwrap();
    let expected = shown(group(1), vec![all[2].clone(), all[1].clone()]);
    assert_eq!(overview(stores).await.groups, [expected]);
}

async fn another_accounts_groups_are_not_shown(stores: &Stores) {
    have_groups(stores, [1, 2]).await;
    let other = LinkedGroup { id: group(3).id, account: account(2), ..group(1) };
    stores.groups.link(&other).await.unwrap();
    assert_eq!(overview(stores).await.groups, [shown(group(1), vec![]), shown(group(2), vec![])]);

    let before = paired_session(1);
    let mut seen = working(&before);
    seen.account = Some(account(2));
    assert!(stores.sessions.record(&before.id, before.revision, &seen, at(9)).await.unwrap());

    assert_eq!(overview(stores).await.groups, [shown(other, vec![])]);
}

async fn another_users_groups_are_not_shown(stores: &Stores) {
    have(stores, &Session { account: Some(account(1)), ..session(2) }).await;
    have_groups(stores, [1]).await;
    stores.groups.link(&LinkedGroup { id: group(2).id, session: session(2).id, ..group(1) }).await.unwrap();
    assert_eq!(overview(stores).await.groups, [shown(group(1), vec![])]);
}

async fn an_unlinked_group_is_not_shown(stores: &Stores) {
    have_groups(stores, [1, 2]).await;
    stores.groups.unlink(&session(1).id, &account(1), &group(1).group, at(50)).await.unwrap();
    assert_eq!(overview(stores).await.groups, [shown(group(2), vec![])]);
}
