//! All that is kept of one user.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use switchboard_domain::ports::{
    Adopted, Erased, Fence, KeptCampaign, KeptGroup, StorageError, UserRecord, UserRepository,
};
use switchboard_domain::{
    AuditAction, AuditEntry, Epoch, GroupCampaigns, Lifecycle, LinkedGroupId, Revision, Session, SessionId,
    SessionOverview, UserId,
};

use super::{Kept, Memory, SessionRow, Tables, micros};

impl Tables {
    fn groups_of(&self, session: &SessionId) -> Vec<LinkedGroupId> {
        let of_session = self.groups.values().filter(|kept| kept.row.session == *session);
        of_session.map(|kept| kept.row.id.clone()).collect()
    }

    fn erase(&mut self, id: &SessionId) -> (Erased, Option<Session>) {
        let groups = self.groups_of(id);
        let campaigns = self.campaigns.len();
        self.campaigns.retain(|_, kept| !groups.contains(&kept.row.group));
        self.groups.retain(|_, kept| kept.row.session != *id);
        let lists = self.snapshots.len();
        self.snapshots.retain(|(session, _), _| session != id);
        let session = self.sessions.remove(id).map(|row| row.session);
        if let Some(session) = &session {
            self.strays.retain(|(_, name), _| *name != session.name);
        }
        let erased = Erased {
            sessions: u64::from(session.is_some()),
            groups: groups.len() as u64,
            campaigns: (campaigns - self.campaigns.len()) as u64,
            lists: (lists - self.snapshots.len()) as u64,
            ..Erased::default()
        };
        (erased, session)
    }

    fn add_groups(&mut self, session: &SessionId, groups: &[GroupCampaigns]) -> (u32, u32) {
        let (mut added_groups, mut added_campaigns) = (0, 0);
        for GroupCampaigns { group, campaigns } in groups {
            let same = |kept: &&Kept<_>| {
                let row: &switchboard_domain::LinkedGroup = &kept.row;
                row.session == *session && row.account == group.account && row.group == group.group
            };
            let known = self.groups.values().find(same).map(|kept| kept.row.id.clone());
            let link = match known {
                Some(id) => id,
                None if self.groups.contains_key(&group.id) => continue,
                None => {
                    let mut row = group.clone();
                    row.session = session.clone();
                    row.created_at = micros(row.created_at);
                    row.updated_at = micros(row.updated_at);
                    self.groups.insert(row.id.clone(), Kept { row, removed: false });
                    added_groups += 1;
                    group.id.clone()
                }
            };
            for campaign in campaigns {
                if !self.campaigns.contains_key(&campaign.id) {
                    let mut row = campaign.clone();
                    row.group = link.clone();
                    row.start_date = micros(row.start_date);
                    self.campaigns.insert(row.id.clone(), Kept { row, removed: false });
                    added_campaigns += 1;
                }
            }
        }
        (added_groups, added_campaigns)
    }
}

#[async_trait]
impl UserRepository for Memory {
    async fn record(&self, user: &UserId) -> Result<UserRecord, StorageError> {
        let tables = self.tables();
        let Some(session) = tables.of_owner(user).cloned() else { return Ok(UserRecord::default()) };
        let ids = tables.groups_of(&session.id);
        let mut groups: Vec<_> = tables
            .groups
            .values()
            .filter(|kept| kept.row.session == session.id)
            .map(|kept| KeptGroup { group: kept.row.clone(), is_linked: !kept.removed })
            .collect();
        groups.sort_by_key(|kept| (kept.group.created_at, kept.group.id.clone()));
        let mut campaigns: Vec<_> = tables
            .campaigns
            .values()
            .filter(|kept| ids.contains(&kept.row.group))
            .map(|kept| KeptCampaign { campaign: kept.row.clone(), is_deleted: kept.removed })
            .collect();
        campaigns.sort_by_key(|kept| (kept.campaign.start_date, kept.campaign.id.clone()));
        let left = tables.strays.iter().filter(|((_, name), stray)| *name == session.name && stray.is_left_behind);
        let left_behind = left.map(|((worker, _), _)| worker.clone()).collect();
        Ok(UserRecord { session: Some(session), groups, campaigns, left_behind })
    }

    async fn erase(
        &self,
        user: &UserId,
        session: Option<(SessionId, Fence)>,
        tombstone: &AuditEntry,
    ) -> Result<Option<Erased>, StorageError> {
        let mut tables = self.tables();
        let (mut erased, mut name) = (Erased::default(), None);
        if let Some((id, fence)) = &session {
            let is_so = tables
                .under(id, *fence)
                .is_some_and(|session| session.owner == *user && session.lifecycle == Lifecycle::Disconnected);
            if !is_so {
                return Ok(None);
            }
            let (of_session, session) = tables.erase(id);
            (erased, name) = (of_session, session.map(|session| session.name));
        } else if tables.of_owner(user).is_some() {
            return Ok(None);
        }
        let keys = tables.api_keys.len();
        tables.api_keys.retain(|(key, _)| key.user != *user);
        erased.keys = (keys - tables.api_keys.len()) as u64;
        let entries = tables.audit.len();
        tables.audit.retain(|_, entry| {
            let is_about = entry.deed.user.as_ref() == Some(user);
            !is_about && (name.is_none() || entry.deed.session != name)
        });
        erased.entries = (entries - tables.audit.len()) as u64;
        let row = AuditEntry { at: micros(tombstone.at), ..tombstone.clone() };
        tables.audit.insert(row.id.clone(), row);
        Ok(Some(erased))
    }

    async fn adopt(&self, overview: &SessionOverview, asked_at: DateTime<Utc>) -> Result<Adopted, StorageError> {
        let mut tables = self.tables();
        let SessionOverview { session, groups } = overview;
        let who = session.owner.pseudonym().map_err(StorageError::failed)?;
        let is_tombstone = |entry: &AuditEntry| {
            entry.deed.action == AuditAction::Erase
                && entry.deed.user.as_ref() == Some(&who)
                && entry.at >= micros(asked_at) - Erased::LATELY
        };
        if tables.audit.values().any(is_tombstone) {
            return Ok(Adopted::Erased);
        }
        let mut is_new = false;
        let id = match tables.of_owner(&session.owner).cloned() {
            Some(known) if known.name != session.name => return Ok(Adopted::HasAnother(known.name)),
            Some(known) => {
                let is_untouched = known.lifecycle == Lifecycle::Disconnected && known.updated_at <= micros(asked_at);
                if is_untouched && session.lifecycle.is_wanted() {
                    is_new = true;
                    let again = Session {
                        id: known.id.clone(),
                        epoch: Epoch(known.epoch.0 + 1),
                        revision: Revision(known.revision.0 + 1),
                        revived_at: known.revived_at,
                        reported_at: None,
                        paired_at: session.paired_at.map(micros),
                        down_since: session.down_since.map(micros),
                        created_at: known.created_at,
                        updated_at: micros(asked_at),
                        ..session.clone()
                    };
                    if let Some(row) = tables.sessions.get_mut(&known.id) {
                        row.session = again;
                    }
                }
                known.id
            }
            None => {
                let is_taken = tables.sessions.values().any(|row| row.session.name == session.name);
                if is_taken || tables.sessions.contains_key(&session.id) {
                    return Ok(Adopted::Taken);
                }
                is_new = true;
                let row = Session {
                    paired_at: session.paired_at.map(micros),
                    down_since: session.down_since.map(micros),
                    created_at: micros(session.created_at),
                    updated_at: micros(session.updated_at),
                    ..session.clone()
                };
                let row = SessionRow { session: row, lease: None, fence: Fence(0) };
                tables.sessions.insert(session.id.clone(), row);
                session.id.clone()
            }
        };
        let (groups, campaigns) = tables.add_groups(&id, groups);
        Ok(Adopted::Done { is_new, groups, campaigns })
    }
}
