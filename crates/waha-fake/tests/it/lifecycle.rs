//! What a session goes through once it is paired.

use serde_json::json;
use switchboard_waha_fake::{Engine, Options};

use crate::support::{World, eventually, fast};

const NOT_FOUND: &str = r#"{"message":"Session not found","error":"Not Found","statusCode":404}"#;

#[tokio::test]
async fn start_does_not_revive_failed_but_restart_does_and_after_an_unlink_only_logout() {
    let world = World::new(fast()).await;
    world.paired("x").await;

    world.fake.fail("x");
    assert_eq!(world.act("/api/sessions/x/start").await.json()["status"], "FAILED");
    assert_eq!(world.act("/api/sessions/x/restart").await.json()["status"], "STARTING");
    world.until("x", "WORKING").await;

    assert!(world.fake.unlink("x"));
    let failed = world.get("/api/sessions/x").await.json();
    assert_eq!((failed["status"].as_str(), failed["me"]["id"].as_str()), (Some("FAILED"), Some("34600111222@c.us")));
    assert_eq!(world.act("/api/sessions/x/restart").await.json()["me"], json!(null));
    world.until("x", "FAILED").await;
    assert_eq!(world.act("/api/sessions/x/logout").await.json()["status"], "STARTING");
    world.until("x", "SCAN_QR_CODE").await;
    assert_eq!(world.fake.session("x").unwrap().me, None);
}

#[tokio::test]
async fn stop_keeps_the_login_and_delete_takes_the_linked_device() {
    let world = World::new(fast()).await;
    world.paired("x").await;

    let stopped = world.act("/api/sessions/x/stop").await.json();
    let listed = world.get("/api/sessions?all=true").await.json();
    world.act("/api/sessions/x/start").await;
    world.until("x", "WORKING").await;
    let deleted = world.delete("/api/sessions/x").await;

    assert_eq!((&stopped["status"], &stopped["engine"]), (&json!("STOPPED"), &json!({})));
    assert_eq!(listed[0]["me"]["id"], "34600111222@c.us");
    deleted.assert(200, "");
    assert_eq!(world.fake.linked_devices("34600111222"), 0);
    world.get("/api/sessions/x").await.assert(404, NOT_FOUND);
}

#[tokio::test]
async fn lifecycle_calls_queue_and_those_that_wait_five_seconds_are_500() {
    // Not so fast that the machine's own slowness counts.
    let world = World::new(Options { time_scale: 10.0, ..Options::default() }).await;
    world.unpaired("x").await;

    let restarts = (0..9).map(|_| world.act("/api/sessions/x/restart"));
    let answers = futures_util::future::join_all(restarts).await;

    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 500).collect();
    assert!((3..=5).contains(&refused.len()), "recorded: 5 of 201, 4 of 500; here {}", refused.len());
    let body = refused[0].json();
    assert_eq!(body["exception"]["message"], "async-lock timed out in queue lock1");
    assert!(body["exception"]["stack"].is_string() && body["request"]["method"] == "POST", "{body}");
}

#[tokio::test]
async fn a_dropped_connection_and_a_reboot_both_end_in_working() {
    let world = World::new(fast()).await;
    world.paired("x").await;

    world.fake.drop_connection("x");
    let reconnected = ["WORKING", "STARTING", "WORKING"];
    eventually("a reconnect", || async { world.fake.session("x").filter(|session| session.statuses == reconnected) })
        .await;
    world.fake.reboot();
    assert_eq!(world.fake.session("x").unwrap().status, "STOPPED");
    world.until("x", "WORKING").await;
}

#[tokio::test]
async fn without_a_network_noweb_gives_up_and_webjs_flaps() {
    let options = |engine, time_scale| Options { time_scale, engine, ..Options::default() };
    let noweb = World::new(options(Engine::Noweb, 1000.0)).await;
    let webjs = World::new(options(Engine::Webjs, 100.0)).await;

    for world in [&noweb, &webjs] {
        world.fake.set_network(false);
        world.post("/api/sessions", json!({"name": "x", "start": true})).await;
    }
    noweb.until("x", "FAILED").await;
    let flapped = ["STARTING", "FAILED", "STARTING"];
    eventually("a flap", || async { webjs.fake.session("x").filter(|session| session.statuses == flapped) }).await;
    webjs.fake.set_network(true);

    webjs.until("x", "SCAN_QR_CODE").await;
    assert_eq!(noweb.fake.session("x").unwrap().status, "FAILED");
}

#[tokio::test]
async fn the_control_api_plays_the_phone_too() {
    let world = World::new(fast()).await;
    world.unpaired("x").await;

    let scanned = world.post("/fake/sessions/x/scan", json!({"phone": "34600111222"})).await;
    world.until("x", "WORKING").await;
    world.post("/fake/sessions/x/status", json!({"status": "PASSKEY_REQUIRED"})).await.assert(200, r#"{"ok":true}"#);

    scanned.assert(200, r#"{"ok":true}"#);
    assert_eq!(world.get("/api/sessions/x").await.json()["status"], "PASSKEY_REQUIRED");
    let group = json!({"id": "1@g.us", "subject": "New"});
    world.post("/fake/sessions/x/groups", group.clone()).await.assert(200, r#"{"ok":true}"#);
    world.post("/fake/sessions/x/groups", group).await.assert(409, r#"{"ok":false}"#);
    assert!(world.fake.groups("x").contains(&("1@g.us".to_owned(), "New".to_owned())));
    world.delete("/fake/sessions/x/groups/1%40g.us").await.assert(200, r#"{"ok":true}"#);
    world.delete("/fake/sessions/x/groups/1%40g.us").await.assert(409, r#"{"ok":false}"#);
    world.act("/fake/sessions/nobody/unlink").await.assert(409, r#"{"ok":false}"#);
    assert_eq!(world.get("/fake/sessions").await.json()[0]["account"], "34600111222");
}
