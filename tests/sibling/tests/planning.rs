//! With its own adapter, and with Switchboard's mocks.

use std::sync::Arc;

use campaign_planner::{Notebook, PlanCampaign};
use chrono::{DateTime, Utc};
use switchboard_domain::CampaignStatus;
use switchboard_domain::ports::{CampaignRepository, MockCampaignRepository, MockClock, StorageError};

const GROUP: &str = "tz4a98xxat96iws9zmbrgj3a";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn clock() -> Arc<MockClock> {
    let mut clock = MockClock::new();
    clock.expect_now().returning(now);
    Arc::new(clock)
}

#[tokio::test]
async fn a_planned_campaign_is_in_the_notebook_and_planned_once() {
    let folder = tempfile::tempdir().unwrap();
    let campaigns = Arc::new(Notebook::in_file(folder.path().join("campaigns.tsv")));
    let plan = PlanCampaign { campaigns: campaigns.clone(), clock: clock() };
    let planned = plan.run("spring-sale".parse().unwrap(), GROUP.parse().unwrap()).await.unwrap();
    assert_eq!((planned.status, planned.start_date), (CampaignStatus::Scheduled, now()));
    let again = plan.run("spring-sale".parse().unwrap(), "another".parse().unwrap()).await.unwrap();
    assert_eq!(again, planned);

    let anew = Notebook::in_file(folder.path().join("campaigns.tsv"));
    assert_eq!(anew.find(&planned.id).await.unwrap(), Some(planned.clone()));
    assert!(anew.delete(&planned.id, now()).await.unwrap());
    assert!(!anew.delete(&planned.id, now()).await.unwrap());
    assert_eq!(campaigns.find(&planned.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_store_that_fails_is_told() {
    let mut campaigns = MockCampaignRepository::new();
    campaigns.expect_find().returning(|_| Ok(None));
    campaigns.expect_save().returning(|_, _| Err(StorageError::Conflict));
    let plan = PlanCampaign { campaigns: Arc::new(campaigns), clock: clock() };
    let refused = plan.run("spring-sale".parse().unwrap(), GROUP.parse().unwrap()).await;
    assert!(matches!(refused, Err(StorageError::Conflict)), "{refused:?}");
}
