//! All that is kept of one user, over all tables.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use switchboard_domain::ports::{
    Adopted, Erased, Fence, KeptCampaign, KeptGroup, StorageError, UserRecord, UserRepository,
};
use switchboard_domain::{
    AuditAction, AuditEntry, Campaign, ChatId, LinkedGroup, PhoneNumber, Session, SessionId, SessionOverview,
    SessionStatus, UserId,
};

use super::audit_log::add;
use super::leases::holds;
use super::pairing::next_epoch;
use super::rows::{AuditRow, CampaignRow, LinkedGroupRow, SessionRow, UnreadableRow, micros};
use super::schema::{api_keys, audit_log, campaigns, directory_snapshots, linked_groups, sessions, strays};
use super::workers::Disconnected;
use crate::engine::{Conn, Store, await_turn};

#[async_trait]
impl UserRepository for Store {
    async fn record(&self, user: &UserId) -> Result<UserRecord, StorageError> {
        let mut conn = self.reader().await?;
        let session = sessions::table.filter(sessions::owner.eq(user.as_str())).select(SessionRow::as_select());
        let session = conn.run(async |conn| session.get_result(conn).await.optional()).await?;
        let Some(session) = session.map(Session::try_from).transpose()? else { return Ok(UserRecord::default()) };
        let id = session.id.as_str();
        let groups = linked_groups::table
            .filter(linked_groups::session_id.eq(id))
            .order((linked_groups::created_at, linked_groups::id))
            .select((LinkedGroupRow::as_select(), linked_groups::unlinked_at));
        let groups: Vec<(LinkedGroupRow, Option<DateTime<Utc>>)> =
            conn.run(async |conn| groups.load(conn).await).await?;
        let campaigns = campaigns::table
            .filter(campaigns::linked_group_id.eq_any(groups_of(id)))
            .order((campaigns::start_date, campaigns::id))
            .select((CampaignRow::as_select(), campaigns::deleted_at));
        let campaigns: Vec<(CampaignRow, Option<DateTime<Utc>>)> =
            conn.run(async |conn| campaigns.load(conn).await).await?;
        let left = strays::table
            .filter(strays::name.eq(session.name.as_str()))
            .filter(strays::left_behind.eq(true))
            .order(strays::worker)
            .select(strays::worker);
        let left: Vec<String> = conn.run(async |conn| left.load(conn).await).await?;
        let left = left.into_iter().map(|worker| worker.parse()).collect::<Result<_, _>>();
        Ok(UserRecord {
            session: Some(session),
            groups: groups.into_iter().map(kept_group).collect::<Result<_, _>>()?,
            campaigns: campaigns.into_iter().map(kept_campaign).collect::<Result<_, _>>()?,
            left_behind: left.map_err(UnreadableRow::of("strays"))?,
        })
    }

    async fn erase(
        &self,
        user: &UserId,
        session: Option<(SessionId, Fence)>,
        tombstone: &AuditEntry,
    ) -> Result<Option<Erased>, StorageError> {
        let tombstone = AuditRow::from(tombstone);
        let erase = async |conn: &mut Conn| {
            // A takeover at the same time comes before all of this, or finds that the user was erased.
            await_turn(conn).await?;
            let mut erased = Erased::default();
            let mut name = None;
            if let Some((id, fence)) = &session {
                name = erase_session(conn, user, id, *fence, &mut erased).await?;
                if name.is_none() {
                    return Ok(None);
                }
            } else {
                let theirs = sessions::table.filter(sessions::owner.eq(user.as_str()));
                if diesel::select(exists(theirs)).get_result(conn).await? {
                    return Ok(None);
                }
            }
            let keys = diesel::delete(api_keys::table.filter(api_keys::owner.eq(user.as_str())));
            erased.keys = keys.execute(conn).await? as u64;
            // Of those that name nobody, some name the session.
            let theirs = diesel::delete(audit_log::table.filter(audit_log::owner.eq(user.as_str())));
            let nobodys = audit_log::owner.is_null().and(audit_log::session.eq(name));
            let nobodys = diesel::delete(audit_log::table.filter(nobodys));
            erased.entries = theirs.execute(conn).await? as u64 + nobodys.execute(conn).await? as u64;
            add(conn, tombstone).await?;
            Ok(Some(erased))
        };
        let _turn = self.turns.take().await?;
        self.writer().await?.run(async |conn| conn.transaction(erase).await).await
    }

    async fn adopt(&self, overview: &SessionOverview, asked_at: DateTime<Utc>) -> Result<Adopted, StorageError> {
        let who = overview.session.owner.pseudonym().map_err(StorageError::failed)?;
        let asked_at = micros(asked_at);
        let adopt = async |conn: &mut Conn| {
            // On SQLite, a transaction that reads first may find that somebody else wrote meanwhile.
            await_turn(conn).await?;
            let tombstone = audit_log::table
                .filter(audit_log::owner.eq(who.as_str()))
                .filter(audit_log::action.eq(AuditAction::Erase.as_str()))
                .filter(audit_log::at.ge(asked_at - Erased::LATELY));
            if diesel::select(exists(tombstone)).get_result(conn).await? {
                return Ok((Adopted::Erased, None));
            }
            adopt(conn, overview, asked_at).await
        };
        let _turn = self.turns.take().await?;
        let (done, other) = self.writer().await?.run(async |conn| conn.transaction(adopt).await).await?;
        Ok(match other {
            Some(name) => Adopted::HasAnother(name.parse().map_err(UnreadableRow::of("sessions"))?),
            None => done,
        })
    }
}

/// The ids of a session's groups.
#[diesel::dsl::auto_type]
#[expect(clippy::elidable_lifetime_names, reason = "the type that `auto_type` makes of it needs the name")]
fn groups_of<'a>(session: &'a str) -> _ {
    linked_groups::table.filter(linked_groups::session_id.eq(session)).select(linked_groups::id)
}

fn kept_group((group, unlinked_at): (LinkedGroupRow, Option<DateTime<Utc>>)) -> Result<KeptGroup, UnreadableRow> {
    Ok(KeptGroup { group: LinkedGroup::try_from(group)?, is_linked: unlinked_at.is_none() })
}

fn kept_campaign((campaign, deleted_at): (CampaignRow, Option<DateTime<Utc>>)) -> Result<KeptCampaign, UnreadableRow> {
    Ok(KeptCampaign { campaign: Campaign::try_from(campaign)?, is_deleted: deleted_at.is_some() })
}

/// Deletes a session with all that refers to it. Returns its name, or `None` if it is not to be deleted.
async fn erase_session(
    conn: &mut Conn,
    user: &UserId,
    id: &SessionId,
    fence: Fence,
    erased: &mut Erased,
) -> QueryResult<Option<String>> {
    // Written first, though it will be gone: nobody else changes it from here on.
    let held = diesel::update(sessions::table.find(id.as_str()))
        .filter(sessions::owner.eq(user.as_str()))
        .filter(sessions::lifecycle.eq(Disconnected))
        .filter(holds(fence))
        .set(sessions::revision.eq(sessions::revision + 1))
        .returning(sessions::name);
    let Some(name) = held.get_result::<String>(conn).await.optional()? else { return Ok(None) };
    let id = id.as_str();
    let campaigns = diesel::delete(campaigns::table.filter(campaigns::linked_group_id.eq_any(groups_of(id))));
    erased.campaigns = campaigns.execute(conn).await? as u64;
    let groups = diesel::delete(linked_groups::table.filter(linked_groups::session_id.eq(id)));
    erased.groups = groups.execute(conn).await? as u64;
    let lists = diesel::delete(directory_snapshots::table.filter(directory_snapshots::session_id.eq(id)));
    erased.lists = lists.execute(conn).await? as u64;
    diesel::delete(strays::table.filter(strays::name.eq(&name))).execute(conn).await?;
    erased.sessions = diesel::delete(sessions::table.find(id)).execute(conn).await? as u64;
    Ok(Some(name))
}

/// What came of it; beside that, the name of another session that the user has.
async fn adopt(
    conn: &mut Conn,
    overview: &SessionOverview,
    now: DateTime<Utc>,
) -> QueryResult<(Adopted, Option<String>)> {
    let SessionOverview { session, groups } = overview;
    let insert = diesel::insert_into(sessions::table).values(SessionRow::from(session)).on_conflict_do_nothing();
    let mut is_new = insert.execute(conn).await? > 0;
    let known = sessions::table.filter(sessions::owner.eq(session.owner.as_str()));
    let known: Option<(String, String)> =
        known.select((sessions::id, sessions::name)).get_result(conn).await.optional()?;
    let Some((id, name)) = known else { return Ok((Adopted::Taken, None)) };
    if name != session.name.as_str() {
        return Ok((Adopted::Taken, Some(name)));
    }
    if !is_new && session.lifecycle.is_wanted() {
        is_new = reconnect(conn, &id, session, now).await? > 0;
    }
    let (mut added_groups, mut added_campaigns) = (0, 0);
    for group in groups {
        let mut row = LinkedGroupRow::from(&group.group);
        row.session_id.clone_from(&id);
        let insert = diesel::insert_into(linked_groups::table).values(row).on_conflict_do_nothing();
        added_groups += u32::from(insert.execute(conn).await? > 0);
        let link = linked_groups::table
            .filter(linked_groups::session_id.eq(&id))
            .filter(linked_groups::account.eq(group.group.account.as_str()))
            .filter(linked_groups::group_id.eq(group.group.group.as_str()))
            .select(linked_groups::id);
        // Absent, if its id is another one's by chance.
        let Some(link) = link.get_result::<String>(conn).await.optional()? else { continue };
        for campaign in &group.campaigns {
            let mut row = CampaignRow::from(campaign);
            row.linked_group_id.clone_from(&link);
            let insert = diesel::insert_into(campaigns::table)
                .values((row, campaigns::created_at.eq(now), campaigns::updated_at.eq(now)))
                .on_conflict_do_nothing();
            added_campaigns += u32::from(insert.execute(conn).await? > 0);
        }
    }
    Ok((Adopted::Done { is_new, groups: added_groups, campaigns: added_campaigns }, None))
}

/// Brings a disconnected row of the same user and name up again.
async fn reconnect(conn: &mut Conn, id: &str, session: &Session, now: DateTime<Utc>) -> QueryResult<usize> {
    let text = |text: Option<&str>| text.map(str::to_owned);
    // What happened since WAHA was asked, a logout say, counts for more.
    let update = diesel::update(sessions::table.find(id))
        .filter(sessions::lifecycle.eq(Disconnected).and(sessions::updated_at.le(now)))
        .set((
            sessions::worker.eq(session.worker.as_str()),
            sessions::lifecycle.eq(session.lifecycle.as_str()),
            sessions::phone.eq(text(session.phone.as_ref().map(PhoneNumber::as_str))),
            sessions::account.eq(text(session.account.as_ref().map(ChatId::as_str))),
            sessions::paired_at.eq(session.paired_at.map(micros)),
            sessions::status.eq(text(session.status.as_ref().map(SessionStatus::as_str))),
            sessions::down_since.eq(session.down_since.map(micros)),
            sessions::reported_at.eq(None::<DateTime<Utc>>),
            next_epoch(now),
        ));
    update.execute(conn).await
}
