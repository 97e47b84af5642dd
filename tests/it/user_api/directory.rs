//! Groups and contacts: four engines, one directory.

use std::collections::HashSet;

use serde_json::{Value, json};
use support::app::TestApp;
use support::stores::Stores;
use switchboard_waha_fake::{Engine, Options};

on_every_database! {
    four_engines_list_the_same_groups_and_people,
    pages_follow_on_and_know_the_total,
    a_page_of_a_version_that_is_gone_is_a_conflict,
    search_finds_names_and_numbers_and_has_no_wildcards,
    one_fetch_serves_a_herd,
    a_batch_cannot_ask_for_more_than_a_server_can_bear,
}

const ENGINES: [Engine; 4] = [Engine::Noweb, Engine::Webjs, Engine::Gows, Engine::Wpp];

async fn four_engines_list_the_same_groups_and_people(stores: Stores) {
    let mut lists = Vec::new();
    for engine in ENGINES {
        let app = TestApp::with_engine(stores.clone(), engine).await;
        // Each engine has a WAHA of its own: the user starts afresh on it.
        let user = format!("ana-{engine}");
        let name = app.pair(&user, "34600111222").await;
        let all = json!({ "sessionName": name, "limit": 10_000, "all": true });
        let groups = app.query(&user, "user.getWhatsAppGroups", all.clone()).await.data().clone();
        let contacts = app.query(&user, "user.getWhatsAppContacts", all).await.data().clone();

        let people = contacts["items"].as_array().unwrap();
        assert!(!people.is_empty() && groups["items"].as_array().is_some_and(|groups| !groups.is_empty()), "{engine}");
        let ids: HashSet<_> = people.iter().map(|person| person["groupId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), people.len(), "{engine}: nobody twice");
        assert!(!ids.contains("34600111222@c.us"), "{engine}: not oneself");
        assert!(ids.iter().all(|id| id.ends_with("@c.us") || id.ends_with("@lid")), "{engine}: people only");
        for person in people {
            let id = person["groupId"].as_str().unwrap();
            assert_eq!(person["number"], id.strip_suffix("@c.us").unwrap_or_default(), "{engine}");
            assert_ne!(person["groupName"], "", "{engine}: everybody is called something");
        }
        lists.push((engine, groups["items"].clone(), by_id(people)));
    }
    let (_, groups, people) = &lists[0];
    for (engine, other_groups, other_people) in &lists[1..] {
        assert_eq!(other_groups, groups, "{engine} lists the same groups in the same order");
        let phones = |people: &[(String, String)]| -> Vec<String> {
            people.iter().filter(|(id, _)| id.ends_with("@c.us")).map(|(id, _)| id.clone()).collect()
        };
        let (mine, theirs): (HashSet<_>, HashSet<_>) =
            (phones(people).into_iter().collect(), phones(other_people).into_iter().collect());
        assert!(mine.is_subset(&theirs) || theirs.is_subset(&mine), "{engine}: the same people, or those it knows of");
    }
}

fn by_id(people: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut people: Vec<_> =
        people.iter().map(|person| (text(&person["groupId"]), text(&person["groupName"]))).collect();
    people.sort();
    people
}

async fn pages_follow_on_and_know_the_total(stores: Stores) {
    let app = TestApp::with(stores, Options { groups: 57, ..Options::default() }).await;
    let name = app.pair("ana", "34600111222").await;
    let (mut seen, mut cursor, mut version) = (Vec::new(), Value::Null, Value::Null);
    loop {
        let mut input = json!({ "sessionName": name, "limit": 10, "cursor": cursor, "direction": "forward" });
        if !version.is_null() {
            input["version"] = version;
        }
        let page = app.query("ana", "user.getWhatsAppGroups", input).await.data().clone();
        assert_eq!((&page["total"], &page["stale"]), (&json!(57), &json!(false)));
        seen.extend(page["items"].as_array().unwrap().iter().map(|group| group["groupId"].clone()));
        version = page["version"].clone();
        match page.get("nextCursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 57);
    let all = app.query("ana", "user.getWhatsAppGroups", json!({ "sessionName": name, "limit": 100_000 })).await;
    let all = all.data()["items"].as_array().unwrap();
    assert_eq!(seen, all.iter().map(|group| group["groupId"].clone()).collect::<Vec<_>>());
    let fetches = app.waha.calls().iter().filter(|call| call.path.ends_with("/groups")).count();
    assert_eq!(fetches, 1, "pages come from one list");
}

async fn a_page_of_a_version_that_is_gone_is_a_conflict(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let input = json!({ "sessionName": name, "version": "not this one" });
    let answer = app.query("ana", "user.getWhatsAppGroups", input).await;
    assert_eq!((answer.status, answer.error()), (409, ("CONFLICT", "version_gone")));
}

async fn search_finds_names_and_numbers_and_has_no_wildcards(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let groups = [
        ("120363000000000001@g.us", "José y María"),
        ("120363000000000002@g.us", "Straße 100 %"),
        ("120363000000000003@g.us", "İstanbul_ﬁnans"),
        ("120363000000000004@g.us", "فريق العمل"),
        ("120363000000000005@g.us", "東京チーム 🚀"),
        ("120363000000000006@g.us", "קבוצת המשפחה O'Brien\\"),
    ];
    let groups = groups.map(|(id, name)| (id.to_owned(), name.to_owned())).to_vec();
    assert!(app.waha.set_groups(&name, groups));
    let found = async |term: &str| {
        let input = json!({ "sessionName": name, "search": term });
        let answer = app.query("ana", "user.getWhatsAppGroups", input).await;
        let items = answer.data()["items"].as_array().unwrap().clone();
        items.iter().map(|group| group["groupId"].as_str().unwrap()[17..18].to_owned()).collect::<String>()
    };
    for (term, expected) in [
        ("jose", "1"),
        ("MARÍA", "1"),
        ("strasse", "2"),
        ("%", "2"),
        ("istanbul_fin", "3"),
        ("_", "3"),
        ("العمل", "4"),
        ("東京", "5"),
        ("🚀", "5"),
        ("המשפחה", "6"),
        ("ISTANBUL", "3"),
        ("ıstanbul", "3"),
        ("'", "6"),
        ("\\", "6"),
        (".*", ""),
    ] {
        assert_eq!(found(term).await, expected, "{term}");
    }
    assert_eq!(found("  ").await.len(), 6, "a blank search is none");

    let people = app.query("ana", "user.getWhatsAppContacts", json!({ "sessionName": name, "limit": 10_000 })).await;
    let people = people.data()["items"].as_array().unwrap().clone();
    let number = people.iter().find_map(|person| person["number"].as_str().filter(|n| n.len() > 8)).unwrap().to_owned();
    let typed = format!("+{} {}-{}", &number[..2], &number[2..5], &number[5..]);
    let hits = app.query("ana", "user.getWhatsAppContacts", json!({ "sessionName": name, "search": typed })).await;
    assert!(hits.data()["items"].as_array().unwrap().iter().any(|person| person["number"] == *number), "{typed}");
}

async fn one_fetch_serves_a_herd(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    let herd = (0..100).map(|_| app.query("ana", "user.getWhatsAppGroups", json!({ "sessionName": name })));
    let answers = futures_util::future::join_all(herd).await;
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    let fetches = app.waha.calls().iter().filter(|call| call.path.ends_with("/groups")).count();
    assert_eq!(fetches, 1);
}

async fn a_batch_cannot_ask_for_more_than_a_server_can_bear(stores: Stores) {
    let app = TestApp::with(stores, Options { contacts: 12_000, ..Options::default() }).await;
    let name = app.pair("ana", "34600111222").await;
    let input = json!({ "sessionName": name, "limit": 10_000, "all": true });
    app.query("ana", "user.getWhatsAppContacts", input.clone()).await.data();
    let inputs: serde_json::Map<String, Value> = (0..100).map(|n| (n.to_string(), input.clone())).collect();
    let paths = vec!["user.getWhatsAppContacts"; 100].join(",");
    let request = app.get(Some("ana"), &paths, &Value::Object(inputs)).query(&[("batch", "1")]);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 207);
    let body = response.bytes().await.unwrap();
    assert!(body.len() < 20 * 1024 * 1024, "{} bytes", body.len());
    let answers: Vec<Value> = serde_json::from_slice(&body).unwrap();
    let refused = answers.iter().filter(|answer| answer["error"]["data"]["code"] == "PAYLOAD_TOO_LARGE").count();
    let given = answers.iter().filter(|answer| answer["result"].is_object()).count();
    assert!(given > 5 && refused > 50 && given + refused == 100, "{given} given, {refused} refused");
}
