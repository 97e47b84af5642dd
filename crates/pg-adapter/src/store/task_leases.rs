//! Leases on tasks.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use switchboard_domain::ports::{Claim, LeaseHolder, StorageError, TaskLeases};

use super::rows::micros;
use super::schema::task_leases;
use crate::engine::Store;

#[async_trait]
impl TaskLeases for Store {
    async fn claim(
        &self,
        task: &str,
        holder: &LeaseHolder,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Claim, StorageError> {
        let free = || task_leases::holder.eq(excluded(task_leases::holder)).or(task_leases::until.le(micros(now)));
        // The row is written even if it stays somebody else's: so one statement decides, and tells what it decided.
        let upsert = diesel::insert_into(task_leases::table)
            .values((
                task_leases::task.eq(task),
                task_leases::holder.eq(&holder.0),
                task_leases::until.eq(micros(until)),
            ))
            .on_conflict(task_leases::task)
            .do_update()
            .set((
                task_leases::holder.eq(case_when(free(), excluded(task_leases::holder)).otherwise(task_leases::holder)),
                task_leases::until.eq(case_when(free(), excluded(task_leases::until)).otherwise(task_leases::until)),
            ))
            .returning((task_leases::holder, task_leases::until));
        let (held_by, until): (String, DateTime<Utc>) =
            self.writer().await?.run(async |conn| upsert.get_result(conn).await).await?;
        Ok(if held_by == holder.0 { Claim::Granted } else { Claim::HeldUntil(until) })
    }

    async fn release(&self, task: &str, holder: &LeaseHolder) -> Result<(), StorageError> {
        let delete = diesel::delete(task_leases::table.find(task)).filter(task_leases::holder.eq(&holder.0));
        self.writer().await?.run(async |conn| delete.execute(conn).await).await?;
        Ok(())
    }
}
