//! What every request works with.

use std::sync::Arc;

use switchboard_domain::ports::{WebhookReader, WhatsAppGateway};
use switchboard_domain::services::Services;

use crate::Live;
use crate::auth::TokenKey;
use crate::health::DatabaseHealth;

/// The use cases, and who may use them.
pub struct State {
    /// The use cases.
    pub services: Services,
    /// Whose tokens are good.
    pub tokens: TokenKey,
    /// Asked whether it is there.
    pub database: DatabaseHealth,
    /// Asked which workers answer.
    pub gateway: Arc<dyn WhatsAppGateway>,
    /// The open streams.
    pub live: Live,
    /// Reads what workers report.
    pub webhooks: Arc<dyn WebhookReader>,
}
