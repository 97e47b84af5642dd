//! Leases, which are three columns of a session's row: a lease costs no join, and a write under it no second look.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use switchboard_domain::SessionId;
use switchboard_domain::ports::{Fence, Lease, LeaseHolder, LeaseRepository, StorageError};

use super::rows::micros;
use super::schema::sessions;
use crate::engine::Store;

/// Whether the lease of that fence is still its holder's: neither released nor anybody else's since.
pub(super) fn holds(fence: Fence) -> fence_holds {
    fence_holds(fence.0)
}

#[auto_type]
fn fence_holds(fence: i64) -> _ {
    sessions::lease_fence.eq(fence).and(sessions::lease_holder.is_not_null())
}

#[async_trait]
impl LeaseRepository for Store {
    async fn acquire(
        &self,
        session: &SessionId,
        holder: &LeaseHolder,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Lease>, StorageError> {
        let free = sessions::lease_holder
            .is_null()
            .or(sessions::lease_holder.eq(&holder.0))
            .or(sessions::lease_until.le(micros(now)));
        let update = diesel::update(sessions::table.find(session.as_str()))
            .filter(free)
            .set((
                sessions::lease_holder.eq(&holder.0),
                sessions::lease_until.eq(micros(until)),
                sessions::lease_fence.eq(sessions::lease_fence + 1),
            ))
            .returning(sessions::lease_fence);
        let fence = self.writer().await?.run(async |conn| update.get_result(conn).await.optional()).await?;
        Ok(fence.map(|fence| Lease { session: session.clone(), holder: holder.clone(), fence: Fence(fence) }))
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<bool, StorageError> {
        let update = diesel::update(sessions::table.find(lease.session.as_str()))
            .filter(sessions::lease_fence.eq(lease.fence.0))
            .filter(sessions::lease_holder.eq(&lease.holder.0))
            .set(sessions::lease_until.eq(micros(until)));
        let renewed = self.writer().await?.run(async |conn| update.execute(conn).await).await?;
        Ok(renewed > 0)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StorageError> {
        let update = diesel::update(sessions::table.find(lease.session.as_str()))
            .filter(sessions::lease_fence.eq(lease.fence.0))
            .filter(sessions::lease_holder.eq(&lease.holder.0))
            .set((sessions::lease_holder.eq(None::<&str>), sessions::lease_until.eq(None::<DateTime<Utc>>)));
        self.writer().await?.run(async |conn| update.execute(conn).await).await?;
        Ok(())
    }
}
