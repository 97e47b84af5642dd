//! What requests may say.

use serde_json::json;
use support::app::TestApp;
use support::stores::Stores;

use super::client::Client;
use super::{Answered, Document};

on_every_database! {
    wrong_input_names_every_wrong_field_before_anything_is_looked_for,
    a_body_that_cannot_be_read_says_why,
}

async fn wrong_input_names_every_wrong_field_before_anything_is_looked_for(stores: Stores) {
    let app = TestApp::new(stores).await;
    let document = Document::read();
    let mut client = Client::new(&app, &document, "ana");
    let names = |answered: &Answered| {
        assert_eq!(answered.problem(), (400, "bad_request".to_owned()));
        let problem = answered.json();
        let errors = problem["errors"].as_array().unwrap();
        for error in errors {
            let (field, message) = (error["field"].as_str().unwrap(), error["message"].as_str().unwrap());
            assert!(problem["detail"].as_str().unwrap().contains(&format!("{field}: {message}")), "{problem}");
        }
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The session is nobody's, too.
    let wrong = [("limit", "2.5"), ("cursor", "-1"), ("all", "yes"), ("search", "x"), ("search", "y"), ("other", "z")];
    let answered = client.list("user.getWhatsAppContacts", &wrong).await;
    assert_eq!(names(&answered), ["limit", "cursor", "search", "all"]);
    for wrong in ["0", "-1", "1.5", "x", "", " 10", "+10", "0x10", "null"] {
        let answered = client.list("user.getWhatsAppGroups", &[("limit", wrong)]).await;
        assert_eq!(names(&answered), ["limit"], "{wrong}");
    }
    for procedure in ["user.updateSessionPhone", "user.requestPairingCode"] {
        for wrong in [json!({}), json!({ "phoneNumber": 34_600_111_222_u64 }), json!({ "phoneNumber": "call me" })] {
            let answered = client.send(procedure, &wrong).await;
            assert_eq!(names(&answered), ["phoneNumber"], "{wrong}");
            assert!(!answered.text().contains("call me"), "what was sent is not sent back");
        }
        let request = client.request(procedure, "");
        assert_eq!(names(&client.answer(procedure, request).await), ["phoneNumber"], "no body at all");
        let list = client.send(procedure, &json!(["+34600111222"])).await.json();
        assert_eq!(list["errors"], json!([{ "message": "Invalid input: expected object, received array" }]));
    }
    assert_eq!(app.waha.calls(), [], "WAHA was not asked");
}

async fn a_body_that_cannot_be_read_says_why(stores: Stores) {
    let app = TestApp::new(stores).await;
    let document = Document::read();
    let mut client = Client::new(&app, &document, "ana");
    let procedure = "user.updateSessionPhone";
    let good = r#"{"phoneNumber":"+34600111222"}"#;
    let long = format!(r#"{{"phoneNumber":"{}"}}"#, "1".repeat(100_000));
    let deep = "[".repeat(100_000 / 2);
    for (content_type, body, expected) in [
        (Some("text/plain"), good, (415, "unsupported_media_type")),
        (Some("application/x-www-form-urlencoded"), "phoneNumber=1", (415, "unsupported_media_type")),
        (None, good, (415, "unsupported_media_type")),
        (Some("application/json"), "{", (400, "malformed_body")),
        (Some("application/json"), "phone: 1", (400, "malformed_body")),
        (Some("application/json"), &deep, (400, "malformed_body")),
        (Some("application/json"), &long, (413, "body_too_large")),
        (Some("application/json; charset=utf-8"), good, (404, "not_found")),
        (Some("application/merge-patch+json"), good, (404, "not_found")),
    ] {
        let request = client.request(procedure, "").body(body.to_owned());
        let request = content_type.iter().fold(request, |request, stated| request.header("content-type", *stated));
        let answered = client.answer(procedure, request).await;
        assert_eq!(answered.problem(), (expected.0, expected.1.to_owned()), "{content_type:?} {body:.40}");
    }
}
