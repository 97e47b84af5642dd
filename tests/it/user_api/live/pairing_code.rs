//! The code to type on the phone: `user.requestPairingCode`.

use serde_json::{Value, json};
use support::app::TestApp;
use support::events::Door;
use support::stores::Stores;
use switchboard_waha_fake::{Fault, FaultAction};

use super::{PHONE, starting, turn};

on_every_database! {
    a_pairing_code_pairs,
    a_pairing_code_is_refused_in_words_that_help_and_never_asked_for_twice,
}

async fn a_pairing_code_pairs(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = starting(&app, "ana").await;
    let mut stream = app.watch(Door::Trpc, "ana", &name).await;
    turn(&app, &name, "SCAN_QR_CODE");
    stream.until(|state| state["status"] == "SCAN_QR_CODE").await;
    let ask = json!({ "sessionName": name, "phoneNumber": "0034 (600) 111-222" });
    let answer = app.mutate("ana", "user.requestPairingCode", ask).await;
    let code = answer.data()["code"].as_str().unwrap().to_owned();
    assert_eq!(app.waha.session(&name).unwrap().me.unwrap().id, format!("{PHONE}@c.us"), "the number was repaired");
    assert!(app.waha.scan_code(&code, PHONE), "{code}");
    let working = stream.until(|state| state["status"] == "WORKING").await;
    assert_eq!(working["phoneNumber"], format!("+{PHONE}"));
}

async fn a_pairing_code_is_refused_in_words_that_help_and_never_asked_for_twice(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = starting(&app, "ana").await;
    turn(&app, &name, "SCAN_QR_CODE");
    app.until("ana", &name, "SCAN_QR_CODE").await;
    let ask = async |phone: Value| {
        let input = json!({ "sessionName": name, "phoneNumber": phone });
        app.mutate("ana", "user.requestPairingCode", input).await
    };
    app.waha.clear_calls();
    for phone in [json!("call me"), json!(""), json!("+0600111222"), json!(34_600_111_222_i64), Value::Null] {
        let refused = ask(phone.clone()).await;
        assert_eq!((refused.status, refused.error().0), (400, "BAD_REQUEST"), "{phone}");
        let fields = refused.body["error"]["data"]["zodError"]["fieldErrors"].as_object().unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["phoneNumber"], "{phone}");
    }
    assert_eq!(app.waha.calls(), [], "what cannot be a number is WAHA's business no more");

    let requests = || app.waha.calls().iter().filter(|call| call.path.ends_with("/auth/request-code")).count();
    for fault in [FaultAction::Status { status: 500, body: String::new() }, FaultAction::Lost, FaultAction::Reset] {
        app.waha.clear_calls();
        app.waha.inject(Fault::on("/auth/request-code", fault.clone()));
        let failed = ask(json!("+34600111222")).await;
        assert!((500..600).contains(&failed.status), "{fault:?}: {failed:?}");
        assert!(requests() <= 1, "{fault:?}: each new code makes the one before it useless");
        app.waha.clear_faults();
    }

    assert!(app.waha.scan(&name, PHONE));
    app.until("ana", &name, "WORKING").await;
    let refused = ask(json!("+34600111222")).await;
    assert_eq!((refused.status, refused.error()), (412, ("PRECONDITION_FAILED", "already_connected")));
    turn(&app, &name, "STOPPED");
    app.ask_anew();
    let refused = ask(json!("+34600111222")).await;
    assert_eq!((refused.status, refused.error()), (412, ("PRECONDITION_FAILED", "not_connected")));
}
