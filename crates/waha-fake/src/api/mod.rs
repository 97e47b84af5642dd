//! WAHA's endpoints.

pub(crate) mod auth;
pub(crate) mod contacts;
pub(crate) mod groups;
pub(crate) mod lids;
pub(crate) mod service;
pub(crate) mod sessions;

use std::sync::Arc;

use crate::{account::Account, http::Reply, server::Server, session::WORKING};

/// The account of a session, once it is WORKING.
///
/// # Errors
/// The 422 that follows the wait.
async fn working(server: &Server, name: &str) -> Result<Arc<Account>, Reply> {
    server.wait_for(name, WORKING).await?;
    Ok(server.synced_account_of(name))
}

/// Whichever it is, it is what the client gets.
pub(crate) fn either(result: Result<Reply, Reply>) -> Reply {
    result.unwrap_or_else(|reply| reply)
}
