//! The procedures of linked groups.

use switchboard_domain::{Error as DomainError, GroupId};

use super::session::LinkedGroupOutput;
use super::{Context, Success, session_name};
use crate::trpc::{Error, Fields, Input, string};

/// `user.linkWhatsAppGroup`
pub(super) async fn link(call: Context, input: OfGroup) -> Result<LinkedGroupOutput, Error> {
    let (name, group) = (session_name(&input.session_name)?, group_id(&input.group_id)?);
    let linked = call.state.services.link_group.run(call.user()?, &name, &group, call.means()?).await?;
    Ok(linked.into())
}

/// `user.unlinkWhatsAppGroup`
pub(super) async fn unlink(call: Context, input: OfGroup) -> Result<Success, Error> {
    let (name, group) = (session_name(&input.session_name)?, group_id(&input.group_id)?);
    call.state.services.unlink_group.run(call.user()?, &name, &group, call.means()?).await?;
    Ok(Success::YES)
}

/// The group that an input names. What cannot be a group's id is no group.
pub(crate) fn group_id(text: &str) -> Result<GroupId, DomainError> {
    text.parse().map_err(|_| DomainError::NoGroup)
}

/// The input of a procedure on one group of a session.
pub(crate) struct OfGroup {
    pub(crate) session_name: String,
    pub(crate) group_id: String,
}

impl Input for OfGroup {
    fn parse(fields: &mut Fields) -> Option<Self> {
        let session_name = fields.read("sessionName", string().min(1));
        let group_id = fields.read("groupId", string().min(1));
        Some(Self { session_name: session_name?, group_id: group_id? })
    }
}
