//! `/api/{session}/auth`: QR codes and pairing codes. And the screenshot, which shows the QR code too.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::either;
use crate::{
    error::{self, Exception},
    http::{Reply, Request},
    ids,
    options::Engine,
    qr,
    server::Server,
    session::{Me, SCAN_QR_CODE, STARTING, STOPPED, WORKING},
};

/// `format=raw` is the text whatever `Accept` says; any other format is the picture.
pub(crate) async fn qr_code(server: &Server, request: &Request, name: &str) -> Reply {
    either(try_qr_code(server, request, name).await)
}

async fn try_qr_code(server: &Server, request: &Request, name: &str) -> Result<Reply, Reply> {
    server.wait_for(name, SCAN_QR_CODE).await?;
    let text = server.state().sessions.get(name).and_then(|session| session.qr.clone());
    // The status changed between the two looks.
    let text = text.ok_or_else(|| error::wrong_status(name, STARTING, SCAN_QR_CODE))?;
    if request.query("format").as_deref() == Some("raw") {
        return Ok(Reply::ok(&json!({"value": text})));
    }
    Ok(picture(request, "image/png", qr::png(&text)))
}

/// JSON only for this `Accept` and no other, not even one that also names it (2025.12.3, recorded).
fn picture(request: &Request, mimetype: &str, bytes: Vec<u8>) -> Reply {
    if request.header("accept") == Some("application/json") {
        return Reply::ok(&Base64File { mimetype, data: BASE64_STANDARD.encode(bytes) });
    }
    Reply::new(200, mimetype, bytes)
}

#[derive(serde::Serialize)]
struct Base64File<'a> {
    mimetype: &'a str,
    data: String,
}

/// Sets `me`, although nobody has logged in yet.
pub(crate) async fn request_code(server: &Server, request: &Request, name: &str) -> Reply {
    either(try_request_code(server, request, name).await)
}

async fn try_request_code(server: &Server, request: &Request, name: &str) -> Result<Reply, Reply> {
    let body = request.object().map_err(error::bad_json)?;
    let Some(phone) = body["phoneNumber"].as_str().filter(|phone| !phone.is_empty()) else {
        return Err(error::invalid(&["phoneNumber must be a string".to_owned()]));
    };
    let status = settled_status(server, name).await.ok_or_else(|| error::not_started(name))?;
    if status != SCAN_QR_CODE && server.options.engine == Engine::Webjs {
        let message = "Cannot read properties of undefined (reading 'PairingCodeLinkUtils')";
        let exception = Exception::new("TypeError", message, &["WebjsClientCore.requestPairingCode ((path):368:35)"]);
        return Err(exception.reply(request, &server.environment));
    }
    let mut state = server.state();
    match state.sessions.get_mut(name).filter(|session| session.status == SCAN_QR_CODE) {
        Some(session) => {
            let code = ids::pairing_code();
            session.pairing_code = Some(code.clone());
            if session.login.is_none() {
                session.me = Some(Me::expected(phone));
            }
            Ok(Reply::json(201, &json!({"code": code})))
        }
        None => Err(error::unprocessable(&format!(
            "Can request code only in SCAN_QR_CODE status. The current status is {status}"
        ))),
    }
}

/// The status once it is no longer STARTING: NOWEB waits without limit for the first QR code, GOWS 2 s, a browser not.
async fn settled_status(server: &Server, name: &str) -> Option<String> {
    let status = || {
        let state = server.state();
        state.sessions.get(name).filter(|session| session.running).map(|session| session.status.clone())
    };
    let patience = match server.options.engine {
        Engine::Noweb => Duration::from_secs(150),
        Engine::Gows => Duration::from_secs(2),
        Engine::Webjs | Engine::Wpp => Duration::ZERO,
    };
    let deadline = tokio::time::Instant::now() + server.clock.scaled(patience);
    let mut changed = server.changed.subscribe();
    loop {
        let status = status();
        if status.as_deref() != Some(STARTING) || tokio::time::Instant::now() >= deadline {
            return status;
        }
        // Either way the status is looked at again.
        let _ = tokio::time::timeout_at(deadline, changed.changed()).await;
    }
}

/// The QR code again, but called a JPEG (NOWEB, recorded).
pub(crate) fn screenshot(server: &Server, request: &Request) -> Reply {
    let name = request.query("session").unwrap_or_else(|| "default".to_owned());
    let (status, qr) = {
        let state = server.state();
        let Some(session) = state.sessions.get(&name).filter(|session| session.running) else {
            return error::not_started(&name);
        };
        (session.status.clone(), session.qr.clone())
    };
    match (status.as_str(), qr) {
        (_, Some(text)) => picture(request, "image/jpeg", qr::png(&text)),
        (STARTING, _) => error::unprocessable("The session is starting, please try again after few seconds"),
        (WORKING, _) => error::unprocessable("Can not get screenshot for non chrome based engine."),
        (STOPPED, _) => error::not_started(&name),
        (status, _) => error::unprocessable(&format!("Can not get screenshot in {status} status")),
    }
}
