//! Everything that an operation may be refused for, with the code that the document has for it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::app::TestApp;
use support::stores::Stores;
use switchboard_domain::{Campaign, CampaignStatus};
use switchboard_http::Scope;
use switchboard_waha_fake::{Fault, FaultAction};

use super::client::Client;
use super::{Answered, Document};

on_every_database! {
    a_session_that_is_not_ready_says_what_is_missing,
    what_contradicts_the_present_state_is_a_conflict,
    what_waha_fails_to_do_is_told_apart,
    a_connect_that_fails_tells_the_reason_which_trpc_does_not,
    who_is_not_signed_in_or_may_not_is_told_so_first,
    paths_and_methods_that_do_nothing_are_problems_too,
    head_is_answered_as_get_is_without_the_body,
}

const PHONE: &str = "34600111222";

fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn has_retry_after(answered: &Answered) -> bool {
    answered.header("retry-after").is_some_and(|value| value.parse::<u64>().is_ok_and(|seconds| seconds > 0))
}

async fn a_session_that_is_not_ready_says_what_is_missing(stores: Stores) {
    let app = TestApp::new(stores).await;
    let document = Document::read();
    let mut client = Client::new(&app, &document, "ana");
    let name = app.connect("ana").await;
    client.about(&name);
    let phone = json!({ "phoneNumber": "+34600111222" });

    assert!(app.waha.set_status(&name, "STARTING"));
    app.ask_anew();
    let starting = while_time_passes(&app, client.call("user.getSessionQR")).await;
    assert_eq!(starting.problem(), problem(412, "starting"));
    assert!(has_retry_after(&starting));

    app.waha.set_status(&name, "SCAN_QR_CODE");
    app.until("ana", &name, "SCAN_QR_CODE").await;
    for list in ["user.getWhatsAppGroups", "user.getWhatsAppContacts", "user.refreshDirectory"] {
        assert_eq!(client.call(list).await.problem(), problem(412, "not_paired"), "{list}");
    }
    let link = client.group("user.linkWhatsAppGroup", "1@g.us").await;
    assert_eq!(link.problem(), problem(412, "not_paired"));

    assert!(app.waha.scan(&name, PHONE));
    app.until("ana", &name, "WORKING").await;
    assert_eq!(client.call("user.getSessionQR").await.problem(), problem(412, "already_connected"));
    let code = client.send("user.requestPairingCode", &phone).await;
    assert_eq!(code.problem(), problem(412, "already_connected"));

    assert_eq!(client.call("user.logoutSession").await.status, 204);
    for procedure in ["user.getSessionQR", "user.restartSession", "user.getWhatsAppGroups", "user.refreshDirectory"] {
        assert_eq!(client.call(procedure).await.problem(), problem(412, "not_connected"), "{procedure}");
    }
    for procedure in ["user.updateSessionPhone", "user.requestPairingCode"] {
        assert_eq!(client.send(procedure, &phone).await.problem(), problem(412, "not_connected"), "{procedure}");
    }
}

/// The answer to what waits for something that does not come.
async fn while_time_passes(app: &TestApp, waiting: impl Future<Output = Answered>) -> Answered {
    let mut waiting = std::pin::pin!(waiting);
    loop {
        tokio::select! {
            answered = &mut waiting => return answered,
            () = tokio::time::sleep(Duration::from_millis(20)) => app.clock.advance(Duration::from_millis(500)),
        }
    }
}

async fn what_contradicts_the_present_state_is_a_conflict(stores: Stores) {
    let app = TestApp::new(stores).await;
    let document = Document::read();
    let mut client = Client::new(&app, &document, "ana");
    client.about(&app.pair("ana", PHONE).await);
    let gone = client.list("user.getWhatsAppGroups", &[("version", "0123456789abcdef")]).await;
    assert_eq!(gone.problem(), problem(409, "version_gone"));

    let groups = client.call("user.getWhatsAppGroups").await.json();
    let group = groups["items"][0]["groupId"].as_str().unwrap();
    let linked = client.group("user.linkWhatsAppGroup", group).await.json();
    let now = app.row("ana").await.updated_at;
    let campaign = Campaign {
        id: "next".parse().unwrap(),
        group: linked["id"].as_str().unwrap().parse().unwrap(),
        status: CampaignStatus::InProgress,
        start_date: now,
    };
    app.stores.campaigns.save(&campaign, now).await.unwrap();
    let shown = client.call("user.getWhatsAppSession").await.json();
    assert_eq!(shown["WhatsAppGroups"][0]["campaigns"][0]["status"], "IN_PROGRESS");
    let refused = client.group("user.unlinkWhatsAppGroup", group).await;
    assert_eq!(refused.problem(), problem(409, "active_campaign"));
    for nobodys in ["120363000000000000@g.us", "no id", "34600111222@c.us"] {
        let refused = client.group("user.linkWhatsAppGroup", nobodys).await;
        assert_eq!(refused.problem(), problem(404, "group_not_found"), "{nobodys}");
    }
}

async fn what_waha_fails_to_do_is_told_apart(stores: Stores) {
    let app = TestApp::new(stores).await;
    let document = Document::read();
    let mut client = Client::new(&app, &document, "ana");
    let name = app.pair("ana", PHONE).await;
    client.about(&name);
    let secret = FaultAction::Status { status: 500, body: r#"{"message":"secret detail"}"#.to_owned() };
    app.waha.inject(Fault::on("/groups", secret));
    let broken = client.call("user.getWhatsAppGroups").await;
    assert_eq!(broken.problem(), problem(502, "waha_broken"));
    assert!(!broken.text().contains("secret"), "{}", broken.text());
    app.waha.clear_faults();

    app.waha.inject(Fault::new(FaultAction::Delay { by: Duration::from_secs(30) }));
    app.ask_anew();
    let slow = client.call("user.getSessionStatus").await;
    assert_eq!(slow.problem(), problem(504, "waha_timeout"));
    assert!(has_retry_after(&slow));
    app.waha.clear_faults();

    app.waha.set_reachable(false).await;
    app.ask_anew();
    for procedure in ["user.getSessionStatus", "user.getSessionQR", "user.restartSession", "user.getWhatsAppContacts"] {
        let off = client.call(procedure).await;
        assert_eq!(off.problem(), problem(503, "waha_unavailable"), "{procedure}");
        assert!(has_retry_after(&off), "{procedure}");
    }
    assert_eq!(client.call("user.getWhatsAppSession").await.status, 200, "the screen stays");
}

async fn a_connect_that_fails_tells_the_reason_which_trpc_does_not(stores: Stores) {
    let app = TestApp::with_workers(stores, &[1]).await;
    let document = Document::read();
    app.connect("ana").await;
    let mut ben = Client::new(&app, &document, "ben");
    let full = ben.call("user.initiateWhatsAppSession").await;
    assert_eq!(full.problem(), problem(503, "no_worker"));
    assert!(has_retry_after(&full));
    let by_trpc = app.mutate("ben", "user.initiateWhatsAppSession", Value::Null).await;
    assert_eq!(by_trpc.status, 500);
    assert_eq!(by_trpc.body["error"]["message"], "Failed to create WhatsApp session");
}

async fn who_is_not_signed_in_or_may_not_is_told_so_first(stores: Stores) {
    let app = TestApp::new(stores).await;
    let document = Document::read();
    let token = app.token("ana", Duration::from_mins(5), Scope::Connect);
    let mut allowed = Vec::new();
    for operation in document.operations() {
        // The input is wrong, too.
        let path = operation.path_with(&[("name", "x"), ("groupId", "x")]) + "?limit=x";
        let unknown = Answered::to(app.rest(operation.method(), &path, None)).await;
        document.check(operation, &unknown);
        assert_eq!(unknown.problem(), problem(401, "unauthorized"), "{path}");
        assert_eq!(unknown.header("www-authenticate"), Some("Bearer"), "{path}");
        let narrow = Answered::to(app.rest(operation.method(), &path, Some(&token))).await;
        document.check(operation, &narrow);
        match narrow.status {
            403 => assert_eq!(narrow.problem(), problem(403, "scope"), "{path}"),
            _ => allowed.push(operation.procedure()),
        }
    }
    allowed.sort_unstable();
    let five = ["getSessionQR", "getSessionStatus", "initiateWhatsAppSession", "onSessionStatus", "requestPairingCode"];
    assert_eq!(allowed, five.map(|procedure| format!("user.{procedure}")));
}

async fn paths_and_methods_that_do_nothing_are_problems_too(stores: Stores) {
    let app = TestApp::new(stores).await;
    for path in ["/v1", "/v1/", "/v1/sessions", "/v1/sessions/x/", "/v1/sessions/x/nothing", "/v1/session/x", "/v1/%00"]
    {
        let nothing = Answered::to(app.rest(Method::GET, path, None)).await;
        assert_eq!(nothing.problem(), problem(404, "unknown_path"), "{path}");
    }
    for (method, path, allow) in [
        (Method::PUT, "/v1/session", "GET, HEAD, POST"),
        (Method::GET, "/v1/sessions/x", "PATCH, DELETE"),
        (Method::POST, "/v1/sessions/x/status", "GET, HEAD"),
        (Method::OPTIONS, "/v1/sessions/x/events", "GET"),
        (Method::HEAD, "/v1/sessions/x/events", "GET"),
        (Method::GET, "/v1/sessions/x/linked-groups/1@g.us", "PUT, DELETE"),
    ] {
        let wrong = Answered::to(app.rest(method.clone(), path, None)).await;
        if method == Method::HEAD {
            assert_eq!((wrong.status, wrong.text()), (405, String::new()), "{path}");
        } else {
            assert_eq!(wrong.problem(), problem(405, "method_not_allowed"), "{method} {path}");
        }
        assert_eq!(wrong.header("allow"), Some(allow), "{method} {path}");
    }
}

async fn head_is_answered_as_get_is_without_the_body(stores: Stores) {
    let app = TestApp::new(stores).await;
    let document = Document::read();
    let name = app.pair("ana", PHONE).await;
    let token = app.token("ana", Duration::from_mins(5), Scope::Full);
    let mut statuses = Vec::new();
    for operation in document.operations().filter(|operation| operation.method() == Method::GET) {
        if operation.path.ends_with("/events") {
            continue;
        }
        for (name, token) in [(&*name, Some(&*token)), ("nobodys", Some(&*token)), (&*name, None)] {
            let path = operation.path_with(&[("name", name)]);
            let get = Answered::to(app.rest(Method::GET, &path, token)).await;
            let head = Answered::to(app.rest(Method::HEAD, &path, token)).await;
            assert_eq!((head.status, head.text()), (get.status, String::new()), "{path}");
            assert_eq!(head.headers, get.headers, "{path}");
            statuses.push(get.status);
        }
    }
    for seen in [200, 401, 404, 412] {
        assert!(statuses.contains(&seen), "{statuses:?}");
    }
}
