//! Whether the database is there.

use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use switchboard_domain::ports::{Database, StorageError};

use super::schema::{campaigns, deployment, directory_snapshots, linked_groups, sessions, task_leases};
use crate::engine::Store;

/// Whether each table has a row, which does not matter.
type Found = (bool, bool, bool, bool, bool, bool);

#[async_trait]
impl Database for Store {
    async fn check(&self) -> Result<(), StorageError> {
        let query = diesel::select((
            exists(sessions::table.select(sessions::id)),
            exists(linked_groups::table.select(linked_groups::id)),
            exists(campaigns::table.select(campaigns::id)),
            exists(deployment::table.select(deployment::id)),
            exists(directory_snapshots::table.select(directory_snapshots::kind)),
            exists(task_leases::table.select(task_leases::task)),
        ));
        self.reader().await?.run(async |conn| query.get_result::<Found>(conn).await).await?;
        Ok(())
    }
}
