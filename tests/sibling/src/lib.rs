//! Plans campaigns on groups that Switchboard's users linked.
//!
//! It builds on Switchboard's `domain` alone: the models and one port are Switchboard's, the adapter and the use case are its
//! own. With `switchboard-pg-adapter` in the adapter's place, users see the campaigns in their session at once.

mod notebook;

use std::sync::Arc;

use switchboard_domain::ports::{CampaignRepository, Clock, StorageError};
use switchboard_domain::{Campaign, CampaignId, CampaignStatus, LinkedGroupId};

pub use notebook::Notebook;

/// Plans a campaign that starts now.
pub struct PlanCampaign {
    /// Where campaigns are kept.
    pub campaigns: Arc<dyn CampaignRepository>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl PlanCampaign {
    /// Plans it, unless there is one of that id: then that one is returned as it is.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn run(&self, id: CampaignId, group: LinkedGroupId) -> Result<Campaign, StorageError> {
        if let Some(known) = self.campaigns.find(&id).await? {
            return Ok(known);
        }
        let now = self.clock.now();
        let campaign = Campaign { id, group, status: CampaignStatus::Scheduled, start_date: now };
        self.campaigns.save(&campaign, now).await?;
        Ok(campaign)
    }
}
