//! `/api/contacts`, where the session is a query parameter.

use super::{either, working};
use crate::{
    error,
    http::{Reply, Request},
    options::Engine,
    query::{ListQuery, Pager},
    server::Server,
    shape::{self, Contact},
};

const NO_STORE: &str = "Enable NOWEB store \"config.noweb.store.enabled=True\" and \
    \"config.noweb.store.full_sync=True\" when starting a new session. Read more: \
    https://waha.devlike.pro/docs/engines/noweb#store";

pub(crate) async fn list(server: &Server, request: &Request) -> Reply {
    either(try_list(server, request).await)
}

async fn try_list(server: &Server, request: &Request) -> Result<Reply, Reply> {
    let query = ListQuery::parse(request, ["id", "name"]).map_err(|complaints| error::invalid(&complaints))?;
    let mut contacts = contacts(server, &session(request)).await?;
    match query.sort_by.as_deref() {
        Some("id") => query.sort(&mut contacts, |contact| contact.id.clone()),
        Some("name") => query.sort(&mut contacts, |contact| contact.name.clone()),
        _ => {}
    }
    let browser = server.options.engine.has_browser();
    Ok(Reply::ok(&query.page(contacts, if browser { Pager::Memory } else { Pager::Store })))
}

/// One contact by number or id; an unknown one is an empty body.
pub(crate) async fn get(server: &Server, request: &Request) -> Reply {
    let id = request.query("contactId").unwrap_or_default();
    one(server, &session(request), &id).await
}

/// The same, with the session in the path (2026.3.1).
pub(crate) async fn one(server: &Server, name: &str, id: &str) -> Reply {
    let id = if id.contains('@') { id.to_owned() } else { format!("{id}@c.us") };
    match contacts(server, name).await {
        Err(reply) => reply,
        Ok(contacts) => {
            let found = contacts.into_iter().find(|contact| contact.id == id);
            found.map_or_else(|| Reply::empty(200), |contact| Reply::ok(&contact))
        }
    }
}

async fn contacts(server: &Server, name: &str) -> Result<Vec<Contact>, Reply> {
    let account = working(server, name).await?;
    needs_store(server, name)?;
    Ok(shape::contacts(server.options.engine, &account))
}

/// NOWEB keeps contacts and LIDs only if the config says so.
pub(super) fn needs_store(server: &Server, name: &str) -> Result<(), Reply> {
    let stored = server.state().sessions.get(name).is_some_and(|session| session.config.noweb_store());
    if server.options.engine == Engine::Noweb && !stored { Err(error::bad_request(NO_STORE)) } else { Ok(()) }
}

fn session(request: &Request) -> String {
    request.query("session").unwrap_or_else(|| "default".to_owned())
}
