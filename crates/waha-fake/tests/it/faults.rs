//! What goes wrong on the wire, really goes wrong on the wire.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use switchboard_waha_fake::{Fault, FaultAction, Options, start};

use crate::support::{World, fast};

async fn sessions(world: &World) -> reqwest::Result<Vec<u8>> {
    let response = world.request(Method::GET, "/api/sessions").send().await?;
    Ok(response.bytes().await?.to_vec())
}

#[tokio::test]
async fn a_reset_and_a_cut_answer_are_errors_of_the_connection() {
    let world = World::new(fast()).await;

    for action in [FaultAction::Reset, FaultAction::Truncate { after: 1 }, FaultAction::Lost] {
        world.fake.inject(Fault::on("/api/sessions", action.clone()).times(1));
        let answer = sessions(&world).await;
        assert!(answer.is_err(), "{action:?}: {answer:?}");
        assert_eq!(sessions(&world).await.unwrap(), b"[]", "{action:?} is spent");
    }
}

#[tokio::test]
async fn a_lost_call_was_done_and_a_reset_one_was_not() {
    let world = World::new(fast()).await;
    let create = |name: &str| world.request(Method::POST, "/api/sessions").json(&json!({ "name": name })).send();

    world.fake.inject(Fault::new(FaultAction::Lost).method("post").times(1));
    create("lost").await.unwrap_err();
    world.fake.inject(Fault::new(FaultAction::Reset).method("POST").times(1));
    create("reset").await.unwrap_err();

    assert!(world.fake.session("lost").is_some());
    assert!(world.fake.session("reset").is_none());
    assert_eq!(world.fake.calls().len(), 2);
}

#[tokio::test]
async fn answers_can_be_delayed_replaced_redirected_and_made_of_garbage() {
    let world = World::new(fast()).await;
    let delay = Fault::new(FaultAction::Delay { by: Duration::from_millis(80) });
    let status = Fault::on("/api/sessions", FaultAction::Status { status: 503, body: "{}".to_owned() });
    world.fake.inject(delay);
    world.fake.inject(status.times(1));
    world.fake.inject(Fault::new(FaultAction::garbage(*b"\xff\xfe", "text/html")).times(1));

    let asked = Instant::now();
    let busy = world.get("/api/sessions").await;
    let garbage = world.get("/api/sessions").await;
    world.fake.clear_faults();
    let round = Fault::new(FaultAction::Redirect { to: "/api/sessions".to_owned() });
    world.fake.inject(round);

    assert!(asked.elapsed() >= Duration::from_millis(160));
    busy.assert(503, "{}");
    assert_eq!((garbage.bytes.as_slice(), garbage.content_type.as_deref()), (&b"\xff\xfe"[..], Some("text/html")));
    assert!(sessions(&world).await.unwrap_err().is_redirect());
}

#[tokio::test]
async fn an_endless_body_ends_only_with_the_client_and_a_slow_one_takes_its_time() {
    let world = World::new(fast()).await;

    world.fake.inject(Fault::new(FaultAction::Endless).times(1));
    let mut endless = world.request(Method::GET, "/api/sessions").send().await.unwrap();
    let mut bytes = 0;
    while bytes < 10_000_000 {
        bytes += endless.chunk().await.unwrap().unwrap().len();
    }
    drop(endless);
    world.fake.inject(Fault::new(FaultAction::SlowBytes { gap: Duration::from_millis(30) }).times(1));
    let asked = Instant::now();

    assert_eq!(sessions(&world).await.unwrap(), b"[]");
    assert!(asked.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn faults_come_through_the_control_api_too() {
    let world = World::new(fast()).await;

    let fault = json!({"path": "/api/sessions", "times": 1, "action": "status", "status": 418, "body": "[]"});
    world.post("/fake/faults", fault).await.assert(200, r#"{"ok":true}"#);
    world.get("/api/sessions").await.assert(418, "[]");
    world.post("/fake/faults", json!({"action": "delay", "ms": 600_000})).await.assert(200, r#"{"ok":true}"#);
    world.delete("/fake/faults").await.assert(200, r#"{"ok":true}"#);

    world.get("/api/sessions").await.assert(200, "[]");
    assert_eq!(world.post("/fake/faults", json!({"action": "nonsense"})).await.status, 400);
}

#[tokio::test]
async fn an_unreachable_fake_answers_nobody_and_keeps_its_sessions() {
    let world = World::new(fast()).await;
    world.paired("x").await;

    world.fake.set_reachable(false).await;
    sessions(&world).await.unwrap_err();
    world.fake.set_reachable(true).await;

    assert_eq!(world.get("/api/sessions/x").await.json()["status"], "WORKING");
}

#[tokio::test]
async fn a_stopped_fake_frees_its_port_for_the_next_one() {
    let first = start(fast()).await.unwrap();
    let bind = first.url().trim_start_matches("http://").parse().unwrap();

    first.stop().await;
    let second = start(Options { bind, ..fast() }).await.unwrap();

    assert_eq!(second.url(), format!("http://{bind}"));
}

#[tokio::test]
async fn calls_are_kept_as_they_came() {
    let world = World::new(fast()).await;

    world.get("/api/contacts?session=x%2Fy&contactId=1").await;
    world.delete("/api/sessions/a%2F..%2Fb").await;

    let calls = world.fake.calls();
    assert_eq!((calls[0].path.as_str(), calls[0].query.as_str()), ("/api/contacts", "session=x%2Fy&contactId=1"));
    assert_eq!(calls[0].session.as_deref(), Some("x/y"));
    assert_eq!(calls[1].path, "/api/sessions/a%2F..%2Fb");
    assert_eq!(calls[1].session.as_deref(), Some("a/../b"));
}
