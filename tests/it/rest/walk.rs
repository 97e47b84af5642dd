//! The whole way, by REST alone: every operation does what it is for, and answers as the document says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::app::TestApp;
use support::events::Door;
use support::stores::Stores;
use switchboard_waha_fake::Engine;

use super::Document;
use super::client::Client;

on_every_database! {
    every_operation_does_what_it_is_for_and_answers_as_the_document_says,
}

const PHONE: &str = "34600111222";

async fn every_operation_does_what_it_is_for_and_answers_as_the_document_says(stores: Stores) {
    // The engine that tells who is in the address book.
    let app = TestApp::with_engine(stores, Engine::Webjs).await;
    let document = Document::read();
    let mut client = Client::new(&app, &document, "ana");
    assert_eq!(client.call("user.getWhatsAppSession").await.problem(), (404, "not_found".to_owned()));

    let connected = client.call("user.initiateWhatsAppSession").await.json();
    let name = connected["sessionName"].as_str().unwrap().to_owned();
    client.about(&name);
    assert_eq!(client.call("user.initiateWhatsAppSession").await.json(), connected, "again is the same");
    pair(&app, &document, &mut client, &name).await;

    let changed = client.send("user.updateSessionPhone", &json!({ "phoneNumber": "0049 170/123-45.67" })).await;
    assert_eq!(changed.status, 204);
    let session = client.call("user.getWhatsAppSession").await.json();
    assert_eq!((&session["id"], &session["phoneNumber"]), (&connected["id"], &json!("+491701234567")));
    lists(&mut client).await;
    links(&mut client).await;

    assert_eq!(client.call("user.restartSession").await.status, 204);
    app.until("ana", &name, "WORKING").await;
    assert_eq!(client.call("user.logoutSession").await.status, 204);
    assert!(app.waha.session(&name).is_none(), "it is deleted in WAHA");
    assert_eq!(client.call("user.logoutSession").await.status, 204, "again is no error");
    assert_eq!(client.call("user.getSessionStatus").await.json(), json!({ "status": "STOPPED" }));

    let all: Vec<_> = document.operations().map(|operation| operation.procedure()).collect();
    let missing: Vec<_> = all.iter().filter(|procedure| !client.seen().contains(**procedure)).collect();
    assert_eq!(missing, [&"user.onSessionStatus"], "its answer is looked at event by event");
}

/// From a code to a phone that is paired.
async fn pair(app: &TestApp, document: &Document, client: &mut Client<'_>, name: &str) {
    app.until("ana", name, "SCAN_QR_CODE").await;
    assert!(app.waha.renew_code(name), "a code that stays for a while");
    assert_eq!(client.call("user.getSessionStatus").await.json(), json!({ "status": "SCAN_QR_CODE" }));

    let text = client.call("user.getSessionQR").await;
    assert_eq!(text.header("vary"), Some("accept"));
    let request = client.request("user.getSessionQR", "").header("accept", "image/png");
    let image = client.answer("user.getSessionQR", request).await;
    assert_eq!((image.media_type(), image.header("vary")), ("image/png", Some("accept")));
    assert_eq!(image.body, STANDARD.decode(text.json()["qr"].as_str().unwrap()).unwrap());
    assert!(image.body.starts_with(b"\x89PNG\r\n"));

    let code = client.send("user.requestPairingCode", &json!({ "phoneNumber": "+34 600 111 222" })).await.json();
    assert!(app.waha.scan_code(code["code"].as_str().unwrap(), PHONE), "{code}");
    app.until("ana", name, "WORKING").await;
    let watch = client.request("user.onSessionStatus", "").send().await.unwrap();
    document.check_head(document.twin("user.onSessionStatus"), 200, watch.headers());
    let mut stream = app.watch(Door::Rest, "ana", name).await;
    let state = stream.until(|state| state["phoneNumber"].is_string()).await;
    document.check_value("an event", &json!({ "$ref": "#/components/schemas/SessionState" }), &state);
    assert_eq!(state, json!({ "status": "WORKING", "phoneNumber": format!("+{PHONE}") }));
}

async fn lists(client: &mut Client<'_>) {
    for (list, default_limit) in [("user.getWhatsAppGroups", 10), ("user.getWhatsAppContacts", 50)] {
        let whole = client.list(list, &[("limit", "99999")]).await.json();
        let (items, total) = (whole["items"].as_array().unwrap(), whole["total"].as_u64().unwrap());
        assert_eq!((items.len() as u64, whole.get("nextCursor")), (total, None), "{list}");
        let first = client.call(list).await.json();
        assert_eq!(first["items"].as_array().unwrap().len() as u64, total.min(default_limit), "{list}");

        let version = whole["version"].as_str().unwrap();
        let (mut paged, mut cursor) = (Vec::new(), Some(0));
        while let Some(offset) = cursor {
            let query = [("limit", "3"), ("cursor", &*offset.to_string()), ("version", version)];
            let page = client.list(list, &query).await.json();
            paged.extend(page["items"].as_array().unwrap().clone());
            cursor = page["nextCursor"].as_u64();
        }
        assert_eq!(&paged, items, "{list}: pages fit together");

        let wanted = &items[1]["groupName"];
        let found = client.list(list, &[("search", &wanted.as_str().unwrap().to_uppercase())]).await.json();
        assert!(found["items"].as_array().unwrap().contains(&items[1]), "{list}: {wanted} is found");
    }
    let contacts = async |client: &mut Client<'_>, all| {
        client.list("user.getWhatsAppContacts", &[("all", all)]).await.json()["total"].as_u64().unwrap()
    };
    assert!(contacts(client, "true").await > contacts(client, "false").await);

    assert_eq!(client.call("user.refreshDirectory").await.status, 204);
    let too_soon = client.call("user.refreshDirectory").await;
    assert_eq!(too_soon.problem(), (429, "refreshed_recently".to_owned()));
    assert!((1..=30).contains(&too_soon.header("retry-after").unwrap().parse::<u64>().unwrap()));
}

async fn links(client: &mut Client<'_>) {
    let groups = client.call("user.getWhatsAppGroups").await.json();
    let group = groups["items"][0]["groupId"].as_str().unwrap();
    let linked = client.group("user.linkWhatsAppGroup", group).await.json();
    assert_eq!(linked["groupId"], group);
    assert_eq!(client.group("user.linkWhatsAppGroup", group).await.json(), linked, "again is the same");
    let shown = async |client: &mut Client<'_>| {
        let session: Value = client.call("user.getWhatsAppSession").await.json();
        session["WhatsAppGroups"].clone()
    };
    assert_eq!(shown(client).await, json!([linked]));
    assert_eq!(client.group("user.unlinkWhatsAppGroup", group).await.status, 204);
    assert_eq!(shown(client).await, json!([]));
    let again = client.group("user.unlinkWhatsAppGroup", group).await;
    assert_eq!(again.problem(), (404, "group_not_found".to_owned()));
}
