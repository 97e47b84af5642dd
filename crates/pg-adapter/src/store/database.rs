//! Whether the database is there.

use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use switchboard_domain::ports::{Database, StorageError};

use super::schema::{campaigns, deployment, linked_groups, sessions};
use crate::engine::Store;

#[async_trait]
impl Database for Store {
    async fn check(&self) -> Result<(), StorageError> {
        let query = diesel::select((
            exists(sessions::table.select(sessions::id)),
            exists(linked_groups::table.select(linked_groups::id)),
            exists(campaigns::table.select(campaigns::id)),
            exists(deployment::table.select(deployment::id)),
        ));
        let _: (bool, bool, bool, bool) = self.reader().await?.run(async |conn| query.get_result(conn).await).await?;
        Ok(())
    }
}
