//! The same API as plain HTTP: resources below `/v1`, JSON, problems (RFC 9457), described by an `OpenAPI` document.
//!
//! The table of [`resources`] is both what is mounted and what the document says.

mod directory;
mod document;
mod events;
mod input;
mod linked_groups;
mod operation;
mod pairing;
mod session;
mod sessions;

pub(crate) mod viewer;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError as _, web};
use serde::Serialize;

pub use self::document::openapi;
use self::operation::Operation;
use crate::State;
use crate::live;
use crate::problem::Problem;
use crate::trpc::{Code, Error, Kind, WORTH_COMPRESSING};

/// What all paths begin with.
const ROOT: &str = "/v1";

/// What several operations are about.
struct Resource {
    name: &'static str,
    about: &'static str,
    operations: Vec<Operation>,
}

/// All there is, in the order of the document.
fn resources() -> [Resource; 5] {
    [session::resource(), sessions::resource(), pairing::resource(), directory::resource(), linked_groups::resource()]
}

/// What each procedure does, in a line.
pub(crate) fn summaries() -> BTreeMap<&'static str, &'static str> {
    operations().map(|operation| (operation.twin.path, operation.summary)).collect()
}

/// The words for programs that procedures are refused with.
pub(crate) fn reasons() -> BTreeSet<&'static str> {
    let refusals = operations().flat_map(|operation| operation.shared_refusals());
    refusals.chain([live::displaced()]).filter_map(|refusal| refusal.reason()).collect()
}

fn operations() -> impl Iterator<Item = Operation> {
    resources().into_iter().flat_map(|resource| resource.operations)
}

/// Mounts all operations.
pub(crate) fn routes(server: &mut web::ServiceConfig) {
    let mut paths: BTreeMap<&str, Vec<Rc<Operation>>> = BTreeMap::new();
    for operation in operations() {
        paths.entry(operation.path).or_default().push(Rc::new(operation));
    }
    let mounted = paths.into_iter().map(|(path, operations)| mount(path, operations));
    let scope = mounted.fold(web::scope(ROOT), actix_web::Scope::service);
    server.service(scope.default_service(web::to(no_such_path)));
}

/// The operations of a path. Other methods are told which there are.
fn mount(path: &str, operations: Vec<Rc<Operation>>) -> actix_web::Resource {
    let routes: Vec<_> = operations.into_iter().flat_map(methods).collect();
    let allow = routes.iter().map(|(method, _)| method.as_str()).collect::<Vec<_>>().join(", ");
    let resource = routes.into_iter().fold(web::resource(path), |resource, (method, operation)| {
        let handler = move |state: web::Data<State>, request: HttpRequest, payload: web::Payload| {
            let operation = Rc::clone(&operation);
            async move { operation.answer(state.into_inner(), request, payload).await }
        };
        resource.route(web::method(method).to(handler))
    });
    resource.default_service(web::to(move || std::future::ready(wrong_method(allow.clone()))))
}

/// The methods for which an operation is mounted: what may be got may be asked for without its body, too, but for streams.
fn methods(operation: Rc<Operation>) -> impl Iterator<Item = (Method, Rc<Operation>)> {
    let head = (operation.twin.kind == Kind::Query).then_some(Method::HEAD);
    [operation.method.clone()].into_iter().chain(head).map(move |method| (method, Rc::clone(&operation)))
}

fn wrong_method(allow: String) -> impl Responder {
    let message = "This method does nothing here";
    let problem = Error::new(Code::MethodNotSupported, message).with_reason("method_not_allowed");
    Problem::from(problem).error_response().customize().insert_header((header::ALLOW, allow))
}

async fn no_such_path() -> HttpResponse {
    let problem = Error::new(Code::NotFound, "There is nothing at this path").with_reason("unknown_path");
    Problem::from(problem).error_response()
}

/// An answer. It is personal: nobody keeps it.
fn json(body: &impl Serialize) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_vec(body).map_err(|error| {
        tracing::error!(%error, "the answer of an operation is not JSON");
        Error::internal()
    })?;
    let mut answer = HttpResponse::Ok();
    if body.len() < WORTH_COMPRESSING {
        answer.insert_header((header::CONTENT_ENCODING, "identity"));
    }
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(answer.content_type("application/json").body(body))
}

/// The answer of an operation that has nothing to say but that it was done.
fn done() -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish()
}
