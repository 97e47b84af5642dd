//! `/v1/sessions/{name}`: what becomes of a session.

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde_json::json;
use switchboard_domain::{Error, Precondition};

use super::operation::{Answer, Caller, Operation, mutation, query, unless, upstream};
use super::{Resource, done, events, json, pairing};
use crate::problem::Problem;
use crate::schema::JsonSchema;
use crate::trpc::user::{OfPhone, OfSession, StatusOutput, session_name};

pub(super) fn resource() -> Resource {
    Resource {
        name: "Status",
        about: "How a session is, and what becomes of it.",
        operations: vec![
            Operation::new(Method::GET, "/sessions/{name}/status", query("user.getSessionStatus"), status)
                .says(
                    "Ask for the status",
                    "WAHA's word. It is answered from memory: WAHA is asked once a second at most, however many ask. To see \
                     every change, watch the events instead.",
                )
                .answers(Answer::json(
                    "The status",
                    JsonSchema::of::<StatusOutput>(),
                    json!({ "status": "WORKING" }),
                ))
                .refuses([Error::NotFound])
                .refuses(upstream()),
            events::operation(),
            Operation::new(Method::POST, "/sessions/{name}/restart", mutation("user.restartSession"), restart)
                .says("Restart", "Stops the session in WAHA and starts it again. The phone stays paired.")
                .answers(Answer::empty("It restarts"))
                .refuses([Error::NotFound, Error::Busy])
                .refuses(unless(&[Precondition::NotConnected, Precondition::Starting]))
                .refuses(upstream()),
            Operation::new(Method::PATCH, "/sessions/{name}", mutation("user.updateSessionPhone"), update)
                .says(
                    "Change the phone number",
                    "What is shown as the session's number, until the next pairing fills in the account's own.",
                )
                .takes(pairing::phone())
                .answers(Answer::empty("It is changed"))
                .refuses([Error::NotFound])
                .refuses(unless(&[Precondition::NotConnected])),
            Operation::new(Method::DELETE, "/sessions/{name}", mutation("user.logoutSession"), log_out)
                .says(
                    "Log out",
                    "Unlinks the phone and deletes the session in WAHA; again is no error. The name stays: the next connect \
                     uses it again. If WAHA cannot be reached, that is told, and the logout is finished later.",
                )
                .answers(Answer::empty("It is logged out"))
                .refuses([Error::NotFound, Error::Busy])
                .refuses(unless(&[Precondition::NotConnected, Precondition::Starting]))
                .refuses(upstream()),
        ],
    }
}

async fn status(caller: Caller, input: OfSession) -> Result<HttpResponse, Problem> {
    let name = session_name(&input.session_name)?;
    let status = caller.state.services.get_status.run(caller.user(), &name).await?;
    json(&StatusOutput::from(status))
}

async fn restart(caller: Caller, input: OfSession) -> Result<HttpResponse, Problem> {
    let name = session_name(&input.session_name)?;
    caller.state.services.restart.run(caller.user(), &name, caller.means()).await?;
    Ok(done())
}

async fn update(caller: Caller, input: OfPhone) -> Result<HttpResponse, Problem> {
    let name = session_name(&input.session_name)?;
    caller.state.services.set_phone.run_by_name(caller.user(), &name, &input.phone_number).await?;
    Ok(done())
}

async fn log_out(caller: Caller, input: OfSession) -> Result<HttpResponse, Problem> {
    let name = session_name(&input.session_name)?;
    caller.state.services.logout.run(caller.user(), &name, caller.means()).await?;
    Ok(done())
}
