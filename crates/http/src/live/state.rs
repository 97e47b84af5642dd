//! A session's state, as streams tell it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use switchboard_domain::services::{Action, LiveStatus, Reason};

use crate::trpc::{Date, DatePaths, Output};

/// The whole present state of a session.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StateOutput {
    status: String,
    /// A PNG in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qr_expires_at: Option<Date>,
    /// Which code it is since the session began to wait for a scan, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
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
            reason: state.reason.map(reason),
            action: state.action.map(action),
        }
    }
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::LoggedOut => "logged_out",
        Reason::QrCodesExpired => "qr_codes_expired",
        Reason::ConnectionLost => "connection_lost",
        Reason::WahaUnreachable => "waha_unreachable",
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::ScanQrCode => "scan_qr_code",
        Action::Wait => "wait",
        Action::Connect => "connect",
        Action::CompletePasskey => "complete_passkey",
        Action::ConfirmPasskey => "confirm_passkey",
    }
}
