//! What is pushed, and the code to type.

use std::sync::Arc;

use futures_util::stream;
use serde::Serialize;
use switchboard_domain::{PairingCode, PhoneNumber};
use utoipa::ToSchema;

use super::{Context, OfSession, session_name};
use crate::live::{StateOutput, Stream, Told};
use crate::schema::JsonSchema;
use crate::trpc::{Error, Event, Fields, Input, Output, string};

/// `user.onSessionStatus`
pub(super) async fn watch(
    call: Context,
    input: OfSession,
) -> Result<impl stream::Stream<Item = Event<StateOutput>> + Send + 'static, Error> {
    let name = session_name(&input.session_name)?;
    let stream = Stream::open(call.state.clone(), Arc::clone(call.principal()?), &name).await?;
    Ok(stream::unfold(Some(stream), |stream| async {
        let mut stream = stream?;
        match stream.next().await {
            Told::State(data) => Some((Event::Tracked { id: data.id(), data }, Some(stream))),
            Told::Over => Some((Event::Return, None)),
            Told::Refused(error) => Some((Event::Failed(error), None)),
            Told::Stopping => None,
        }
    }))
}

/// `user.requestPairingCode`
pub(super) async fn request_pairing_code(call: Context, input: OfPhone) -> Result<PairingCodeOutput, Error> {
    let name = session_name(&input.session_name)?;
    let ask = &call.state.services.request_pairing_code;
    let code = ask.run(call.user()?, &name, &input.phone_number, call.means()?).await?;
    Ok(code.into())
}

/// The input of an operation on a session and a phone's number.
pub(crate) struct OfPhone {
    pub(crate) session_name: String,
    pub(crate) phone_number: PhoneNumber,
}

impl Input for OfPhone {
    fn parse(fields: &mut Fields) -> Option<Self> {
        let session_name = fields.read("sessionName", string().min(1));
        let phone_number = fields.read("phoneNumber", string().min(1).parsed(str::parse::<PhoneNumber>));
        Some(Self { session_name: session_name?, phone_number: phone_number? })
    }
}

/// A code that pairs a phone.
#[derive(Serialize, ToSchema)]
#[schema(as = PairingCode)]
pub(crate) struct PairingCodeOutput {
    /// To type on the phone. A login secret.
    code: String,
}

impl From<PairingCode> for PairingCodeOutput {
    fn from(code: PairingCode) -> Self {
        Self { code: code.0 }
    }
}

impl Output for PairingCodeOutput {
    fn schema() -> JsonSchema {
        JsonSchema::of::<Self>()
    }
}
