//! API keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use switchboard_domain::ports::{ApiKeyRepository, StorageError};
use switchboard_domain::{ApiKey, ApiKeyHash, ApiKeyId, UserId};

use super::{Memory, micros};

#[async_trait]
impl ApiKeyRepository for Memory {
    async fn insert(&self, key: &ApiKey, hash: &ApiKeyHash) -> Result<(), StorageError> {
        let mut tables = self.tables();
        if tables.api_keys.iter().any(|(other, its_hash)| other.id == key.id || its_hash == hash) {
            return Err(StorageError::Conflict);
        }
        let row = ApiKey {
            created_at: micros(key.created_at),
            expires_at: key.expires_at.map(micros),
            revoked_at: key.revoked_at.map(micros),
            ..key.clone()
        };
        tables.api_keys.push((row, *hash));
        Ok(())
    }

    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StorageError> {
        let tables = self.tables();
        Ok(tables.api_keys.iter().find(|(_, its_hash)| its_hash == hash).map(|(key, _)| key.clone()))
    }

    async fn list<'a>(&self, user: Option<&'a UserId>) -> Result<Vec<ApiKey>, StorageError> {
        let tables = self.tables();
        let keys = tables.api_keys.iter().map(|(key, _)| key);
        let mut keys: Vec<_> = keys.filter(|key| user.is_none_or(|user| key.user == *user)).cloned().collect();
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(keys)
    }

    async fn revoke(&self, id: &ApiKeyId, now: DateTime<Utc>) -> Result<Option<ApiKey>, StorageError> {
        let mut tables = self.tables();
        let Some((key, _)) = tables.api_keys.iter_mut().find(|(key, _)| key.id == *id) else { return Ok(None) };
        key.revoked_at.get_or_insert(micros(now));
        Ok(Some(key.clone()))
    }
}
