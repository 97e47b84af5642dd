//! What a session's status is: WAHA's newest word, reported or asked for, on every replica.

use std::time::Duration;

use chrono::DateTime;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::{Value, json};
use support::app::{Replica, TestApp};
use support::stores::Stores;
use switchboard_domain::ports::Clock;
use switchboard_domain::{Lifecycle, Session, SystemClock};
use switchboard_waha_fake::{Fault, FaultAction, Options};

use super::signature;

on_every_database! {
    a_reported_status_is_answered_without_asking,
    a_reported_status_reaches_another_replica,
    reports_of_a_status_count_in_the_order_of_their_time_whatever_order_they_arrive_in,
    reports_from_another_worker_or_of_unknown_sessions_do_nothing,
    an_answer_to_a_question_from_before_a_report_is_dropped,
    a_report_that_comes_late_has_every_replica_ask,
    a_restart_of_ours_makes_what_was_known_uncertain_at_once_on_every_replica,
    polling_alone_is_right_within_a_second,
    a_thousand_calls_at_once_ask_waha_once,
    ten_seconds_of_polling_ask_waha_at_most_eleven_times,
    what_a_real_waha_sent_is_taken,
    a_shuffled_burst_of_reports_ends_with_the_newest_and_in_a_few_writes,
}

async fn status(replica: &Replica, session: &str) -> String {
    let answer = replica.query("ana", "user.getSessionStatus", json!({ "sessionName": session })).await;
    answer.data()["status"].as_str().unwrap().to_owned()
}

/// Asks until the status is as wanted.
async fn until(replica: &Replica, session: &str, wanted: &str) {
    let asking = async {
        while status(replica, session).await != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let answered = tokio::time::timeout(Duration::from_secs(30), asking).await;
    answered.unwrap_or_else(|_| panic!("it does not come to be {wanted}"));
}

/// Waits until the row says so, and asks nobody else: who asks may hear a word of WAHA's that is newer than a report.
async fn until_row(app: &TestApp, wanted: &str) -> Session {
    let looking = async {
        loop {
            let row = app.row("ana").await;
            if row.status.as_ref().is_some_and(|status| status.as_str() == wanted) {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), looking).await;
    found.unwrap_or_else(|_| panic!("the row does not come to say {wanted}"))
}

/// How often WAHA was asked for the session's status.
fn questions(app: &TestApp, session: &str) -> usize {
    let path = format!("/api/sessions/{session}");
    app.waha.calls().iter().filter(|call| call.method == "GET" && call.path == path).count()
}

fn report(session: &str, at: i64, status: &str) -> String {
    let payload = json!({ "name": session, "status": status, "statuses": [{ "status": status, "timestamp": at }] });
    let event = json!({
        "id": format!("evt_{at}"), "timestamp": at, "event": "session.status", "session": session,
        "me": { "id": "34600111222@c.us", "pushName": "Ana" }, "payload": payload, "engine": "NOWEB",
    });
    event.to_string()
}

/// Sends a signed report; returns the answer's status.
async fn send(replica: &Replica, worker: &str, body: String) -> u16 {
    let hmac = signature(Replica::WEBHOOK_SECRET, body.as_bytes());
    replica.webhook(worker, Some(&hmac), body).send().await.unwrap().status().as_u16()
}

fn now() -> i64 {
    SystemClock.now().timestamp_millis()
}

async fn a_reported_status_is_answered_without_asking(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    // What is known now stays fresh: whatever changes from here on was reported.
    app.clock.stop();
    until(&app, &session, "WORKING").await;
    app.waha.clear_calls();
    assert!(app.waha.set_status(&session, "HIBERNATING"));
    until(&app, &session, "HIBERNATING").await;
    assert!(app.waha.set_status(&session, "FAILED"));
    until(&app, &session, "FAILED").await;
    assert_eq!(questions(&app, &session), 0);
}

async fn a_reported_status_reaches_another_replica(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    let other = app.restarted().await;
    app.clock.stop();
    until(&other, &session, "WORKING").await;
    assert!(app.waha.set_status(&session, "HIBERNATING"));
    until(&other, &session, "HIBERNATING").await;
}

async fn reports_of_a_status_count_in_the_order_of_their_time_whatever_order_they_arrive_in(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    // Later than anything the fake has reported, some of which may be under way.
    let later = now() + 60_000;
    let send = async |at: i64, status: &str| send(&app, "default", report(&session, later + at, status)).await;
    app.clock.stop();
    assert!(app.waha.set_status(&session, "FOURTH"), "what WAHA would answer");
    assert_eq!(send(3, "THIRD").await, 204);
    let revision = until_row(&app, "THIRD").await.revision;
    for (at, status) in [(1, "FIRST"), (3, "THIRD"), (2, "SECOND"), (3, "ANOTHER_THIRD"), (4, "FOURTH"), (1, "FIRST")] {
        assert_eq!(send(at, status).await, 204);
    }
    assert_eq!(until_row(&app, "FOURTH").await.revision.0, revision.0 + 1, "only the newest was written");
    assert_eq!(status(&app, &session).await, "FOURTH");
}

async fn reports_from_another_worker_or_of_unknown_sessions_do_nothing(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    let later = now() + 60_000;
    app.clock.stop();
    assert_eq!(send(&app, "default", report(&session, later, "FIRST")).await, 204);
    let revision = until_row(&app, "FIRST").await.revision;
    assert_eq!(send(&app, Replica::OTHER_WORKER, report(&session, later + 2, "ELSEWHERE")).await, 204);
    assert_eq!(send(&app, "default", report("nobodys", later + 2, "ELSEWHERE")).await, 204);
    // Once this shows, the others have had their time.
    assert_eq!(send(&app, "default", report(&session, later + 1, "SECOND")).await, 204);
    assert_eq!(until_row(&app, "SECOND").await.revision.0, revision.0 + 1);
}

async fn an_answer_to_a_question_from_before_a_report_is_dropped(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    // What WAHA answers is from before the report, and arrives long after it.
    let body = json!({ "name": session, "status": "FAILED", "config": {}, "me": null }).to_string();
    let path = format!("/api/sessions/{session}");
    app.waha.inject(Fault::on(path.clone(), FaultAction::Delay { by: Duration::from_secs(3) }).times(1));
    app.waha.inject(Fault::on(path, FaultAction::Status { status: 200, body }).times(1));
    app.waha.clear_calls();
    app.clock.stop();
    app.clock.advance(Duration::from_secs(1));
    let reporting = async {
        while questions(&app, &session) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(send(&app, "default", report(&session, now() + 60_000, "HIBERNATING")).await, 204);
        until_row(&app, "HIBERNATING").await;
    };
    let (answer, ()) = tokio::join!(status(&app, &session), reporting);
    assert_eq!(answer, "HIBERNATING");
    assert_eq!(status(&app, &session).await, "HIBERNATING");
    assert_eq!(app.row("ana").await.down_since, None, "the row never went back");
}

async fn a_report_that_comes_late_has_every_replica_ask(stores: Stores) {
    let app = TestApp::new(stores).await;
    let session = app.pair("ana", "34600111222").await;
    let (told, other) = (app.replica_reported_to(), app.restarted().await);
    // What is known now would stay fresh.
    app.clock.stop();
    for replica in [&told, &other] {
        until(replica, &session, "WORKING").await;
    }
    assert!(app.waha.set_status(&session, "HIBERNATING"));
    let late = app.clock.now().timestamp_millis() - 3_000;
    assert_eq!(send(&told, "default", report(&session, late, "FAILED")).await, 204);
    for replica in [&told, &other] {
        until(replica, &session, "HIBERNATING").await;
    }
}

async fn a_restart_of_ours_makes_what_was_known_uncertain_at_once_on_every_replica(stores: Stores) {
    let app = TestApp::new(stores).await;
    let session = app.pair("ana", "34600111222").await;
    let other = app.restarted().await;
    app.clock.stop();
    for restarts in 1..=2 {
        for replica in [&*app, &other] {
            until(replica, &session, "WORKING").await;
        }
        app.mutate("ana", "user.restartSession", json!({ "sessionName": session })).await.data();
        app.waha.clear_calls();
        if restarts == 1 {
            status(&app, &session).await;
            assert_ne!(questions(&app, &session), 0);
        } else {
            // Nothing was written: but for the notice, it would believe in what it knows for as long as the second lasts.
            let asking = async {
                while questions(&app, &session) == 0 {
                    status(&other, &session).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(8), asking).await.expect("the other replica asks");
        }
        while app.waha.session(&session).unwrap().status != "WORKING" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        app.clock.advance(Duration::from_secs(1));
    }
}

async fn polling_alone_is_right_within_a_second(stores: Stores) {
    let app = TestApp::new(stores).await;
    let session = app.pair("ana", "34600111222").await;
    app.clock.stop();
    assert_eq!(status(&app, &session).await, "WORKING");
    for word in ["HIBERNATING", "FAILED", "WORKING"] {
        assert!(app.waha.set_status(&session, word));
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(status(&app, &session).await, word);
    }
    assert!(app.waha.remove_session(&session));
    app.clock.advance(Duration::from_millis(999));
    assert_eq!(status(&app, &session).await, "WORKING", "it was said less than a second ago");
    app.clock.advance(Duration::from_millis(1));
    assert_eq!(status(&app, &session).await, "STOPPED");
}

async fn a_thousand_calls_at_once_ask_waha_once(stores: Stores) {
    let app = TestApp::new(stores).await;
    let session = app.pair("ana", "34600111222").await;
    app.clock.stop();
    app.clock.advance(Duration::from_secs(1));
    app.waha.clear_calls();
    // Ten calls a request, as a client batches them.
    let input: Vec<_> = (0..10).map(|n| (n.to_string(), json!({ "sessionName": session }))).collect();
    let (procedures, input) = (["user.getSessionStatus"; 10].join(","), Value::Object(input.into_iter().collect()));
    let ask = || Replica::answer(app.get(Some("ana"), &procedures, &input).query(&[("batch", "1")]));
    for answer in join_all((0..100).map(|_| ask())).await {
        let answers = answer.body.as_array().unwrap();
        assert_eq!(answers.len(), 10);
        assert!(answers.iter().all(|answer| answer["result"]["data"]["status"] == "WORKING"), "{answer:?}");
    }
    assert_eq!(questions(&app, &session), 1);
}

async fn ten_seconds_of_polling_ask_waha_at_most_eleven_times(stores: Stores) {
    let app = TestApp::new(stores).await;
    let session = app.pair("ana", "34600111222").await;
    app.clock.stop();
    app.waha.clear_calls();
    let polling = join_all((0..20).map(|_| async {
        loop {
            assert_eq!(status(&app, &session).await, "WORKING");
        }
    }));
    let stepping = async {
        for second in 1..=10 {
            app.clock.advance(Duration::from_secs(1));
            while questions(&app, &session) < second {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    tokio::select! {
        _ = polling => unreachable!("they poll for ever"),
        stepped = tokio::time::timeout(Duration::from_mins(1), stepping) => stepped.expect("each second asks"),
    }
    let asked = questions(&app, &session);
    assert!(asked <= 11, "{asked} questions");
}

async fn what_a_real_waha_sent_is_taken(stores: Stores) {
    /// As they came: the first one was sent again, since it had been answered with an error.
    const SENT: [(&str, &str); 3] = [STARTING, STOPPED, STARTING];
    const STARTING: (&str, &str) = (
        "12ab6cbf6dc55e4e998e23501b521aa32f38d610168e6d82e105bc8216479e01606424e8ffbe7a9e87c1c912484508a139a70257692ccfd4598e12803d57f9d8",
        r#"{"id":"evt_01m82df8e4tv5vhsda3wdn1dx4","timestamp":1795377570245,"event":"session.status","session":"user42","metadata":{"user.id":"42"},"me":null,"payload":{"name":"user42","status":"STARTING","statuses":[{"status":"STOPPED","timestamp":1795377570242},{"status":"STARTING","timestamp":1795377570244}]},"engine":"NOWEB","environment":{"version":"2025.12.3","engine":"NOWEB","tier":"CORE","browser":null,"platform":"linux/x64"}}"#,
    );
    const STOPPED: (&str, &str) = (
        "ed1e900b041bcebfb5a092a685bc6d4561984c9ee36fdccdce92786f922d163e588e05ea4a0458363b9aef67f7830afd7a999298dd48b201d18920f89e91c644",
        r#"{"id":"evt_01m82df8fgjexqm6v2h3d7z33f","timestamp":1795377570288,"event":"session.status","session":"user42","metadata":{"user.id":"42"},"me":null,"payload":{"name":"user42","status":"STOPPED","statuses":[{"status":"STOPPED","timestamp":1795377570242},{"status":"STARTING","timestamp":1795377570244},{"status":"STOPPED","timestamp":1795377570288}]},"engine":"NOWEB","environment":{"version":"2025.12.3","engine":"NOWEB","tier":"CORE","browser":null,"platform":"linux/x64"}}"#,
    );
    let app = TestApp::reported_to(stores, Options::default()).await;
    let id = "tz4a98xxat96iws9zmbrgj3a".parse().unwrap();
    let [name, owner, worker] = ["user42", "ana", "default"];
    let (name, owner, worker) = (name.parse().unwrap(), owner.parse().unwrap(), worker.parse().unwrap());
    let row = Session::new(id, name, owner, worker, SystemClock.now());
    app.stores.sessions.ensure(&Session { lifecycle: Lifecycle::Connected, ..row }).await.unwrap();
    // When it was sent: what comes much later is no news.
    app.clock.stop_at(DateTime::from_timestamp_millis(1_795_377_570_300).unwrap());
    for ((hmac, body), wanted) in SENT.into_iter().zip(["STARTING", "STOPPED", "STOPPED"]) {
        assert_eq!(app.webhook("default", Some(hmac), body).send().await.unwrap().status(), 204);
        until_row(&app, wanted).await;
    }
    assert_eq!(app.row("ana").await.reported_at.unwrap().timestamp_millis(), 1_795_377_570_288);
    assert_eq!(status(&app, "user42").await, "STOPPED");
}

async fn a_shuffled_burst_of_reports_ends_with_the_newest_and_in_a_few_writes(stores: Stores) {
    const REPORTS: i64 = 10_000;
    let app = TestApp::reported_to(stores, Options::default()).await;
    let session = app.pair("ana", "34600111222").await;
    assert!(app.waha.set_status(&session, "STATE_9999"), "what WAHA would answer");
    let (before, later) = (app.row("ana").await.revision, now() + 60_000);
    app.clock.stop();
    // A prime that does not divide their number: each comes once.
    let shuffled = (0..REPORTS).map(|n| n * 7919 % REPORTS);
    let sending = shuffled.map(|n| send(&app, "default", report(&session, later + n, &format!("STATE_{n}"))));
    let answers: Vec<u16> = stream::iter(sending).buffer_unordered(64).collect().await;
    assert!(answers.iter().all(|answer| *answer == 204), "each is taken");
    let newest = async {
        loop {
            let row = app.row("ana").await;
            if row.reported_at.is_some_and(|at| at.timestamp_millis() == later + REPORTS - 1) {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let row = tokio::time::timeout(Duration::from_secs(30), newest).await.expect("the newest is taken in");
    assert_eq!(row.status.unwrap().as_str(), "STATE_9999");
    assert_eq!(status(&app, &session).await, "STATE_9999");
    let writes = row.revision.0 - before.0;
    assert!(writes <= 200, "{writes} writes");
    println!("{REPORTS} reports, {writes} writes");
}
