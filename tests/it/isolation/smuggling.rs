//! What is said of somebody else in passing is not heard: beside the path and the token nothing says whose a request is.

use std::time::Duration;

use chrono::TimeDelta;
use reqwest::RequestBuilder;
use serde_json::json;
use support::app::TestApp;
use support::events::LiveStream;
use support::stores::Stores;
use switchboard_domain::ports::Clock as _;
use switchboard_http::Scope;
use switchboard_http::trpc::Kind;
use switchboard_waha_fake::Call;

use super::{Case, Target, Way, cases};
use crate::rest::{Answered, Document};

on_every_database! {
    owners_names_statuses_and_workers_in_the_wrong_place_change_nothing,
}

/// Names under which somebody else, or something else, might be meant, and what is said there.
fn smuggled<'a>(theirs: &'a str, id: &'a str) -> [(&'static str, &'a str); 12] {
    [
        ("userId", "ana"),
        ("user", "ana"),
        ("owner", "ana"),
        ("sub", "ana"),
        ("name", theirs),
        ("session", theirs),
        ("session_name", theirs),
        ("sessionId", id),
        ("status", "STOPPED"),
        ("lifecycle", "disconnected"),
        ("worker", "elsewhere"),
        ("scope", "full"),
    ]
}

/// The same request, which says all of that in its query, twice, and in headers.
fn smuggle(request: RequestBuilder, theirs: &str, id: &str) -> RequestBuilder {
    let more = smuggled(theirs, id);
    // What has a place in the input of a call has none in the query.
    let elsewhere = [("sessionName", theirs), ("id", id), ("index", "1"), ("0", theirs)];
    let request = request.query(&more).query(&more).query(&elsewhere);
    [
        ("x-user-id", "ana"),
        ("x-forwarded-user", "ana"),
        ("remote-user", "ana"),
        ("x-session-name", theirs),
        ("x-worker", "elsewhere"),
        ("x-original-url", "/v1/session"),
        ("x-http-method-override", "DELETE"),
        ("cookie", "user=ana; userId=ana; authjs.session-token=anas"),
    ]
    .iter()
    .fold(request, |request, (name, value)| request.header(*name, *value))
}

async fn owners_names_statuses_and_workers_in_the_wrong_place_change_nothing(stores: Stores) {
    let app = TestApp::new(stores).await;
    let document = Document::read();
    let phone = "34655000111";
    let anas = app.pair("ana", phone).await;
    let eves = app.pair("eve", "491701234567").await;
    let groups = app.query("eve", "user.getWhatsAppGroups", json!({ "sessionName": eves })).await;
    let group = groups.data()["items"][0]["groupId"].as_str().unwrap().to_owned();
    let (before, eve) = (app.row("ana").await, app.row("eve").await);
    let target = Target { name: &eves, id: eve.id.as_str(), group: &group };
    let token = app.token("eve", Duration::from_hours(1), Scope::Full);
    let more = smuggled(&anas, before.id.as_str());
    // Whose cookie would be good by itself.
    app.stores.web_sessions.sign_in("ana", "anas", app.clock.now() + TimeDelta::days(1));
    app.waha.clear_calls();

    // Nothing is left of the session after the logouts.
    let (logouts, others): (Vec<_>, Vec<_>) =
        cases(&document).into_iter().partition(|case| case.call.path == "user.logoutSession");
    let mut run = 0;
    for case in others.iter().chain(&logouts) {
        let request = smuggle(case.request(&app, Some(&token), target, &more), &anas, before.id.as_str());
        if case.call.kind == Kind::Subscription {
            let state = LiveStream::open(request).await.until(|state| state["phoneNumber"].is_string()).await;
            assert_ne!(state["phoneNumber"], format!("+{phone}"), "{}", case.name());
        } else {
            let answered = Answered::to(request).await;
            let text = answered.text();
            assert!(!text.contains(&anas) && !text.contains(phone), "{}: {text}", case.name());
            assert!(is_of_eve(case, &answered), "{}: {text}", case.name());
        }
        if case.call.path == "user.restartSession" {
            app.until("eve", &eves, "WORKING").await;
        }
        run += 1;
    }
    let batch =
        app.post(None, "user.restartSession", &json!({ "1": { "sessionName": anas } })).query(&[("batch", "1")]);
    let answered = Answered::to(batch.bearer_auth(&token)).await;
    assert!(answered.text().contains("BAD_REQUEST"), "an input of no call is none's: {}", answered.text());

    let about_ana = |call: &&Call| format!("{} {} {:?}", call.path, call.query, call.session).contains(&*anas);
    let calls = app.waha.calls();
    assert!(!calls.is_empty());
    assert_eq!(calls.iter().find(about_ana), None, "WAHA was asked about Eve's alone");
    assert_eq!(app.row("ana").await, before, "nothing changed");
    assert_eq!(app.waha.session(&anas).unwrap().status, "WORKING");
    println!("smuggling: {run} requests, 0 heard");
}

/// Whether an answer is what comes of asking about Eve's session, which is paired.
fn is_of_eve(case: &Case<'_>, answered: &Answered) -> bool {
    match case.call.path {
        "user.getSessionQR" | "user.requestPairingCode" => case.status(answered) == 412,
        // Twice within 30 s.
        "user.refreshDirectory" => [200, 204, 429].contains(&case.status(answered)),
        // Its ways are tried one after the other.
        "user.unlinkWhatsAppGroup" => [200, 204, 404].contains(&case.status(answered)),
        _ => matches!((case.way, case.status(answered)), (Way::Rest(_), 200 | 204) | (_, 200)),
    }
}
