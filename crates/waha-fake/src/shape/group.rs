//! A group in the shape of the server's engine.

use serde::{Serialize, Serializer};

use super::{gows::GowsGroup, noweb::NowebGroup, webjs::WebGroup};
use crate::{
    account::{Account, Group, Role},
    options::Engine,
};

/// A group, as the engine writes it.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum GroupBody<'a> {
    Noweb(NowebGroup<'a>),
    Gows(GowsGroup<'a>),
    Web(WebGroup<'a>),
}

impl<'a> GroupBody<'a> {
    /// `bare` leaves the participants out; `serialized` is about [`crate::Options::webjs_serialized`].
    pub(crate) fn new(engine: Engine, account: &'a Account, group: &'a Group, bare: bool, serialized: bool) -> Self {
        match engine {
            Engine::Noweb => Self::Noweb(NowebGroup::new(account, group, bare)),
            Engine::Gows => Self::Gows(GowsGroup::new(account, group, bare)),
            Engine::Webjs => Self::Web(WebGroup::webjs(account, group, bare, serialized)),
            Engine::Wpp => Self::Web(WebGroup::wpp(account, group, bare)),
        }
    }
}

/// The answer to a list: an object by id from NOWEB, whose order is that of the keys; an array from the others.
pub(crate) struct GroupList<'a> {
    pub(crate) engine: Engine,
    pub(crate) account: &'a Account,
    pub(crate) groups: Vec<&'a Group>,
    pub(crate) bare: bool,
    pub(crate) serialized: bool,
}

impl Serialize for GroupList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = |group| GroupBody::new(self.engine, self.account, group, self.bare, self.serialized);
        match self.engine {
            Engine::Noweb => serializer.collect_map(self.groups.iter().map(|group| (&group.id, body(group)))),
            _ => serializer.collect_seq(self.groups.iter().map(|group| body(group))),
        }
    }
}

/// A member in the shape that is the same for all engines (`participants/v2`).
#[derive(Serialize)]
pub(crate) struct Participant {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pn: Option<String>,
    role: &'static str,
}

impl Participant {
    /// The account itself, in a group that it has left.
    pub(crate) fn oneself_gone(account: &Account) -> Self {
        let Account { lid, phone, .. } = account;
        Self { id: format!("{lid}@lid"), pn: Some(format!("{phone}@c.us")), role: "left" }
    }
}

pub(crate) fn participants(account: &Account) -> Vec<Participant> {
    let members = account.members().into_iter();
    members
        .map(|member| Participant {
            id: format!("{}@lid", member.lid),
            pn: member.phone.map(|phone| format!("{phone}@c.us")),
            role: match member.role {
                Role::Participant => "participant",
                Role::Admin => "admin",
                Role::SuperAdmin => "superadmin",
            },
        })
        .collect()
}
