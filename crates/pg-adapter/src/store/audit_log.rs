//! The audit log.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use switchboard_domain::AuditEntry;
use switchboard_domain::ports::{AuditLog, AuditQuery, StorageError};

use super::rows::{AuditRow, micros};
use super::schema::audit_log;
use crate::engine::{Conn, Store};

#[async_trait]
impl AuditLog for Store {
    async fn append(&self, entries: &[AuditEntry]) -> Result<(), StorageError> {
        let rows: Vec<AuditRow> = entries.iter().map(AuditRow::from).collect();
        let append = async |conn: &mut Conn| {
            for row in rows {
                add(conn, row).await?;
            }
            Ok(())
        };
        self.writer().await?.run(async |conn| conn.transaction(append).await).await
    }

    async fn list(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StorageError> {
        let mut select = audit_log::table
            .filter(audit_log::at.ge(micros(query.since)))
            .order((audit_log::at, audit_log::id))
            .limit(i64::from(query.limit))
            .select(AuditRow::as_select())
            .into_boxed();
        if let Some(user) = &query.user {
            select = select.filter(audit_log::owner.eq(user.as_str()));
        }
        if let Some(last) = &query.after {
            let (at, id) = (micros(last.at), last.id.as_str());
            select = select.filter(audit_log::at.gt(at).or(audit_log::at.eq(at).and(audit_log::id.gt(id))));
        }
        let rows = self.reader().await?.run(async |conn| select.load(conn).await).await?;
        Ok(rows.into_iter().map(AuditEntry::try_from).collect::<Result<_, _>>()?)
    }

    async fn purge(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StorageError> {
        let old = diesel::alias!(audit_log as old);
        let ids = old
            .filter(old.field(audit_log::at).lt(micros(before)))
            .order((old.field(audit_log::at), old.field(audit_log::id)))
            .limit(limit.into())
            .select(old.field(audit_log::id));
        let delete = diesel::delete(audit_log::table.filter(audit_log::id.eq_any(ids)));
        let deleted = self.writer().await?.run(async |conn| delete.execute(conn).await).await?;
        Ok(deleted as u64)
    }
}

/// Adds an entry, unless it is there: part of a transaction.
pub(super) async fn add(conn: &mut Conn, row: AuditRow) -> QueryResult<()> {
    diesel::insert_into(audit_log::table).values(row).on_conflict(audit_log::id).do_nothing().execute(conn).await?;
    Ok(())
}
