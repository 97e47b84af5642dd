//! QR codes, pairing codes, and the phone that takes them.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use switchboard_waha_fake::Options;

use crate::support::{World, eventually, fast};

#[tokio::test]
async fn a_scan_leads_to_working_and_me_comes_before_the_status() {
    let world = World::new(fast()).await;
    world.unpaired("x").await;
    world.get("/api/sessions/x/me").await.assert(200, "");

    let asked = Instant::now();
    let scanned = world.fake.scan("x", "+34600111222");
    let view = world.fake.session("x").unwrap();
    world.until("x", "WORKING").await;

    assert!(scanned && view.status == "SCAN_QR_CODE");
    assert_eq!(view.me.unwrap().id, "34600111222@c.us");
    assert!(asked.elapsed() >= Duration::from_millis(22), "2.2 s at 100 times the speed");
    assert_eq!(world.fake.linked_devices("34600111222"), 1);
    assert!(!world.fake.scan("x", "+34600111222"), "there is no QR code any more");
    let me = world.get("/api/sessions/x/me").await;
    assert_eq!(me.json()["id"], "34600111222@c.us");
}

#[tokio::test]
async fn qr_codes_rotate_and_expire_into_failed() {
    let world = World::new(Options { time_scale: 1000.0, ..Options::default() }).await;
    world.unpaired("x").await;
    let first = world.fake.session("x").unwrap().qr;

    eventually("another code", || async {
        world.fake.session("x").and_then(|view| view.qr).filter(|code| Some(code) != first.as_ref())
    })
    .await;
    world.until("x", "FAILED").await;

    assert_eq!(world.fake.session("x").unwrap().qr, None);
}

#[tokio::test]
async fn only_the_exact_accept_gets_the_qr_code_as_json() {
    let world = World::new(fast()).await;
    world.unpaired("x").await;
    let accepting = |accept: &str| world.request(Method::GET, "/api/x/auth/qr").header("Accept", accept);

    let json = world.send(accepting("application/json")).await;
    let both = world.send(accepting("application/json, text/plain")).await;
    let raw = world.get("/api/x/auth/qr?format=raw").await;

    assert_eq!(json.json()["mimetype"], "image/png");
    assert_eq!(both.content_type.as_deref(), Some("image/png"));
    assert!(both.bytes.starts_with(b"\x89PNG"));
    let text = raw.json()["value"].as_str().unwrap().to_owned();
    assert!(text.starts_with("2@") && text.split(',').count() == 4);
    assert!(world.fake.scan_code(&text, "34600111222"));
}

#[tokio::test]
async fn a_pairing_code_sets_me_long_before_anybody_logs_in() {
    let world = World::new(fast()).await;
    world.unpaired("x").await;

    let answer = world.post("/api/x/auth/request-code", json!({"phoneNumber": "79110000002"})).await;

    let code = answer.json()["code"].as_str().unwrap().to_owned();
    assert!(answer.status == 201 && code.len() == 9 && code.as_bytes()[4] == b'-', "{code}");
    let session = world.get("/api/sessions/x").await.json();
    assert_eq!(session["me"], json!({"id": "79110000002@c.us", "pushName": "~", "lid": ""}));
    assert!(world.fake.scan_code(&code, "79110000002"));
    world.until("x", "WORKING").await;
    let late = world.post("/api/x/auth/request-code", json!({"phoneNumber": "79110000002"})).await;
    assert!(late.status == 422 && late.text().contains("The current status is WORKING"), "{late:?}");
}

#[tokio::test]
async fn a_phone_scans_by_itself_when_told_to() {
    let options = Options { scan_after: Some(Duration::from_millis(5)), ..fast() };
    let world = World::new(options).await;

    world.post("/api/sessions", json!({"name": "demo", "start": true})).await;

    world.until("demo", "WORKING").await;
}
