//! What WAHA reports of groups: data, never a reason to fetch.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::app::{Replica, TestApp};
use support::stores::Stores;
use switchboard_domain::ports::Clock;
use switchboard_domain::{ListKind, SystemClock};
use switchboard_waha_fake::{Engine, Options};

use super::signature;

on_every_database! {
    ten_thousand_renames_are_no_fetch_and_the_right_names,
    groups_that_are_joined_left_and_renamed_show_at_once_on_every_engine,
    reports_count_in_the_order_of_their_time_whatever_order_they_arrive_in,
    a_linked_group_follows_a_reported_rename,
    what_was_reported_of_an_account_is_not_laid_over_the_next_ones_list,
    a_report_reaches_a_replica_that_never_served_the_list,
    reports_that_are_not_signed_by_their_worker_are_refused,
    reports_of_sessions_and_kinds_that_are_unknown_are_taken_and_do_nothing,
}

async fn names(replica: &Replica, user: &str, session: &str) -> Vec<String> {
    let input = json!({ "sessionName": session, "limit": 10_000 });
    let answer = replica.query(user, "user.getWhatsAppGroups", input).await;
    let items = answer.data()["items"].as_array().unwrap();
    items.iter().map(|group| group["groupName"].as_str().unwrap().to_owned()).collect()
}

/// Asks until the list is as wanted.
async fn until(replica: &Replica, user: &str, session: &str, wanted: impl Fn(&[String]) -> bool) {
    let asking = async {
        while !wanted(&names(replica, user, session).await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect("the list comes to be as wanted");
}

fn fetches(app: &TestApp) -> usize {
    app.waha.calls().iter().filter(|call| call.method == "GET" && call.path.ends_with("/groups")).count()
}

async fn ten_thousand_renames_are_no_fetch_and_the_right_names(stores: Stores) {
    let app = TestApp::reported_to(stores, Options { groups: 200, ..Options::default() }).await;
    let session = app.pair("ana", "34600111222").await;
    // WhatsApp has had its time to fill the lists: nothing is fetched but on demand.
    app.clock.advance(TestApp::BEHIND);
    assert_eq!(names(&app, "ana", &session).await.len(), 200);
    // However long this takes: a list that is due is fetched.
    app.clock.stop();
    let ids: Vec<String> = app.waha.groups(&session).into_iter().map(|(id, _)| id).collect();
    let renames = (0..10_000).map(|n| (ids[n % 200].clone(), format!("group {:03} for the time {}", n % 200, n / 200)));
    assert_eq!(app.waha.rename_groups_in_a_burst(&session, renames), 10_000);

    let expected: Vec<String> = (0..200).map(|n| format!("group {n:03} for the time 49")).collect();
    let taken_in = async {
        while names(&app, "ana", &session).await != expected {
            // Reports are taken in a second after the first of them. A list is due after sixty.
            app.clock.advance(Duration::from_millis(10));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Ten thousand reports take a busy machine a while.
    tokio::time::timeout(Duration::from_mins(3), taken_in).await.expect("all renames are taken in");
    assert_eq!(fetches(&app), 1, "the one before the burst");
}

async fn groups_that_are_joined_left_and_renamed_show_at_once_on_every_engine(stores: Stores) {
    for engine in [Engine::Noweb, Engine::Webjs, Engine::Gows, Engine::Wpp] {
        let app = TestApp::reported_to(stores.clone(), Options { engine, ..Options::default() }).await;
        let user = format!("ana-{engine}");
        let session = app.pair(&user, "34600111222").await;
        let before = names(&app, &user, &session).await.len();
        let (left, renamed) = (app.waha.groups(&session)[0].clone(), app.waha.groups(&session)[1].clone());
        assert!(app.waha.join_group(&session, "120363999999999999@g.us", "Just joined"));
        assert!(app.waha.leave_group(&session, &left.0));
        assert!(app.waha.rename_group(&session, &renamed.0, "Just renamed"));
        until(&app, &user, &session, |names| {
            names.len() == before
                && ["Just joined", "Just renamed"].iter().all(|new| names.iter().any(|name| name == new))
        })
        .await;
        assert_eq!(fetches(&app), 1, "{engine}");
        app.until_stored(&user, ListKind::Groups).await;
        let stored = app.restarted().await;
        until(&stored, &user, &session, |names| names.iter().any(|name| name == "Just joined")).await;
    }
}

async fn reports_count_in_the_order_of_their_time_whatever_order_they_arrive_in(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    names(&app, "ana", &session).await;
    let id = app.waha.groups(&session)[0].0.clone();
    let now = SystemClock.now().timestamp_millis();
    let marker = app.waha.groups(&session)[1].0.clone();
    let rename_of = |id: &str, milliseconds: i64, name: &str| {
        report(&session, "group.v2.update", now + milliseconds, &json!({ "id": id, "subject": name }))
    };
    let rename = |milliseconds: i64, name: &str| rename_of(&id, milliseconds, name);
    // The last of them arrives first, and another long after.
    for body in [rename(3000, "third"), rename(1000, "first"), rename(2000, "second")] {
        assert_eq!(send(&app, &body).await, 204);
    }
    until(&app, "ana", &session, |names| names.iter().any(|name| name == "third")).await;
    assert_eq!(send(&app, &rename(2500, "late")).await, 204);
    assert_eq!(send(&app, &rename_of(&marker, 2500, "beside it")).await, 204);
    until(&app, "ana", &session, |names| names.iter().any(|name| name == "beside it")).await;
    let now = names(&app, "ana", &session).await;
    assert!(now.contains(&"third".to_owned()) && !now.contains(&"late".to_owned()), "{now:?}");
}

async fn a_linked_group_follows_a_reported_rename(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    let id = app.waha.groups(&session)[0].0.clone();
    let linked = app.mutate("ana", "user.linkWhatsAppGroup", json!({ "sessionName": session, "groupId": id })).await;
    linked.data();
    assert!(app.waha.rename_group(&session, &id, "Just renamed"));
    let renamed = async {
        loop {
            let overview = app.query("ana", "user.getWhatsAppSession", Value::Null).await;
            if overview.data()["WhatsAppGroups"][0]["groupName"] == "Just renamed" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), renamed).await.expect("the linked group is renamed");
}

async fn what_was_reported_of_an_account_is_not_laid_over_the_next_ones_list(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    names(&app, "ana", &session).await;
    let theirs = app.waha.groups(&session);
    assert!(app.waha.rename_group(&session, &theirs[0].0, "The old account's"));
    until(&app, "ana", &session, |names| names.iter().any(|name| name == "The old account's")).await;
    app.mutate("ana", "user.logoutSession", json!({ "sessionName": session })).await.data();

    let session = app.pair("ana", "34600333444").await;
    // One that was under way all the time.
    let mut late = report(
        &session,
        "group.v2.update",
        SystemClock.now().timestamp_millis(),
        &json!({
            "id": theirs[1].0, "subject": "The old account's too"
        }),
    );
    late["me"] = json!({ "id": "34600111222@c.us" });
    assert_eq!(send(&app, &late).await, 204);
    let count = names(&app, "ana", &session).await.len();
    assert_eq!(count, app.waha.groups(&session).len());
    // Later than what the fetch made NOWEB report.
    let left = json!({ "id": app.waha.groups(&session)[0].0 });
    let left = report(&session, "group.v2.leave", SystemClock.now().timestamp_millis() + 1000, &left);
    assert_eq!(send(&app, &left).await, 204);
    // Once this shows, the other has had its time.
    until(&app, "ana", &session, |names| names.len() == count - 1).await;
    assert!(!names(&app, "ana", &session).await.iter().any(|name| name.starts_with("The old account's")));
}

async fn a_report_reaches_a_replica_that_never_served_the_list(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    app.clock.advance(TestApp::BEHIND);
    let other = app.replica();
    names(&other, "ana", &session).await;
    app.until_stored("ana", ListKind::Groups).await;
    let before = other.query("ana", "user.getWhatsAppGroups", json!({ "sessionName": session })).await;
    let id = app.waha.groups(&session)[0].0.clone();
    let link = json!({ "sessionName": session, "groupId": id });
    other.mutate("ana", "user.linkWhatsAppGroup", link).await.data();
    // The webhook is the first replica's, the list was the other one's. Nobody asks for it.
    assert!(app.waha.rename_group(&session, &id, "Just renamed"));
    app.until_not_stored_as("ana", ListKind::Groups, &before.data()["version"]).await;
    let overview = app.query("ana", "user.getWhatsAppSession", Value::Null).await;
    assert_eq!(overview.data()["WhatsAppGroups"][0]["groupName"], "Just renamed");
    assert!(names(&app.restarted().await, "ana", &session).await.contains(&"Just renamed".to_owned()));
    assert_eq!(fetches(&app), 1);
}

async fn reports_that_are_not_signed_by_their_worker_are_refused(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    names(&app, "ana", &session).await;
    let id = app.waha.groups(&session)[0].0.clone();
    let body =
        report(&session, "group.v2.leave", SystemClock.now().timestamp_millis(), &json!({ "id": id })).to_string();
    let signed = signature(Replica::WEBHOOK_SECRET, body.as_bytes());
    let other_key = signature("another secret", body.as_bytes());
    let altered = signature(Replica::WEBHOOK_SECRET, body.replace("leave", "join").as_bytes());
    for (worker, hmac) in [
        ("default", None),
        ("default", Some("")),
        ("default", Some("00")),
        ("default", Some(&*other_key)),
        ("default", Some(&*altered)),
        ("other", Some(&*signed)),
        ("no%20name", Some(&*signed)),
    ] {
        let request = app.webhook(worker, hmac, body.clone()).send().await.unwrap();
        assert_eq!(request.status(), 401, "{worker} {hmac:?}");
    }
    assert_eq!(app.webhook("default", Some(&signed), body.clone()).send().await.unwrap().status(), 204);
    let huge = vec![b' '; 2 << 20];
    let hmac = signature(Replica::WEBHOOK_SECRET, &huge);
    assert_eq!(app.webhook("default", Some(&hmac), huge).send().await.unwrap().status(), 413);
    let garbage = app.webhook("default", Some(&signature(Replica::WEBHOOK_SECRET, b"{")), "{").send().await.unwrap();
    assert_eq!(garbage.status(), 400);
}

async fn reports_of_sessions_and_kinds_that_are_unknown_are_taken_and_do_nothing(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    let before = names(&app, "ana", &session).await;
    let now = SystemClock.now().timestamp_millis();
    let group = json!({ "id": app.waha.groups(&session)[0].0, "subject": "x" });
    let bodies = [
        report("nobodys", "group.v2.update", now, &group),
        report("../x", "group.v2.update", now, &group),
        report(&session, "message.any", now, &group),
        report(&session, "group.v2.update", now, &json!({ "id": 7 })),
        report(&session, "group.v2.update", now, &json!([])),
        json!({ "event": "group.v2.update" }),
    ];
    let statuses = join_all(bodies.iter().map(|body| send(&app, body))).await;
    assert!(statuses.iter().all(|status| *status == 204), "{statuses:?}");
    // The last one is of this session: once it shows, the others have had their time.
    let left = json!({ "id": app.waha.groups(&session)[1].0 });
    assert_eq!(send(&app, &report(&session, "group.v2.leave", now, &left)).await, 204);
    until(&app, "ana", &session, |names| names.len() == before.len() - 1).await;
    assert_eq!(names(&app, "ana", &session).await.iter().filter(|name| *name == "x").count(), 0);
}

/// Sends a signed report; returns the answer's status.
async fn send(app: &TestApp, report: &Value) -> u16 {
    let body = report.to_string();
    let hmac = signature(Replica::WEBHOOK_SECRET, body.as_bytes());
    app.webhook("default", Some(&hmac), body).send().await.unwrap().status().as_u16()
}

fn report(session: &str, event: &str, at: i64, group: &Value) -> Value {
    json!({
        "id": format!("evt_{at}"), "timestamp": at, "event": event, "session": session, "me": null,
        "payload": { "timestamp": at, "group": group, "_data": {} }, "engine": "NOWEB",
    })
}
