//! How old lists are, and what keeps them fresh.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::app::{Answer, Replica, TestApp};
use support::stores::Stores;
use switchboard_domain::ListKind;
use switchboard_domain::ports::{Generation, SnapshotHead};
use switchboard_waha_fake::{Fault, FaultAction, Options};

on_every_database! {
    while_waha_is_off_lists_are_served_as_stale_and_fresh_again_by_themselves_once_it_is_back,
    a_restart_starts_with_the_lists_that_were_stored,
    replicas_fetch_a_list_once_between_them,
    a_thousand_first_requests_on_three_replicas_are_one_fetch_of_each_kind,
    a_fetch_that_takes_too_long_is_a_timeout_goes_on_and_slows_nobody_else,
    a_stored_list_that_is_damaged_is_fetched_anew,
    no_replica_shows_the_lists_of_an_account_that_was_logged_out,
    a_list_that_is_suddenly_empty_is_believed_at_the_second_time,
    lists_are_still_syncing_after_pairing_until_two_fetches_agree,
    lists_of_a_session_that_is_lost_are_refused,
    a_user_may_have_the_lists_fetched_anew_but_not_all_the_time,
    five_hundred_groups_may_be_more,
    lists_that_nobody_asks_for_are_deleted_after_thirty_days,
}

/// Longer than a list is fresh.
const AGED: Duration = Duration::from_secs(61);

async fn groups(replica: &Replica, user: &str, name: &str) -> Answer {
    replica.query(user, "user.getWhatsAppGroups", json!({ "sessionName": name, "limit": 1000 })).await
}

fn names(answer: &Answer) -> Vec<String> {
    let items = answer.data()["items"].as_array().unwrap();
    items.iter().map(|group| group["groupName"].as_str().unwrap().to_owned()).collect()
}

/// Asks until the answer is as wanted.
async fn until(replica: &Replica, user: &str, name: &str, wanted: impl Fn(&Value) -> bool) -> Answer {
    let asking = async {
        loop {
            let answer = groups(replica, user, name).await;
            if wanted(answer.data()) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("the list comes to be as wanted")
}

fn fetches(app: &TestApp, end: &str) -> usize {
    app.waha.calls().iter().filter(|call| call.method == "GET" && call.path.ends_with(end)).count()
}

async fn while_waha_is_off_lists_are_served_as_stale_and_fresh_again_by_themselves_once_it_is_back(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let before = groups(&app, "ana", &name).await;
    assert_eq!(before.data()["stale"], json!(false));

    app.waha.set_reachable(false).await;
    app.clock.advance(AGED);
    let stale = until(&app, "ana", &name, |list| list["stale"] == json!(true)).await;
    for same in ["items", "total", "version", "syncedAt"] {
        assert_eq!(stale.data()[same], before.data()[same], "{same}");
    }

    app.waha.set_reachable(true).await;
    app.clock.advance(AGED);
    let fresh = until(&app, "ana", &name, |list| list["stale"] == json!(false)).await;
    assert_eq!(fresh.data()["version"], before.data()["version"]);
    assert!(fresh.data()["syncedAt"].as_str() > before.data()["syncedAt"].as_str(), "{fresh:?}");
}

async fn a_restart_starts_with_the_lists_that_were_stored(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let before = groups(&app, "ana", &name).await;
    let contacts = json!({ "sessionName": name, "limit": 1000, "all": true });
    let people = app.query("ana", "user.getWhatsAppContacts", contacts.clone()).await;
    app.until_stored("ana", ListKind::Groups).await;
    app.until_stored("ana", ListKind::Contacts).await;

    app.waha.set_reachable(false).await;
    app.waha.clear_calls();
    let restarted = app.restarted().await;
    assert_eq!(groups(&restarted, "ana", &name).await, before);
    assert_eq!(restarted.query("ana", "user.getWhatsAppContacts", contacts).await, people);
}

async fn replicas_fetch_a_list_once_between_them(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let other = app.replica();
    let first = groups(&app, "ana", &name).await;
    assert_eq!(groups(&other, "ana", &name).await.data()["version"], first.data()["version"]);
    assert_eq!(fetches(&app, "/groups"), 1);

    let id = first.data()["items"][0]["groupId"].as_str().unwrap().to_owned();
    assert!(app.waha.rename_group(&name, &id, "a new name"));
    app.clock.advance(AGED);
    let renamed = until(&app, "ana", &name, |list| list["version"] != first.data()["version"]).await;
    let adopted = until(&other, "ana", &name, |list| list["version"] != first.data()["version"]).await;
    assert_eq!(adopted.data()["version"], renamed.data()["version"]);
    assert!(names(&adopted).contains(&"a new name".to_owned()));
    assert_eq!(fetches(&app, "/groups"), 2, "the other one took over what the first had stored");
}

async fn a_thousand_first_requests_on_three_replicas_are_one_fetch_of_each_kind(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let (second, third) = (app.replica(), app.replica());
    let replicas: [&Replica; 3] = [&app, &second, &third];
    let ask = |turn: usize| {
        let replica = replicas[turn % 3];
        let procedure = ["user.getWhatsAppGroups", "user.getWhatsAppContacts"][turn / 3 % 2];
        replica.query("ana", procedure, json!({ "sessionName": name }))
    };
    let answers = join_all((0..1000).map(ask)).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", answers.iter().find(|a| a.status != 200));
    assert_eq!((fetches(&app, "/groups"), fetches(&app, "/contacts/all")), (1, 1));
}

async fn a_fetch_that_takes_too_long_is_a_timeout_goes_on_and_slows_nobody_else(stores: Stores) {
    let app = TestApp::new(stores).await;
    let (ana, ben) = (app.pair("ana", "34600111222").await, app.pair("ben", "34600333444").await);
    app.waha.inject(Fault::on(format!("/{ana}/groups"), FaultAction::Delay { by: Duration::from_secs(3) }));
    let slow = groups(&app, "ana", &ana);
    let others = async {
        // Once the slow fetch has begun, nobody else notices.
        while fetches(&app, &format!("/{ana}/groups")) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..20 {
            groups(&app, "ben", &ben).await.data();
        }
        assert_eq!(
            app.waha.calls().iter().filter(|call| call.path.contains(&ben) && call.path.ends_with("/groups")).count(),
            1
        );
        app.clock.advance(Duration::from_secs(26));
    };
    let (slow, ()) = tokio::join!(slow, others);
    assert_eq!((slow.status, slow.error()), (504, ("GATEWAY_TIMEOUT", "waha_timeout")));
    groups(&app, "ana", &ana).await.data();
    assert_eq!(fetches(&app, &format!("/{ana}/groups")), 1, "the fetch that nobody waited for was the one");
}

async fn a_stored_list_that_is_damaged_is_fetched_anew(stores: Stores) {
    let app = TestApp::new(stores.clone()).await;
    let name = app.pair("ana", "34600111222").await;
    let good = groups(&app, "ana", &name).await;
    app.until_stored("ana", ListKind::Groups).await;
    let session = app.row("ana").await;
    let other_version = "00".repeat(16).parse().unwrap();
    for (garbage, version) in [
        (&b""[..], None),
        (b"\xff\xff\xff\xff not what we wrote", None),
        (&[1; 5000], None),
        (b"of another version", Some(other_version)),
    ] {
        let head = stores.snapshots.head(&session.id, ListKind::Groups).await.unwrap().unwrap();
        let generation = Generation::after(Some(head.generation));
        let damaged = SnapshotHead { generation, version: version.unwrap_or(head.version), ..head };
        let replaced =
            stores.snapshots.save(&session.id, ListKind::Groups, Some(head.generation), &damaged, Some(garbage));
        assert!(replaced.await.unwrap());
        let restarted = app.restarted().await;
        assert_eq!(groups(&restarted, "ana", &name).await.data()["version"], good.data()["version"]);
        // It is written anew, even where only the bytes were wrong: the next one finds it.
        app.until_generation("ana", ListKind::Groups, Generation::after(Some(generation))).await;
        let fetched = fetches(&app, "/groups");
        groups(&app.restarted().await, "ana", &name).await.data();
        assert_eq!(fetches(&app, "/groups"), fetched);
    }
}

async fn no_replica_shows_the_lists_of_an_account_that_was_logged_out(stores: Stores) {
    let app = TestApp::new(stores.clone()).await;
    let replicas = [app.replica(), app.replica()];
    let mut others: Vec<String> = Vec::new();
    for phone in ["34600111222", "34600333444", "34600555666"] {
        let name = app.pair("ana", phone).await;
        for replica in &replicas {
            let list = groups(replica, "ana", &name).await;
            let ids = list.data()["items"].to_string();
            assert!(others.iter().all(|other| !ids.contains(other.as_str())), "an old account's groups are shown");
        }
        let list = groups(&app, "ana", &name).await;
        others = list.data()["items"].as_array().unwrap().iter().map(|g| g["groupId"].to_string()).collect();
        assert!(!others.is_empty());

        app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await.data();
        // At once, and on every replica.
        for replica in replicas.iter().chain([&*app]) {
            let refused = groups(replica, "ana", &name).await;
            assert_eq!((refused.status, refused.error()), (412, ("PRECONDITION_FAILED", "not_connected")));
        }
        let session = app.row("ana").await;
        assert_eq!(stores.snapshots.head(&session.id, ListKind::Groups).await.unwrap(), None, "nothing is kept");
    }
}

async fn a_list_that_is_suddenly_empty_is_believed_at_the_second_time(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    // WhatsApp has had its time to fill the lists: nothing is fetched but on demand.
    app.clock.advance(Duration::from_secs(181));
    let all = app.waha.groups(&name).len();
    assert_eq!(names(&groups(&app, "ana", &name).await).len(), all);
    let nothing = || Fault::on("/groups", FaultAction::Status { status: 200, body: "{}".to_owned() });

    // Empty once: the list stays, and WAHA is asked again.
    app.waha.inject(nothing().times(1));
    app.clock.advance(AGED);
    until(&app, "ana", &name, |_| fetches(&app, "/groups") >= 2).await;
    app.advance_until(Duration::from_secs(11), || fetches(&app, "/groups") >= 3).await;
    assert_eq!(names(&groups(&app, "ana", &name).await).len(), all);

    // Empty twice.
    app.waha.inject(nothing().times(2));
    app.clock.advance(AGED);
    let still = until(&app, "ana", &name, |_| fetches(&app, "/groups") >= 4).await;
    assert_eq!(names(&still).len(), all);
    app.advance_until(Duration::from_secs(11), || fetches(&app, "/groups") >= 5).await;
    let empty = until(&app, "ana", &name, |list| list["total"] == json!(0)).await;
    assert_eq!(empty.data()["stale"], json!(false));
}

async fn lists_are_still_syncing_after_pairing_until_two_fetches_agree(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let all = app.waha.groups(&name);
    let (part, rest) = all.split_at(3);
    assert!(!rest.is_empty() && app.waha.set_groups(&name, part.to_vec()));
    let first = groups(&app, "ana", &name).await;
    assert_eq!((&first.data()["total"], &first.data()["syncing"]), (&json!(3), &json!(true)));

    // By itself, without anybody asking, after ten seconds and again later.
    assert!(app.waha.set_groups(&name, all.clone()));
    app.advance_until(Duration::from_secs(5), || fetches(&app, "/groups") >= 2).await;
    let second = until(&app, "ana", &name, |list| list["total"] == json!(all.len())).await;
    assert_eq!(second.data()["syncing"], json!(true), "one fetch agrees with none");
    app.advance_until(Duration::from_secs(5), || fetches(&app, "/groups") >= 3).await;
    until(&app, "ana", &name, |list| list["syncing"] == json!(false)).await;

    // It is over after three minutes at the latest.
    let other = app.pair("ben", "34600333444").await;
    assert_eq!(groups(&app, "ben", &other).await.data()["syncing"], json!(true));
    app.clock.advance(Duration::from_mins(3));
    assert_eq!(groups(&app, "ben", &other).await.data()["syncing"], json!(false));
}

async fn lists_of_a_session_that_is_lost_are_refused(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    groups(&app, "ana", &name).await.data();
    assert!(app.waha.unlink(&name));
    app.until("ana", &name, "FAILED").await;
    // It may be a reboot of WAHA: for half a minute the list stays.
    groups(&app, "ana", &name).await.data();
    app.clock.advance(Duration::from_secs(31));
    let refused = groups(&app, "ana", &name).await;
    assert_eq!((refused.status, refused.error()), (412, ("PRECONDITION_FAILED", "not_connected")));
    app.waha.set_reachable(false).await;
    let refused = groups(&app, "ana", &name).await;
    assert_eq!((refused.status, refused.error()), (412, ("PRECONDITION_FAILED", "not_connected")));
}

async fn a_user_may_have_the_lists_fetched_anew_but_not_all_the_time(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let of_session = json!({ "sessionName": name });
    groups(&app, "ana", &name).await.data();
    let id = app.waha.groups(&name)[0].0.clone();
    assert!(app.waha.rename_group(&name, &id, "a new name"));
    let refreshed = app.mutate("ana", "user.refreshDirectory", of_session.clone()).await;
    assert_eq!(refreshed.data(), &json!({ "success": true }));
    assert!(names(&groups(&app, "ana", &name).await).contains(&"a new name".to_owned()));
    assert_eq!((fetches(&app, "/groups"), fetches(&app, "/contacts/all")), (2, 1));
    assert!(app.waha.calls().iter().any(|call| call.path.ends_with("/groups/refresh")), "WhatsApp itself is asked");

    let other = app.replica();
    for replica in [&*app, &other] {
        let response = replica.post(Some("ana"), "user.refreshDirectory", &of_session).send().await.unwrap();
        assert_eq!(response.status(), 429);
        let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=30).contains(&seconds), "{seconds}");
    }
    app.clock.advance(Duration::from_secs(31));
    other.mutate("ana", "user.refreshDirectory", of_session.clone()).await.data();

    // A failure does not count.
    app.clock.advance(Duration::from_secs(31));
    app.waha.set_reachable(false).await;
    for _ in 0..2 {
        let failed = app.mutate("ana", "user.refreshDirectory", of_session.clone()).await;
        assert_eq!((failed.status, failed.error()), (503, ("SERVICE_UNAVAILABLE", "waha_unavailable")));
    }
    app.waha.set_reachable(true).await;
    app.waha_is_back().await;
    app.waha.overlimit(1);
    let limited = app.mutate("ana", "user.refreshDirectory", of_session.clone()).await;
    assert_eq!((limited.status, limited.error()), (429, ("TOO_MANY_REQUESTS", "whatsapp_rate_limit")));
    let limited = app.mutate("ana", "user.refreshDirectory", of_session).await;
    assert_eq!((limited.status, limited.error()), (429, ("TOO_MANY_REQUESTS", "refreshed_recently")));
}

async fn five_hundred_groups_may_be_more(stores: Stores) {
    for (count, may_be_more) in [(499, Value::Null), (500, json!(true)), (501, Value::Null)] {
        let app = TestApp::with(stores.clone(), Options { groups: count, ..Options::default() }).await;
        // Each has a WAHA of its own: another user.
        let user = format!("ana-{count}");
        let name = app.pair(&user, "34600111222").await;
        let answer =
            app.query(&user, "user.getWhatsAppGroups", json!({ "sessionName": name, "search": "family" })).await;
        assert_eq!(answer.data()["possiblyTruncated"], may_be_more, "{count}");
    }
}

async fn lists_that_nobody_asks_for_are_deleted_after_thirty_days(stores: Stores) {
    let app = TestApp::new(stores.clone()).await;
    let name = app.pair("ana", "34600111222").await;
    // WhatsApp has had its time to fill the lists: nothing is fetched but on demand.
    app.clock.advance(Duration::from_secs(181));
    groups(&app, "ana", &name).await.data();
    app.until_stored("ana", ListKind::Groups).await;
    let session = app.row("ana").await.id;
    let directory = app.directory();
    app.clock.advance(Duration::from_hours(24 * 29));
    assert_eq!(directory.tidy().await.unwrap(), 0);
    app.clock.advance(Duration::from_hours(25));
    assert_eq!(directory.tidy().await.unwrap(), 1);
    assert_eq!(stores.snapshots.head(&session, ListKind::Groups).await.unwrap(), None);
}
