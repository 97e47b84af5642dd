//! Linked groups.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::{case_when, exists};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use switchboard_domain::ports::{GroupRepository, StorageError, Unlinked};
use switchboard_domain::{CampaignStatus, ChatId, GroupId, LinkedGroup, LinkedGroupId, SessionId};

use super::Checkout;
use super::rows::{LinkedGroupRow, micros};
use super::schema::{campaigns, linked_groups};
use crate::engine::{Instant, Store};

#[async_trait]
impl GroupRepository for Store {
    async fn link(&self, group: &LinkedGroup) -> Result<LinkedGroup, StorageError> {
        let mut conn = self.writer().await?;
        let row = match upsert(&mut conn, group).await {
            // Two callers with the same new row at once: the second one finds it on its second try.
            Err(StorageError::Conflict) => upsert(&mut conn, group).await?,
            other => other?,
        };
        Ok(row.try_into()?)
    }

    async fn unlink(
        &self,
        session: &SessionId,
        account: &ChatId,
        group: &GroupId,
        now: DateTime<Utc>,
    ) -> Result<Unlinked, StorageError> {
        let active = || {
            exists(
                campaigns::table
                    .filter(campaigns::linked_group_id.eq(linked_groups::id))
                    .filter(campaigns::deleted_at.is_null())
                    .filter(campaigns::status.eq_any(CampaignStatus::ACTIVE.map(CampaignStatus::as_str))),
            )
        };
        let now = micros(now);
        // The row is written even if it stays linked: so one statement decides, and tells what it decided.
        let update = diesel::update(linked_groups::table)
            .filter(linked_groups::session_id.eq(session.as_str()))
            .filter(linked_groups::account.eq(account.as_str()))
            .filter(linked_groups::group_id.eq(group.as_str()))
            .filter(linked_groups::unlinked_at.is_null())
            .set((
                linked_groups::unlinked_at.eq(case_when(
                    active(),
                    None::<DateTime<Utc>>.into_sql::<diesel::sql_types::Nullable<Instant>>(),
                )
                .otherwise(now.into_sql::<diesel::sql_types::Nullable<Instant>>())),
                linked_groups::updated_at
                    .eq(case_when(active(), linked_groups::updated_at).otherwise(now.into_sql::<Instant>())),
            ))
            .returning(linked_groups::unlinked_at);
        let unlinked: Option<Option<DateTime<Utc>>> =
            self.writer().await?.run(async |conn| update.get_result(conn).await.optional()).await?;
        Ok(match unlinked {
            None => Unlinked::NotLinked,
            Some(None) => Unlinked::ActiveCampaign,
            Some(Some(_)) => Unlinked::Done,
        })
    }

    async fn linked(&self, session: &SessionId, account: &ChatId) -> Result<Vec<LinkedGroup>, StorageError> {
        let query = linked_groups::table
            .filter(linked_groups::session_id.eq(session.as_str()))
            .filter(linked_groups::account.eq(account.as_str()))
            .filter(linked_groups::unlinked_at.is_null())
            .order((linked_groups::created_at, linked_groups::id))
            .select(LinkedGroupRow::as_select());
        let rows = self.reader().await?.run(async |conn| query.load(conn).await).await?;
        Ok(rows.into_iter().map(LinkedGroup::try_from).collect::<Result<_, _>>()?)
    }

    async fn rename(&self, id: &LinkedGroupId, name: &str, now: DateTime<Utc>) -> Result<(), StorageError> {
        let update = diesel::update(linked_groups::table.find(id.as_str()))
            .filter(linked_groups::unlinked_at.is_null())
            .filter(linked_groups::name.ne(name))
            .set((linked_groups::name.eq(name), linked_groups::updated_at.eq(micros(now))));
        self.writer().await?.run(async |conn| update.execute(conn).await).await?;
        Ok(())
    }
}

async fn upsert(conn: &mut Checkout, group: &LinkedGroup) -> Result<LinkedGroupRow, StorageError> {
    let changed = linked_groups::unlinked_at.is_not_null().or(linked_groups::name.ne(excluded(linked_groups::name)));
    let statement = diesel::insert_into(linked_groups::table)
        .values(LinkedGroupRow::from(group))
        .on_conflict((linked_groups::session_id, linked_groups::account, linked_groups::group_id))
        .do_update()
        .set((
            linked_groups::name.eq(excluded(linked_groups::name)),
            linked_groups::unlinked_at.eq(None::<DateTime<Utc>>),
            linked_groups::updated_at
                .eq(case_when(changed, excluded(linked_groups::updated_at)).otherwise(linked_groups::updated_at)),
        ))
        .returning(LinkedGroupRow::as_returning());
    conn.run(async |conn| statement.get_result(conn).await).await
}
