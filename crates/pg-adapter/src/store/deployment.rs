//! The deployment's id.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use switchboard_domain::DeploymentId;
use switchboard_domain::ports::{DeploymentRepository, StorageError};

use super::Checkout;
use super::rows::UnreadableRow;
use super::schema::deployment;
use crate::engine::Store;

/// The key of the only row.
const ONLY: i64 = 1;

#[async_trait]
impl DeploymentRepository for Store {
    async fn ensure(&self, candidate: &DeploymentId) -> Result<DeploymentId, StorageError> {
        if let Some(id) = stored(&mut self.reader().await?).await? {
            return Ok(id);
        }
        let mut conn = self.writer().await?;
        let insert = diesel::insert_into(deployment::table)
            .values((deployment::singleton.eq(ONLY), deployment::id.eq(candidate.as_str())))
            .on_conflict_do_nothing();
        conn.run(async |conn| insert.execute(conn).await).await?;
        // Whether it was this one or another caller's, it is committed by now, and a new statement sees it.
        stored(&mut conn).await?.ok_or_else(|| StorageError::failed(diesel::NotFound))
    }
}

async fn stored(conn: &mut Checkout) -> Result<Option<DeploymentId>, StorageError> {
    let query = deployment::table.find(ONLY).select(deployment::id);
    let id: Option<String> = conn.run(async |conn| query.get_result(conn).await.optional()).await?;
    Ok(id.map(|id| id.parse().map_err(UnreadableRow::of("deployment"))).transpose()?)
}
