//! Nobody reaches another's session. Generated from the router, so that no procedure is forgotten.

use serde_json::{Value, json};
use support::app::{Answer, Replica, TestApp};
use support::stores::Stores;
use switchboard_http::trpc::{Kind, user};

on_every_database! {
    whatever_is_somebody_elses_does_not_exist_and_waha_is_not_asked,
    nothing_is_said_to_whom_is_not_signed_in,
    names_that_waha_would_not_allow_are_nobodys,
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
    let answer = Replica::answer(request()).await;
    let raw = request().send().await.unwrap().bytes().await.unwrap();
    (answer, raw.to_vec())
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
