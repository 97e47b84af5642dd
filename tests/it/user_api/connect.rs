//! Connect: from every state, any number of times, from any number of callers.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::app::TestApp;
use support::stores::Stores;
use switchboard_domain::Lifecycle;
use switchboard_waha_fake::{Fault, FaultAction};

on_every_database! {
    two_hundred_connects_of_one_user_are_one_row_one_session_one_answer,
    connects_on_three_replicas_are_one_session,
    a_session_that_waha_lost_is_created_again,
    a_stopped_session_is_started,
    a_session_logged_out_on_the_phone_gets_a_new_code_at_the_second_connect,
    nobody_is_logged_out_while_half_of_the_sessions_are_failing,
    a_stranger_code_that_nobody_scanned_says_nothing_of_the_worker,
    a_session_logged_out_by_a_connect_shows_nothing_of_the_old_account,
    a_status_that_comes_late_does_not_undo_what_a_connect_remembers,
    a_session_that_waha_may_have_is_never_taken_for_gone,
    a_connect_that_was_cut_off_goes_on_from_there,
    a_connect_finishes_a_logout_that_was_cut_off,
    a_refused_connect_leaves_nothing_behind,
    a_client_that_hangs_up_interrupts_nothing,
}

/// Pairs ana, and others whose sessions go on working, and logs ana out on her phone; returns her session's name.
async fn logged_out_on_the_phone(app: &TestApp) -> String {
    let name = app.connect("ana").await;
    if app.row("ana").await.paired_at.is_none() {
        app.pair("ana", "34600111222").await;
    }
    app.pair("ben", "491701234567").await;
    app.pair("eva", "33612345678").await;
    assert!(app.waha.unlink(&name));
    app.until("ana", &name, "FAILED").await;
    name
}

async fn two_hundred_connects_of_one_user_are_one_row_one_session_one_answer(stores: Stores) {
    let app = TestApp::new(stores).await;
    let connects = (0..200).map(|_| app.mutate("ana", "user.initiateWhatsAppSession", Value::Null));
    let answers = join_all(connects).await;
    answers[0].data();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one answer");
    assert_eq!(app.waha.sessions().len(), 1);
    assert_eq!(json!(app.row("ana").await.name.as_str()), answers[0].data()["sessionName"]);
}

async fn connects_on_three_replicas_are_one_session(stores: Stores) {
    let app = TestApp::new(stores).await;
    let (second, third) = (app.replica(), app.replica());
    let connect = |n: usize| match n % 3 {
        0 => app.mutate("ana", "user.initiateWhatsAppSession", Value::Null),
        1 => second.mutate("ana", "user.initiateWhatsAppSession", Value::Null),
        _ => third.mutate("ana", "user.initiateWhatsAppSession", Value::Null),
    };
    let answers = join_all((0..200).map(connect)).await;
    answers[0].data();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one answer");
    assert_eq!(app.waha.sessions().len(), 1);
    let creates = app.waha.calls().iter().filter(|call| call.method == "POST" && call.path == "/api/sessions").count();
    assert_eq!(creates, 1);
}

async fn a_session_that_waha_lost_is_created_again(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    assert!(app.waha.remove_session(&name));
    assert_eq!(app.connect("ana").await, name);
    app.until("ana", &name, "SCAN_QR_CODE").await;
}

async fn a_stopped_session_is_started(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    assert!(app.waha.set_status(&name, "STOPPED"));
    assert_eq!(app.connect("ana").await, name);
    app.until("ana", &name, "WORKING").await;
}

async fn a_session_logged_out_on_the_phone_gets_a_new_code_at_the_second_connect(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = logged_out_on_the_phone(&app).await;

    app.connect("ana").await;
    app.until("ana", &name, "FAILED").await;
    app.connect("ana").await;
    app.until("ana", &name, "SCAN_QR_CODE").await;
    app.query("ana", "user.getSessionQR", json!({ "sessionName": name })).await.data();
}

async fn nobody_is_logged_out_while_half_of_the_sessions_are_failing(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let other = app.pair("ben", "491701234567").await;
    assert!(app.waha.unlink(&name) && app.waha.unlink(&other));
    app.until("ana", &name, "FAILED").await;
    app.until("ben", &other, "FAILED").await;
    app.connect("ana").await;
    app.until("ana", &name, "FAILED").await;

    let answer = app.mutate("ana", "user.initiateWhatsAppSession", Value::Null).await;
    assert_eq!((answer.status, answer.error()), (500, ("INTERNAL_SERVER_ERROR", "worker_failing")));
    assert_eq!(answer.body["error"]["message"], "Failed to create WhatsApp session");
    assert!(app.waha.calls().iter().all(|call| !call.path.ends_with("/logout")), "nobody was logged out");
    // The user can still decide to start afresh.
    app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await.data();
    app.connect("ana").await;
    app.until("ana", &name, "SCAN_QR_CODE").await;
}

async fn a_stranger_code_that_nobody_scanned_says_nothing_of_the_worker(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.pair("ben", "491701234567").await;
    let unscanned = app.connect("eva").await;
    app.until("eva", &unscanned, "SCAN_QR_CODE").await;
    assert!(app.waha.fail(&unscanned) && app.waha.unlink(&name));
    app.until("ana", &name, "FAILED").await;
    app.connect("ana").await;
    app.until("ana", &name, "FAILED").await;
    app.connect("ana").await;
    app.until("ana", &name, "SCAN_QR_CODE").await;
}

async fn a_session_logged_out_by_a_connect_shows_nothing_of_the_old_account(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let of_session = json!({ "sessionName": name });
    let old = app.query("ana", "user.getWhatsAppGroups", of_session.clone()).await.data().clone();
    assert_eq!(logged_out_on_the_phone(&app).await, name);
    app.connect("ana").await;
    app.until("ana", &name, "FAILED").await;
    app.connect("ana").await;

    let lists = app.query("ana", "user.getWhatsAppGroups", of_session.clone()).await;
    assert_eq!(lists.error(), ("PRECONDITION_FAILED", "not_paired"), "{lists:?}");
    let session = app.query("ana", "user.getWhatsAppSession", Value::Null).await;
    assert_eq!(session.data()["phoneNumber"], "");
    app.until("ana", &name, "SCAN_QR_CODE").await;
    assert!(app.waha.scan(&name, "12025550100"));
    // Nobody but the list itself asks for the status.
    let started = Instant::now();
    let new = loop {
        let lists = app.query("ana", "user.getWhatsAppGroups", of_session.clone()).await;
        if lists.status == 200 {
            break lists.data().clone();
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{lists:?}");
    };
    assert_ne!(new["items"], old["items"], "another account's");
}

async fn a_status_that_comes_late_does_not_undo_what_a_connect_remembers(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.pair("ben", "491701234567").await;
    app.pair("eva", "33612345678").await;
    assert!(app.waha.unlink(&name));
    // The row does not know yet: the poll below has something to write.
    let started = Instant::now();
    while app.waha.session(&name).is_none_or(|session| session.status != "FAILED") {
        assert!(started.elapsed() < Duration::from_secs(10));
        tokio::task::yield_now().await;
    }

    // A front-end's poll is under way while the user connects, and is answered after it.
    let slow = Fault::on(&name, FaultAction::SlowBytes { gap: Duration::from_millis(1) });
    app.waha.inject(slow.method("GET").times(1));
    app.waha.clear_calls();
    let poll = app.query("ana", "user.getSessionStatus", json!({ "sessionName": name }));
    let connect = async {
        while app.waha.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        app.connect("ana").await;
    };
    tokio::join!(poll, connect);
    assert!(app.row("ana").await.revived_at.is_some(), "the connect is remembered");
    app.until("ana", &name, "FAILED").await;
    app.connect("ana").await;
    app.until("ana", &name, "SCAN_QR_CODE").await;
}

/// A create that happens, while neither its answer nor that of any repeat arrives.
async fn cut_off(app: &TestApp) {
    app.waha.inject(Fault::on("/api/sessions", FaultAction::Lost).method("POST"));
    let answer = app.mutate("ana", "user.initiateWhatsAppSession", Value::Null).await;
    app.waha.clear_faults();
    assert_eq!((answer.status, answer.error().0), (500, "INTERNAL_SERVER_ERROR"), "{answer:?}");
    assert_eq!(answer.body["error"]["message"], "Failed to create WhatsApp session");
    assert_eq!(app.row("ana").await.lifecycle, Lifecycle::Connecting, "the outcome is unknown");
    assert_eq!(app.waha.sessions().len(), 1, "it happened");
}

async fn a_session_that_waha_may_have_is_never_taken_for_gone(stores: Stores) {
    let app = TestApp::new(stores).await;
    cut_off(&app).await;
    // A refusal is definite, but says nothing of the session.
    let refusal = FaultAction::Status { status: 429, body: String::new() };
    app.waha.inject(Fault::on("/api/sessions/", refusal).method("GET"));
    let answer = app.mutate("ana", "user.initiateWhatsAppSession", Value::Null).await;
    app.waha.clear_faults();
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(app.row("ana").await.lifecycle, Lifecycle::Connecting);

    let name = app.row("ana").await.name.to_string();
    app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await.data();
    assert_eq!(app.waha.sessions().len(), 0, "a logout deletes what WAHA has");
}

async fn a_connect_that_was_cut_off_goes_on_from_there(stores: Stores) {
    let app = TestApp::new(stores).await;
    cut_off(&app).await;
    assert_eq!(app.query("ana", "user.getWhatsAppSession", Value::Null).await.data(), &Value::Null);
    let name = app.connect("ana").await;
    app.until("ana", &name, "SCAN_QR_CODE").await;
    assert_eq!(app.waha.sessions().len(), 1);
}

async fn a_connect_finishes_a_logout_that_was_cut_off(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.waha.set_reachable(false).await;
    let logout = app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await;
    assert_eq!((logout.status, logout.error().0), (503, "SERVICE_UNAVAILABLE"));
    assert_eq!(app.row("ana").await.lifecycle, Lifecycle::LoggingOut, "the intent is stored");
    assert_eq!(app.query("ana", "user.getWhatsAppSession", Value::Null).await.data(), &Value::Null);

    app.waha.set_reachable(true).await;
    assert_eq!(app.connect("ana").await, name);
    app.until("ana", &name, "SCAN_QR_CODE").await;
    assert_eq!(app.waha.linked_devices("34600111222"), 0, "the old pairing is gone");
}

async fn a_refused_connect_leaves_nothing_behind(stores: Stores) {
    let app = TestApp::new(stores).await;
    app.waha.set_reachable(false).await;
    let answer = app.mutate("ana", "user.initiateWhatsAppSession", Value::Null).await;
    assert_eq!((answer.status, answer.error()), (500, ("INTERNAL_SERVER_ERROR", "waha_unavailable")));
    assert_eq!(answer.body["error"]["message"], "Failed to create WhatsApp session");
    assert_eq!(app.row("ana").await.lifecycle, Lifecycle::Disconnected);
}

async fn a_client_that_hangs_up_interrupts_nothing(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.waha.inject(Fault::new(FaultAction::Delay { by: Duration::from_millis(500) }).method("DELETE"));
    let logout = tokio::spawn(app.post(Some("ana"), "user.logoutSession", &json!({ "sessionName": name })).send());
    becomes(&app, Lifecycle::LoggingOut).await;
    logout.abort();
    assert!(logout.await.is_err_and(|error| error.is_cancelled()), "it was not answered yet");
    becomes(&app, Lifecycle::Disconnected).await;
    assert_eq!(app.waha.sessions().len(), 0);
}

async fn becomes(app: &TestApp, wanted: Lifecycle) {
    let started = Instant::now();
    while app.row("ana").await.lifecycle != wanted {
        assert!(started.elapsed() < Duration::from_secs(10), "not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
