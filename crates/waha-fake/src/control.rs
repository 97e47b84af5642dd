//! `/fake/…`: the scenario handle as JSON, without a key. For demos and for tests in other languages.

use std::sync::Arc;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    config::Config,
    error,
    fault::Fault,
    http::{Reply, Request},
    server::{Server, lock},
    session::FAILED,
};

#[derive(Deserialize)]
struct Scan {
    phone: String,
    /// The text of a QR code, or a pairing code: instead of the session.
    #[serde(alias = "code")]
    qr: Option<String>,
}

#[derive(Deserialize)]
struct Restored {
    name: String,
    phone: String,
    #[serde(default)]
    config: Config,
}

#[derive(Deserialize)]
struct Status {
    status: String,
}

#[derive(Deserialize)]
struct Up {
    up: bool,
}

#[derive(Deserialize)]
struct Overlimit {
    times: usize,
}

#[derive(Deserialize)]
struct Renamed {
    subject: String,
}

#[derive(Deserialize)]
struct NamedGroup {
    id: String,
    subject: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Synced {
    /// `null`: all.
    at_most: Option<usize>,
}

pub(crate) fn route(server: &Arc<Server>, request: &Request, segments: &[&str]) -> Reply {
    let answer = match (request.method.as_str(), segments) {
        ("GET", ["calls"]) => Ok(Reply::ok(&server.calls())),
        ("DELETE", ["calls"]) => Ok(done(|| server.clear_calls())),
        ("POST", ["faults"]) => read(request).map(|fault: Fault| done(|| lock(&server.faults).push(fault))),
        ("DELETE", ["faults"]) => Ok(done(|| lock(&server.faults).clear())),
        ("POST", ["network"]) => read(request).map(|Up { up }| done(|| server.set_network(up))),
        ("POST", ["overlimit"]) => read(request).map(|body: Overlimit| done(|| server.state().overlimit = body.times)),
        ("POST", ["reboot"]) => Ok(done(|| server.reboot())),
        ("POST", ["scan"]) => read(request).map(|scan| found(scan_code(server, &scan))),
        ("GET", ["sessions"]) => {
            Ok(Reply::ok(&server.state().sessions.values().map(crate::session::Session::view).collect::<Vec<_>>()))
        }
        ("PUT", ["sessions"]) => read(request).map(|sessions: Vec<Restored>| {
            done(|| sessions.iter().for_each(|session| server.restore(&session.name, &session.phone, &session.config)))
        }),
        (_, ["sessions", name, rest @ ..]) => return session(server, request, name, rest),
        _ => return error::no_route(request),
    };
    answer.unwrap_or_else(|message| error::bad_request(&message))
}

fn session(server: &Arc<Server>, request: &Request, name: &str, segments: &[&str]) -> Reply {
    let answer = match (request.method.as_str(), segments) {
        ("GET", []) => {
            let view = server.state().sessions.get(name).map(crate::session::Session::view);
            Ok(view.map_or_else(error::no_session, |view| Reply::ok(&view)))
        }
        ("DELETE", []) => Ok(found(server.remove_session(name))),
        ("POST", ["scan"]) => read(request).map(|scan: Scan| found(server.scan(name, &scan.phone))),
        ("POST", ["unlink"]) => Ok(found(server.unlink(name))),
        ("POST", ["drop"]) => Ok(done(|| server.drop_connection(name))),
        ("POST", ["fail"]) => Ok(found(server.set_status(name, FAILED))),
        ("POST", ["status"]) => read(request).map(|body: Status| found(server.set_status(name, &body.status))),
        ("PUT", ["groups"]) => read(request).map(|groups: Vec<NamedGroup>| {
            found(server.set_groups(name, groups.into_iter().map(|group| (group.id, group.subject)).collect()))
        }),
        ("POST", ["groups"]) => {
            read(request).map(|group: NamedGroup| found(server.join_group(name, &group.id, &group.subject)))
        }
        ("PUT", ["groups", id]) => read(request)
            .map(|group: Renamed| found(server.rename_groups(name, [((*id).to_owned(), group.subject)]) == 1)),
        ("DELETE", ["groups", id]) => Ok(found(server.leave_group(name, id))),
        ("PUT", ["synced"]) => read(request).map(|Synced { at_most }| found(server.sync(name, at_most))),
        _ => return error::no_route(request),
    };
    answer.unwrap_or_else(|message| error::bad_request(&message))
}

fn scan_code(server: &Arc<Server>, scan: &Scan) -> bool {
    let session = scan.qr.as_deref().and_then(|code| server.session_showing(code));
    session.is_some_and(|name| server.scan(&name, &scan.phone))
}

fn read<T: DeserializeOwned>(request: &Request) -> Result<T, String> {
    serde_json::from_slice(&request.body).map_err(|error| error.to_string())
}

fn done(act: impl FnOnce()) -> Reply {
    act();
    found(true)
}

/// 409: there is no such session, or it is in no state for this.
fn found(ok: bool) -> Reply {
    Reply::json(if ok { 200 } else { 409 }, &json!({"ok": ok}))
}
