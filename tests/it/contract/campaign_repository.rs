//! What `CampaignRepository` promises.

use chrono::TimeDelta;
use support::stores::Stores;
use switchboard_domain::ports::StorageError;
use switchboard_domain::{Campaign, CampaignStatus};

use super::fixtures::{at, campaign, group, have_groups};

contract! {
    a_campaign_of_each_status_reads_back,
    campaigns_survive_a_restart,
    saving_again_replaces_all_of_it,
    a_deleted_campaign_is_gone_until_it_is_saved_again,
    only_the_campaign_named_is_deleted,
    a_campaign_runs_on_a_group_that_exists,
    times_of_all_ages_read_back,
}

async fn a_campaign_of_each_status_reads_back(stores: &Stores) {
    have_groups(stores, [1]).await;
    for word in ["DRAFT", "SCHEDULED", "IN_PROGRESS", "COMPLETED", "CANCELLED", "FAILED"] {
        let campaign = campaign(word, word.parse().unwrap());
        stores.campaigns.save(&campaign, at(0)).await.unwrap();
        assert_eq!(stores.campaigns.find(&campaign.id).await.unwrap(), Some(campaign));
    }
}

async fn campaigns_survive_a_restart(stores: &Stores) {
    have_groups(stores, [1]).await;
    let campaign = campaign("spring", CampaignStatus::Scheduled);
    stores.campaigns.save(&campaign, at(0)).await.unwrap();
    assert_eq!(stores.reopened().await.campaigns.find(&campaign.id).await.unwrap(), Some(campaign));
}

async fn saving_again_replaces_all_of_it(stores: &Stores) {
    have_groups(stores, [1, 2]).await;
    let before = campaign("spring", CampaignStatus::Scheduled);
    stores.campaigns.save(&before, at(0)).await.unwrap();
    let after = Campaign { group: group(2).id, status: CampaignStatus::InProgress, start_date: at(7), ..before };
    stores.campaigns.save(&after, at(1)).await.unwrap();
    assert_eq!(stores.campaigns.find(&after.id).await.unwrap(), Some(after));
}

async fn a_deleted_campaign_is_gone_until_it_is_saved_again(stores: &Stores) {
    have_groups(stores, [1]).await;
    let campaign = campaign("spring", CampaignStatus::Scheduled);
    stores.campaigns.save(&campaign, at(0)).await.unwrap();
    assert!(stores.campaigns.delete(&campaign.id, at(1)).await.unwrap());
    assert_eq!(stores.campaigns.find(&campaign.id).await.unwrap(), None);
    assert!(!stores.campaigns.delete(&campaign.id, at(2)).await.unwrap());
    stores.campaigns.save(&campaign, at(3)).await.unwrap();
    assert_eq!(stores.campaigns.find(&campaign.id).await.unwrap(), Some(campaign));
}

async fn only_the_campaign_named_is_deleted(stores: &Stores) {
    have_groups(stores, [1]).await;
    let [spring, other] = ["spring", "Spring"].map(|id| campaign(id, CampaignStatus::Scheduled));
    stores.campaigns.save(&spring, at(0)).await.unwrap();
    assert!(!stores.campaigns.delete(&other.id, at(1)).await.unwrap());
    assert_eq!(stores.campaigns.find(&other.id).await.unwrap(), None);
    assert_eq!(stores.campaigns.find(&spring.id).await.unwrap(), Some(spring));
}

async fn a_campaign_runs_on_a_group_that_exists(stores: &Stores) {
    let result = stores.campaigns.save(&campaign("spring", CampaignStatus::Scheduled), at(0)).await;
    assert!(matches!(result, Err(StorageError::Conflict)), "{result:?}");
    have_groups(stores, [1]).await;
    let spring = campaign("spring", CampaignStatus::Scheduled);
    stores.campaigns.save(&spring, at(0)).await.unwrap();
    let moved = Campaign { group: group(2).id, ..spring.clone() };
    let result = stores.campaigns.save(&moved, at(0)).await;
    assert!(matches!(result, Err(StorageError::Conflict)), "{result:?}");
    assert_eq!(stores.campaigns.find(&spring.id).await.unwrap(), Some(spring));
}

async fn times_of_all_ages_read_back(stores: &Stores) {
    have_groups(stores, [1]).await;
    let year = TimeDelta::days(365);
    for start_date in [at(0) - year * 1000, at(0) - year * 60, at(0), at(0) + year * 1000] {
        let campaign = Campaign { start_date, ..campaign("spring", CampaignStatus::Scheduled) };
        stores.campaigns.save(&campaign, at(0)).await.unwrap();
        assert_eq!(stores.campaigns.find(&campaign.id).await.unwrap(), Some(campaign));
    }
}
