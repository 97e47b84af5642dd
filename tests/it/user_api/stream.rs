//! httpBatchStreamLink: each call's line goes out as it is ready.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use support::app::TestApp;
use support::stores::Stores;
use switchboard_waha_fake::{Fault, FaultAction};

on_every_database! {
    a_fast_call_is_answered_before_a_slow_one_of_its_batch_even_to_a_client_that_takes_gzip,
}

async fn a_fast_call_is_answered_before_a_slow_one_of_its_batch_even_to_a_client_that_takes_gzip(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    // The list takes longer than this test may wait for the first lines.
    let slow = Fault::on("/groups", FaultAction::Delay { by: Duration::from_secs(30) });
    app.waha.inject(slow);
    let input = json!({ "0": { "sessionName": name }, "1": { "sessionName": "nobodys" } });
    let request = app.get(Some("ana"), "user.getWhatsAppGroups,user.getSessionStatus", &input);
    let request = request.query(&[("batch", "1")]);
    let request = request.header("trpc-accept", "application/jsonl").header("accept-encoding", "gzip");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().get("content-encoding").map_or("identity", |v| v.to_str().unwrap()), "identity");

    let mut body = response.bytes_stream();
    let mut text = String::new();
    let early = async {
        while text.lines().count() < 2 {
            let chunk = body.next().await.expect("a stream that goes on").unwrap();
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(20), early).await.expect("the fast call's line does not wait");
    let second: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(second[0], 1, "the second call came first: {second}");
    assert!(second.to_string().contains("NOT_FOUND"), "{second}");
}
