//! Contacts: one row for all engines, of which each fills its part.

use serde::Serialize;

use crate::{
    account::{Account, Person},
    options::Engine,
};

/// A row of `contacts/all`. What an engine does not know is absent, not null.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contact {
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pushname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    img_url: Option<&'static str>,
    #[serde(flatten)]
    flags: Option<Flags>,
}

/// What only the engines with a browser tell.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "whatsapp-web.js has them so")]
struct Flags {
    is_business: bool,
    is_enterprise: bool,
    is_me: bool,
    is_user: bool,
    is_group: bool,
    #[serde(rename = "isWAContact")]
    is_wa_contact: bool,
    is_my_contact: bool,
    is_blocked: bool,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// All rows, in the order in which the engine has them.
pub(crate) fn contacts(engine: Engine, account: &Account) -> Vec<Contact> {
    match engine {
        Engine::Noweb => noweb(account),
        Engine::Gows => gows(account),
        Engine::Webjs | Engine::Wpp => web(account),
    }
}

/// Baileys' rows (2025.12.3, recorded): absent keys, no `isMyContact`, LIDs, groups and the account itself among them.
fn noweb(account: &Account) -> Vec<Contact> {
    let people = account.people.iter().enumerate().map(|(number, person)| Contact {
        id: id(person),
        lid: person.phone.as_ref().and(person.lid.as_ref()).map(|lid| format!("{lid}@lid")),
        name: person.name.clone(),
        pushname: person.push_name.clone(),
        verified_name: (number % 13 == 4).then(|| format!("Shop {number} LLC")),
        img_url: (number % 13 == 4).then_some("changed"),
        ..Contact::default()
    });
    let groups = account.groups.iter().take(3).map(|group| Contact { id: group.id.clone(), ..Contact::default() });
    let own = Contact { id: own_id(account), name: Some("Me".to_owned()), ..Contact::default() };
    people.chain(groups).chain([own]).collect()
}

/// Exactly three fields, empty rather than absent (2025.12, read).
fn gows(account: &Account) -> Vec<Contact> {
    let people = account.people.iter().map(|person| Contact {
        id: id(person),
        name: Some(person.name.clone().unwrap_or_default()),
        pushname: Some(person.push_name.clone().unwrap_or_default()),
        ..Contact::default()
    });
    people.collect()
}

/// The page's contacts: groups, the account itself, strangers that are not `isMyContact`, and `@lid` twins of people
/// who are there by number too.
fn web(account: &Account) -> Vec<Contact> {
    let people = account.people.iter().flat_map(|person| {
        let row = web_row(id(person), person);
        let twin = person.phone.as_ref().and(person.lid.as_ref());
        let twin = twin.map(|lid| web_row(format!("{lid}@lid"), person));
        [Some(row), twin].into_iter().flatten()
    });
    let groups = account.groups.iter().map(|group| Contact {
        name: Some(group.subject.clone()),
        flags: Some(Flags { is_group: true, is_user: false, is_my_contact: false, ..Flags::SAVED }),
        id: group.id.clone(),
        ..Contact::default()
    });
    let own = Contact {
        id: own_id(account),
        number: Some(account.phone.clone()),
        name: Some("Me".to_owned()),
        pushname: Some(account.push_name.clone()),
        flags: Some(Flags { is_me: true, ..Flags::SAVED }),
        ..Contact::default()
    };
    people.chain(groups).chain([own]).collect()
}

fn web_row(id: String, person: &Person) -> Contact {
    Contact {
        number: id.split('@').next().map(str::to_owned),
        id,
        name: person.name.clone(),
        pushname: person.push_name.clone(),
        short_name: person.name.as_ref().and_then(|name| name.split_whitespace().next()).map(str::to_owned),
        flags: Some(Flags { is_my_contact: person.saved, is_blocked: person.blocked, ..Flags::SAVED }),
        ..Contact::default()
    }
}

impl Flags {
    const SAVED: Self = Self {
        is_business: false,
        is_enterprise: false,
        is_me: false,
        is_user: true,
        is_group: false,
        is_wa_contact: true,
        is_my_contact: true,
        is_blocked: false,
        kind: "in",
    };
}

fn id(person: &Person) -> String {
    match (&person.phone, &person.lid) {
        (Some(phone), _) => format!("{phone}@c.us"),
        (None, Some(lid)) => format!("{lid}@lid"),
        (None, None) => String::new(),
    }
}

fn own_id(account: &Account) -> String {
    format!("{}@c.us", account.phone)
}
