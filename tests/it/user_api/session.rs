//! A session from its first connect to its logout.

use serde_json::{Value, json};
use support::app::TestApp;
use support::stores::Stores;
use switchboard_domain::{Campaign, CampaignStatus, Epoch, Lifecycle};

on_every_database! {
    a_user_connects_scans_lists_links_and_logs_out,
    a_phone_number_is_stored_in_e164_whatever_its_notation_and_filled_in_again_at_the_next_pairing,
    a_group_with_an_active_campaign_stays_linked,
    groups_of_another_account_are_not_shown,
    linked_groups_follow_renames,
    wrong_input_names_every_wrong_field,
    a_qr_code_is_waited_for_and_refused_when_there_is_none,
}

async fn a_user_connects_scans_lists_links_and_logs_out(stores: Stores) {
    let app = TestApp::new(stores).await;
    assert_eq!(app.query("ana", "user.getWhatsAppSession", Value::Null).await.data(), &Value::Null);

    let name = app.connect("ana").await;
    assert!(name.strip_prefix("session_").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())), "{name}");
    let of_session = json!({ "sessionName": name });
    let qr = app.query("ana", "user.getSessionQR", of_session.clone()).await;
    let png = qr.data()["qr"].as_str().unwrap();
    assert!(png.starts_with("iVBORw0KGgo"), "a PNG in base64: {png:.20}");

    assert!(app.waha.scan(&name, "34600111222"));
    app.until("ana", &name, "WORKING").await;
    let session = app.query("ana", "user.getWhatsAppSession", Value::Null).await;
    let session = session.data();
    assert_eq!(session["phoneNumber"], "+34600111222");
    assert_eq!((&session["userId"], &session["sessionName"]), (&json!("ana"), &json!(name)));
    assert_eq!(session["WhatsAppGroups"], json!([]));

    let groups = app.query("ana", "user.getWhatsAppGroups", of_session.clone()).await;
    let group = groups.data()["items"][0]["groupId"].clone();
    let link = json!({ "sessionName": name, "groupId": group });
    let linked = app.mutate("ana", "user.linkWhatsAppGroup", link.clone()).await;
    let again = app.mutate("ana", "user.linkWhatsAppGroup", link.clone()).await;
    assert_eq!(linked.data()["id"], again.data()["id"], "linking twice is one row");
    let session = app.query("ana", "user.getWhatsAppSession", Value::Null).await;
    assert_eq!(session.data()["WhatsAppGroups"].as_array().unwrap().len(), 1);
    app.mutate("ana", "user.unlinkWhatsAppGroup", link.clone()).await.data();
    assert_eq!(app.mutate("ana", "user.unlinkWhatsAppGroup", link).await.error(), ("NOT_FOUND", "group_not_found"));

    app.mutate("ana", "user.restartSession", of_session.clone()).await.data();
    app.until("ana", &name, "WORKING").await;
    app.mutate("ana", "user.logoutSession", of_session.clone()).await.data();
    assert_eq!(app.waha.session(&name).map(|session| session.name), None, "WAHA has it no more");
    assert_eq!(app.waha.linked_devices("34600111222"), 0, "nor has the phone");
    assert_eq!(app.query("ana", "user.getWhatsAppSession", Value::Null).await.data(), &Value::Null);
    assert_eq!(app.query("ana", "user.getSessionStatus", of_session.clone()).await.data()["status"], "STOPPED");
    app.mutate("ana", "user.logoutSession", of_session).await.data();
    assert_eq!(app.connect("ana").await, name, "a name is used again");
}

async fn a_phone_number_is_stored_in_e164_whatever_its_notation_and_filled_in_again_at_the_next_pairing(
    stores: Stores,
) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let id = app.row("ana").await.id.to_string();
    let update = |phone: &str| json!({ "id": id, "phoneNumber": phone });
    app.mutate("ana", "user.updateSessionPhone", update("0049 (170) 123-45.67")).await.data();
    let shown = async || app.query("ana", "user.getWhatsAppSession", Value::Null).await.data()["phoneNumber"].clone();
    assert_eq!(shown().await, "+491701234567");

    let refused = app.mutate("ana", "user.updateSessionPhone", update("call me")).await;
    assert_eq!((refused.status, refused.error().0), (400, "BAD_REQUEST"));
    assert!(refused.body["error"]["data"]["zodError"]["fieldErrors"]["phoneNumber"].is_array(), "{refused:?}");

    app.mutate("ana", "user.restartSession", json!({ "sessionName": name })).await.data();
    app.until("ana", &name, "WORKING").await;
    assert_eq!(shown().await, "+491701234567", "a restart is no new pairing");
    app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await.data();
    app.pair("ana", "34600111222").await;
    assert_eq!(shown().await, "+34600111222");
}

async fn a_group_with_an_active_campaign_stays_linked(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let groups = app.query("ana", "user.getWhatsAppGroups", json!({ "sessionName": name })).await;
    let link = json!({ "sessionName": name, "groupId": groups.data()["items"][0]["groupId"] });
    let linked = app.mutate("ana", "user.linkWhatsAppGroup", link.clone()).await;
    let now = app.row("ana").await.updated_at;
    let campaign = |id: &str, status| Campaign {
        id: id.parse().unwrap(),
        group: linked.data()["id"].as_str().unwrap().parse().unwrap(),
        status,
        start_date: now,
    };
    for (id, status) in [("done", CampaignStatus::Completed), ("next", CampaignStatus::Scheduled)] {
        app.stores.campaigns.save(&campaign(id, status), now).await.unwrap();
    }

    let session = app.query("ana", "user.getWhatsAppSession", Value::Null).await;
    let campaigns = &session.data()["WhatsAppGroups"][0]["campaigns"];
    assert_eq!(campaigns.as_array().unwrap().len(), 1, "only active ones: {campaigns}");
    assert_eq!((&campaigns[0]["id"], &campaigns[0]["status"]), (&json!("next"), &json!("SCHEDULED")));
    let refused = app.mutate("ana", "user.unlinkWhatsAppGroup", link.clone()).await;
    assert_eq!((refused.status, refused.error()), (409, ("CONFLICT", "active_campaign")));

    app.stores.campaigns.save(&campaign("next", CampaignStatus::Completed), now).await.unwrap();
    app.mutate("ana", "user.unlinkWhatsAppGroup", link).await.data();
    assert!(app.stores.campaigns.find(&"next".parse().unwrap()).await.unwrap().is_some(), "campaigns are kept");
}

async fn groups_of_another_account_are_not_shown(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let groups = app.query("ana", "user.getWhatsAppGroups", json!({ "sessionName": name })).await;
    let first = groups.data()["items"][0]["groupId"].clone();
    app.mutate("ana", "user.linkWhatsAppGroup", json!({ "sessionName": name, "groupId": first })).await.data();
    let shown =
        async || app.query("ana", "user.getWhatsAppSession", Value::Null).await.data()["WhatsAppGroups"].clone();
    assert_eq!(shown().await[0]["groupId"], first);
    app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await.data();

    app.pair("ana", "491701234567").await;
    assert_eq!(app.row("ana").await.epoch, Epoch(1));
    assert_eq!(shown().await, json!([]));
    let other = app.query("ana", "user.getWhatsAppGroups", json!({ "sessionName": name, "limit": 1000 })).await;
    assert!(other.data()["items"].as_array().unwrap().iter().all(|group| group["groupId"] != first), "{other:?}");

    app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await.data();
    app.pair("ana", "34600111222").await;
    assert_eq!(shown().await[0]["groupId"], first, "the first account's are there again");
}

async fn linked_groups_follow_renames(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let (group, _) = app.waha.groups(&name).first().cloned().unwrap();
    let link = json!({ "sessionName": name, "groupId": group });
    app.mutate("ana", "user.linkWhatsAppGroup", link.clone()).await.data();

    assert!(app.waha.rename_group(&name, &group, "Renamed ✨"));
    app.mutate("ana", "user.refreshDirectory", json!({ "sessionName": name })).await.data();

    let session = app.query("ana", "user.getWhatsAppSession", Value::Null).await;
    assert_eq!(session.data()["WhatsAppGroups"][0]["groupName"], "Renamed ✨");
}

async fn wrong_input_names_every_wrong_field(stores: Stores) {
    let app = TestApp::new(stores).await;
    let input = json!({ "limit": 2.5, "cursor": -1, "search": 7, "all": "yes", "direction": "forward" });
    let answer = app.query("ana", "user.getWhatsAppContacts", input).await;
    assert_eq!((answer.status, answer.error().0), (400, "BAD_REQUEST"));
    let fields = answer.body["error"]["data"]["zodError"]["fieldErrors"].as_object().unwrap();
    let names: Vec<_> = fields.keys().map(String::as_str).collect();
    assert_eq!(names, ["all", "cursor", "limit", "search", "sessionName"]);
    assert_eq!(app.waha.calls(), [], "WAHA was not asked");
}

async fn a_qr_code_is_waited_for_and_refused_when_there_is_none(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.connect("ana").await;
    let of_session = json!({ "sessionName": name });
    assert_eq!(app.row("ana").await.lifecycle, Lifecycle::Connected);
    // STARTING at first: the call waits for the code.
    app.query("ana", "user.getSessionQR", of_session.clone()).await.data();

    let lists = app.query("ana", "user.getWhatsAppGroups", of_session.clone()).await;
    assert_eq!((lists.status, lists.error()), (412, ("PRECONDITION_FAILED", "not_paired")));
    assert!(app.waha.scan(&name, "34600111222"));
    app.until("ana", &name, "WORKING").await;
    let qr = app.query("ana", "user.getSessionQR", of_session.clone()).await;
    assert_eq!((qr.status, qr.error()), (412, ("PRECONDITION_FAILED", "already_connected")));

    assert!(app.waha.remove_session(&name));
    app.ask_anew();
    assert_eq!(app.query("ana", "user.getSessionStatus", of_session.clone()).await.data()["status"], "STOPPED");
    for procedure in ["user.getSessionQR", "user.getWhatsAppContacts"] {
        let answer = app.query("ana", procedure, of_session.clone()).await;
        assert_eq!(answer.error(), ("PRECONDITION_FAILED", "not_connected"), "{procedure}: {answer:?}");
    }
    let restart = app.mutate("ana", "user.restartSession", of_session.clone()).await;
    assert_eq!(restart.error(), ("PRECONDITION_FAILED", "not_connected"));
    app.mutate("ana", "user.logoutSession", of_session.clone()).await.data();
    let qr = app.query("ana", "user.getSessionQR", of_session).await;
    assert_eq!(qr.error(), ("PRECONDITION_FAILED", "not_connected"));
}
