//! What WAHA says of a user's session at this moment.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_domain::ports::{Clock as _, GatewayError, WhatsAppGateway};
use switchboard_domain::{AuditOutcome, ChatId, Error, Session, SystemClock, UpstreamSession, WorkerSoftware};
use tokio::time::timeout;

use super::export::text;

/// How long WAHA may take: what is kept here is written out all the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the session's worker says of it, or why that is not known; null without a session.
pub(super) async fn of(gateway: Option<&dyn WhatsAppGateway>, session: Option<&Session>) -> Value {
    let Some(session) = session else { return Value::Null };
    let (answer, software) = match gateway {
        Some(gateway) => ask(gateway, session).await,
        None => (Err("not_configured".to_owned()), None),
    };
    let software = software.map(|software| (software.engine, software.version)).unzip();
    json!({
        "askedAt": text(SystemClock.now()),
        "worker": session.worker,
        "engine": software.0,
        "version": software.1,
        "session": answer.as_ref().ok().map(described),
        "reason": answer.err(),
    })
}

/// Asks the worker for the session, and what it runs.
async fn ask(
    gateway: &dyn WhatsAppGateway,
    session: &Session,
) -> (Result<UpstreamSession, String>, Option<WorkerSoftware>) {
    let at = session.address();
    let (answer, _) = tokio::join!(timeout(PATIENCE, gateway.session(&at)), timeout(PATIENCE, gateway.probe()));
    let answer = answer.unwrap_or(Err(GatewayError::Timeout));
    let found = answer.and_then(|found| found.ok_or(GatewayError::NoSession)).map_err(Error::from);
    // In the words of the audit log; a cause may hold more than is meant for others.
    let reason = AuditOutcome::of(&found);
    let worker = gateway.workers().into_iter().find(|worker| worker.name == at.worker);
    (found.map_err(|_| reason.to_string()), worker.and_then(|worker| worker.software))
}

fn described(session: &UpstreamSession) -> Value {
    json!({
        "status": session.status.as_str(),
        "account": session.me.as_ref().map(|me| me.id.as_str()),
        "lid": session.me.as_ref().and_then(|me| me.lid.as_ref()).map(ChatId::as_str),
    })
}
