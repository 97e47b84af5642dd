//! `/v1/sessions/{name}/groups`, `…/contacts` and `…/refresh`: the lists.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde_json::{Value as Json, json};
use switchboard_domain::{Error, Precondition};

use super::operation::{Answer, Caller, Operation, QueryKind, QueryParameter, mutation, query, unless, upstream};
use super::{Resource, done, json};
use crate::problem::Problem;
use crate::trpc::Output as _;
use crate::trpc::user::{ContactPage, ContactsInput, GroupPage, GroupsInput, ListInput, OfSession, session_name};

/// What has to be so for a list to be fetched.
const LISTED: [Precondition; 3] = [Precondition::NotConnected, Precondition::NotPaired, Precondition::Starting];

/// What a version looks like.
const VERSION: &str = "9f8e7d6c5b4a39281706f5e4d3c2b1a0";

pub(super) fn resource() -> Resource {
    let all = QueryParameter {
        name: "all",
        kind: QueryKind::Boolean { default: false },
        about: "Whether those are wanted, too, who are not in the phone's address book.",
        example: json!(true),
    };
    let group = json!({ "groupId": "120363041234567890@g.us", "groupName": "Neighbours" });
    let contact =
        json!({ "groupId": "34600111222@c.us", "groupName": "José", "number": "34600111222", "isContact": true });
    Resource {
        name: "Directory",
        about: "The account's groups and contacts, sorted, searched and paged from memory.",
        operations: vec![
            Operation::new(Method::GET, "/sessions/{name}/groups", query("user.getWhatsAppGroups"), groups)
                .says("List groups", "A page of the account's groups.")
                .reads(page(ListInput::GROUPS))
                .answers(Answer::json("A page of groups", GroupPage::schema(), example(&group)))
                .refuses([Error::NotFound, Error::VersionGone])
                .refuses(unless(&LISTED))
                .refuses(upstream()),
            Operation::new(Method::GET, "/sessions/{name}/contacts", query("user.getWhatsAppContacts"), contacts)
                .says(
                    "List contacts",
                    "A page of the account's contacts: people, but neither oneself nor who is blocked.",
                )
                .reads(page(ListInput::CONTACTS).into_iter().chain([all]))
                .answers(Answer::json("A page of contacts", ContactPage::schema(), example(&contact)))
                .refuses([Error::NotFound, Error::VersionGone])
                .refuses(unless(&LISTED))
                .refuses(upstream()),
            Operation::new(Method::POST, "/sessions/{name}/refresh", mutation("user.refreshDirectory"), refresh)
                .says("Refresh the lists", "Fetches both lists anew; every 30 s at most.")
                .answers(Answer::empty("Both are fetched"))
                .refuses([Error::NotFound, Error::TooSoon(Duration::from_secs(30))])
                .refuses(unless(&LISTED))
                .refuses(upstream()),
        ],
    }
}

/// What both lists read.
fn page(default_limit: u64) -> Vec<QueryParameter> {
    let parameter = |name, kind, about, example| QueryParameter { name, kind, about, example };
    vec![
        parameter(
            "limit",
            QueryKind::Integer { minimum: 1, default: default_limit },
            "Entries of the page. There are 10 000 at most, and more in the next page.",
            json!(20),
        ),
        parameter(
            "cursor",
            QueryKind::Integer { minimum: 0, default: 0 },
            "Where the page begins: the `nextCursor` of the page before it.",
            json!(20),
        ),
        parameter(
            "search",
            QueryKind::Text,
            "What names have to contain, whatever the case, accents and width; contacts are found by number, too. Blank is \
             none.",
            json!("jose"),
        ),
        parameter(
            "version",
            QueryKind::Text,
            "The `version` of the page before it, for pages that fit together. `version_gone` if that list is no longer \
             kept.",
            json!(VERSION),
        ),
    ]
}

/// A page with that entry.
fn example(entry: &Json) -> Json {
    json!({
        "items": [entry],
        "nextCursor": 1,
        "total": 40,
        "version": VERSION,
        "syncedAt": "2026-11-23T09:30:00.000Z",
        "stale": false,
        "syncing": false,
    })
}

async fn groups(caller: Caller, input: GroupsInput) -> Result<HttpResponse, Problem> {
    let ListInput { session_name: name, page } = input.0;
    let listing = caller.state.services.directory.groups(caller.user(), &session_name(&name)?, page).await?;
    json(&GroupPage::from(listing))
}

async fn contacts(caller: Caller, input: ContactsInput) -> Result<HttpResponse, Problem> {
    let (ListInput { session_name: name, page }, all) = (input.list, input.all);
    let directory = &caller.state.services.directory;
    let listing = directory.contacts(caller.user(), &session_name(&name)?, page, all).await?;
    json(&ContactPage::from(listing))
}

async fn refresh(caller: Caller, input: OfSession) -> Result<HttpResponse, Problem> {
    let name = session_name(&input.session_name)?;
    caller.state.services.directory.refresh(caller.user(), &name).await?;
    Ok(done())
}
