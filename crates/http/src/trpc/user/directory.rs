//! The procedures of the directory: groups and contacts.

use serde::{Serialize, Serializer};
use switchboard_domain::services::{Listing, PageRequest};
use switchboard_domain::{Entry, IdText, Limit, SearchTerm};

use super::{Context, OfSession, Success, session_name};
use crate::trpc::{Date, DatePaths, Error, Fields, Input, Output, Schema, boolean, integer, string};

/// `user.getWhatsAppGroups`
pub(super) async fn groups(call: Context, input: GroupsInput) -> Result<ListOutput, Error> {
    let ListInput { session_name: name, page } = input.0;
    let listing = call.state.services.directory.groups(call.user()?, &session_name(&name)?, page).await?;
    Ok(ListOutput::of(listing, Items::Groups))
}

/// `user.getWhatsAppContacts`
pub(super) async fn contacts(call: Context, input: ContactsInput) -> Result<ListOutput, Error> {
    let ListInput { session_name: name, page } = input.list;
    let listing = call.state.services.directory.contacts(call.user()?, &session_name(&name)?, page, input.all).await?;
    Ok(ListOutput::of(listing, Items::Contacts))
}

/// `user.refreshDirectory`
pub(super) async fn refresh(call: Context, input: OfSession) -> Result<Success, Error> {
    call.state.services.directory.refresh(call.user()?, &session_name(&input.session_name)?).await?;
    Ok(Success::YES)
}

/// What both lists take.
struct ListInput {
    session_name: String,
    page: PageRequest,
}

impl ListInput {
    fn parse(fields: &mut Fields, default_limit: u64) -> Option<Self> {
        let session_name = fields.read("sessionName", string().min(1));
        let limit = fields.read("limit", integer().min(1).default(default_limit));
        let cursor = fields.read("cursor", integer().default_if_null(0));
        let search = fields.read("search", string().optional());
        let version = fields.read("version", string().optional());
        let page = PageRequest {
            limit: Limit::clamped(limit?)?,
            cursor: cursor?,
            search: search?.as_deref().and_then(SearchTerm::parse),
            version: version?,
        };
        Some(Self { session_name: session_name?, page })
    }
}

/// The input of `user.getWhatsAppGroups`.
pub(super) struct GroupsInput(ListInput);

impl Input for GroupsInput {
    fn parse(fields: &mut Fields) -> Option<Self> {
        ListInput::parse(fields, 10).map(Self)
    }
}

/// The input of `user.getWhatsAppContacts`.
pub(super) struct ContactsInput {
    list: ListInput,
    all: bool,
}

impl Input for ContactsInput {
    fn parse(fields: &mut Fields) -> Option<Self> {
        let list = ListInput::parse(fields, 50);
        let all = fields.read("all", boolean().default(false));
        Some(Self { list: list?, all: all? })
    }
}

/// A page of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListOutput {
    items: Items,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<u64>,
    total: u64,
    version: String,
    synced_at: Option<Date>,
    stale: bool,
    syncing: bool,
    /// Absent unless true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    possibly_truncated: bool,
}

impl ListOutput {
    fn of(listing: Listing, items: fn(Listing) -> Items) -> Self {
        Self {
            next_cursor: listing.next_cursor(),
            total: listing.total(),
            version: listing.version().to_string(),
            synced_at: Some(listing.synced_at.into()),
            stale: listing.stale,
            syncing: listing.syncing,
            possibly_truncated: listing.possibly_truncated,
            items: items(listing),
        }
    }
}

impl Output for ListOutput {
    fn dates(&self, at: &mut DatePaths) {
        at.value("syncedAt", &self.synced_at);
    }
}

/// The entries of a page, written straight out of the list.
enum Items {
    Groups(Listing),
    Contacts(Listing),
}

impl Serialize for Items {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Groups(listing) => serializer.collect_seq(listing.entries().map(GroupOutput::from)),
            Self::Contacts(listing) => serializer.collect_seq(listing.entries().map(ContactOutput::from)),
        }
    }
}

/// A group of the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupOutput<'a> {
    #[serde(serialize_with = "id_text")]
    group_id: IdText,
    group_name: &'a str,
}

impl<'a> From<Entry<'a>> for GroupOutput<'a> {
    fn from(group: Entry<'a>) -> Self {
        Self { group_id: group.id(), group_name: group.name() }
    }
}

/// A contact of the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContactOutput<'a> {
    #[serde(serialize_with = "id_text")]
    group_id: IdText,
    group_name: &'a str,
    /// `""` for a person known only by a hidden id.
    number: &'a str,
    is_contact: bool,
}

impl<'a> From<Entry<'a>> for ContactOutput<'a> {
    fn from(contact: Entry<'a>) -> Self {
        Self { group_id: contact.id(), group_name: contact.name(), number: contact.number(), is_contact: true }
    }
}

fn id_text<S: Serializer>(id: &IdText, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.as_str())
}
