//! A session with its groups and their campaigns: two queries in one trip, put in order and together here.
//!
//! In one query, each row would repeat the whole session. It is read first, so that a phone that is paired between the two
//! can only hide groups, never show another account's.

use diesel::prelude::*;
use switchboard_domain::ports::StorageError;
use switchboard_domain::{
    Campaign, CampaignStatus, ChatId, GroupCampaigns, LinkedGroup, Session, SessionOverview, UserId,
};

use super::Checkout;
use super::rows::{CampaignRow, LinkedGroupRow, SessionRow, UnreadableRow};
use super::schema::{campaigns, linked_groups, sessions};
use crate::engine::load_both;

pub(super) async fn load(conn: &mut Checkout, owner: &UserId) -> Result<Option<SessionOverview>, StorageError> {
    let session = sessions::table.filter(sessions::owner.eq(owner.as_str().to_owned())).select(SessionRow::as_select());
    let shown = linked_groups::session_id
        .eq(sessions::id)
        .and(linked_groups::account.nullable().eq(sessions::account))
        .and(linked_groups::unlinked_at.is_null());
    let [scheduled, in_progress] = CampaignStatus::ACTIVE.map(CampaignStatus::as_str);
    let active = campaigns::linked_group_id
        .eq(linked_groups::id)
        .and(campaigns::deleted_at.is_null())
        // Not `eq_any`: SQLite would prepare a statement with a list anew each time.
        .and(campaigns::status.eq(scheduled).or(campaigns::status.eq(in_progress)));
    let groups = sessions::table
        .inner_join(linked_groups::table.on(shown))
        .left_join(campaigns::table.on(active))
        .filter(sessions::owner.eq(owner.as_str().to_owned()))
        .select((LinkedGroupRow::as_select(), Option::<CampaignRow>::as_select()));
    let (session, groups) = conn.run(async |conn| load_both(conn, session, groups).await).await?;
    let Some(session) = session.into_iter().next() else { return Ok(None) };
    Ok(Some(folded(session, groups)?))
}

/// A linked group, once for each of its campaigns, and once if it has none.
type Row = (LinkedGroupRow, Option<CampaignRow>);

fn folded(session: SessionRow, mut rows: Vec<Row>) -> Result<SessionOverview, UnreadableRow> {
    rows.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
    let session = Session::try_from(session)?;
    let account = session.account.as_ref().map(ChatId::as_str);
    let mut groups: Vec<GroupCampaigns> = Vec::new();
    for (group, campaign) in rows {
        if Some(group.account.as_str()) != account {
            // Another phone was paired between the queries: for this moment there are no groups.
            continue;
        }
        if groups.last().is_none_or(|last| last.group.id.as_str() != group.id) {
            groups.push(GroupCampaigns { group: LinkedGroup::try_from(group)?, campaigns: Vec::new() });
        }
        if let (Some(campaign), Some(last)) = (campaign, groups.last_mut()) {
            last.campaigns.push(Campaign::try_from(campaign)?);
        }
    }
    Ok(SessionOverview { session, groups })
}

/// Those of one group follow one another, its campaigns in their order.
fn order((group, campaign): &Row) -> impl Ord {
    let campaign = campaign.as_ref().map(|campaign| (campaign.start_date, campaign.id.as_str()));
    (group.created_at, group.id.as_str(), campaign)
}
