//! The procedures of the directory: groups and contacts.

use serde::{Serialize, Serializer};
use switchboard_domain::services::{Listing, PageRequest};
use switchboard_domain::{Entry, IdText, Limit, SearchTerm};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::{Context, OfSession, Success, always, session_name};
use crate::schema::JsonSchema;
use crate::trpc::{Date, DatePaths, Error, Fields, Input, Output, Schema, boolean, integer, string};

/// `user.getWhatsAppGroups`
pub(super) async fn groups(call: Context, input: GroupsInput) -> Result<GroupPage, Error> {
    let ListInput { session_name: name, page } = input.0;
    let listing = call.state.services.directory.groups(call.user()?, &session_name(&name)?, page).await?;
    Ok(GroupPage::from(listing))
}

/// `user.getWhatsAppContacts`
pub(super) async fn contacts(call: Context, input: ContactsInput) -> Result<ContactPage, Error> {
    let ListInput { session_name: name, page } = input.list;
    let listing = call.state.services.directory.contacts(call.user()?, &session_name(&name)?, page, input.all).await?;
    Ok(ContactPage::from(listing))
}

/// `user.refreshDirectory`
pub(super) async fn refresh(call: Context, input: OfSession) -> Result<Success, Error> {
    call.state.services.directory.refresh(call.user()?, &session_name(&input.session_name)?).await?;
    Ok(Success::YES)
}

/// What both lists take.
pub(crate) struct ListInput {
    pub(crate) session_name: String,
    pub(crate) page: PageRequest,
}

impl ListInput {
    /// Entries of a page of groups, and of one of contacts, unless said otherwise.
    pub(crate) const GROUPS: u64 = 10;
    pub(crate) const CONTACTS: u64 = 50;

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
pub(crate) struct GroupsInput(pub(crate) ListInput);

impl Input for GroupsInput {
    fn parse(fields: &mut Fields) -> Option<Self> {
        ListInput::parse(fields, ListInput::GROUPS).map(Self)
    }
}

/// The input of `user.getWhatsAppContacts`.
pub(crate) struct ContactsInput {
    pub(crate) list: ListInput,
    pub(crate) all: bool,
}

impl Input for ContactsInput {
    fn parse(fields: &mut Fields) -> Option<Self> {
        let list = ListInput::parse(fields, ListInput::CONTACTS);
        let all = fields.read("all", boolean().default(false));
        Some(Self { list: list?, all: all? })
    }
}

/// A page of groups.
#[derive(Serialize)]
pub(crate) struct GroupPage(ListOutput);

impl From<Listing> for GroupPage {
    fn from(listing: Listing) -> Self {
        Self(ListOutput::of(listing, Items::Groups))
    }
}

impl Output for GroupPage {
    fn dates(&self, at: &mut DatePaths) {
        self.0.dates(at);
    }

    fn schema() -> JsonSchema {
        JsonSchema::list::<ListOutput, GroupOutput<'_>>("GroupPage")
    }
}

/// A page of contacts.
#[derive(Serialize)]
pub(crate) struct ContactPage(ListOutput);

impl From<Listing> for ContactPage {
    fn from(listing: Listing) -> Self {
        Self(ListOutput::of(listing, Items::Contacts))
    }
}

impl Output for ContactPage {
    fn dates(&self, at: &mut DatePaths) {
        self.0.dates(at);
    }

    fn schema() -> JsonSchema {
        JsonSchema::list::<ListOutput, ContactOutput<'_>>("ContactPage")
    }
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ListOutput {
    /// The entries, by folded name and then id.
    #[schema(value_type = Vec<Object>)]
    items: Items,
    /// Where the next page begins. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<u64>,
    /// How many entries all pages have together.
    total: u64,
    /// Which list this is a page of. Sent with the next page, the pages fit together for a minute after the list has changed.
    version: String,
    /// When WAHA was asked for it.
    #[schema(required)]
    synced_at: Option<Date>,
    /// Whether it is older than it should be, because WAHA cannot be asked or nobody has asked for a while.
    stale: bool,
    /// Whether a phone was paired a moment ago, so that WhatsApp may still be filling the list.
    syncing: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(schema_with = truncated)]
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

    fn dates(&self, at: &mut DatePaths) {
        at.value("syncedAt", &self.synced_at);
    }
}

fn truncated() -> Object {
    let about = "It ends where WhatsApp cuts lists, at 500 groups. Absent unless true.";
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).description(Some(about)).build()
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
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Group)]
struct GroupOutput<'a> {
    /// WhatsApp's id of the group.
    #[serde(serialize_with = "id_text")]
    #[schema(value_type = String)]
    group_id: IdText,
    /// Its name.
    group_name: &'a str,
}

impl<'a> From<Entry<'a>> for GroupOutput<'a> {
    fn from(group: Entry<'a>) -> Self {
        Self { group_id: group.id(), group_name: group.name() }
    }
}

/// A contact of the list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Contact)]
struct ContactOutput<'a> {
    /// WhatsApp's id of the chat with them.
    #[serde(serialize_with = "id_text")]
    #[schema(value_type = String)]
    group_id: IdText,
    /// Their name, as it is saved or as they call themselves; else their number, or `Unknown`.
    group_name: &'a str,
    /// The digits of their number; `""` for a person known only by a hidden id.
    number: &'a str,
    #[schema(schema_with = always)]
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
