//! WEBJS and WPP: chats of WhatsApp Web's page (composed from the code, not recorded).

use serde::Serialize;

use crate::account::{Account, Group, Role};

/// WPP has the id of the chat as text; WEBJS as an object, with `_serialized` or, since mid-2026, without.
#[derive(Serialize)]
#[serde(untagged)]
enum Id<'a> {
    Text(&'a str),
    Object(Wid<'a>),
}

#[derive(Clone, Serialize)]
struct Wid<'a> {
    server: &'a str,
    user: &'a str,
    #[serde(rename = "_serialized", skip_serializing_if = "Option::is_none")]
    serialized: Option<String>,
}

impl<'a> Wid<'a> {
    fn new(user: &'a str, server: &'a str, serialized: bool) -> Self {
        Self { server, user, serialized: serialized.then(|| format!("{user}@{server}")) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "whatsapp-web.js has them so")]
pub(crate) struct WebGroup<'a> {
    id: Id<'a>,
    /// Missing from a chat that was never opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    is_group: bool,
    /// Also of a group the account has left.
    is_read_only: bool,
    unread_count: u32,
    timestamp: i64,
    pinned: bool,
    archived: bool,
    is_muted: bool,
    mute_expiration: i64,
    group_metadata: Metadata<'a>,
    /// WPP repeats them here.
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<Vec<WebMember<'a>>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    id: Wid<'a>,
    subject: &'a str,
    creation: i64,
    owner: Wid<'a>,
    desc: String,
    restrict: bool,
    announce: bool,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<Vec<WebMember<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebMember<'a> {
    id: Wid<'a>,
    is_admin: bool,
    is_super_admin: bool,
}

impl<'a> WebGroup<'a> {
    pub(super) fn webjs(account: &'a Account, group: &'a Group, bare: bool, serialized: bool) -> Self {
        let user = group.id.split('@').next().unwrap_or_default();
        Self {
            id: Id::Object(Wid::new(user, "g.us", serialized)),
            name: (group.number % 20 != 13).then_some(group.subject.as_str()),
            is_group: true,
            is_read_only: group.number % 50 == 49,
            unread_count: 0,
            timestamp: 1_700_000_000,
            pinned: false,
            archived: false,
            is_muted: false,
            mute_expiration: 0,
            group_metadata: Metadata {
                id: Wid::new(user, "g.us", serialized),
                subject: &group.subject,
                creation: 1_690_000_000,
                owner: Wid::new(account.members()[0].phone.unwrap_or_default(), "c.us", serialized),
                desc: format!("about {}", group.number),
                restrict: group.restricted(),
                announce: group.restricted(),
                size: account.members().len(),
                participants: (!bare).then(|| members(account, serialized)),
            },
            participants: None,
        }
    }

    pub(super) fn wpp(account: &'a Account, group: &'a Group, bare: bool) -> Self {
        Self {
            id: Id::Text(&group.id),
            name: Some(&group.subject),
            participants: (!bare).then(|| members(account, true)),
            ..Self::webjs(account, group, bare, true)
        }
    }
}

fn members(account: &Account, serialized: bool) -> Vec<WebMember<'_>> {
    let members = account.members().into_iter();
    members
        .map(|member| WebMember {
            id: Wid::new(member.lid, "lid", serialized),
            is_admin: member.role != Role::Participant,
            is_super_admin: member.role == Role::SuperAdmin,
        })
        .collect()
}
