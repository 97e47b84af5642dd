//! `/api/sessions`: create, read, change and end sessions.

use std::sync::Arc;

use serde_json::Value;

use super::either;
use crate::{
    config::{self, complain_of_name},
    error,
    http::{Reply, Request},
    ids,
    server::Server,
    session::Session,
};

/// What WAHA Core answered to a second session before 2026.6.1 (2024.10.8, recorded).
const ONE_ONLY: &str = "WAHA Core support only 'default' session. If you want to run more then one WhatsApp account - \
    please get WAHA PLUS version. Check this out: https://waha.devlike.pro/";

/// STOPPED sessions are not in memory, and shown only with `all=true`.
pub(crate) fn list(server: &Server, request: &Request) -> Reply {
    let all = match request.query("all").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return error::invalid(&["all must be a boolean value".to_owned()]),
    };
    let state = server.state();
    let sessions = state.sessions.values().filter(|session| all || session.running);
    Reply::ok(&sessions.map(|session| session.listed(&server.options)).collect::<Vec<_>>())
}

pub(crate) async fn create(server: &Arc<Server>, request: &Request) -> Reply {
    either(try_create(server, request).await)
}

async fn try_create(server: &Arc<Server>, request: &Request) -> Result<Reply, Reply> {
    let body = request.object().map_err(error::bad_json)?;
    let mut complaints = Vec::new();
    complain_of_name(body.get("name"), &mut complaints);
    // Left out means false: the documentation says true (2025.12.3, recorded).
    let start = match &body["start"] {
        Value::Null => false,
        Value::Bool(start) => *start,
        _ => {
            complaints.push("start must be a boolean value".to_owned());
            false
        }
    };
    let config = config::parse(&body).unwrap_or_else(|more| {
        complaints.extend(more);
        config::Config::default()
    });
    if !complaints.is_empty() {
        return Err(error::invalid(&complaints));
    }
    let name = match body["name"].as_str() {
        None | Some("") => format!("session_{}", ids::ulid()),
        Some(name) => name.to_owned(),
    };
    let _turn = exclusively(server, request, &name).await?;
    let mut state = server.state();
    if state.sessions.contains_key(&name) {
        return Err(error::unprocessable(&format!("Session '{name}' already exists. Use PUT to update it.")));
    }
    if server.options.max_sessions.is_some_and(|most| state.sessions.len() >= most) {
        return Err(error::unprocessable(ONE_ONLY));
    }
    state.sessions.insert(name.clone(), Session::new(name.clone(), config));
    server.changed.send_replace(());
    if start {
        server.begin(&mut state, &name);
    }
    drop(state);
    Ok(shown(server, 201, &name))
}

pub(crate) fn get(server: &Server, name: &str) -> Reply {
    shown(server, 200, name)
}

/// Empty while nobody is logged in; `null` would be the documentation's word.
pub(crate) fn me(server: &Server, name: &str) -> Reply {
    match server.state().sessions.get(name).filter(|session| session.running) {
        None => error::not_started(name),
        Some(session) => session.me.as_ref().map_or_else(|| Reply::empty(200), Reply::ok),
    }
}

pub(crate) async fn update(server: &Arc<Server>, request: &Request, name: &str) -> Reply {
    either(try_update(server, request, name).await)
}

async fn try_update(server: &Arc<Server>, request: &Request, name: &str) -> Result<Reply, Reply> {
    let body = request.object().map_err(error::bad_json)?;
    let config = config::parse(&body).map_err(|complaints| error::invalid(&complaints))?;
    known(server, name)?;
    let _turn = exclusively(server, request, name).await?;
    server.update_session(name, config).await;
    Ok(shown(server, 200, name))
}

/// What a POST to a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Stop,
    Restart,
    Logout,
}

pub(crate) async fn act(server: &Arc<Server>, request: &Request, name: &str, action: Action) -> Reply {
    either(try_act(server, request, name, action).await)
}

async fn try_act(server: &Arc<Server>, request: &Request, name: &str, action: Action) -> Result<Reply, Reply> {
    if action != Action::Stop {
        known(server, name)?;
    }
    let _turn = exclusively(server, request, name).await?;
    match action {
        // What runs is left alone, and FAILED counts as running.
        Action::Start => {
            if !server.is_running(name) {
                server.begin(&mut server.state(), name);
            }
        }
        Action::Stop => server.stop_session(name).await,
        Action::Restart => server.restart_session(name).await,
        Action::Logout => server.logout_session(name).await,
    }
    if action == Action::Stop && known(server, name).is_err() {
        return Ok(Reply::empty(201));
    }
    Ok(shown(server, 201, name))
}

/// Of an unknown session, too, it succeeds.
pub(crate) async fn delete(server: &Arc<Server>, request: &Request, name: &str) -> Reply {
    match exclusively(server, request, name).await {
        Err(reply) => reply,
        Ok(_turn) => {
            server.delete_session(name).await;
            Reply::empty(200)
        }
    }
}

async fn exclusively(
    server: &Server,
    request: &Request,
    name: &str,
) -> Result<tokio::sync::OwnedMutexGuard<()>, Reply> {
    server.exclusively(name).await.map_err(|exception| exception.reply(request, &server.environment))
}

fn known(server: &Server, name: &str) -> Result<(), Reply> {
    if server.state().sessions.contains_key(name) { Ok(()) } else { Err(error::no_session()) }
}

fn shown(server: &Server, status: u16, name: &str) -> Reply {
    match server.state().sessions.get(name) {
        Some(session) => Reply::json(status, &session.body(&server.options)),
        None => error::no_session(),
    }
}
