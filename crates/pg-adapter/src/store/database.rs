//! Whether the database is there.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use switchboard_domain::ports::{Database, StorageError};

use super::schema::{
    api_keys, audit_log, campaigns, deployment, directory_snapshots, linked_groups, sessions, strays, task_leases,
    worker_loads, workers,
};
use crate::engine::Store;

/// A task of nobody's, whose row is written to see whether that can be done: a statement that finds no row to change tells
/// nothing.
const WRITE_CHECK: &str = "check";

/// Whether each table has a row, which does not matter.
type Found = (bool, bool, bool, bool, bool, bool, bool, bool, bool, bool, bool);

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
            exists(workers::table.select(workers::name)),
            exists(worker_loads::table.select(worker_loads::worker)),
            exists(strays::table.select(strays::name)),
            exists(api_keys::table.select(api_keys::id)),
            exists(audit_log::table.select(audit_log::id)),
        ));
        self.reader().await?.run(async |conn| query.get_result::<Found>(conn).await).await?;
        // What is on a disk that is full, or on a server that only follows another, can still be read.
        if AtomicBool::load(&self.refused, Ordering::Relaxed) {
            let write = diesel::insert_into(task_leases::table)
                .values((
                    task_leases::task.eq(WRITE_CHECK),
                    task_leases::holder.eq(""),
                    task_leases::until.eq(DateTime::<Utc>::UNIX_EPOCH),
                ))
                .on_conflict(task_leases::task)
                .do_update()
                .set(task_leases::until.eq(excluded(task_leases::until)));
            self.writer().await?.run(async |conn| write.execute(conn).await).await?;
            self.refused.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}
