//! Rows, and how they become models.

use chrono::{DateTime, SubsecRound, Utc};
use diesel::prelude::*;
use switchboard_domain::ports::{Generation, SnapshotHead, StorageError, Stray};
use switchboard_domain::{
    ApiKey, AuditEntry, Campaign, Deed, Epoch, LinkedGroup, ParseError, Revision, Session, SessionStatus,
};

use super::schema::{api_keys, audit_log, campaigns, directory_snapshots, linked_groups, sessions, strays};
use crate::engine::{Backend, Time};

/// A time as both databases keep it: in whole microseconds.
pub(super) fn micros(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, check_for_backend(Backend), treat_none_as_default_value = false)]
pub(super) struct SessionRow {
    id: String,
    pub(super) name: String,
    owner: String,
    worker: String,
    lifecycle: String,
    epoch: i64,
    revision: i64,
    phone: Option<String>,
    account: Option<String>,
    paired_at: Option<DateTime<Utc>>,
    status: Option<String>,
    down_since: Option<DateTime<Utc>>,
    revived_at: Option<DateTime<Utc>>,
    reported_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = linked_groups, check_for_backend(Backend))]
pub(super) struct LinkedGroupRow {
    pub(super) id: String,
    pub(super) session_id: String,
    pub(super) account: String,
    group_id: String,
    name: String,
    #[diesel(deserialize_as = Time)]
    pub(super) created_at: DateTime<Utc>,
    #[diesel(deserialize_as = Time)]
    updated_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = campaigns, check_for_backend(Backend))]
pub(super) struct CampaignRow {
    pub(super) id: String,
    pub(super) linked_group_id: String,
    status: String,
    #[diesel(deserialize_as = Time)]
    pub(super) start_date: DateTime<Utc>,
}

/// A snapshot without its content, and without what it was asked for by.
#[derive(Queryable, Selectable)]
#[diesel(table_name = directory_snapshots, check_for_backend(Backend))]
pub(super) struct SnapshotHeadRow {
    epoch: i64,
    generation: i64,
    version: String,
    synced_at: DateTime<Utc>,
    settled: bool,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = strays, check_for_backend(Backend))]
pub(super) struct StrayRow {
    pub(super) worker: String,
    pub(super) name: String,
    pub(super) since: DateTime<Utc>,
    pub(super) left_behind: bool,
}

/// A key without its hash.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = api_keys, check_for_backend(Backend))]
pub(super) struct ApiKeyRow {
    id: String,
    owner: String,
    name: String,
    scope: String,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_log, check_for_backend(Backend))]
pub(super) struct AuditRow {
    id: String,
    at: DateTime<Utc>,
    action: String,
    means: String,
    outcome: String,
    owner: Option<String>,
    session: Option<String>,
    worker: Option<String>,
}

/// A row that holds what no version of this program writes.
#[derive(Debug, thiserror::Error)]
#[error("a row of {table} cannot be read")]
pub(super) struct UnreadableRow {
    table: &'static str,
    #[source]
    cause: ParseError,
}

impl From<UnreadableRow> for StorageError {
    fn from(error: UnreadableRow) -> Self {
        Self::failed(error)
    }
}

impl UnreadableRow {
    pub(super) fn of(table: &'static str) -> impl Fn(ParseError) -> Self {
        move |cause| Self { table, cause }
    }
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.as_str().to_owned(),
            name: session.name.as_str().to_owned(),
            owner: session.owner.as_str().to_owned(),
            worker: session.worker.as_str().to_owned(),
            lifecycle: session.lifecycle.as_str().to_owned(),
            epoch: session.epoch.0,
            revision: session.revision.0,
            phone: session.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            account: session.account.as_ref().map(|account| account.as_str().to_owned()),
            paired_at: session.paired_at.map(micros),
            status: session.status.as_ref().map(|status| status.as_str().to_owned()),
            down_since: session.down_since.map(micros),
            revived_at: session.revived_at.map(micros),
            reported_at: session.reported_at.map(micros),
            created_at: micros(session.created_at),
            updated_at: micros(session.updated_at),
        }
    }
}

impl TryFrom<SessionRow> for Session {
    type Error = UnreadableRow;

    fn try_from(row: SessionRow) -> Result<Self, UnreadableRow> {
        let parsed = || {
            Ok(Self {
                id: row.id.parse()?,
                name: row.name.parse()?,
                owner: row.owner.parse()?,
                worker: row.worker.parse()?,
                lifecycle: row.lifecycle.parse()?,
                epoch: Epoch(row.epoch),
                revision: Revision(row.revision),
                phone: row.phone.map(|phone| phone.parse()).transpose()?,
                account: row.account.map(|account| account.parse()).transpose()?,
                paired_at: row.paired_at,
                status: row.status.as_deref().map(SessionStatus::from),
                down_since: row.down_since,
                revived_at: row.revived_at,
                reported_at: row.reported_at,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        };
        parsed().map_err(UnreadableRow::of("sessions"))
    }
}

impl From<&LinkedGroup> for LinkedGroupRow {
    fn from(group: &LinkedGroup) -> Self {
        Self {
            id: group.id.as_str().to_owned(),
            session_id: group.session.as_str().to_owned(),
            account: group.account.as_str().to_owned(),
            group_id: group.group.as_str().to_owned(),
            name: group.name.clone(),
            created_at: micros(group.created_at),
            updated_at: micros(group.updated_at),
        }
    }
}

impl TryFrom<LinkedGroupRow> for LinkedGroup {
    type Error = UnreadableRow;

    fn try_from(row: LinkedGroupRow) -> Result<Self, UnreadableRow> {
        let parsed = || {
            Ok(Self {
                id: row.id.parse()?,
                session: row.session_id.parse()?,
                account: row.account.parse()?,
                group: row.group_id.parse()?,
                name: row.name,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        };
        parsed().map_err(UnreadableRow::of("linked_groups"))
    }
}

impl From<&Campaign> for CampaignRow {
    fn from(campaign: &Campaign) -> Self {
        Self {
            id: campaign.id.as_str().to_owned(),
            linked_group_id: campaign.group.as_str().to_owned(),
            status: campaign.status.as_str().to_owned(),
            start_date: micros(campaign.start_date),
        }
    }
}

impl TryFrom<CampaignRow> for Campaign {
    type Error = UnreadableRow;

    fn try_from(row: CampaignRow) -> Result<Self, UnreadableRow> {
        let parsed = || {
            Ok(Self {
                id: row.id.parse()?,
                group: row.linked_group_id.parse()?,
                status: row.status.parse()?,
                start_date: row.start_date,
            })
        };
        parsed().map_err(UnreadableRow::of("campaigns"))
    }
}

impl TryFrom<SnapshotHeadRow> for SnapshotHead {
    type Error = UnreadableRow;

    fn try_from(row: SnapshotHeadRow) -> Result<Self, UnreadableRow> {
        Ok(Self {
            epoch: Epoch(row.epoch),
            generation: Generation(row.generation),
            version: row.version.parse().map_err(UnreadableRow::of("directory_snapshots"))?,
            synced_at: row.synced_at,
            settled: row.settled,
        })
    }
}

impl TryFrom<StrayRow> for Stray {
    type Error = UnreadableRow;

    fn try_from(row: StrayRow) -> Result<Self, UnreadableRow> {
        let name = row.name.parse().map_err(UnreadableRow::of("strays"))?;
        Ok(Self { name, since: row.since, is_left_behind: row.left_behind })
    }
}

impl From<&ApiKey> for ApiKeyRow {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.as_str().to_owned(),
            owner: key.user.as_str().to_owned(),
            name: key.name.as_str().to_owned(),
            scope: key.scope.as_str().to_owned(),
            created_at: micros(key.created_at),
            expires_at: key.expires_at.map(micros),
            revoked_at: key.revoked_at.map(micros),
        }
    }
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = UnreadableRow;

    fn try_from(row: ApiKeyRow) -> Result<Self, UnreadableRow> {
        let parsed = || {
            Ok(Self {
                id: row.id.parse()?,
                user: row.owner.parse()?,
                name: row.name.parse()?,
                scope: row.scope.parse()?,
                created_at: row.created_at,
                expires_at: row.expires_at,
                revoked_at: row.revoked_at,
            })
        };
        parsed().map_err(UnreadableRow::of("api_keys"))
    }
}

impl From<&AuditEntry> for AuditRow {
    fn from(entry: &AuditEntry) -> Self {
        let Deed { action, by, user, session, worker } = &entry.deed;
        Self {
            id: entry.id.as_str().to_owned(),
            at: micros(entry.at),
            action: action.as_str().to_owned(),
            means: by.as_str().to_owned(),
            outcome: entry.outcome.as_str().to_owned(),
            owner: user.as_ref().map(|user| user.as_str().to_owned()),
            session: session.as_ref().map(|session| session.as_str().to_owned()),
            worker: worker.as_ref().map(|worker| worker.as_str().to_owned()),
        }
    }
}

impl TryFrom<AuditRow> for AuditEntry {
    type Error = UnreadableRow;

    fn try_from(row: AuditRow) -> Result<Self, UnreadableRow> {
        let parsed = || {
            let deed = Deed {
                action: row.action.parse()?,
                by: row.means.parse()?,
                user: row.owner.map(|user| user.parse()).transpose()?,
                session: row.session.map(|session| session.parse()).transpose()?,
                worker: row.worker.map(|worker| worker.parse()).transpose()?,
            };
            Ok(Self { id: row.id.parse()?, at: row.at, deed, outcome: row.outcome.parse()? })
        };
        parsed().map_err(UnreadableRow::of("audit_log"))
    }
}
