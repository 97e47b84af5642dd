//! Who may open a stream, and of what.

use std::time::Duration;

use serde_json::{Value, json};
use support::app::{Replica, TestApp};
use support::events::{Door, LiveStream, Told};
use support::stores::Stores;
use switchboard_http::Scope;
use switchboard_http::trpc::{Kind, user};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_every_database! {
    a_scope_opens_what_it_is_for,
    nothing_but_a_name_is_taken_for_one,
}

async fn a_scope_opens_what_it_is_for(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.connect("ana").await;
    let token = |scope| app.token("ana", Duration::from_mins(5), scope);
    let input = json!({ "sessionName": name, "id": "x", "phoneNumber": "+34600111222", "groupId": "1@g.us" });
    let mut allowed = Vec::new();
    for call in user::router().procedures() {
        if call.kind == Kind::Subscription {
            let stream = app.stream(Door::Trpc, Some(&token(Scope::Connect)), &name);
            if matches!(LiveStream::open(stream).await.told().await, Told::State { .. }) {
                allowed.push(call.path);
            }
            continue;
        }
        let request = match call.kind {
            Kind::Mutation => app.post(None, call.path, &input),
            _ => app.get(None, call.path, &input),
        };
        let answer = Replica::answer(request.bearer_auth(token(Scope::Connect))).await;
        if answer.status == 403 {
            assert_eq!(answer.error(), ("FORBIDDEN", "scope"), "{}", call.path);
        } else {
            allowed.push(call.path);
        }
    }
    allowed.sort_unstable();
    let five = ["getSessionQR", "getSessionStatus", "initiateWhatsAppSession", "onSessionStatus", "requestPairingCode"];
    assert_eq!(allowed, five.map(|procedure| format!("user.{procedure}")));

    LiveStream::open(app.stream(Door::Rest, Some(&token(Scope::Connect)), &name)).await.state().await;
    let refused = app.stream(Door::Rest, Some(&token(Scope::Read)), &name).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("scope"), &json!(403)), "it carries QR codes");
    let refused = LiveStream::open(app.stream(Door::Trpc, Some(&token(Scope::Read)), &name)).await.told().await;
    assert_eq!(refused, Told::Refused(403));
}

async fn nothing_but_a_name_is_taken_for_one(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.connect("ana").await;
    app.waha.clear_calls();
    let token = app.token("ana", Duration::from_mins(5), Scope::Full);
    let long = "x".repeat(4096);
    let mut names =
        vec![long, format!("{name}%00"), format!("{name}%2F"), format!("{name}/.."), format!("x%2F..%2F{name}")];
    names.extend(
        [
            "..", "%2e%2e", "..%2fapi", "a/b", "a%2Fb", "%2F", "", "@", "%40", "a%3Fb", "a?b", "%23", "%00", "%C3%A9",
            "%FF",
        ]
        .map(str::to_owned),
    );
    for name in names {
        // Not through a client, which would tidy the path up.
        let mut socket = TcpStream::connect(app.authority()).await.unwrap();
        let request = format!(
            "GET /v1/sessions/{name}/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), socket.read_to_string(&mut answer));
        read.await.expect("it is answered").unwrap();
        // What ends at the question mark is a session, which nobody reads.
        let expected = if name == "a?b" { 405 } else { 404 };
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{name:.40}: {answer}");
    }
    assert_eq!(app.waha.calls(), [], "none of it reached WAHA");
}
