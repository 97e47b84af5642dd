//! Many workers: who goes where, and what becomes of whom when one goes away.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::app::{Answer, Replica, TestApp};
use support::stores::Stores;
use switchboard_domain::services::{Alarm, Finding};
use switchboard_domain::{Lifecycle, WorkerState};

on_every_database! {
    users_are_spread_evenly_and_nobody_is_twice,
    without_a_free_place_nobody_is_connected,
    a_place_that_somebody_left_is_free_again,
    a_worker_that_drains_keeps_who_is_paired_and_passes_on_who_needs_a_new_code,
    who_can_go_nowhere_stays_on_a_worker_that_drains,
    users_of_a_removed_worker_connect_elsewhere_and_find_their_groups_again,
    a_worker_that_is_removed_and_comes_back_logs_nobody_out,
    a_replica_that_lacks_a_worker_leaves_its_sessions_alone,
    connects_of_one_user_on_many_workers_are_one_session,
    three_hundred_users_at_once_are_spread_evenly,
}

const CONNECT: &str = "user.initiateWhatsAppSession";

/// Which session is on which WAHA; no name twice.
fn sessions(app: &TestApp) -> Vec<BTreeSet<String>> {
    let names = |n: usize| app.wahas[n].sessions().into_iter().map(|session| session.name).collect();
    let sessions: Vec<BTreeSet<String>> = (0..app.wahas.len()).map(names).collect();
    let all: BTreeSet<&String> = sessions.iter().flatten().collect();
    assert_eq!(all.len(), sessions.iter().map(BTreeSet::len).sum::<usize>(), "a session is twice: {sessions:?}");
    sessions
}

/// How many sessions each WAHA has.
fn counts(app: &TestApp) -> Vec<usize> {
    sessions(app).iter().map(BTreeSet::len).collect()
}

fn clear_calls(app: &TestApp) {
    for waha in &app.wahas {
        waha.clear_calls();
    }
}

fn assert_no_worker(answer: &Answer) {
    assert_eq!((answer.status, answer.error()), (500, ("INTERNAL_SERVER_ERROR", "no_worker")), "{answer:?}");
    assert_eq!(answer.body["error"]["message"], "Failed to create WhatsApp session");
}

async fn status(replica: &Replica, user: &str, name: &str) -> Answer {
    replica.query(user, "user.getSessionStatus", json!({ "sessionName": name })).await
}

async fn users_are_spread_evenly_and_nobody_is_twice(stores: Stores) {
    let app = TestApp::with_workers(stores, &[50, 50, 50]).await;
    let users: Vec<String> = (0..30).map(|n| format!("user-{n}")).collect();
    let names = join_all(users.iter().map(|user| app.connect(user))).await;
    assert_eq!(counts(&app), [10, 10, 10]);
    for (user, name) in users.iter().zip(names) {
        let row = app.row(user).await;
        let on = sessions(&app).iter().position(|sessions| sessions.contains(&name)).unwrap();
        assert_eq!((row.worker, row.lifecycle), (TestApp::worker(on), Lifecycle::Connected));
    }
    // Again, on whatever has most room: everybody stays.
    let before = sessions(&app);
    app.connect("user-0").await;
    assert_eq!(sessions(&app), before);
}

async fn without_a_free_place_nobody_is_connected(stores: Stores) {
    let app = TestApp::with_workers(stores, &[1, 0, 1]).await;
    app.connect("ana").await;
    app.connect("ben").await;
    assert_eq!(counts(&app), [1, 0, 1]);
    clear_calls(&app);
    assert_no_worker(&app.mutate("eva", CONNECT, Value::Null).await);
    assert_eq!(app.row("eva").await.lifecycle, Lifecycle::Disconnected);
    assert!(app.wahas.iter().all(|waha| waha.calls().is_empty()), "nobody was asked");
    // Whoever has a place still has it.
    app.connect("ana").await;
}

async fn a_place_that_somebody_left_is_free_again(stores: Stores) {
    let app = TestApp::with_workers(stores, &[1]).await;
    let name = app.connect("ana").await;
    assert_no_worker(&app.mutate("ben", CONNECT, Value::Null).await);
    app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await.data();
    app.connect("ben").await;
    assert_no_worker(&app.mutate("ana", CONNECT, Value::Null).await);
}

async fn a_worker_that_drains_keeps_who_is_paired_and_passes_on_who_needs_a_new_code(stores: Stores) {
    // Everybody goes to the first one, as long as it takes them.
    let app = TestApp::with_workers(stores, &[50, 5]).await;
    let ana = app.pair("ana", "34600111222").await;
    let [ben, joe, zoe] = [app.connect("ben").await, app.connect("joe").await, app.connect("zoe").await];
    app.until("joe", &joe, "SCAN_QR_CODE").await;
    assert!(app.waha.fail(&ben) && app.waha.remove_session(&zoe));
    app.until("ben", &ben, "FAILED").await;
    assert_eq!(app.set_state(0, WorkerState::Draining).await, 0);

    let eva = app.connect("eva").await;
    for user in ["ana", "ben", "joe", "zoe"] {
        app.connect(user).await;
    }
    let expected = [BTreeSet::from([ana.clone(), joe]), BTreeSet::from([ben.clone(), eva, zoe.clone()])];
    assert_eq!(sessions(&app), expected);
    for (user, on) in [("ana", 0), ("ben", 1), ("joe", 0), ("zoe", 1)] {
        assert_eq!(app.row(user).await.worker, TestApp::worker(on), "{user}");
    }
    app.until("ana", &ana, "WORKING").await;
    app.until("ben", &ben, "SCAN_QR_CODE").await;
    app.query("ben", "user.getSessionQR", json!({ "sessionName": ben })).await.data();
    assert!(app.wahas[1].scan(&ben, "491701234567"));
    app.until("ben", &ben, "WORKING").await;
}

async fn who_can_go_nowhere_stays_on_a_worker_that_drains(stores: Stores) {
    let app = TestApp::with_workers(stores, &[50, 0]).await;
    let name = app.connect("ana").await;
    assert!(app.waha.fail(&name));
    app.until("ana", &name, "FAILED").await;
    app.set_state(0, WorkerState::Draining).await;
    let before = app.row("ana").await;
    assert_no_worker(&app.mutate("ana", CONNECT, Value::Null).await);
    assert_eq!(app.row("ana").await, before);
    assert_eq!(counts(&app), [1, 0]);

    app.set_state(0, WorkerState::Active).await;
    app.connect("ana").await;
    app.until("ana", &name, "SCAN_QR_CODE").await;
}

async fn users_of_a_removed_worker_connect_elsewhere_and_find_their_groups_again(stores: Stores) {
    let app = TestApp::with_workers(stores, &[50, 5]).await;
    let name = app.pair("ana", "34600111222").await;
    let of_session = json!({ "sessionName": name });
    let groups = app.query("ana", "user.getWhatsAppGroups", of_session.clone()).await.data().clone();
    let link = json!({ "sessionName": name, "groupId": groups["items"][0]["groupId"] });
    app.mutate("ana", "user.linkWhatsAppGroup", link).await.data();
    let linked = app.query("ana", "user.getWhatsAppSession", Value::Null).await.data()["WhatsAppGroups"].clone();
    assert_eq!(linked.as_array().map(Vec::len), Some(1));
    let ben = app.connect("ben").await;
    app.set_state(0, WorkerState::Draining).await;

    assert_eq!(app.set_state(0, WorkerState::Removed).await, 2);
    // What a replica remembers, it remembers for a moment.
    app.ask_anew();
    clear_calls(&app);
    assert_eq!(app.query("ana", "user.getWhatsAppSession", Value::Null).await.data(), &Value::Null);
    assert_eq!(status(&app, "ana", &name).await.data()["status"], "STOPPED");
    let lists = app.query("ana", "user.getWhatsAppGroups", of_session).await;
    assert_eq!(lists.error(), ("PRECONDITION_FAILED", "not_connected"));
    assert_eq!((app.connect("ana").await, app.connect("ben").await), (name.clone(), ben.clone()));
    assert!(app.waha.calls().is_empty(), "nobody asks it any more");
    let there: BTreeSet<String> = app.wahas[1].sessions().into_iter().map(|session| session.name).collect();
    assert_eq!(there, [name.clone(), ben].into());

    app.until("ana", &name, "SCAN_QR_CODE").await;
    assert_eq!(app.query("ana", "user.getWhatsAppSession", Value::Null).await.data()["WhatsAppGroups"], json!([]));
    assert!(app.wahas[1].scan(&name, "34600111222"));
    app.until("ana", &name, "WORKING").await;
    assert_eq!(app.query("ana", "user.getWhatsAppSession", Value::Null).await.data()["WhatsAppGroups"], linked);
}

async fn a_worker_that_is_removed_and_comes_back_logs_nobody_out(stores: Stores) {
    let app = TestApp::with_workers(stores, &[50]).await;
    let name = app.pair("ana", "34600111222").await;
    app.round().await;
    assert_eq!(app.set_state(0, WorkerState::Removed).await, 1);
    app.set_state(0, WorkerState::Active).await;
    app.ask_anew();
    for _ in 0..3 {
        let round = app.round_after(Duration::from_hours(25)).await;
        assert_eq!((round.found(Finding::OrphanPaired), round.done.len()), (1, 0), "{round:?}");
        assert!(round.alarms(Alarm::PairedOrphans));
    }
    assert_eq!(app.connect("ana").await, name, "their session is found again");
    app.until("ana", &name, "WORKING").await;
    assert_eq!(app.waha.linked_devices("34600111222"), 1);
    assert!(app.round().await.alarms.is_empty());
}

async fn a_replica_that_lacks_a_worker_leaves_its_sessions_alone(stores: Stores) {
    let app = TestApp::with_workers(stores, &[50, 5]).await;
    let name = app.pair("ana", "34600111222").await;
    let (lacking, before) = (app.replica_without(0), app.row("ana").await);
    clear_calls(&app);
    let refused = status(&lacking, "ana", &name).await;
    assert_eq!((refused.status, refused.error()), (503, ("SERVICE_UNAVAILABLE", "waha_unavailable")));
    let refused = lacking.mutate("ana", CONNECT, Value::Null).await;
    assert_eq!((refused.status, refused.error()), (500, ("INTERNAL_SERVER_ERROR", "waha_unavailable")));
    assert!(app.wahas.iter().all(|waha| waha.calls().is_empty()), "neither it nor another was asked");
    assert_eq!(app.row("ana").await, before);
    // Others are placed where it can reach.
    lacking.mutate("ben", CONNECT, Value::Null).await.data();
    assert_eq!(app.row("ben").await.worker, TestApp::worker(1));
    assert_eq!(status(&app, "ana", &name).await.data()["status"], "WORKING");
}

async fn connects_of_one_user_on_many_workers_are_one_session(stores: Stores) {
    let app = TestApp::with_workers(stores, &[9; 5]).await;
    let (second, third) = (app.replica(), app.replica());
    let replicas = [&*app, &second, &third];
    let answers = join_all((0..200).map(|n| replicas[n % 3].mutate("ana", CONNECT, Value::Null))).await;
    answers[0].data();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one answer");
    assert_eq!(counts(&app).iter().sum::<usize>(), 1);
    assert_eq!(app.stores.workers.loads().await.unwrap(), [(app.row("ana").await.worker, 1)].into());
}

async fn three_hundred_users_at_once_are_spread_evenly(stores: Stores) {
    let app = TestApp::with_workers(stores, &[61; 5]).await;
    let (second, third) = (app.replica(), app.replica());
    let replicas = [&*app, &second, &third];
    let users: Vec<String> = (0..300).map(|n| format!("user-{n}")).collect();
    let connects = users.iter().enumerate().map(|(n, user)| replicas[n % 3].mutate(user, CONNECT, Value::Null));
    for answer in join_all(connects).await {
        answer.data();
    }
    assert_eq!(counts(&app), [60; 5]);
    let more: Vec<String> = (300..310).map(|n| format!("user-{n}")).collect();
    let answers = join_all(more.iter().map(|user| app.mutate(user, CONNECT, Value::Null))).await;
    let refused = answers.iter().filter(|answer| answer.error().1 == "no_worker").count();
    assert_eq!((counts(&app), refused), (vec![61; 5], 5));
}
