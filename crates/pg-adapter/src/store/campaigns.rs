//! Campaigns.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use switchboard_domain::ports::{CampaignRepository, StorageError};
use switchboard_domain::{Campaign, CampaignId};

use super::rows::{CampaignRow, micros};
use super::schema::campaigns;
use crate::engine::Store;

#[async_trait]
impl CampaignRepository for Store {
    async fn save(&self, campaign: &Campaign, now: DateTime<Utc>) -> Result<(), StorageError> {
        let now = micros(now);
        let upsert = diesel::insert_into(campaigns::table)
            .values((CampaignRow::from(campaign), campaigns::created_at.eq(now), campaigns::updated_at.eq(now)))
            .on_conflict(campaigns::id)
            .do_update()
            .set((
                campaigns::linked_group_id.eq(excluded(campaigns::linked_group_id)),
                campaigns::status.eq(excluded(campaigns::status)),
                campaigns::start_date.eq(excluded(campaigns::start_date)),
                campaigns::deleted_at.eq(None::<DateTime<Utc>>),
                campaigns::updated_at.eq(excluded(campaigns::updated_at)),
            ));
        self.writer().await?.run(async |conn| upsert.execute(conn).await).await?;
        Ok(())
    }

    async fn find(&self, id: &CampaignId) -> Result<Option<Campaign>, StorageError> {
        let query =
            campaigns::table.find(id.as_str()).filter(campaigns::deleted_at.is_null()).select(CampaignRow::as_select());
        let row = self.reader().await?.run(async |conn| query.get_result(conn).await.optional()).await?;
        Ok(row.map(Campaign::try_from).transpose()?)
    }

    async fn delete(&self, id: &CampaignId, now: DateTime<Utc>) -> Result<bool, StorageError> {
        let update = diesel::update(campaigns::table.find(id.as_str()))
            .filter(campaigns::deleted_at.is_null())
            .set((campaigns::deleted_at.eq(micros(now)), campaigns::updated_at.eq(micros(now))));
        let deleted = self.writer().await?.run(async |conn| update.execute(conn).await).await?;
        Ok(deleted > 0)
    }
}
