//! NOWEB: Baileys' `GroupMetadata` (WAHA 2025.12.3, recorded).

use serde::Serialize;

use crate::account::{Account, Group, Role};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "Baileys has them so")]
pub(crate) struct NowebGroup<'a> {
    id: &'a str,
    addressing_mode: &'static str,
    subject: &'a str,
    subject_owner: String,
    subject_owner_pn: String,
    subject_time: i64,
    size: usize,
    creation: i64,
    owner: String,
    owner_pn: String,
    #[serde(rename = "owner_country_code")]
    owner_country_code: &'static str,
    desc: String,
    desc_id: String,
    desc_owner: String,
    desc_time: i64,
    restrict: bool,
    announce: bool,
    is_community: bool,
    is_community_announce: bool,
    join_approval_mode: bool,
    member_add_mode: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<Vec<NowebMember>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NowebMember {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    admin: Option<&'static str>,
}

impl<'a> NowebGroup<'a> {
    pub(super) fn new(account: &'a Account, group: &'a Group, bare: bool) -> Self {
        let members = account.members();
        let owner = format!("{}@lid", members[0].lid);
        let owner_pn = format!("{}@s.whatsapp.net", members[0].phone.unwrap_or_default());
        Self {
            id: &group.id,
            addressing_mode: "lid",
            subject: &group.subject,
            subject_owner: owner.clone(),
            subject_owner_pn: owner_pn.clone(),
            subject_time: 1_700_000_000,
            size: members.len(),
            creation: 1_690_000_000,
            owner: owner.clone(),
            owner_pn,
            owner_country_code: "RU",
            desc: format!("about {}", group.number),
            desc_id: format!("D{}", group.number),
            desc_owner: owner,
            desc_time: 1_700_000_001,
            restrict: group.restricted(),
            announce: group.restricted(),
            is_community: false,
            is_community_announce: false,
            join_approval_mode: false,
            member_add_mode: false,
            participants: (!bare).then(|| {
                let member = |member: crate::account::Member<'_>| NowebMember {
                    id: format!("{}@lid", member.lid),
                    phone_number: member.phone.map(|phone| format!("{phone}@s.whatsapp.net")),
                    admin: match member.role {
                        Role::Participant => None,
                        Role::Admin => Some("admin"),
                        Role::SuperAdmin => Some("superadmin"),
                    },
                };
                members.into_iter().map(member).collect()
            }),
        }
    }
}
