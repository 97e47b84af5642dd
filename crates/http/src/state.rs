//! What every request works with.

use std::sync::Arc;

use switchboard_domain::ports::{WebhookReader, WhatsAppGateway};
use switchboard_domain::services::Services;

use crate::auth::{Principal, SignIn};
use crate::health::DatabaseHealth;
use crate::trpc::{Call, Error};
use crate::{Limits, Live, Telemetry};

/// The use cases, and who may use them.
pub struct State {
    /// The use cases.
    pub services: Services,
    /// Who is signed in.
    pub sign_in: SignIn,
    /// How much they may ask for.
    pub limits: Limits,
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

impl State {
    /// Whether that call may be made now, by whichever door: asked for every one, before its input is looked at.
    ///
    /// # Errors
    /// [`crate::trpc::Code::Forbidden`] if the principal's scope is too narrow for it;
    /// [`crate::trpc::Code::TooManyRequests`] if they have used up what they may ask for.
    pub(crate) fn admit(&self, principal: &Principal, call: &Call<'_>) -> Result<(), Error> {
        principal.authorize(call)?;
        self.limits.take(&principal.user, call)
    }
}
