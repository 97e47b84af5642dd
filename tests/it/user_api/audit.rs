//! Who did what, as it is remembered.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use support::app::{Replica, TestApp};
use support::stores::Stores;
use switchboard_domain::ports::{AuditQuery, Clock as _};
use switchboard_domain::{ApiKey, AuditEntry, Scope, SystemRandom};

on_every_database! {
    what_users_do_to_their_sessions_is_written_down_with_the_means_and_the_outcome,
    what_nobody_did_is_not_written_down,
    what_the_reconciler_does_is_written_down_as_its_own,
    old_entries_go_after_their_time,
}

const PHONE: &str = "34600111222";

async fn entries(app: &TestApp) -> Vec<AuditEntry> {
    app.services().audit.flush().await;
    app.stores.audit.list(&AuditQuery::all(None)).await.unwrap()
}

/// What was done, by which means, and what came of it.
async fn deeds(app: &TestApp) -> Vec<String> {
    let words = |entry: &AuditEntry| {
        let deed = &entry.deed;
        format!("{} by {}: {}", deed.action.as_str(), deed.by.as_str(), entry.outcome)
    };
    entries(app).await.iter().map(words).collect()
}

async fn what_users_do_to_their_sessions_is_written_down_with_the_means_and_the_outcome(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.connect("ana").await;
    let session = json!({ "sessionName": name });
    app.until("ana", &name, "SCAN_QR_CODE").await;
    let phone = json!({ "sessionName": name, "phoneNumber": PHONE });
    app.mutate("ana", "user.requestPairingCode", phone).await.data();
    assert!(app.waha.scan(&name, PHONE));
    app.until("ana", &name, "WORKING").await;
    let (group, _) = app.waha.groups(&name).remove(0);
    let link = json!({ "sessionName": name, "groupId": group });
    app.mutate("ana", "user.linkWhatsAppGroup", link.clone()).await.data();
    let (user, now) = ("ana".parse().unwrap(), app.clock.now());
    let (key, secret) = ApiKey::new(&SystemRandom, user, "k".parse().unwrap(), Scope::Full, None, now).unwrap();
    app.stores.api_keys.insert(&key, &secret.hash()).await.unwrap();
    let unlink = app.post(None, "user.unlinkWhatsAppGroup", &link).bearer_auth(secret.expose());
    Replica::answer(unlink).await.data();
    app.mutate("ana", "user.restartSession", session.clone()).await.data();
    app.waha.set_reachable(false).await;
    assert_ne!(app.mutate("ana", "user.logoutSession", session.clone()).await.status, 200);
    app.waha.set_reachable(true).await;
    app.waha_is_back().await;
    app.mutate("ana", "user.logoutSession", session).await.data();

    let expected = [
        "connect by token: done",
        "request_pairing_code by token: done",
        "link_group by token: done",
        "unlink_group by api_key: done",
        "restart by token: done",
        "logout by token: waha_unavailable",
        "logout by token: done",
    ];
    assert_eq!(deeds(&app).await, expected);
    for entry in entries(&app).await {
        assert_eq!(entry.deed.user.unwrap().as_str(), "ana");
        assert_eq!(entry.deed.session.unwrap().as_str(), name);
    }
}

async fn what_nobody_did_is_not_written_down(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", PHONE).await;
    assert_eq!(deeds(&app).await, ["connect by token: done"]);
    // Up already; somebody else's; logged out already.
    app.connect("ana").await;
    for procedure in ["user.restartSession", "user.logoutSession"] {
        assert_eq!(app.mutate("ben", procedure, json!({ "sessionName": name })).await.status, 404);
    }
    app.query("ana", "user.getWhatsAppSession", Value::Null).await.data();
    assert_eq!(deeds(&app).await.len(), 1);
    for _ in 0..2 {
        app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await.data();
    }
    assert_eq!(deeds(&app).await.len(), 2);
}

async fn what_the_reconciler_does_is_written_down_as_its_own(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", PHONE).await;
    app.round().await;
    assert_eq!(deeds(&app).await.len(), 1, "to look is no deed");
    app.waha.fail(&name);
    app.round().await;
    app.round_after(Duration::from_mins(1)).await;
    let last = entries(&app).await.pop().unwrap();
    assert_eq!((last.deed.action.as_str(), last.deed.by.as_str()), ("restart", "reconciler"));
    assert_eq!((last.deed.user.unwrap().as_str(), last.deed.worker), ("ana", Some(TestApp::worker(0))));
}

async fn old_entries_go_after_their_time(stores: Stores) {
    let app = TestApp::new(stores).await;
    app.connect("ana").await;
    app.clock.advance(Duration::from_hours(24 * 30));
    app.connect("ben").await;
    assert_eq!(entries(&app).await.len(), 2);
    assert_eq!(app.services().audit.tidy(TimeDelta::days(29)).await.unwrap(), 1);
    let left = entries(&app).await;
    assert_eq!((left.len(), left[0].deed.user.as_ref().unwrap().as_str()), (1, "ben"));
}
