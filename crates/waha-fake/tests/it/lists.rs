//! Groups, contacts and LIDs, in the shapes of four engines.

use reqwest::Method;
use serde_json::{Value, json};
use switchboard_waha_fake::{Engine, Options};

use crate::support::{World, fast};

async fn paired(engine: Engine) -> World {
    let world = World::new(Options { engine, groups: 45, contacts: 45, ..fast() }).await;
    world.paired("x").await;
    world
}

#[tokio::test]
async fn noweb_answers_an_object_whose_key_order_is_the_sort_order() {
    let world = paired(Engine::Noweb).await;

    let sorted = world.get("/api/x/groups?sortBy=subject&exclude=participants").await;
    let page = world.get("/api/x/groups?limit=2&offset=1").await;

    let mut names = world.fake.groups("x");
    names.sort_by(|a, b| a.1.cmp(&b.1));
    let places: Vec<_> = names.iter().map(|(id, _)| sorted.text().find(&format!("{{\"id\":\"{id}")).unwrap()).collect();
    assert!(places.is_sorted(), "by bytes, the empty name first");
    assert!(!sorted.text().contains("participants"));
    assert_eq!(page.json().as_object().unwrap().len(), 2);
    assert!(page.text().contains(r#""admin":"superadmin""#));
    world.get("/api/x/groups?limit=0").await.assert(200, "{}");
    world.get("/api/x/groups/count").await.assert(200, r#"{"count":45}"#);
    world.act("/api/x/groups/refresh").await.assert(200, r#"{"success":true}"#);
}

#[tokio::test]
async fn the_other_engines_answer_an_array_with_their_own_ids_and_names() {
    let gows = paired(Engine::Gows).await;
    let webjs = paired(Engine::Webjs).await;
    let wpp = paired(Engine::Wpp).await;

    let (id, name) = gows.fake.groups("x")[0].clone();
    let first = |answer: Value| answer[0].clone();
    let gows = first(gows.get("/api/x/groups?exclude=participants").await.json());
    let unsorted = webjs.get("/api/x/groups?sortBy=id&sortOrder=desc").await.json();
    let wpp = first(wpp.get("/api/x/groups").await.json());

    assert_eq!((gows["JID"].as_str(), gows["Name"].as_str()), (Some(id.as_str()), Some(name.as_str())));
    assert_eq!(gows["Participants"], Value::Null);
    assert_eq!(unsorted[0]["id"]["_serialized"], id.as_str(), "WEBJS does not sort groups");
    assert_eq!(unsorted[13]["name"], Value::Null);
    assert!(unsorted[13]["groupMetadata"]["subject"].is_string());
    assert_eq!((wpp["id"].as_str(), wpp["name"].as_str()), (Some(id.as_str()), Some(name.as_str())));
}

#[tokio::test]
async fn webjs_may_come_without_serialized() {
    let options = Options { engine: Engine::Webjs, webjs_serialized: false, ..fast() };
    let world = World::new(options).await;
    world.paired("x").await;

    let groups = world.get("/api/x/groups").await.json();

    assert_eq!(groups[0]["id"]["_serialized"], Value::Null);
    assert_eq!(groups[0]["id"]["server"], "g.us");
}

#[tokio::test]
async fn noweb_contacts_hold_back_keys_and_webjs_contacts_hold_too_many_rows() {
    let noweb = paired(Engine::Noweb).await;
    let webjs = paired(Engine::Webjs).await;
    let gows = paired(Engine::Gows).await;
    let path = "/api/contacts/all?session=x";

    let plain = noweb.get(path).await;
    let web = webjs.get(path).await.json();
    let go = gows.get(path).await.json();

    assert!(!plain.text().contains("isMyContact") && !plain.text().contains("null"));
    let count = |test: &dyn Fn(&Value) -> bool| web.as_array().unwrap().iter().filter(|row| test(row)).count();
    let ends = |row: &Value, end: &str| row["id"].as_str().unwrap().ends_with(end);
    assert_eq!(count(&|row| row["isGroup"] == true), 45);
    assert_eq!(count(&|row| row["isMe"] == true), 1);
    assert_eq!(count(&|row| row["isMyContact"] == true && ends(row, "@c.us")), 46, "saved ones and oneself");
    assert!(count(&|row| row["isMyContact"] == true && ends(row, "@lid")) > 10, "twins");
    assert!(count(&|row| row["isMyContact"] == false && row["isGroup"] == false) > 3, "strangers");
    assert_eq!(count(&|row| row["isBlocked"] == true), 1);
    assert!(go.as_array().unwrap().iter().all(|row| row.as_object().unwrap().len() == 3));
}

#[tokio::test]
async fn a_lid_twin_is_resolved_by_lids() {
    let world = paired(Engine::Noweb).await;
    let rows = world.get("/api/contacts/all?session=x").await.json();
    let twin = rows.as_array().unwrap().iter().find(|row| row["lid"].is_string()).unwrap();
    let (id, lid) = (twin["id"].as_str().unwrap(), twin["lid"].as_str().unwrap());

    let known = world.get(&format!("/api/x/lids/{}", lid.replace('@', "%40"))).await;
    let by_phone = world.get(&format!("/api/x/lids/pn/{}", id.replace('@', "%40"))).await;
    let all = world.get("/api/x/lids?limit=1000").await.json();
    let count = world.get("/api/x/lids/count").await.json();

    let pair = format!(r#"{{"lid":"{lid}","pn":"{id}"}}"#);
    known.assert(200, &pair);
    by_phone.assert(200, &pair);
    world.get("/api/x/lids/999").await.assert(200, r#"{"lid":"999@lid","pn":null}"#);
    assert_eq!(count["count"], all.as_array().unwrap().len());
}

#[tokio::test]
async fn noweb_without_a_store_has_no_contacts_and_no_lids_but_groups() {
    let world = World::new(fast()).await;
    world.post("/api/sessions", json!({"name": "x", "start": true})).await;
    world.until("x", "SCAN_QR_CODE").await;
    world.fake.scan("x", "34600111222");
    world.until("x", "WORKING").await;

    for path in ["/api/contacts/all?session=x", "/api/x/lids"] {
        let answer = world.get(path).await;
        assert!(answer.status == 400 && answer.text().contains("Enable NOWEB store"), "{answer:?}");
    }
    let all = world.get("/api/x/groups?offset=4").await.json();
    assert_eq!(all.as_object().unwrap().len(), 5, "an offset alone is ignored without the store");
}

#[tokio::test]
async fn whatsapps_refusal_is_a_500_that_empties_the_store() {
    let world = paired(Engine::Noweb).await;
    world.get("/api/x/groups").await;

    world.fake.overlimit(1);
    let kept = world.get("/api/x/groups?limit=1").await;
    let refused = world.act("/api/x/groups/refresh").await;
    let again = world.get("/api/x/groups?limit=1").await;

    assert_eq!((kept.status, again.status), (200, 200));
    let body = refused.json();
    assert_eq!((refused.status, body["exception"]["data"].as_u64()), (500, Some(429)));
    assert_eq!(body["exception"]["message"], "rate-overlimit");
}

#[tokio::test]
async fn an_unknown_group_is_a_500_and_a_known_one_tells_its_members() {
    let world = paired(Engine::Noweb).await;
    let (id, name) = world.fake.groups("x")[2].clone();
    let path = format!("/api/x/groups/{}", id.replace('@', "%40"));

    let unknown = world.get("/api/x/groups/999%40g.us").await;
    assert!(world.fake.rename_group("x", &id, "Другое имя"));
    let group = world.get(&path).await.json();
    let members = world.get(&format!("{path}/participants/v2")).await.json();

    assert_eq!(unknown.status, 500);
    assert_eq!(unknown.json()["exception"]["message"], "Group with id '999@g.us' not found");
    assert_eq!(name, "Family");
    assert_eq!(group["subject"], "Другое имя");
    assert_eq!(members[0]["role"], "superadmin");
    assert_eq!(members[1]["pn"], Value::Null);
}

#[tokio::test]
async fn a_hundred_thousand_contacts_are_all_there() {
    let options = Options { contacts: 100_000, ..fast() };
    let world = World::new(options).await;
    world.paired("x").await;

    let contacts = world.get("/api/contacts/all?session=x&sortBy=name").await;

    let rows = contacts.text().matches("{\"id\":").count();
    assert_eq!(rows, 110_004, "saved ones, strangers, three groups and oneself");
}

#[tokio::test]
async fn lists_are_short_while_whatsapp_is_still_sending_them() {
    for engine in [Engine::Noweb, Engine::Webjs] {
        let world = paired(engine).await;
        let groups = async || world.get("/api/x/groups/count").await.json()["count"].clone();
        let contacts = async || world.get("/api/contacts/all?session=x").await.json().as_array().unwrap().len();
        let whole = contacts().await;

        assert!(world.fake.sync("x", Some(7)));
        assert_eq!(groups().await, 7);
        let some = contacts().await;
        assert!(world.fake.sync("x", Some(0)));
        assert_eq!(groups().await, 0);
        assert_eq!(contacts().await, 1, "oneself");
        assert!((2..whole).contains(&some), "{some} of {whole}");

        world.request(Method::PUT, "/fake/sessions/x/synced").json(&json!({"atMost": null})).send().await.unwrap();
        assert_eq!((groups().await, contacts().await), (json!(45), whole));
        assert_eq!(world.fake.groups("x").len(), 45, "the account has had them all the time");
    }
}
