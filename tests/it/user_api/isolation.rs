//! Nobody reaches another's session. Generated from the router, so that no procedure is forgotten.

use std::time::Duration;

use serde_json::{Value, json};
use support::app::{Answer, Replica, TestApp};
use support::events::Door;
use support::stores::Stores;
use switchboard_http::Scope;
use switchboard_http::trpc::{Kind, user};

on_every_database! {
    whatever_is_somebody_elses_does_not_exist_and_waha_is_not_asked,
    nothing_is_said_to_whom_is_not_signed_in,
    names_that_waha_would_not_allow_are_nobodys,
    a_stream_by_rest_is_as_closed_as_the_procedures,
}

/// Procedures that name nothing: they are about the caller by themselves.
const ABOUT_ONESELF: [&str; 2] = ["user.getWhatsAppSession", "user.initiateWhatsAppSession"];

fn procedures() -> Vec<(&'static str, Kind)> {
    user::router().procedures().map(|call| (call.path, call.kind)).collect()
}

/// Everything that any procedure takes, on the session of that name and id.
fn input(name: &str, id: &str, group: &str) -> Value {
    json!({ "sessionName": name, "id": id, "phoneNumber": "+34600111222", "groupId": group })
}

async fn call(app: &TestApp, user: Option<&str>, procedure: &str, kind: Kind, input: &Value) -> (Answer, Vec<u8>) {
    let request = || match kind {
        Kind::Query | Kind::Subscription => app.get(user, procedure, input),
        Kind::Mutation => app.post(user, procedure, input),
    };
    let raw = request().send().await.unwrap().bytes().await.unwrap().to_vec();
    if kind == Kind::Subscription {
        return (only_error(&raw), raw);
    }
    (Replica::answer(request()).await, raw)
}

/// The error with which a subscription begins and ends, as if it were the answer.
fn only_error(events: &[u8]) -> Answer {
    let text = std::str::from_utf8(events).unwrap();
    let (greeting, rest) = text.split_once("\n\n").unwrap();
    assert!(greeting.starts_with("event: connected\n"), "{text}");
    let error = rest.strip_prefix("event: serialized-error\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    assert!(!error.contains('\n'), "nothing beside: {text}");
    let error: Value = serde_json::from_str(error).unwrap();
    let status = error["data"]["httpStatus"].as_u64().unwrap();
    Answer { status: u16::try_from(status).unwrap(), body: json!({ "error": error }) }
}

async fn whatever_is_somebody_elses_does_not_exist_and_waha_is_not_asked(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.pair("eve", "491701234567").await;
    let groups = app.query("ana", "user.getWhatsAppGroups", json!({ "sessionName": name })).await;
    let group = groups.data()["items"][0]["groupId"].as_str().unwrap().to_owned();
    let id = app.row("ana").await.id.to_string();
    let before = app.row("ana").await;
    app.waha.clear_calls();

    let mut cases = 0;
    for (procedure, kind) in procedures() {
        if ABOUT_ONESELF.contains(&procedure) {
            continue;
        }
        for stranger in ["eve", "nobody-yet"] {
            let theirs = input(&name, &id, &group);
            let nobodys = input("session_123456", "tz4a98xxat96iws9zmbrgj3a", &group);
            let (foreign, foreign_raw) = call(&app, Some(stranger), procedure, kind, &theirs).await;
            let (unknown, unknown_raw) = call(&app, Some(stranger), procedure, kind, &nobodys).await;
            assert_eq!((foreign.status, foreign.error().0), (404, "NOT_FOUND"), "{procedure}: {foreign:?}");
            assert_eq!(foreign, unknown, "{procedure}");
            assert_eq!(foreign_raw, unknown_raw, "{procedure}: byte for byte");
            cases += 1;
        }
    }
    assert_eq!(app.waha.calls(), [], "WAHA was asked nothing");
    assert_eq!(app.row("ana").await, before, "nothing changed");
    println!("isolation: {cases} cases, 0 leaks");
    assert_eq!(cases, 2 * (procedures().len() - ABOUT_ONESELF.len()));
}

async fn nothing_is_said_to_whom_is_not_signed_in(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.waha.clear_calls();
    for (procedure, kind) in procedures() {
        for wrong in [json!({}), input(&name, "x", "1@g.us")] {
            let (answer, _) = call(&app, None, procedure, kind, &wrong).await;
            assert_eq!((answer.status, answer.error().0), (401, "UNAUTHORIZED"), "{procedure}: {answer:?}");
        }
    }
    assert_eq!(app.waha.calls(), []);
}

async fn names_that_waha_would_not_allow_are_nobodys(stores: Stores) {
    let app = TestApp::new(stores).await;
    let long = "x".repeat(4096);
    for name in ["../sessions", "%2e%2e", "a/b", "a%2Fb", "@", "?x=1", "#", "\0", "é", " ", long.as_str()] {
        let answer = app.query("ana", "user.getSessionStatus", json!({ "sessionName": name })).await;
        assert_eq!((answer.status, answer.error()), (404, ("NOT_FOUND", "not_found")), "{name:?}: {answer:?}");
    }
    assert_eq!(app.waha.calls(), []);
}

async fn a_stream_by_rest_is_as_closed_as_the_procedures(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.pair("eve", "491701234567").await;
    let full = |user| app.token(user, Duration::from_mins(5), Scope::Full);
    let expired = app.token("ana", Duration::from_secs(1), Scope::Full);
    app.clock.advance(Duration::from_mins(1));
    let (eves, nobodys) = (full("eve"), full("nobody-yet"));
    app.waha.clear_calls();

    for (token, expected) in
        [(None, 401), (Some("not.a.token"), 401), (Some(&*expired), 401), (Some(&*eves), 404), (Some(&*nobodys), 404)]
    {
        let theirs = answered(app.stream(Door::Rest, token, &name)).await;
        assert_eq!(theirs.0, expected, "{theirs:?}");
        assert!(theirs.1.contains("application/problem+json"), "{theirs:?}");
        for unknown in ["session_123456", "%2e%2e%2f", "a%20b"] {
            assert_eq!(theirs, answered(app.stream(Door::Rest, token, unknown)).await, "byte for byte");
        }
    }
    let subscription = app.stream(Door::Trpc, Some(&expired), &name).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(only_error(&subscription).error().0, "UNAUTHORIZED");
    assert_eq!(app.waha.calls(), [], "WAHA was asked nothing");
}

/// Status, headers and body of an answer, but for when it was given.
async fn answered(request: reqwest::RequestBuilder) -> (u16, String, String) {
    let response = request.send().await.unwrap();
    let (status, mut headers) = (response.status().as_u16(), response.headers().clone());
    headers.remove("date");
    (status, format!("{headers:?}"), response.text().await.unwrap())
}
