//! The cells: what is asked, of whom, what must come back, and what it may cost.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::database::Kind;
use crate::directory::Directory;
use crate::goal::Goal;
use crate::http::Request;
use crate::load::Script;
use crate::peer::Contest;
use crate::stage::{CAMPAIGNS, LINKED, List, Stage, User};

/// So many terms are new each time, before they come again.
const TERMS: usize = 50_000;

/// Something to be measured.
pub(crate) struct Cell {
    pub(crate) name: String,
    pub(crate) script: Script,
    pub(crate) expected: Expected,
    pub(crate) goals: Vec<Goal>,
    pub(crate) pace: Pace,
}

/// How the script is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Over many connections.
    Crowd,
    /// Over many connections; then over one, for the latency of a server that has nothing else to do.
    CrowdThenOne,
    /// Over one connection, each request once: none of them has been asked before.
    EachOnce,
}

/// What must come back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Floor,
    Working,
    /// The session with all its linked groups and campaigns.
    Session,
    /// A page with so many items, and so many in all.
    Page {
        items: usize,
        total: Option<usize>,
    },
}

impl Expected {
    /// # Errors
    /// If something else came back.
    pub(crate) fn check(self, body: &Value) -> anyhow::Result<()> {
        let answered = &body["result"]["data"];
        // In superjson's document, if it was asked for in one.
        let answered = answered.get("json").unwrap_or(answered);
        let good = match self {
            Self::Floor | Self::Working => answered["status"] == "WORKING",
            Self::Session => {
                let groups = answered["WhatsAppGroups"].as_array().map(Vec::as_slice).unwrap_or_default();
                let campaigns = |group: &Value| group["campaigns"].as_array().is_some_and(|c| c.len() == CAMPAIGNS);
                groups.len() == LINKED && groups.iter().all(campaigns)
            }
            Self::Page { items, total } => {
                let counted = answered["items"].as_array().map(Vec::len) == Some(items);
                counted && total.is_none_or(|total| answered["total"] == total)
            }
        };
        let found = body.to_string();
        ensure!(good, "expected {self:?}, found {}", found.chars().take(500).collect::<String>());
        Ok(())
    }
}

/// The cell that all others are compared with.
pub(crate) fn floor() -> Cell {
    let request = Request::get("/", None);
    cell("floor: 60 static bytes", Script::new(vec![request]), Expected::Floor, Pace::Crowd, vec![])
}

/// What does not depend on the size of a list, or should not: asked by all users in turn.
pub(crate) fn of_all_users(stage: &Stage) -> Vec<Cell> {
    let session = match stage.database.kind {
        Kind::Sqlite => Goal::TWO_SELECTS_ON_SQLITE,
        Kind::Postgres => Goal::TWO_SELECTS_ON_POSTGRES,
    };
    let each = |request: fn(&User) -> Request| Script::new(stage.users.iter().map(request).collect());
    vec![
        cell("getSessionStatus, hot", each(User::status), Expected::Working, Pace::Crowd, vec![Goal::STATUS]),
        cell(
            "getWhatsAppSession, 10 groups × 2 campaigns",
            each(User::session),
            Expected::Session,
            Pace::Crowd,
            vec![session],
        ),
        page(stage, List::Groups, "first", 10, 0),
        page(stage, List::Contacts, "first", 50, 0),
    ]
}

/// The other pages.
pub(crate) fn pages(stage: &Stage, groups: &Directory, contacts: &Directory) -> Vec<Cell> {
    vec![
        page(stage, List::Groups, "deep", 10, groups.len() - 10),
        page(stage, List::Contacts, "middle", 50, contacts.len() / 2),
        page(stage, List::Contacts, "deep", 50, contacts.len() - 50),
        page(stage, List::Contacts, "first", 10, 0),
        page(stage, List::Contacts, "deep", 10, contacts.len() - 10),
    ]
}

/// Searches of the first user.
pub(crate) fn searches(stage: &Stage, groups: &Directory, contacts: &Directory) -> Vec<Cell> {
    let search = |list: List, name: &str, terms: &[String], deep: bool| {
        let looked_in = if list == List::Groups { groups } else { contacts };
        let total = terms.first().map(|term| looked_in.matches(term)).unwrap_or_default();
        let cursor = if deep { total.saturating_sub(10) } else { 0 };
        let user = &stage.users[0];
        let request = |term: &String| user.page(list, &json!({ "limit": 10, "cursor": cursor, "search": term }));
        let expected = Expected::Page { items: total.min(10), total: Some(total) };
        let mut goals = Vec::new();
        if list == List::Contacts && stage.entries == 10_000 {
            goals.push(Goal::SEARCH);
        }
        if list == List::Contacts && stage.entries == 100_000 && !deep {
            goals.push(if name.starts_with("common") { Goal::COMMON_SEARCH } else { Goal::RARE_SEARCH });
        }
        let pace = if deep { Pace::Crowd } else { Pace::CrowdThenOne };
        let name = format!("{list:?} search, {name}").to_lowercase();
        cell(&name, Script::new(terms.iter().map(request).collect()), expected, pace, goals)
    };
    let common = contacts.common();
    let most = common.iter().max_by_key(|term| contacts.matches(term)).cloned().unwrap_or_default();
    let rest: Vec<_> = common.into_iter().filter(|term| *term != most).collect();
    let (rare, numbers, absent) = (contacts.rare(TERMS), contacts.numbers(TERMS), Directory::absent(TERMS));
    let once = |terms: &[String]| terms[..1.min(terms.len())].to_vec();
    let contacts_list = List::Contacts;
    vec![
        Cell { pace: Pace::EachOnce, ..search(contacts_list, "common, each once", &rest, false) },
        search(contacts_list, "common again, first page", std::slice::from_ref(&most), false),
        search(contacts_list, "common again, deep page", std::slice::from_ref(&most), true),
        search(contacts_list, "rare, new terms", &rare, false),
        search(contacts_list, "rare again", &once(&rare), false),
        search(contacts_list, "no hit, new terms", &absent, false),
        search(contacts_list, "no hit again", &once(&absent), false),
        search(contacts_list, "number, new terms", &numbers, false),
        search(List::Groups, "rare, new terms", &groups.rare(TERMS), false),
    ]
}

/// What is asked of us and of the peer: the same bytes.
pub(crate) fn contests(stage: &Stage, lists: Option<&(Directory, Directory)>) -> Vec<(Contest, Cell)> {
    let each = |contest: Contest, procedure: &str, input: Option<&dyn Fn(&User) -> Value>, expected: Expected| {
        let request = |user: &User| user.in_superjson(procedure, input.map(|input| input(user)).as_ref());
        let script = Script::new(stage.users.iter().map(request).collect());
        (contest, cell(contest.what, script, expected, Pace::Crowd, vec![]))
    };
    let search = |contest: Contest, procedure: &str, looked_in: &Directory| {
        let (user, terms) = (&stage.users[0], looked_in.rare(TERMS));
        let input = |term: &String| json!({ "sessionName": user.session, "limit": 10, "search": term });
        let request = |term: &String| user.in_superjson(procedure, Some(&input(term)));
        // The peer counts whom we leave out.
        let items = terms.first().map(|term| looked_in.matches(term)).unwrap_or_default().min(10);
        let expected = Expected::Page { items, total: None };
        (contest, cell(contest.what, Script::new(terms.iter().map(request).collect()), expected, Pace::Crowd, vec![]))
    };
    let of_session = |user: &User| json!({ "sessionName": user.session });
    let session = || each(Contest::SESSION, "user.getWhatsAppSession", None, Expected::Session);
    match (stage.database.kind, stage.entries, lists) {
        (Kind::Sqlite, 1000, Some((groups, _))) => vec![
            each(Contest::STATUS, "user.getSessionStatus", Some(&of_session), Expected::Working),
            session(),
            each(
                Contest::GROUPS,
                "user.getWhatsAppGroups",
                Some(&of_session),
                Expected::Page { items: 10, total: None },
            ),
            search(Contest::GROUPS_SEARCH, "user.getWhatsAppGroups", groups),
        ],
        (Kind::Sqlite, 10_000, Some((_, contacts))) => {
            vec![search(Contest::CONTACTS_SEARCH, "user.getWhatsAppContacts", contacts)]
        }
        (Kind::Postgres, 1000, _) => vec![session()],
        _ => vec![],
    }
}

fn page(stage: &Stage, list: List, place: &str, limit: usize, cursor: usize) -> Cell {
    let input = json!({ "limit": limit, "cursor": cursor });
    let script = Script::new(stage.users.iter().map(|user| user.page(list, &input)).collect());
    let name = format!("{list:?}, {place} {limit}").to_lowercase();
    cell(&name, script, Expected::Page { items: limit, total: None }, Pace::Crowd, vec![Goal::PAGE])
}

fn cell(name: &str, script: Script, expected: Expected, pace: Pace, goals: Vec<Goal>) -> Cell {
    Cell { name: name.to_owned(), script, expected, goals, pace }
}
