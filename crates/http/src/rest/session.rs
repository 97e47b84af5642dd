//! `/v1/session`: one's own session, whichever it is.

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde_json::json;
use switchboard_domain::{Error, Precondition};

use super::operation::{Answer, Caller, Operation, mutation, query, unless, upstream};
use super::{Resource, json};
use crate::problem::Problem;
use crate::schema::JsonSchema;
use crate::trpc::user::{Initiated, SessionOutput};

pub(super) fn resource() -> Resource {
    Resource {
        name: "Session",
        about: "One's own session: each user has one.",
        operations: vec![
            Operation::new(Method::GET, "/session", query("user.getWhatsAppSession"), get)
                .says(
                    "Show one's session",
                    "The connected session with its linked groups and their active campaigns. `not_found` if one has never \
                     connected, has logged out, or WAHA has said for 30 s that the session is down. While WAHA cannot be \
                     asked, what it said last decides.",
                )
                .answers(Answer::json(
                    "The connected session",
                    JsonSchema::of::<SessionOutput>(),
                    json!({
                        "id": "tz4a98xxat96iws9zmbrgj3a",
                        "sessionName": "session_273702265796",
                        "phoneNumber": "+34600111222",
                        "userId": "alice",
                        "createdAt": "2026-11-20T09:00:00.000Z",
                        "updatedAt": "2026-11-23T09:30:00.000Z",
                        "WhatsAppGroups": [{
                            "id": "pfh0haxfpzowht3oi213cqos",
                            "groupName": "Neighbours",
                            "groupId": "120363041234567890@g.us",
                            "sessionId": "tz4a98xxat96iws9zmbrgj3a",
                            "createdAt": "2026-11-21T10:00:00.000Z",
                            "updatedAt": "2026-11-21T10:00:00.000Z",
                            "campaigns": [{
                                "id": "spring",
                                "status": "SCHEDULED",
                                "startDate": "2026-12-01T08:00:00.000Z",
                            }],
                        }],
                    }),
                ))
                .refuses([Error::NotFound]),
            Operation::new(Method::POST, "/session", mutation("user.initiateWhatsAppSession"), connect)
                .says(
                    "Connect",
                    "Makes one's session, or brings it back, whatever state it is in; any number of times. Then watch its \
                     events, or ask for its status and QR code.",
                )
                .answers(Answer::json(
                    "WAHA has accepted the session. Whether a phone is paired is its status",
                    JsonSchema::of::<Initiated>(),
                    json!({ "sessionName": "session_273702265796", "id": "tz4a98xxat96iws9zmbrgj3a" }),
                ))
                .refuses(unless(&[Precondition::NotConnected, Precondition::Starting]))
                .refuses([Error::NoWorker, Error::WorkerFailing, Error::Busy])
                .refuses(upstream()),
        ],
    }
}

async fn get(caller: Caller, (): ()) -> Result<HttpResponse, Problem> {
    let overview = caller.state.services.get_session.run(caller.user()).await?.ok_or(Error::NotFound)?;
    json(&SessionOutput::from(overview))
}

async fn connect(caller: Caller, (): ()) -> Result<HttpResponse, Problem> {
    let connected = caller.state.services.connect.run(caller.user(), caller.means()).await?;
    json(&Initiated::from(connected))
}
