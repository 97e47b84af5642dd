//! Pages that fit together while the list changes.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use support::app::TestApp;
use support::stores::Stores;
use switchboard_domain::ListKind;
use switchboard_waha_fake::{Engine, Options};

on_every_database! {
    a_hundred_thousand_groups_are_paged_through_while_the_list_changes,
    a_version_can_be_paged_through_for_a_minute_after_another_took_its_place,
    another_replica_serves_the_version_that_was_stored,
}

/// Longer than a list is fresh.
const AGED: Duration = Duration::from_secs(61);

async fn a_hundred_thousand_groups_are_paged_through_while_the_list_changes(stores: Stores) {
    // An engine that does not report each group at every fetch.
    let options = Options { groups: 100_000, engine: Engine::Webjs, ..Options::default() };
    let app = TestApp::with(stores, options).await;
    let name = app.pair("ana", "34600111222").await;
    let page = async |cursor: u64, limit: u64, version: &Value| {
        let mut input = json!({ "sessionName": name, "limit": limit, "cursor": cursor });
        if !version.is_null() {
            input["version"] = version.clone();
        }
        app.query("ana", "user.getWhatsAppGroups", input).await.data().clone()
    };
    // So long a list may take longer to fetch than a call waits for it.
    while fetched(&app, &name).await.is_none() {}
    let first = page(0, 1, &Value::Null).await;
    let version = first["version"].clone();
    assert_eq!(first["total"], json!(100_000));

    let (mut seen, mut cursor, mut pages) = (HashSet::new(), Some(0), 0);
    let limits = [1, 2, 7, 50, 1000, 9999, 10_000, 25_000];
    while let Some(offset) = cursor {
        let answer = page(offset, limits[pages % limits.len()], &version).await;
        assert_eq!((&answer["version"], &answer["total"]), (&version, &json!(100_000)));
        for group in answer["items"].as_array().unwrap() {
            assert!(seen.insert(group["groupId"].to_string()), "twice: {group}");
        }
        cursor = answer["nextCursor"].as_u64();
        pages += 1;
        if pages == 3 {
            // Groups come, go and are renamed, and the list is fetched anew.
            let mut groups = app.waha.groups(&name);
            groups.truncate(99_000);
            groups.iter_mut().step_by(3).for_each(|(_, name)| name.push_str(" renamed"));
            groups.push(("120363999999999999@g.us".to_owned(), "a new one".to_owned()));
            assert!(app.waha.set_groups(&name, groups));
            app.clock.advance(AGED);
            while fetched(&app, &name).await.is_some_and(|now| now["version"] == version) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    assert_eq!(seen.len(), 100_000, "each exactly once");

    let now = page(0, 1, &Value::Null).await;
    assert_eq!((&now["total"], now["version"] == version), (&json!(99_001), false));
}

/// The first group, or `None` if the list was not there in time.
async fn fetched(app: &TestApp, name: &str) -> Option<Value> {
    let answer = app.query("ana", "user.getWhatsAppGroups", json!({ "sessionName": name, "limit": 1 })).await;
    (answer.status != 504).then(|| answer.data().clone())
}

async fn a_version_can_be_paged_through_for_a_minute_after_another_took_its_place(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let groups = async |version: Option<&Value>| {
        let mut input = json!({ "sessionName": name, "limit": 5 });
        if let Some(version) = version {
            input["version"] = version.clone();
        }
        app.query("ana", "user.getWhatsAppGroups", input).await
    };
    let before = groups(None).await;
    let old = before.data()["version"].clone();
    let id = app.waha.groups(&name)[0].0.clone();
    assert!(app.waha.rename_group(&name, &id, "another name"));
    app.clock.advance(AGED);
    let until_replaced = async {
        while groups(None).await.data()["version"] == old {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), until_replaced).await.expect("it is fetched anew");

    app.clock.advance(Duration::from_secs(50));
    assert_eq!(groups(Some(&old)).await.data()["items"], before.data()["items"]);
    app.clock.advance(Duration::from_secs(11));
    let gone = groups(Some(&old)).await;
    assert_eq!((gone.status, gone.error()), (409, ("CONFLICT", "version_gone")));
}

async fn another_replica_serves_the_version_that_was_stored(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let other = app.replica();
    let input = json!({ "sessionName": name });
    let old = other.query("ana", "user.getWhatsAppGroups", input.clone()).await.data()["version"].clone();
    let id = app.waha.groups(&name)[0].0.clone();
    assert!(app.waha.rename_group(&name, &id, "another name"));
    app.mutate("ana", "user.refreshDirectory", input.clone()).await.data();
    let new = app.query("ana", "user.getWhatsAppGroups", input.clone()).await.data()["version"].clone();
    assert_ne!(new, old);
    app.until_stored_as("ana", ListKind::Groups, &new).await;

    // The other one has not heard of it, and finds it.
    for version in [&new, &old, &new] {
        let mut input = input.clone();
        input["version"] = version.clone();
        assert_eq!(&other.query("ana", "user.getWhatsAppGroups", input).await.data()["version"], version);
    }
}
