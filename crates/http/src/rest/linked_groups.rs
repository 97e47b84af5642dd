//! `/v1/sessions/{name}/linked-groups/{groupId}`: the groups that a user works with.

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde_json::json;
use switchboard_domain::{Error, Precondition};

use super::operation::{Answer, Caller, Operation, mutation, unless, upstream};
use super::{Resource, done, json};
use crate::problem::Problem;
use crate::schema::JsonSchema;
use crate::trpc::user::{LinkedGroupOutput, OfGroup, group_id, session_name};

const PATH: &str = "/sessions/{name}/linked-groups/{groupId}";

pub(super) fn resource() -> Resource {
    Resource {
        name: "Linked groups",
        about: "The groups that a user works with, and that campaigns can run on.",
        operations: vec![
            Operation::new(Method::PUT, PATH, mutation("user.linkWhatsAppGroup"), link)
                .says("Link a group", "A group of one's directory. Again gives the same link.")
                .answers(Answer::json(
                    "The link",
                    JsonSchema::of::<LinkedGroupOutput>(),
                    json!({
                        "id": "pfh0haxfpzowht3oi213cqos",
                        "groupName": "Neighbours",
                        "groupId": "120363041234567890@g.us",
                        "sessionId": "tz4a98xxat96iws9zmbrgj3a",
                        "createdAt": "2026-11-21T10:00:00.000Z",
                        "updatedAt": "2026-11-21T10:00:00.000Z",
                        "campaigns": [],
                    }),
                ))
                .refuses([Error::NotFound, Error::NoGroup])
                .refuses(unless(&[Precondition::NotConnected, Precondition::NotPaired, Precondition::Starting]))
                .refuses(upstream()),
            Operation::new(Method::DELETE, PATH, mutation("user.unlinkWhatsAppGroup"), unlink)
                .says("Unlink a group", "Takes the group off the list. Its campaigns are kept, and none may be active.")
                .answers(Answer::empty("It is unlinked"))
                .refuses([Error::NotFound, Error::NoGroup, Error::ActiveCampaign]),
        ],
    }
}

async fn link(caller: Caller, input: OfGroup) -> Result<HttpResponse, Problem> {
    let (name, group) = (session_name(&input.session_name)?, group_id(&input.group_id)?);
    let linked = caller.state.services.link_group.run(caller.user(), &name, &group, caller.means()).await?;
    json(&LinkedGroupOutput::from(linked))
}

async fn unlink(caller: Caller, input: OfGroup) -> Result<HttpResponse, Problem> {
    let (name, group) = (session_name(&input.session_name)?, group_id(&input.group_id)?);
    caller.state.services.unlink_group.run(caller.user(), &name, &group, caller.means()).await?;
    Ok(done())
}
