//! Sessions as the recorded server answered them.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::{World, fast};

const NOT_FOUND: &str = r#"{"message":"Session not found","error":"Not Found","statusCode":404}"#;

#[tokio::test]
async fn the_key_is_needed_everywhere_but_for_ping() {
    let world = World::new(fast()).await;
    let url = world.fake.url();
    let bare = reqwest::Client::builder().build().unwrap();

    let ping = world.send(bare.get(format!("{url}/ping"))).await;
    let unknown = world.send(bare.get(format!("{url}/api/nope"))).await;
    let bearer = world.send(bare.get(format!("{url}/api/sessions")).bearer_auth(world.fake.api_key())).await;

    ping.assert(200, r#"{"message":"pong"}"#);
    unknown.assert(401, r#"{"message":"Unauthorized","statusCode":401}"#);
    bearer.assert(401, r#"{"message":"Unauthorized","statusCode":401}"#);
    let known = world.get("/api/nope").await;
    known.assert(404, r#"{"message":"Cannot GET /api/nope","error":"Not Found","statusCode":404}"#);
}

#[tokio::test]
async fn a_session_created_without_start_stays_stopped_and_hidden() {
    let world = World::new(fast()).await;

    let created = world.post("/api/sessions", json!({"name": "user42"})).await;

    created.assert(
        201,
        r#"{"name":"user42","status":"STOPPED","config":{},"me":null,"presence":null,"timestamps":{"activity":null},"engine":{}}"#,
    );
    world.get("/api/sessions").await.assert(200, "[]");
    world.get("/api/sessions?all=true").await.assert(
        200,
        r#"[{"name":"user42","status":"STOPPED","config":{},"me":null,"presence":null,"timestamps":{"activity":null}}]"#,
    );
    let again = world.post("/api/sessions", json!({"name": "user42"})).await;
    again.assert(
        422,
        r#"{"message":"Session 'user42' already exists. Use PUT to update it.","error":"Unprocessable Entity","statusCode":422}"#,
    );
}

/// As recorded (call 73 of a real WAHA 2025.12.3).
#[tokio::test]
async fn an_update_replaces_the_whole_config_and_starts_what_ran_again() {
    let world = World::new(fast()).await;
    let put = async |config: &str| {
        let request = world.request(Method::PUT, "/api/sessions/user42").header("Content-Type", "application/json");
        world.send(request.body(format!(r#"{{"config":{config}}}"#))).await
    };
    put("{}").await.assert(404, NOT_FOUND);
    let old = json!({"debug": true, "metadata": {"user.id": "42"}, "noweb": {"store": {"enabled": true}}});
    world.post("/api/sessions", json!({"name": "user42", "start": true, "config": old})).await;
    world.until("user42", "SCAN_QR_CODE").await;

    let new = r#"{"metadata":{"user.id":"43"},"noweb":{"markOnline":false,"store":{"enabled":true,"fullSync":false}},"webhooks":[{"url":"http://127.0.0.1:3998/hook","events":["session.status"],"hmac":{"key":"my-hmac-key"},"retries":{"policy":"constant","delaySeconds":1,"attempts":3},"customHeaders":[{"name":"X-Tenant","value":"t-42"}]}]}"#;
    let updated = put(new).await;
    let expected = format!(
        r#"{{"name":"user42","status":"STARTING","config":{new},"me":null,"presence":null,"timestamps":{{}},"engine":{{"engine":"NOWEB"}}}}"#
    );
    updated.assert(200, &expected);
    let statuses = world.fake.sessions().remove(0).statuses;
    assert!(statuses.ends_with(&["STOPPED".to_owned(), "STARTING".to_owned()]), "{statuses:?}");

    let bare = put("{}").await;
    assert_eq!(bare.json()["config"], json!({}), "what is left out is gone");
}

#[tokio::test]
async fn a_config_is_echoed_as_it_was_given() {
    let world = World::new(fast()).await;
    let config = r#"{"metadata":{"user.id":"42"},"noweb":{"markOnline":false,"store":{"enabled":true,"fullSync":false}},"webhooks":[{"url":"http://127.0.0.1:3998/hook","events":["session.status"],"hmac":{"key":"my-hmac-key"},"retries":{"policy":"constant","delaySeconds":1,"attempts":3},"customHeaders":[{"name":"X-Tenant","value":"t-42"}]}]}"#;
    let body = format!(r#"{{"name":"user42","start":false,"nonsense":1,"config":{config}}}"#);

    let request = world.request(Method::POST, "/api/sessions").header("Content-Type", "application/json");
    let created = world.send(request.body(body)).await;

    let expected = format!(
        r#"{{"name":"user42","status":"STOPPED","config":{config},"me":null,"presence":null,"timestamps":{{"activity":null}},"engine":{{}}}}"#
    );
    created.assert(201, &expected);
}

#[tokio::test]
async fn unknown_sessions_are_404_at_once_empty_for_stop_and_delete_and_422_after_five_seconds_elsewhere() {
    let world = World::new(fast()).await;

    for action in ["start", "restart", "logout"] {
        world.act(&format!("/api/sessions/nobody/{action}")).await.assert(404, NOT_FOUND);
    }
    world.get("/api/sessions/nobody").await.assert(404, NOT_FOUND);
    world.act("/api/sessions/nobody/stop").await.assert(201, "");
    world.delete("/api/sessions/nobody").await.assert(200, "");
    let me = world.get("/api/sessions/nobody/me").await;
    assert!(me.text().contains("We didn't find a session with name 'nobody'"), "{me:?}");

    for path in ["/api/nobody/auth/qr", "/api/nobody/groups", "/api/contacts/all?session=nobody", "/api/nobody/lids"] {
        let asked = Instant::now();
        let answer = world.get(path).await;
        answer.assert(422, r#"{"error":"Session \"nobody\" does not exist","session":"nobody"}"#);
        assert!(asked.elapsed() >= Duration::from_millis(50), "{path}: 5 s at 100 times the speed");
    }
}

#[tokio::test]
async fn a_wrong_status_is_422_after_five_seconds_if_stopped_and_ten_otherwise() {
    let world = World::new(fast()).await;
    world.post("/api/sessions", json!({"name": "x"})).await;

    let asked = Instant::now();
    let stopped = world.get("/api/x/groups").await;
    let (stopped_took, asked) = (asked.elapsed(), Instant::now());
    world.fake.set_status("x", "STARTING");
    let starting = world.get("/api/x/groups").await;

    stopped.assert(
        422,
        r#"{"error":"Session status is not as expected. Try again later or restart the session","session":"x","status":"STOPPED","expected":["WORKING"]}"#,
    );
    assert!(starting.text().contains(r#""status":"STARTING","expected":["WORKING"]"#), "{starting:?}");
    assert!(stopped_took >= Duration::from_millis(50) && asked.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn validation_speaks_as_recorded() {
    let world = World::new(fast()).await;
    let long = "a".repeat(55);
    let cases = [
        (
            json!({"name": "bad name!"}),
            "Session name can only contain alphanumeric characters, hyphens, and underscores (a-z, A-Z, 0-9, -, _) or be empty",
        ),
        (json!({"name": long}), "name must be shorter than or equal to 54 characters"),
        (json!({"name": "x", "start": "yes"}), "start must be a boolean value"),
    ];

    for (body, complaint) in cases {
        let answer = world.post("/api/sessions", body).await;
        answer.assert(400, &format!(r#"{{"message":["{complaint}"],"error":"Bad Request","statusCode":400}}"#));
    }
    let request = world.request(Method::POST, "/api/sessions").header("Content-Type", "application/json");
    let bad = world.send(request.body(r#"{"name": "x","#)).await;
    bad.assert(400, r#"{"message":"Expected double-quoted property name in JSON at position 13","error":"Bad Request","statusCode":400}"#);
    let array = world.post("/api/sessions", json!([])).await;
    assert!(array.status == 201 && array.text().starts_with(r#"{"name":"session_"#), "{array:?}");
}
