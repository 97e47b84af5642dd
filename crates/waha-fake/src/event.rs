//! What a webhook tells.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use crate::{
    account::{Account, Group},
    clock::now_ms,
    ids,
    options::Engine,
    server::Server,
    session::{Me, Session, StatusPoint, WORKING},
    shape::{GroupBody, Participant, participants},
    version::{Environment, Version},
};

/// An event, as WAHA 2025.12.3 sent it.
#[derive(Serialize)]
struct Event<'a, P> {
    id: String,
    timestamp: i64,
    #[serde(rename = "event")]
    kind: &'a str,
    session: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a BTreeMap<String, Value>>,
    me: Option<&'a Me>,
    payload: P,
    engine: Engine,
    environment: &'a Environment,
}

#[derive(Serialize)]
struct StatusPayload<'a> {
    name: &'a str,
    status: &'a str,
    statuses: Vec<&'a StatusPoint>,
    /// `null` since 2026.7, absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

#[derive(Serialize)]
struct GroupPayload<'a> {
    timestamp: i64,
    /// What the participants did.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    group: GroupInfo<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<[Participant; 1]>,
    #[serde(rename = "_data")]
    data: GroupBody<'a>,
}

/// The whole group at a fetch and a join, the changed fields otherwise.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupInfo<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members_can_add_new_member: Option<bool>,
    /// Filled from `announce`, which means the opposite (2025.12.3, seen).
    #[serde(skip_serializing_if = "Option::is_none")]
    members_can_send_messages: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_members_approval_required: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<Vec<Participant>>,
}

impl Server {
    /// Changes a session's status and tells of it. Every status is told again each time, but WORKING.
    pub(crate) fn turn(self: &Arc<Self>, session: &mut Session, status: &str) {
        if session.status == WORKING && status == WORKING {
            return;
        }
        session.note(status);
        let payload = StatusPayload {
            name: &session.name,
            status,
            statuses: session.history.iter().collect(),
            data: (self.version >= Version::STATUS_DATA).then_some(Value::Null),
        };
        self.emit(session, "session.status", payload);
        self.changed.send_replace(());
    }

    /// NOWEB tells of each group whenever it fetched them all from WhatsApp.
    pub(crate) fn tell_fetched(self: &Arc<Self>, session: &Session, account: &Account) {
        const EVENT: &str = "group.v2.update";
        if !session.config.webhooks().iter().any(|hook| hook.wants(EVENT)) {
            return;
        }
        for group in &account.groups {
            self.tell_of_group(session, EVENT, account, group, GroupInfo::whole(account, group));
        }
    }

    pub(crate) fn tell_renamed(self: &Arc<Self>, session: &Session, account: &Account, group: &Group) {
        let info = GroupInfo { id: &group.id, subject: Some(&group.subject), ..GroupInfo::default() };
        self.tell_of_group(session, "group.v2.update", account, group, info);
    }

    pub(crate) fn tell_joined(self: &Arc<Self>, session: &Session, account: &Account, group: &Group) {
        self.tell_of_group(session, "group.v2.join", account, group, GroupInfo::whole(account, group));
    }

    /// Told twice: that a participant left, and that it was oneself (2025.12.3, read).
    pub(crate) fn tell_left(self: &Arc<Self>, session: &Session, account: &Account, group: &Group) {
        let info = || GroupInfo { id: &group.id, ..GroupInfo::default() };
        let payload = self.payload(account, group, info());
        let participants = Some([Participant::oneself_gone(account)]);
        self.emit(session, "group.v2.participants", GroupPayload { kind: Some("leave"), participants, ..payload });
        self.tell_of_group(session, "group.v2.leave", account, group, info());
    }

    fn tell_of_group(
        self: &Arc<Self>,
        session: &Session,
        kind: &str,
        account: &Account,
        group: &Group,
        info: GroupInfo<'_>,
    ) {
        self.emit(session, kind, self.payload(account, group, info));
    }

    fn payload<'a>(&self, account: &'a Account, group: &'a Group, info: GroupInfo<'a>) -> GroupPayload<'a> {
        // Engines with a browser stamp WhatsApp's seconds, the others their own milliseconds (2025.12.3, read).
        let timestamp = if self.options.engine.has_browser() { now_ms() / 1000 } else { now_ms() };
        let data = GroupBody::new(self.options.engine, account, group, true, self.options.webjs_serialized);
        GroupPayload { timestamp, kind: None, group: info, participants: None, data }
    }

    fn emit(self: &Arc<Self>, session: &Session, kind: &str, payload: impl Serialize) {
        let hooks: Vec<_> = session.config.webhooks().iter().filter(|hook| hook.wants(kind)).collect();
        if hooks.is_empty() {
            return;
        }
        let timestamp = now_ms();
        let event = Event {
            id: format!("evt_{}", ids::ulid()),
            timestamp,
            kind,
            session: &session.name,
            metadata: session.config.metadata.as_ref(),
            me: session.shown_me(),
            payload,
            engine: self.options.engine,
            environment: &self.environment,
        };
        let body: Arc<[u8]> = serde_json::to_vec(&event).expect("an event has string keys").into();
        for hook in hooks {
            let (server, hook, body) = (Arc::clone(self), hook.clone(), Arc::clone(&body));
            self.spawn(async move { server.deliver(&hook, &body, timestamp).await });
        }
    }
}

impl<'a> GroupInfo<'a> {
    fn whole(account: &Account, group: &'a Group) -> Self {
        Self {
            id: &group.id,
            subject: Some(&group.subject),
            description: Some(format!("about {}", group.number)),
            members_can_add_new_member: Some(false),
            members_can_send_messages: Some(group.restricted()),
            new_members_approval_required: Some(false),
            participants: Some(participants(account)),
        }
    }
}
