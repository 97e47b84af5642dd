//! `/api/{session}/groups`.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{either, working};
use crate::{
    account::Account,
    error::{self, Exception},
    http::{Reply, Request},
    options::Engine,
    query::{ListQuery, Pager},
    server::Server,
    shape::{GroupBody, GroupList, participants},
};

/// NOWEB, measured: 0.1 s for five groups, 1.0 s for a thousand, WhatsApp's own time not included.
const FETCH: Duration = Duration::from_millis(100);
const FETCH_EACH: Duration = Duration::from_micros(900);

pub(crate) async fn list(server: &Arc<Server>, request: &Request, name: &str) -> Reply {
    either(try_list(server, request, name).await)
}

async fn try_list(server: &Arc<Server>, request: &Request, name: &str) -> Result<Reply, Reply> {
    let query = ListQuery::parse(request, ["id", "subject"]).map_err(|complaints| error::invalid(&complaints))?;
    let account = fetched(server, request, name).await?;
    let mut groups: Vec<_> = account.groups.iter().collect();
    let engine = server.options.engine;
    match query.sort_by.as_deref() {
        // WEBJS looks for a key that is not there (2025.12 and newer, read): nothing is sorted.
        _ if engine == Engine::Webjs => {}
        Some("id") => query.sort(&mut groups, |group| &group.id),
        Some("subject") => query.sort(&mut groups, |group| &group.subject),
        _ => {}
    }
    let groups = query.page(groups, pager(server, name));
    let list = GroupList {
        engine,
        account: &account,
        groups,
        bare: query.without_participants,
        serialized: server.options.webjs_serialized,
    };
    Ok(Reply::ok(&list))
}

/// Loads the whole list, too.
pub(crate) async fn count(server: &Arc<Server>, request: &Request, name: &str) -> Reply {
    match fetched(server, request, name).await {
        Ok(account) => Reply::ok(&json!({"count": account.groups.len()})),
        Err(reply) => reply,
    }
}

/// Empties NOWEB's store first: if WhatsApp refuses, the next read fetches again.
pub(crate) async fn refresh(server: &Arc<Server>, request: &Request, name: &str) -> Reply {
    either(try_refresh(server, request, name).await)
}

async fn try_refresh(server: &Arc<Server>, request: &Request, name: &str) -> Result<Reply, Reply> {
    working(server, name).await?;
    if !server.options.engine.has_browser() {
        if let Some(session) = server.state().sessions.get_mut(name) {
            session.groups_stored = false;
        }
        fetch(server, request, name).await?;
    }
    Ok(Reply::ok(&json!({"success": true})))
}

pub(crate) async fn get(server: &Arc<Server>, request: &Request, name: &str, id: &str) -> Reply {
    either(try_get(server, request, name, id).await)
}

async fn try_get(server: &Arc<Server>, request: &Request, name: &str, id: &str) -> Result<Reply, Reply> {
    let account = fetched(server, request, name).await?;
    let group = account.group(id).ok_or_else(|| no_group(server, request, id))?;
    let serialized = server.options.webjs_serialized;
    Ok(Reply::ok(&GroupBody::new(server.options.engine, &account, group, false, serialized)))
}

pub(crate) async fn members(server: &Arc<Server>, request: &Request, name: &str, id: &str) -> Reply {
    either(try_members(server, request, name, id).await)
}

async fn try_members(server: &Arc<Server>, request: &Request, name: &str, id: &str) -> Result<Reply, Reply> {
    let account = fetched(server, request, name).await?;
    account.group(id).ok_or_else(|| no_group(server, request, id))?;
    Ok(Reply::ok(&participants(&account)))
}

/// 500, not 404 (NOWEB 2025.12.3, recorded).
fn no_group(server: &Server, request: &Request, id: &str) -> Reply {
    let message = format!("Group with id '{id}' not found");
    let exception = Exception::new("Error", &message, &["WhatsappSessionNoWebCore.getGroup ((path):1076:19)"]);
    exception.reply(request, &server.environment)
}

fn pager(server: &Server, name: &str) -> Pager {
    if server.options.engine == Engine::Noweb && has_store(server, name) { Pager::Store } else { Pager::Memory }
}

fn has_store(server: &Server, name: &str) -> bool {
    server.state().sessions.get(name).is_some_and(|session| session.config.noweb_store())
}

/// The account, once its groups can be read: NOWEB asks WhatsApp if they are not in its store, and has no store unless
/// it was told to.
async fn fetched(server: &Arc<Server>, request: &Request, name: &str) -> Result<Arc<Account>, Reply> {
    working(server, name).await?;
    if server.options.engine == Engine::Noweb {
        fetch(server, request, name).await?;
    }
    Ok(server.synced_account_of(name))
}

async fn fetch(server: &Arc<Server>, request: &Request, name: &str) -> Result<(), Reply> {
    let Some(one_at_a_time) = server.state().sessions.get(name).map(|session| Arc::clone(&session.fetching)) else {
        return Err(error::still_unknown(name));
    };
    let _turn = one_at_a_time.lock().await;
    {
        let mut state = server.state();
        let stored = |session: &crate::session::Session| session.groups_stored && session.config.noweb_store();
        if state.sessions.get(name).is_some_and(stored) {
            return Ok(());
        }
        if state.overlimit > 0 {
            state.overlimit -= 1;
            return Err(Exception::rate_overlimit().reply(request, &server.environment));
        }
    }
    let account = server.synced_account_of(name);
    let groups = u32::try_from(account.groups.len()).unwrap_or(u32::MAX);
    server.clock.sleep(FETCH + FETCH_EACH * groups).await;
    let mut state = server.state();
    if let Some(session) = state.sessions.get_mut(name) {
        session.groups_stored = true;
        if server.options.engine == Engine::Noweb {
            server.tell_fetched(session, &account);
        }
    }
    Ok(())
}
