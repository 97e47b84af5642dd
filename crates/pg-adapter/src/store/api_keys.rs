//! API keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_types::Nullable;
use diesel_async::RunQueryDsl;
use switchboard_domain::ports::{ApiKeyRepository, StorageError};
use switchboard_domain::{ApiKey, ApiKeyHash, ApiKeyId, UserId};

use super::rows::{ApiKeyRow, micros};
use super::schema::api_keys;
use crate::engine::{Instant, Store};

#[async_trait]
impl ApiKeyRepository for Store {
    async fn insert(&self, key: &ApiKey, hash: &ApiKeyHash) -> Result<(), StorageError> {
        let insert =
            diesel::insert_into(api_keys::table).values((ApiKeyRow::from(key), api_keys::hash.eq(hash.0.as_slice())));
        self.writer().await?.run(async |conn| insert.execute(conn).await).await?;
        Ok(())
    }

    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StorageError> {
        // By its hash, of which nobody chooses a part: how long the index takes to compare it tells nothing of a key.
        let query = api_keys::table.filter(api_keys::hash.eq(hash.0.as_slice())).select(ApiKeyRow::as_select());
        let row = self.reader().await?.run(async |conn| query.get_result(conn).await.optional()).await?;
        Ok(row.map(ApiKey::try_from).transpose()?)
    }

    async fn list<'a>(&self, user: Option<&'a UserId>) -> Result<Vec<ApiKey>, StorageError> {
        let mut query =
            api_keys::table.order((api_keys::created_at, api_keys::id)).select(ApiKeyRow::as_select()).into_boxed();
        if let Some(user) = user {
            query = query.filter(api_keys::owner.eq(user.as_str()));
        }
        let rows = self.reader().await?.run(async |conn| query.load(conn).await).await?;
        Ok(rows.into_iter().map(ApiKey::try_from).collect::<Result<_, _>>()?)
    }

    async fn revoke(&self, id: &ApiKeyId, now: DateTime<Utc>) -> Result<Option<ApiKey>, StorageError> {
        let since = case_when(api_keys::revoked_at.is_null(), micros(now).into_sql::<Nullable<Instant>>())
            .otherwise(api_keys::revoked_at);
        let update = diesel::update(api_keys::table.find(id.as_str()))
            .set(api_keys::revoked_at.eq(since))
            .returning(ApiKeyRow::as_returning());
        let row = self.writer().await?.run(async |conn| update.get_result(conn).await.optional()).await?;
        Ok(row.map(ApiKey::try_from).transpose()?)
    }
}
