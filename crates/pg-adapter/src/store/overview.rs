//! A session with its groups and their campaigns: one joined query, folded here.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use switchboard_domain::ports::StorageError;
use switchboard_domain::{Campaign, CampaignStatus, GroupCampaigns, LinkedGroup, Session, SessionOverview, UserId};

use super::Checkout;
use super::rows::{CampaignRow, LinkedGroupRow, SessionRow, UnreadableRow};
use super::schema::{campaigns, linked_groups, sessions};

type Row = (SessionRow, Option<LinkedGroupRow>, Option<CampaignRow>);

pub(super) async fn load(conn: &mut Checkout, owner: &UserId) -> Result<Option<SessionOverview>, StorageError> {
    let shown = linked_groups::session_id
        .eq(sessions::id)
        .and(linked_groups::account.nullable().eq(sessions::account))
        .and(linked_groups::unlinked_at.is_null());
    let [scheduled, in_progress] = CampaignStatus::ACTIVE.map(CampaignStatus::as_str);
    let active = campaigns::linked_group_id
        .nullable()
        .eq(linked_groups::id.nullable())
        .and(campaigns::deleted_at.is_null())
        // Not `eq_any`: SQLite would prepare a statement with a list anew each time.
        .and(campaigns::status.eq(scheduled).or(campaigns::status.eq(in_progress)));
    let query = sessions::table
        .left_join(linked_groups::table.on(shown))
        .left_join(campaigns::table.on(active))
        .filter(sessions::owner.eq(owner.as_str()))
        .order((
            linked_groups::created_at.nullable(),
            linked_groups::id.nullable(),
            campaigns::start_date.nullable(),
            campaigns::id.nullable(),
        ))
        .select((SessionRow::as_select(), Option::<LinkedGroupRow>::as_select(), Option::<CampaignRow>::as_select()));
    let rows: Vec<Row> = conn.run(async |conn| query.load(conn).await).await?;
    Ok(folded(rows)?)
}

/// The rows come in order: those of one group follow one another, its campaigns in theirs.
fn folded(rows: Vec<Row>) -> Result<Option<SessionOverview>, UnreadableRow> {
    let mut overview: Option<SessionOverview> = None;
    for (session, group, campaign) in rows {
        let overview = match &mut overview {
            Some(overview) => overview,
            none => none.insert(SessionOverview { session: Session::try_from(session)?, groups: Vec::new() }),
        };
        let Some(group) = group else { continue };
        let group = LinkedGroup::try_from(group)?;
        if overview.groups.last().is_none_or(|last| last.group.id != group.id) {
            overview.groups.push(GroupCampaigns { group, campaigns: Vec::new() });
        }
        if let (Some(campaign), Some(last)) = (campaign, overview.groups.last_mut()) {
            last.campaigns.push(Campaign::try_from(campaign)?);
        }
    }
    Ok(overview)
}
