//! A session's state, as streams tell it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use switchboard_domain::services::{Action, LiveStatus, Reason};
use utoipa::ToSchema;

use crate::schema::JsonSchema;
use crate::trpc::user::status_word;
use crate::trpc::{Date, DatePaths, Output};

/// The whole present state of a session.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionState)]
pub(crate) struct StateOutput {
    #[schema(schema_with = status_word)]
    status: String,
    /// With `SCAN_QR_CODE`: a PNG in base64. A login secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    qr: Option<String>,
    /// When the code can no longer be scanned, if its beginning was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    qr_expires_at: Option<Date>,
    /// Which code it is since the session began to wait for a scan, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    attempt: Option<u32>,
    /// With `WORKING`, in E.164.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone_number: Option<String>,
    /// Why it does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<ReasonOutput>,
    /// What the user can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    action: Option<ActionOutput>,
}

/// It may hold a QR code and a phone number: `{:?}` hides them, so that no log can hold them.
impl fmt::Debug for StateOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateOutput").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why a session does not work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Reason)]
enum ReasonOutput {
    LoggedOut,
    QrCodesExpired,
    ConnectionLost,
    WahaUnreachable,
}

/// What the user can do about a session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Action)]
enum ActionOutput {
    ScanQrCode,
    Wait,
    Connect,
    CompletePasskey,
    ConfirmPasskey,
}

impl StateOutput {
    /// The state's version: the hash of its content, so that it is the same on every replica and after a restart.
    pub(crate) fn id(&self) -> String {
        let content = serde_json::to_vec(self).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(&Sha256::digest(content)[..8])
    }
}

impl Output for StateOutput {
    fn dates(&self, at: &mut DatePaths) {
        if self.qr_expires_at.is_some() {
            at.date("qrExpiresAt");
        }
    }

    fn schema() -> JsonSchema {
        JsonSchema::of::<Self>()
    }
}

impl From<&LiveStatus> for StateOutput {
    fn from(state: &LiveStatus) -> Self {
        let code = state.code.as_ref();
        Self {
            status: state.status.as_str().to_owned(),
            qr: code.map(|shown| shown.code.png_base64.clone()),
            qr_expires_at: code.and_then(|shown| shown.expires_at).map(Date::from),
            attempt: code.and_then(|shown| shown.attempt),
            phone_number: state.phone.clone().map(String::from),
            reason: state.reason.map(ReasonOutput::from),
            action: state.action.map(ActionOutput::from),
        }
    }
}

impl From<Reason> for ReasonOutput {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::LoggedOut => Self::LoggedOut,
            Reason::QrCodesExpired => Self::QrCodesExpired,
            Reason::ConnectionLost => Self::ConnectionLost,
            Reason::WahaUnreachable => Self::WahaUnreachable,
        }
    }
}

impl From<Action> for ActionOutput {
    fn from(action: Action) -> Self {
        match action {
            Action::ScanQrCode => Self::ScanQrCode,
            Action::Wait => Self::Wait,
            Action::Connect => Self::Connect,
            Action::CompletePasskey => Self::CompletePasskey,
            Action::ConfirmPasskey => Self::ConfirmPasskey,
        }
    }
}
