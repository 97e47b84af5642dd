//! Which call is which, and who may make it.

use std::sync::Arc;

use crate::{
    api::{
        auth, contacts, groups, lids, service,
        sessions::{self, Action},
    },
    call::Call,
    control, error,
    http::{Reply, Request},
    server::Server,
    version::Version,
};

/// Answers a request.
pub(crate) async fn route(server: &Arc<Server>, request: &Request) -> Reply {
    let segments = request.segments();
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    // Express takes a slash at the end for none.
    let segments = segments.strip_suffix(&[""]).unwrap_or(&segments);
    match segments {
        ["ping"] if request.method == "GET" => service::ping(),
        ["fake", rest @ ..] => control::route(server, request, rest),
        ["health"] | ["api", ..] if !authorized(server, request) => error::unauthorized(),
        ["health"] if request.method == "GET" => service::health(server),
        ["api", rest @ ..] => api(server, request, rest).await,
        _ => error::no_route(request),
    }
}

async fn api(server: &Arc<Server>, request: &Request, segments: &[&str]) -> Reply {
    match (request.method.as_str(), segments) {
        ("GET", ["server", "version"] | ["version"]) => service::version(server),
        ("GET", ["server", "status"]) => service::status(server),
        ("GET", ["screenshot"]) => auth::screenshot(server, request),
        ("GET", ["contacts"]) => contacts::get(server, request).await,
        ("GET", ["contacts", "all"]) => contacts::list(server, request).await,
        (_, ["sessions", rest @ ..]) => session(server, request, rest).await,
        ("GET", [name, "contacts", id]) => contacts::one(server, name, id).await,
        ("GET", [name, "auth", "qr"]) => auth::qr_code(server, request, name).await,
        ("POST", [name, "auth", "request-code"]) => auth::request_code(server, request, name).await,
        ("GET", [name, "groups"]) => groups::list(server, request, name).await,
        ("GET", [name, "groups", "count"]) => groups::count(server, request, name).await,
        ("POST", [name, "groups", "refresh"]) => groups::refresh(server, request, name).await,
        ("GET", [name, "groups", id]) => groups::get(server, request, name, id).await,
        ("GET", [name, "groups", id, "participants", "v2"]) => groups::members(server, request, name, id).await,
        ("GET", [name, "lids"]) => lids::list(server, request, name).await,
        ("GET", [name, "lids", "count"]) => lids::count(server, name).await,
        ("GET", [name, "lids", lid]) => lids::by_lid(server, name, lid).await,
        ("GET", [name, "lids", "pn", phone]) => lids::by_phone(server, name, phone).await,
        _ => error::no_route(request),
    }
}

async fn session(server: &Arc<Server>, request: &Request, segments: &[&str]) -> Reply {
    match (request.method.as_str(), segments) {
        ("GET", []) => sessions::list(server, request),
        ("POST", []) => sessions::create(server, request).await,
        ("GET", [name]) => sessions::get(server, name),
        ("PUT", [name]) => sessions::update(server, request, name).await,
        ("DELETE", [name]) => sessions::delete(server, request, name).await,
        ("GET", [name, "me"]) => sessions::me(server, name),
        ("POST", [name, "start"]) => sessions::act(server, request, name, Action::Start).await,
        ("POST", [name, "stop"]) => sessions::act(server, request, name, Action::Stop).await,
        ("POST", [name, "restart"]) => sessions::act(server, request, name, Action::Restart).await,
        ("POST", [name, "logout"]) => sessions::act(server, request, name, Action::Logout).await,
        _ => error::no_route(request),
    }
}

/// The header, or since 2026.4.3 the query; never a bearer token.
fn authorized(server: &Server, request: &Request) -> bool {
    let key = server.options.api_key.as_str();
    request.header("x-api-key") == Some(key)
        || (server.version >= Version::KEY_IN_QUERY && request.query("x-api-key").as_deref() == Some(key))
}

/// What is remembered of a request.
pub(crate) fn call(server: &Server, request: &Request) -> Call {
    let segments = request.segments();
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    let session = match segments.as_slice() {
        ["api", "sessions"] => {
            let body = request.object().ok().filter(|_| request.method == "POST");
            body.and_then(|body| Some(body.get("name")?.as_str()?.to_owned()))
        }
        ["api", "contacts" | "screenshot", ..] => request.query("session"),
        ["api", "server" | "version", ..] => None,
        ["api", "sessions", name, ..] | ["api", name, _, ..] => Some((*name).to_owned()),
        _ => None,
    };
    Call {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        session,
        authorized: authorized(server, request),
    }
}
