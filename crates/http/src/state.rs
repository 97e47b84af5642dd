//! What every request works with.

use std::sync::Arc;

use switchboard_domain::ports::{WebhookReader, WhatsAppGateway};
use switchboard_domain::services::Services;

use crate::auth::SignIn;
use crate::health::DatabaseHealth;
use crate::{Live, Telemetry};

/// The use cases, and who may use them.
pub struct State {
    /// The use cases.
    pub services: Services,
    /// Who is signed in.
    pub sign_in: SignIn,
    /// Asked whether it is there.
    pub database: DatabaseHealth,
    /// Asked which workers answer.
    pub gateway: Arc<dyn WhatsAppGateway>,
    /// The open streams.
    pub live: Live,
    /// Reads what workers report.
    pub webhooks: Arc<dyn WebhookReader>,
    /// What is counted, logged and traced.
    pub telemetry: Telemetry,
}
