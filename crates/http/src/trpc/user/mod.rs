//! The documented User API: the table of procedures of the router `user`.

mod directory;
#[cfg(test)]
mod fuzzed;
mod linked_groups;
mod live;
mod session;

use std::sync::Arc;

use serde::Serialize;
use switchboard_domain::{Means, SessionName, UserId};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

pub(crate) use self::directory::{ContactPage, ContactsInput, GroupPage, GroupsInput, ListInput};
pub(crate) use self::linked_groups::{OfGroup, group_id};
pub(crate) use self::live::{OfPhone, PairingCodeOutput};
pub(crate) use self::session::{Initiated, LinkedGroupOutput, QrOutput, SessionOutput, StatusOutput, status_word};

use super::{Call, Error, Fields, Input, Output, Router, string};
use crate::auth::{NotSignedIn, Principal};
use crate::schema::JsonSchema;
use crate::{Incoming, State};

/// What a request brings along for its calls.
#[derive(Clone)]
pub struct Context {
    /// Who asks.
    pub principal: Result<Arc<Principal>, NotSignedIn>,
    /// With what.
    pub state: Arc<State>,
    /// By which request.
    pub incoming: Incoming,
}

impl Context {
    /// Who asks; whoever is not signed in has been refused by then.
    fn principal(&self) -> Result<&Arc<Principal>, Error> {
        self.principal.as_ref().map_err(|error| Error::from(*error))
    }

    /// As whom.
    fn user(&self) -> Result<&UserId, Error> {
        Ok(&self.principal()?.user)
    }

    /// By what means.
    fn means(&self) -> Result<Means, Error> {
        Ok(self.principal()?.means())
    }

    /// Whether that call may be made.
    fn authorize(&self, call: &Call<'_>) -> Result<(), Error> {
        self.state.admit(self.principal()?, call)
    }
}

/// The table.
pub fn router() -> Router<Context> {
    Router::new(Context::authorize)
        .query("user.getWhatsAppSession", session::get)
        .mutation("user.initiateWhatsAppSession", session::initiate)
        .query("user.getSessionStatus", session::status)
        .query("user.getSessionQR", session::qr)
        .mutation("user.restartSession", session::restart)
        .mutation("user.updateSessionPhone", session::update_phone)
        .mutation("user.logoutSession", session::logout)
        .query("user.getWhatsAppGroups", directory::groups)
        .query("user.getWhatsAppContacts", directory::contacts)
        .mutation("user.refreshDirectory", directory::refresh)
        .subscription("user.onSessionStatus", live::watch)
        .mutation("user.requestPairingCode", live::request_pairing_code)
        .mutation("user.linkWhatsAppGroup", linked_groups::link)
        .mutation("user.unlinkWhatsAppGroup", linked_groups::unlink)
}

/// The input of a procedure on one session.
pub(crate) struct OfSession {
    pub(crate) session_name: String,
}

impl Input for OfSession {
    fn parse(fields: &mut Fields) -> Option<Self> {
        let session_name = fields.read("sessionName", string().min(1));
        Some(Self { session_name: session_name? })
    }
}

/// The session that an input names. A name that WAHA would not allow is simply nobody's.
pub(crate) fn session_name(text: &str) -> Result<SessionName, switchboard_domain::Error> {
    text.parse().map_err(|_| switchboard_domain::Error::NotFound)
}

/// The answer of a mutation that has nothing else to say.
#[derive(Serialize, ToSchema)]
struct Success {
    #[schema(schema_with = always)]
    success: bool,
}

impl Success {
    const YES: Self = Self { success: true };
}

impl Output for Success {
    fn schema() -> JsonSchema {
        JsonSchema::of::<Self>()
    }
}

/// A field that is only ever true.
fn always() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).description(Some("Always true.")).build()
}
