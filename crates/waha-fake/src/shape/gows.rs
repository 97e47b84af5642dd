//! GOWS: whatsmeow's `GroupInfo`, with Go's names (composed from the code, not recorded).

use serde::Serialize;

use crate::account::{Account, Group, Role};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "whatsmeow has them so")]
pub(crate) struct GowsGroup<'a> {
    #[serde(rename = "JID")]
    jid: &'a str,
    #[serde(rename = "OwnerJID")]
    owner_jid: String,
    #[serde(rename = "OwnerPN")]
    owner_pn: String,
    name: &'a str,
    name_set_at: &'static str,
    name_set_by: String,
    topic: String,
    #[serde(rename = "TopicID")]
    topic_id: &'static str,
    is_locked: bool,
    is_announce: bool,
    is_ephemeral: bool,
    disappearing_timer: u32,
    is_parent: bool,
    #[serde(rename = "LinkedParentJID")]
    linked_parent_jid: &'static str,
    is_default_sub_group: bool,
    is_join_approval_required: bool,
    group_created: &'static str,
    addressing_mode: &'static str,
    member_add_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<Vec<GowsMember>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GowsMember {
    #[serde(rename = "JID")]
    jid: String,
    phone_number: String,
    #[serde(rename = "LID")]
    lid: String,
    is_admin: bool,
    is_super_admin: bool,
    display_name: &'static str,
    error: u32,
    add_request: Option<()>,
}

impl<'a> GowsGroup<'a> {
    pub(super) fn new(account: &'a Account, group: &'a Group, bare: bool) -> Self {
        let members = account.members();
        let owner = format!("{}@lid", members[0].lid);
        Self {
            jid: &group.id,
            owner_jid: owner.clone(),
            owner_pn: format!("{}@s.whatsapp.net", members[0].phone.unwrap_or_default()),
            name: &group.subject,
            name_set_at: "2024-01-01T00:00:00Z",
            name_set_by: owner,
            topic: format!("about {}", group.number),
            topic_id: "",
            is_locked: group.restricted(),
            is_announce: group.restricted(),
            is_ephemeral: false,
            disappearing_timer: 0,
            is_parent: false,
            linked_parent_jid: "",
            is_default_sub_group: false,
            is_join_approval_required: false,
            group_created: "2023-07-22T00:00:00Z",
            addressing_mode: "lid",
            member_add_mode: "all_member_add",
            participants: (!bare).then(|| {
                let member = |member: crate::account::Member<'_>| GowsMember {
                    jid: format!("{}@lid", member.lid),
                    phone_number: member.phone.map(|phone| format!("{phone}@s.whatsapp.net")).unwrap_or_default(),
                    lid: format!("{}@lid", member.lid),
                    is_admin: member.role != Role::Participant,
                    is_super_admin: member.role == Role::SuperAdmin,
                    display_name: "",
                    error: 0,
                    add_request: None,
                };
                members.into_iter().map(member).collect()
            }),
        }
    }
}
