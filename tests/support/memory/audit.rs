//! The audit log.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use switchboard_domain::AuditEntry;
use switchboard_domain::ports::{AuditLog, AuditQuery, StorageError};

use super::{Memory, micros};

#[async_trait]
impl AuditLog for Memory {
    async fn append(&self, entries: &[AuditEntry]) -> Result<(), StorageError> {
        let mut tables = self.tables();
        for entry in entries {
            let row = AuditEntry { at: micros(entry.at), ..entry.clone() };
            tables.audit.entry(entry.id.clone()).or_insert(row);
        }
        Ok(())
    }

    async fn list(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StorageError> {
        let tables = self.tables();
        let order = |entry: &AuditEntry| (entry.at, entry.id.clone());
        let after = query.after.as_ref().map(|last| (micros(last.at), last.id.clone()));
        let is_asked_for = |entry: &&AuditEntry| {
            entry.at >= micros(query.since)
                && query.user.as_ref().is_none_or(|user| entry.deed.user.as_ref() == Some(user))
                && after.as_ref().is_none_or(|after| order(entry) > *after)
        };
        let mut entries: Vec<_> = tables.audit.values().filter(is_asked_for).cloned().collect();
        entries.sort_by_key(order);
        entries.truncate(query.limit as usize);
        Ok(entries)
    }

    async fn purge(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StorageError> {
        let mut tables = self.tables();
        let is_old = |entry: &&AuditEntry| entry.at < micros(before);
        let mut old: Vec<_> = tables.audit.values().filter(is_old).map(|entry| (entry.at, entry.id.clone())).collect();
        old.sort();
        old.truncate(limit as usize);
        for (_, id) in &old {
            tables.audit.remove(id);
        }
        Ok(old.len() as u64)
    }
}
