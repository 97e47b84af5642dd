//! All that is kept of a user, and what WAHA says of them, as one JSON document. `docs/users.md` describes it.

use std::io::Write;

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use switchboard_domain::ports::{AuditQuery, Clock as _, KeptCampaign, KeptGroup, WhatsAppGateway};
use switchboard_domain::{
    ApiKey, ChatId, Limit, ListKind, Session, SessionStatus, Snapshot, SystemClock, UserId, View,
};

use super::super::audit::Row;
use super::super::wiring::Storage;
use super::{of_database, upstream};

/// What names the form of the document.
const FORMAT: &str = "switchboard-user/1";

/// How many entries of a list are written at once.
const PAGE: u64 = 1000;

/// A JSON object that is written field by field, so that no more of it is in memory than one list.
struct Document<'a, W> {
    out: &'a mut W,
    is_begun: bool,
}

/// Writes what is kept of the user, and what WAHA says of them, if there is one to ask.
pub(super) async fn write(
    storage: &Storage,
    gateway: Option<&dyn WhatsAppGateway>,
    user: &UserId,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let record = storage.users.record(user).await.map_err(of_database)?;
    let keys = storage.api_keys.list(Some(user)).await.map_err(of_database)?;
    let mut document = Document { out, is_begun: false };
    document.field("format", &FORMAT)?;
    document.field("user", &user.as_str())?;
    document.field("exportedAt", &text(SystemClock.now()))?;
    document.field("session", &record.session.as_ref().map(session))?;
    document.field("waha", &upstream::of(gateway, record.session.as_ref()).await)?;
    document.list("linkedGroups", record.groups.iter().map(group))?;
    document.list("campaigns", record.campaigns.iter().map(campaign))?;
    document.list("leftBehindOn", record.left_behind.iter().map(|worker| json!(worker)))?;
    for kind in [ListKind::Groups, ListKind::Contacts] {
        stored(storage, record.session.as_ref(), kind, &mut document).await?;
    }
    document.list("apiKeys", keys.iter().map(key))?;
    document.begin("audit")?;
    write!(document.out, "[")?;
    let mut query = AuditQuery::all(Some(user.clone()));
    let mut is_first = true;
    loop {
        let page = storage.audit.list(&query).await.map_err(of_database)?;
        for entry in &page {
            element(document.out, &mut is_first, &Row::from(entry))?;
        }
        if page.len() < query.limit as usize {
            break;
        }
        query.after = page.last().cloned();
    }
    write!(document.out, "]")?;
    writeln!(document.out, "\n}}")?;
    Ok(())
}

/// A stored list: absent ones are null, and so are those that cannot be read.
async fn stored<W: Write>(
    storage: &Storage,
    session: Option<&Session>,
    kind: ListKind,
    document: &mut Document<'_, W>,
) -> anyhow::Result<()> {
    let stored = match session {
        Some(session) => storage.snapshots.load(&session.id, kind).await.map_err(of_database)?,
        None => None,
    };
    let list = stored.and_then(|stored| {
        Some((Snapshot::decode(kind, stored.head.version, &stored.data).ok()?, stored.head.synced_at))
    });
    let Some((snapshot, synced_at)) = list else { return document.field(kind.as_str(), &Value::Null) };
    document.begin(kind.as_str())?;
    write!(document.out, "{{\"syncedAt\": \"{}\", \"entries\": [", text(synced_at))?;
    let limit = Limit::clamped(PAGE).context("a page has entries")?;
    let (mut cursor, mut is_first) = (Some(0), true);
    while let Some(from) = cursor {
        let page = snapshot.page(View::All, from, limit);
        for entry in snapshot.entries(&page) {
            let id = entry.id();
            let entry = match kind {
                ListKind::Groups => json!({ "groupId": id.as_str(), "groupName": entry.name() }),
                ListKind::Contacts => json!({
                    "contactId": id.as_str(),
                    "name": entry.name(),
                    "number": entry.number(),
                    "isMyContact": entry.is_mine(),
                }),
            };
            element(document.out, &mut is_first, &entry)?;
        }
        cursor = page.next_cursor();
    }
    write!(document.out, "]}}")?;
    Ok(())
}

impl<W: Write> Document<'_, W> {
    fn begin(&mut self, name: &str) -> anyhow::Result<()> {
        let before = if std::mem::replace(&mut self.is_begun, true) { ",\n" } else { "{\n" };
        write!(self.out, "{before}  \"{name}\": ")?;
        Ok(())
    }

    fn field(&mut self, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
        self.begin(name)?;
        serde_json::to_writer(&mut *self.out, value)?;
        Ok(())
    }

    fn list(&mut self, name: &str, values: impl Iterator<Item = Value>) -> anyhow::Result<()> {
        self.begin(name)?;
        write!(self.out, "[")?;
        let mut is_first = true;
        for value in values {
            element(self.out, &mut is_first, &value)?;
        }
        write!(self.out, "]")?;
        Ok(())
    }
}

fn element(out: &mut impl Write, is_first: &mut bool, value: &impl Serialize) -> anyhow::Result<()> {
    let before = if std::mem::take(is_first) { "\n    " } else { ",\n    " };
    write!(out, "{before}")?;
    serde_json::to_writer(&mut *out, value)?;
    Ok(())
}

fn session(session: &Session) -> Value {
    json!({
        "id": session.id,
        "sessionName": session.name,
        "worker": session.worker,
        "lifecycle": session.lifecycle.as_str(),
        "status": session.status.as_ref().map(SessionStatus::as_str),
        "phoneNumber": session.phone,
        "account": session.account.as_ref().map(ChatId::as_str),
        "pairedAt": session.paired_at.map(text),
        "downSince": session.down_since.map(text),
        "reportedAt": session.reported_at.map(text),
        "createdAt": text(session.created_at),
        "updatedAt": text(session.updated_at),
    })
}

fn group(kept: &KeptGroup) -> Value {
    let KeptGroup { group, is_linked } = kept;
    json!({
        "id": group.id,
        "groupId": group.group.as_str(),
        "groupName": group.name,
        "account": group.account.as_str(),
        "isLinked": is_linked,
        "createdAt": text(group.created_at),
        "updatedAt": text(group.updated_at),
    })
}

fn campaign(kept: &KeptCampaign) -> Value {
    let KeptCampaign { campaign, is_deleted } = kept;
    json!({
        "id": campaign.id,
        "linkedGroupId": campaign.group,
        "status": campaign.status.as_str(),
        "startDate": text(campaign.start_date),
        "isDeleted": is_deleted,
    })
}

/// A key's beginning, which is of no use alone.
fn key(key: &ApiKey) -> Value {
    json!({
        "key": key.id,
        "name": key.name,
        "scope": key.scope.as_str(),
        "createdAt": text(key.created_at),
        "expiresAt": key.expires_at.map(text),
        "revokedAt": key.revoked_at.map(text),
    })
}

pub(super) fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
