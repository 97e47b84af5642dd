//! All storage ports in memory: the shortest thing that keeps their promises.

mod api_keys;
mod audit;
mod directory;
mod users;
mod workers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use switchboard_domain::ports::{
    CampaignRepository, Database, DeploymentRepository, Fence, GroupRepository, Lease, LeaseHolder, LeaseRepository,
    SessionRepository, StorageError, StoredSnapshot, Stray, Unlinked,
};
use switchboard_domain::{
    ApiKey, ApiKeyHash, AuditEntry, AuditId, Campaign, CampaignId, ChatId, DeploymentId, GroupCampaigns, GroupId,
    Lifecycle, LinkedGroup, LinkedGroupId, ListKind, Observation, PhoneNumber, Revision, Session, SessionId,
    SessionName, SessionOverview, UserId, WorkerName, WorkerState,
};

/// Every storage port, in memory. Clones share their rows.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    sessions: BTreeMap<SessionId, SessionRow>,
    groups: BTreeMap<LinkedGroupId, Kept<LinkedGroup>>,
    campaigns: BTreeMap<CampaignId, Kept<Campaign>>,
    deployment: Option<DeploymentId>,
    snapshots: BTreeMap<(SessionId, ListKind), StoredSnapshot>,
    tasks: BTreeMap<String, (LeaseHolder, DateTime<Utc>)>,
    workers: BTreeMap<WorkerName, WorkerState>,
    strays: BTreeMap<(WorkerName, SessionName), Stray>,
    api_keys: Vec<(ApiKey, ApiKeyHash)>,
    audit: BTreeMap<AuditId, AuditEntry>,
}

#[derive(Debug)]
struct SessionRow {
    session: Session,
    lease: Option<(LeaseHolder, DateTime<Utc>)>,
    fence: Fence,
}

/// A row that stays when it is removed.
#[derive(Debug)]
struct Kept<T> {
    row: T,
    removed: bool,
}

impl Memory {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn of_owner(&self, owner: &UserId) -> Option<&Session> {
        self.sessions.values().map(|row| &row.session).find(|session| session.owner == *owner)
    }

    /// The row, if the lease of that fence is still its holder's.
    fn under(&mut self, id: &SessionId, fence: Fence) -> Option<&mut Session> {
        let row = self.sessions.get_mut(id)?;
        (row.fence == fence && row.lease.is_some()).then_some(&mut row.session)
    }

    /// The row, if that lease is still its holder's.
    fn leased(&mut self, lease: &Lease) -> Option<&mut SessionRow> {
        let row = self.sessions.get_mut(&lease.session)?;
        let holds = row.fence == lease.fence && row.lease.as_ref().is_some_and(|(holder, _)| *holder == lease.holder);
        holds.then_some(row)
    }

    /// The sessions that have a place on the worker, by id.
    fn placed_on(&self, worker: &WorkerName) -> impl Iterator<Item = &Session> {
        let sessions = self.sessions.values().map(|row| &row.session);
        sessions.filter(move |session| session.worker == *worker && session.lifecycle != Lifecycle::Disconnected)
    }

    fn linked(&self, session: &SessionId, account: &ChatId) -> Vec<LinkedGroup> {
        let mut groups: Vec<_> = self
            .groups
            .values()
            .filter(|kept| !kept.removed && kept.row.session == *session && kept.row.account == *account)
            .map(|kept| kept.row.clone())
            .collect();
        groups.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        groups
    }

    fn active(&self, group: &LinkedGroupId) -> Vec<Campaign> {
        let mut campaigns: Vec<_> = self
            .campaigns
            .values()
            .filter(|kept| !kept.removed && kept.row.group == *group && kept.row.status.is_active())
            .map(|kept| kept.row.clone())
            .collect();
        campaigns.sort_by(|a, b| (a.start_date, &a.id).cmp(&(b.start_date, &b.id)));
        campaigns
    }
}

fn micros(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

fn write_phone(session: &mut Session, phone: Option<&PhoneNumber>, now: DateTime<Utc>) {
    if session.phone.as_ref() != phone {
        session.phone = phone.cloned();
        session.updated_at = micros(now);
    }
}

fn forget(session: &mut Session, now: DateTime<Utc>) {
    *session = Session {
        epoch: session.epoch.next(),
        revision: Revision(session.revision.0 + 1),
        phone: None,
        account: None,
        paired_at: None,
        status: None,
        down_since: None,
        revived_at: None,
        updated_at: micros(now),
        ..session.clone()
    };
}

#[async_trait]
impl SessionRepository for Memory {
    async fn ensure(&self, candidate: &Session) -> Result<Session, StorageError> {
        let mut tables = self.tables();
        if let Some(session) = tables.of_owner(&candidate.owner) {
            return Ok(session.clone());
        }
        let taken = tables.sessions.values().any(|row| row.session.name == candidate.name);
        if taken || tables.sessions.contains_key(&candidate.id) {
            return Err(StorageError::Conflict);
        }
        let session = Session {
            paired_at: candidate.paired_at.map(micros),
            down_since: candidate.down_since.map(micros),
            revived_at: candidate.revived_at.map(micros),
            reported_at: candidate.reported_at.map(micros),
            created_at: micros(candidate.created_at),
            updated_at: micros(candidate.updated_at),
            ..candidate.clone()
        };
        let row = SessionRow { session: session.clone(), lease: None, fence: Fence(0) };
        tables.sessions.insert(session.id.clone(), row);
        Ok(session)
    }

    async fn get(&self, id: &SessionId) -> Result<Option<Session>, StorageError> {
        Ok(self.tables().sessions.get(id).map(|row| row.session.clone()))
    }

    async fn find(&self, owner: &UserId, name: &SessionName) -> Result<Option<Session>, StorageError> {
        Ok(self.tables().of_owner(owner).filter(|session| session.name == *name).cloned())
    }

    async fn find_all(&self, wanted: &[(UserId, SessionName)]) -> Result<Vec<Session>, StorageError> {
        let tables = self.tables();
        let sessions = tables.sessions.values().map(|row| &row.session);
        let is_wanted =
            |session: &&Session| wanted.iter().any(|(owner, name)| *owner == session.owner && *name == session.name);
        Ok(sessions.filter(is_wanted).cloned().collect())
    }

    async fn named(&self, name: &SessionName) -> Result<Option<Session>, StorageError> {
        let tables = self.tables();
        let mut sessions = tables.sessions.values().map(|row| &row.session);
        Ok(sessions.find(|session| session.name == *name).cloned())
    }

    async fn overview(&self, owner: &UserId) -> Result<Option<SessionOverview>, StorageError> {
        let tables = self.tables();
        let Some(session) = tables.of_owner(owner).cloned() else { return Ok(None) };
        let groups = session.account.as_ref().map(|account| tables.linked(&session.id, account)).unwrap_or_default();
        let groups =
            groups.into_iter().map(|group| GroupCampaigns { campaigns: tables.active(&group.id), group }).collect();
        Ok(Some(SessionOverview { session, groups }))
    }

    async fn all_named(&self, names: &[SessionName]) -> Result<Vec<Session>, StorageError> {
        let tables = self.tables();
        let sessions = tables.sessions.values().map(|row| &row.session);
        Ok(sessions.filter(|session| names.contains(&session.name)).cloned().collect())
    }

    async fn on_worker<'a>(
        &self,
        worker: &WorkerName,
        after: Option<&'a SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, StorageError> {
        let tables = self.tables();
        let past = tables.placed_on(worker).filter(|session| after.is_none_or(|after| session.id > *after));
        Ok(past.take(limit as usize).cloned().collect())
    }

    async fn is_paired(&self, account: &ChatId) -> Result<bool, StorageError> {
        let tables = self.tables();
        let mut wanted = tables.sessions.values().map(|row| &row.session).filter(|one| one.lifecycle.is_wanted());
        Ok(wanted.any(|session| session.paired_at.is_some() && session.account.as_ref() == Some(account)))
    }

    async fn transition(
        &self,
        id: &SessionId,
        from: &[Lifecycle],
        to: Lifecycle,
        fence: Option<Fence>,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let session = match fence {
            Some(fence) => tables.under(id, fence),
            None => tables.sessions.get_mut(id).map(|row| &mut row.session),
        };
        let Some(session) = session.filter(|session| from.contains(&session.lifecycle)) else { return Ok(false) };
        session.lifecycle = to;
        session.revision = Revision(session.revision.0 + 1);
        session.updated_at = micros(now);
        Ok(true)
    }

    async fn finish_logout(&self, id: &SessionId, fence: Fence, now: DateTime<Utc>) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let session = tables.under(id, fence).filter(|session| session.lifecycle == Lifecycle::LoggingOut);
        let Some(session) = session else { return Ok(false) };
        session.lifecycle = Lifecycle::Disconnected;
        forget(session, now);
        tables.snapshots.retain(|(session, _), _| session != id);
        Ok(true)
    }

    async fn forget_pairing(&self, id: &SessionId, fence: Fence, now: DateTime<Utc>) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let Some(session) = tables.under(id, fence) else { return Ok(false) };
        forget(session, now);
        tables.snapshots.retain(|(session, _), _| session != id);
        Ok(true)
    }

    async fn record(
        &self,
        id: &SessionId,
        revision: Revision,
        seen: &Observation,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let session = tables.sessions.get_mut(id).map(|row| &mut row.session);
        let Some(session) = session.filter(|session| session.revision == revision && session.lifecycle.is_wanted())
        else {
            return Ok(false);
        };
        session.revision.0 += 1;
        session.epoch = seen.epoch;
        session.status = Some(seen.status.clone());
        session.down_since = seen.down_since.map(micros);
        session.account.clone_from(&seen.account);
        session.paired_at = seen.paired_at.map(micros);
        session.revived_at = seen.revived_at.map(micros);
        session.reported_at = seen.reported_at.map(micros);
        write_phone(session, seen.phone.as_ref(), now);
        Ok(true)
    }

    async fn set_revived(&self, id: &SessionId, fence: Fence, revived_at: DateTime<Utc>) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let Some(session) = tables.under(id, fence) else { return Ok(false) };
        session.revision.0 += 1;
        session.revived_at = Some(micros(revived_at));
        Ok(true)
    }

    async fn set_phone(
        &self,
        owner: &UserId,
        id: &SessionId,
        phone: &PhoneNumber,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let session = tables.sessions.get_mut(id).map(|row| &mut row.session);
        let Some(session) = session.filter(|session| session.owner == *owner) else { return Ok(false) };
        session.revision.0 += 1;
        write_phone(session, Some(phone), now);
        Ok(true)
    }
}

#[async_trait]
impl LeaseRepository for Memory {
    async fn acquire(
        &self,
        session: &SessionId,
        holder: &LeaseHolder,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Lease>, StorageError> {
        let mut tables = self.tables();
        let Some(row) = tables.sessions.get_mut(session) else { return Ok(None) };
        if row.lease.as_ref().is_some_and(|(other, until)| other != holder && *until > micros(now)) {
            return Ok(None);
        }
        row.lease = Some((holder.clone(), micros(until)));
        row.fence = Fence(row.fence.0 + 1);
        Ok(Some(Lease { session: session.clone(), holder: holder.clone(), fence: row.fence }))
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let Some(row) = tables.leased(lease) else { return Ok(false) };
        row.lease = Some((lease.holder.clone(), micros(until)));
        Ok(true)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StorageError> {
        if let Some(row) = self.tables().leased(lease) {
            row.lease = None;
        }
        Ok(())
    }
}

#[async_trait]
impl GroupRepository for Memory {
    async fn link(&self, group: &LinkedGroup) -> Result<LinkedGroup, StorageError> {
        let mut tables = self.tables();
        let same = |row: &LinkedGroup| {
            row.session == group.session && row.account == group.account && row.group == group.group
        };
        if let Some(kept) = tables.groups.values_mut().find(|kept| same(&kept.row)) {
            if kept.removed || kept.row.name != group.name {
                kept.row.updated_at = micros(group.updated_at);
            }
            kept.removed = false;
            kept.row.name.clone_from(&group.name);
            return Ok(kept.row.clone());
        }
        if !tables.sessions.contains_key(&group.session) || tables.groups.contains_key(&group.id) {
            return Err(StorageError::Conflict);
        }
        let row =
            LinkedGroup { created_at: micros(group.created_at), updated_at: micros(group.updated_at), ..group.clone() };
        tables.groups.insert(row.id.clone(), Kept { row: row.clone(), removed: false });
        Ok(row)
    }

    async fn unlink(
        &self,
        session: &SessionId,
        account: &ChatId,
        group: &GroupId,
        now: DateTime<Utc>,
    ) -> Result<Unlinked, StorageError> {
        let mut tables = self.tables();
        let linked = tables.linked(session, account).into_iter().find(|row| row.group == *group);
        let Some(id) = linked.map(|row| row.id) else { return Ok(Unlinked::NotLinked) };
        if !tables.active(&id).is_empty() {
            return Ok(Unlinked::ActiveCampaign);
        }
        if let Some(kept) = tables.groups.get_mut(&id) {
            kept.removed = true;
            kept.row.updated_at = micros(now);
        }
        Ok(Unlinked::Done)
    }

    async fn linked(&self, session: &SessionId, account: &ChatId) -> Result<Vec<LinkedGroup>, StorageError> {
        Ok(self.tables().linked(session, account))
    }

    async fn rename(&self, id: &LinkedGroupId, name: &str, now: DateTime<Utc>) -> Result<(), StorageError> {
        let mut tables = self.tables();
        if let Some(kept) = tables.groups.get_mut(id).filter(|kept| !kept.removed && kept.row.name != name) {
            name.clone_into(&mut kept.row.name);
            kept.row.updated_at = micros(now);
        }
        Ok(())
    }
}

#[async_trait]
impl CampaignRepository for Memory {
    async fn save(&self, campaign: &Campaign, _now: DateTime<Utc>) -> Result<(), StorageError> {
        let mut tables = self.tables();
        if !tables.groups.contains_key(&campaign.group) {
            return Err(StorageError::Conflict);
        }
        let row = Campaign { start_date: micros(campaign.start_date), ..campaign.clone() };
        tables.campaigns.insert(row.id.clone(), Kept { row, removed: false });
        Ok(())
    }

    async fn find(&self, id: &CampaignId) -> Result<Option<Campaign>, StorageError> {
        Ok(self.tables().campaigns.get(id).filter(|kept| !kept.removed).map(|kept| kept.row.clone()))
    }

    async fn delete(&self, id: &CampaignId, _now: DateTime<Utc>) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let Some(kept) = tables.campaigns.get_mut(id).filter(|kept| !kept.removed) else { return Ok(false) };
        kept.removed = true;
        Ok(true)
    }
}

#[async_trait]
impl DeploymentRepository for Memory {
    async fn ensure(&self, candidate: &DeploymentId) -> Result<DeploymentId, StorageError> {
        Ok(self.tables().deployment.get_or_insert_with(|| candidate.clone()).clone())
    }
}

#[async_trait]
impl Database for Memory {
    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}
