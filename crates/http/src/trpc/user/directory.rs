//! The procedures of the directory: groups and contacts.

use serde::Serialize;
use switchboard_domain::services::{Listing, PageRequest};
use switchboard_domain::{Contact, Group, Limit, SearchTerm};

use super::{Context, session_name};
use crate::trpc::{Date, DatePaths, Error, Fields, Input, Output, Schema, boolean, integer, string};

/// `user.getWhatsAppGroups`
pub(super) async fn groups(call: Context, input: GroupsInput) -> Result<ListOutput<GroupOutput>, Error> {
    let ListInput { session_name: name, page } = input.0;
    let listing = call.state.services.directory.groups(call.user()?, &session_name(&name)?, &page).await?;
    Ok(listing.into())
}

/// `user.getWhatsAppContacts`
pub(super) async fn contacts(call: Context, input: ContactsInput) -> Result<ListOutput<ContactOutput>, Error> {
    let ListInput { session_name: name, page } = input.list;
    let listing = call.state.services.directory.contacts(call.user()?, &session_name(&name)?, &page, input.all).await?;
    Ok(listing.into())
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
pub(super) struct ListOutput<T> {
    items: Vec<T>,
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

impl<T: Serialize> Output for ListOutput<T> {
    fn dates(&self, at: &mut DatePaths) {
        at.value("syncedAt", &self.synced_at);
    }
}

impl<D, T: From<D>> From<Listing<D>> for ListOutput<T> {
    fn from(listing: Listing<D>) -> Self {
        Self {
            items: listing.page.items.into_iter().map(T::from).collect(),
            next_cursor: listing.page.next_cursor,
            total: listing.page.total,
            version: listing.version,
            synced_at: Some(listing.synced_at.into()),
            stale: listing.stale,
            syncing: listing.syncing,
            possibly_truncated: listing.possibly_truncated,
        }
    }
}

/// A group of the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupOutput {
    group_id: String,
    group_name: String,
}

impl From<Group> for GroupOutput {
    fn from(group: Group) -> Self {
        Self { group_id: group.id.into(), group_name: group.name }
    }
}

/// A contact of the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContactOutput {
    group_id: String,
    group_name: String,
    /// `""` for a person known only by a hidden id.
    number: String,
    is_contact: bool,
}

impl From<Contact> for ContactOutput {
    fn from(contact: Contact) -> Self {
        Self {
            number: contact.id.phone_digits().unwrap_or_default().to_owned(),
            group_id: contact.id.into(),
            group_name: contact.name,
            is_contact: true,
        }
    }
}
