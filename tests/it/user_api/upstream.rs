//! When WAHA is slow, broken or gone.

use std::time::Duration;

use serde_json::{Value, json};
use support::app::TestApp;
use support::stores::Stores;
use switchboard_waha_fake::{Fault, FaultAction};

on_every_database! {
    while_waha_is_off_the_session_stays_on_the_screen_and_the_rest_says_so,
    a_slow_waha_is_a_gateway_timeout,
    a_broken_waha_is_a_bad_gateway_and_nothing_of_its_answer_is_forwarded,
    a_herd_of_polls_is_a_few_calls,
    whatsapps_rate_limit_is_too_many_requests,
    an_unknown_status_is_passed_through_and_counts_as_live,
    readiness_tells_of_the_database_and_of_waha,
}

async fn while_waha_is_off_the_session_stays_on_the_screen_and_the_rest_says_so(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let of_session = json!({ "sessionName": name });
    app.waha.set_reachable(false).await;
    app.ask_anew();

    let session = app.query("ana", "user.getWhatsAppSession", Value::Null).await;
    assert_eq!(session.data()["sessionName"], json!(name));
    for procedure in ["user.getSessionStatus", "user.getSessionQR", "user.getWhatsAppGroups"] {
        let response = app.get(Some("ana"), procedure, &of_session).send().await.unwrap();
        assert_eq!(response.status(), 503, "{procedure}");
        assert!(response.headers().contains_key("retry-after"), "{procedure}");
    }
    let restart = app.mutate("ana", "user.restartSession", of_session.clone()).await;
    assert_eq!((restart.status, restart.error()), (503, ("SERVICE_UNAVAILABLE", "waha_unavailable")));

    app.waha.set_reachable(true).await;
    app.waha_is_back().await;
    app.until("ana", &name, "WORKING").await;
}

async fn a_slow_waha_is_a_gateway_timeout(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.waha.inject(Fault::new(FaultAction::Delay { by: Duration::from_secs(30) }));
    app.ask_anew();
    let answer = app.query("ana", "user.getSessionStatus", json!({ "sessionName": name })).await;
    assert_eq!((answer.status, answer.error()), (504, ("GATEWAY_TIMEOUT", "waha_timeout")));
}

async fn a_broken_waha_is_a_bad_gateway_and_nothing_of_its_answer_is_forwarded(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let body = r#"{"statusCode":500,"exception":{"message":"secret detail","stack":"Error: secret detail\n at x"}}"#;
    app.waha.inject(Fault::on("/groups", FaultAction::Status { status: 500, body: body.to_owned() }));
    let answer = app.query("ana", "user.getWhatsAppGroups", json!({ "sessionName": name })).await;
    assert_eq!((answer.status, answer.error()), (502, ("BAD_GATEWAY", "waha_broken")));
    assert!(!answer.body.to_string().contains("secret"), "{answer:?}");
}

async fn a_herd_of_polls_is_a_few_calls(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.connect("ana").await;
    app.until("ana", &name, "SCAN_QR_CODE").await;
    assert!(app.waha.renew_code(&name), "a code that stays: a busy machine outlives the others");
    for procedure in ["user.getSessionStatus", "user.getSessionQR"] {
        // Nobody is answered before all have asked.
        app.waha.clear_calls();
        app.waha.inject(Fault::new(FaultAction::Delay { by: Duration::from_millis(500) }));
        let herd = (0..100).map(|_| app.query("ana", procedure, json!({ "sessionName": name })));
        let answers = futures_util::future::join_all(herd).await;
        app.waha.clear_faults();
        assert!(answers.iter().all(|answer| answer.status == 200 && answer == &answers[0]), "{:?}", answers[0]);
        let calls = app.waha.calls().len();
        assert!(calls <= 4, "{procedure}: {calls} calls");
    }
}

async fn whatsapps_rate_limit_is_too_many_requests(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.waha.overlimit(1);
    let input = json!({ "sessionName": name });
    let response = app.get(Some("ana"), "user.getWhatsAppGroups", &input).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (429, &b"30"[..]));
    app.query("ana", "user.getWhatsAppGroups", input).await.data();
}

async fn an_unknown_status_is_passed_through_and_counts_as_live(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    assert!(app.waha.set_status(&name, "HIBERNATING"));
    app.ask_anew();
    let of_session = json!({ "sessionName": name });
    assert_eq!(app.query("ana", "user.getSessionStatus", of_session.clone()).await.data()["status"], "HIBERNATING");
    assert_ne!(app.query("ana", "user.getWhatsAppSession", Value::Null).await.data(), &Value::Null);
    let lists = app.query("ana", "user.getWhatsAppGroups", of_session).await;
    assert_eq!(lists.error(), ("PRECONDITION_FAILED", "starting"));
}

async fn readiness_tells_of_the_database_and_of_waha(stores: Stores) {
    let app = TestApp::new(stores).await;
    let is_red = async || {
        let told = app.fetch("/readyz").await;
        assert_eq!(told.body["database"], "ok");
        assert_eq!(told.body["workers"]["answering"], i32::from(told.status == 200));
        told.status == 503
    };
    assert!(is_red().await, "nobody has been asked yet");
    assert_eq!(app.waha.calls(), [], "nor is anybody for this");
    app.probe().await;
    assert!(!is_red().await);
    app.waha.set_reachable(false).await;
    app.probe().await;
    assert!(!is_red().await, "one lost answer is none");
    app.probe().await;
    assert!(is_red().await);
    assert_eq!(app.fetch("/healthz").await.status, 200);
    app.waha.set_reachable(true).await;
    app.waha_is_back().await;
    assert!(!is_red().await);
}
