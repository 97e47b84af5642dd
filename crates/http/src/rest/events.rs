//! `/v1/sessions/{name}/events`: a session's state, live.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use serde_json::json;
use switchboard_domain::Error;

use super::operation::{Answer, Caller, Example, HeaderParameter, Operation, subscription};
use crate::live::{self, StateOutput};
use crate::problem::Problem;
use crate::schema::{JsonSchema, reference};
use crate::trpc::user::{OfSession, session_name};

/// What the id of an event looks like.
const ID: &str = "Vn3ZkS9o1Ek";

pub(super) fn operation() -> Operation {
    Operation::new(Method::GET, "/sessions/{name}/events", subscription("user.onSessionStatus"), watch)
        .says(
            "Watch the session",
            "Server-sent events. Each `status` event has the whole present state as its data, a `SessionState`: first the one \
             at the moment, then each other one, of which the latest counts. Its id is the state's version.\n\n\
             `end` is the last event after a logout. `error` is the last one if the stream has to end otherwise, with a \
             `Problem` as its data: `unauthorized` when the token expires, `too_many_streams` when a newer stream of the same \
             user needs the place. A stream that ends without either is to be opened again. A comment every 15 s shows that it \
             lives.",
        )
        .reads_header(HeaderParameter {
            name: "Last-Event-ID",
            about: "The id of the last event that was seen, which an `EventSource` sends when it comes back.",
            example: ID,
        })
        .answers(
            Answer { status: 200, about: "The events, each as an object of its fields", contents: Vec::new() }.or(
                "text/event-stream",
                event(),
                Example::Json(json!({
                    "id": ID,
                    "event": "status",
                    "data": json!({ "status": "WORKING", "phoneNumber": "+34600111222" }).to_string(),
                })),
            ),
        )
        .answers(Answer::empty("The session is logged out, and the client has seen that: nothing will follow"))
        .refuses([Error::NotFound])
}

/// One event. `OpenAPI` 3.1 has no word for a sequence of them; tools read it as what 3.2 calls `itemSchema`.
fn event() -> JsonSchema {
    let itself = json!({
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "id": { "type": "string", "description": "The version of the state." },
            "event": { "enum": ["status", "end", "error"] },
            "data": {
                "type": "string",
                "description": "With `status` a `SessionState`, with `error` a `Problem`.",
                "contentMediaType": "application/json",
                "contentSchema": {
                    "anyOf": [
                        reference("SessionState"),
                        reference("Problem"),
                        { "type": "object", "maxProperties": 0 },
                    ],
                },
            },
        },
    });
    JsonSchema { itself, ..JsonSchema::of::<StateOutput>() }
}

async fn watch(caller: Caller, input: OfSession) -> Result<HttpResponse, Problem> {
    let name = session_name(&input.session_name)?;
    let known = caller.request.headers().get("last-event-id").map(HeaderValue::as_bytes);
    live::events(caller.state, caller.principal, &name, known).await
}
