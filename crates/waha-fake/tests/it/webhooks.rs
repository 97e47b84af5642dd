//! Webhooks as a receiver sees them.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex},
};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha512;
use switchboard_waha_fake::{Engine, Options};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::{World, eventually, fast};

/// A webhook that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Request line and headers.
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.split(':').next().is_some_and(|key| key.eq_ignore_ascii_case(name));
        self.head.lines().find(named)?.split_once(": ").map(|(_, value)| value)
    }
}

/// Takes webhooks; answers with the given statuses first, then 200.
pub(crate) struct Sink {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Sink {
    pub(crate) async fn new(statuses: impl IntoIterator<Item = u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let received = Arc::default();
        let statuses: Arc<Mutex<VecDeque<u16>>> = Arc::new(Mutex::new(statuses.into_iter().collect()));
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&kept), Arc::clone(&statuses)));
            }
        });
        Self { url, received }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    async fn count(&self, count: usize) -> Vec<Received> {
        let enough = || async { (self.received.lock().unwrap().len() >= count).then_some(()) };
        eventually(&format!("{count} webhooks"), enough).await;
        self.received()
    }
}

async fn take(stream: TcpStream, kept: Arc<Mutex<Vec<Received>>>, statuses: Arc<Mutex<VecDeque<u16>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else {
                return;
            };
            head.push(byte);
        }
        let mut received = Received { head: String::from_utf8(head).unwrap(), body: Vec::new() };
        received.body = vec![0; received.header("content-length").unwrap().parse().unwrap()];
        stream.read_exact(&mut received.body).await.unwrap();
        kept.lock().unwrap().push(received);
        let status = statuses.lock().unwrap().pop_front().unwrap_or(200);
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn hooked(world: &World, sink: &Sink, events: Value) {
    let webhook = json!({
        "url": sink.url,
        "events": events,
        "hmac": {"key": "my-hmac-key"},
        "retries": {"policy": "constant", "delaySeconds": 1, "attempts": 3},
        "customHeaders": [{"name": "X-Tenant", "value": "t-42"}],
    });
    let noweb = json!({"store": {"enabled": true, "fullSync": true}});
    let config = json!({"metadata": {"user.id": "42"}, "noweb": noweb, "webhooks": [webhook]});
    world.post("/api/sessions", json!({"name": "x", "start": true, "config": config})).await;
    world.until("x", "SCAN_QR_CODE").await;
}

#[tokio::test]
async fn each_status_is_told_signed_and_with_the_last_three() {
    let (world, sink) = (World::new(fast()).await, Sink::new([]).await);
    hooked(&world, &sink, json!(["session.status"])).await;
    world.fake.scan("x", "34600111222");
    world.until("x", "WORKING").await;

    let mut received = sink.count(4).await;
    received.sort_by_key(|webhook| webhook.json()["timestamp"].as_i64());

    let statuses: Vec<_> = received.iter().map(|webhook| webhook.json()["payload"]["status"].clone()).collect();
    assert_eq!(statuses, ["STARTING", "SCAN_QR_CODE", "STARTING", "WORKING"]);
    let last = received[3].json();
    assert_eq!(last["payload"]["statuses"].as_array().unwrap().len(), 3);
    assert_eq!(last["payload"]["data"], Value::Null);
    assert_eq!((&last["metadata"]["user.id"], &last["me"]["id"]), (&json!("42"), &json!("34600111222@c.us")));
    for webhook in &received {
        let mut mac = Hmac::<Sha512>::new_from_slice(b"my-hmac-key").unwrap();
        mac.update(&webhook.body);
        assert_eq!(webhook.header("x-webhook-hmac"), Some(hex::encode(mac.finalize().into_bytes()).as_str()));
        assert_eq!(webhook.header("x-webhook-hmac-algorithm"), Some("sha512"));
        assert_eq!(webhook.header("user-agent"), Some("WAHA/2026.7.1"));
        assert_eq!(webhook.header("x-tenant"), Some("t-42"));
        let timestamp = webhook.json()["timestamp"].to_string();
        assert_eq!(webhook.header("x-webhook-timestamp"), Some(timestamp.as_str()));
    }
}

#[tokio::test]
async fn a_refused_webhook_comes_again_with_the_same_id() {
    let (world, sink) = (World::new(fast()).await, Sink::new([500, 404]).await);
    world
        .post("/api/sessions", json!({"name": "x", "config": {"webhooks": [{"url": sink.url, "events": ["*"]}]}}))
        .await;

    world.fake.set_status("x", "WORKING");

    let received = sink.count(3).await;
    let ids: HashSet<_> = received.iter().map(|webhook| webhook.header("x-webhook-request-id")).collect();
    assert_eq!(ids.len(), 1);
    assert!(received.iter().all(|webhook| webhook.body == received[0].body));
    assert_eq!(received[0].header("x-webhook-hmac"), None);
}

#[tokio::test]
async fn reading_groups_tells_of_every_group_but_only_when_whatsapp_was_asked() {
    let (world, sink) = (World::new(Options { groups: 7, ..fast() }).await, Sink::new([]).await);
    hooked(&world, &sink, json!(["group.v2.update"])).await;
    world.fake.scan("x", "34600111222");
    world.until("x", "WORKING").await;

    world.get("/api/x/groups").await;
    sink.count(7).await;
    world.get("/api/x/groups").await;
    world.act("/api/x/groups/refresh").await;
    let (id, _) = world.fake.groups("x")[0].clone();
    world.fake.rename_group("x", &id, "renamed");

    let received = sink.count(15).await;
    assert_eq!(received.len(), 15, "seven at each of two fetches, and the new name");
    let whole = received[0].json();
    assert_eq!(whole["payload"]["group"]["participants"][0]["role"], "superadmin");
    assert!(received.iter().any(|webhook| webhook.json()["payload"]["group"]["subject"] == "renamed"));
}

/// The events of groups that arrived, by kind.
fn payloads(received: &[Received], kind: &str) -> Vec<Value> {
    let events = received.iter().map(Received::json).filter(|event| event["event"] == kind);
    events.map(|event| event["payload"].clone()).collect()
}

async fn paired(options: Options, sink: &Sink) -> World {
    let world = World::new(options).await;
    hooked(&world, sink, json!(["group.v2.join", "group.v2.update", "group.v2.participants", "group.v2.leave"])).await;
    world.fake.scan("x", "34600111222");
    world.until("x", "WORKING").await;
    world
}

#[tokio::test]
async fn joining_and_leaving_change_the_list_and_are_told() {
    for (engine, digits) in [(Engine::Noweb, 13), (Engine::Gows, 13), (Engine::Webjs, 10), (Engine::Wpp, 10)] {
        let sink = Sink::new([]).await;
        let world = paired(Options { engine, ..fast() }, &sink).await;
        let (left, _) = world.fake.groups("x")[0].clone();

        assert!(world.fake.join_group("x", "1@g.us", "New"));
        assert!(world.fake.leave_group("x", &left));

        let received = sink.count(3).await;
        let ids: Vec<_> = world.fake.groups("x").into_iter().map(|(id, _)| id).collect();
        assert!(ids.contains(&"1@g.us".to_owned()) && !ids.contains(&left));
        let joined = payloads(&received, "group.v2.join")[0].clone();
        assert_eq!((&joined["group"]["id"], &joined["group"]["subject"]), (&json!("1@g.us"), &json!("New")));
        assert!(joined["group"]["participants"].is_array());
        assert_eq!(joined["timestamp"].to_string().len(), digits, "{engine}");
        assert_eq!(payloads(&received, "group.v2.leave")[0]["group"], json!({"id": left}));
        let gone = payloads(&received, "group.v2.participants")[0].clone();
        assert_eq!((&gone["type"], &gone["participants"][0]["pn"]), (&json!("leave"), &json!("34600111222@c.us")));
        let me = received[0].json()["me"]["lid"].clone();
        assert_eq!(gone["participants"][0]["id"], me);
        assert!(!world.fake.join_group("x", "1@g.us", "New") && !world.fake.leave_group("x", &left));
        assert!(!world.fake.join_group("nobody", "1@g.us", "New") && !world.fake.leave_group("nobody", "1@g.us"));
    }
}

#[tokio::test]
async fn two_thousand_renames_are_all_told_and_the_last_of_each_group_is_its_name() {
    let sink = Sink::new([]).await;
    let world = paired(Options { groups: 100, ..fast() }, &sink).await;
    let groups = world.fake.groups("x");
    let renames = (0..2000).map(|n| (groups[n % 100].0.clone(), format!("name {n}")));

    assert_eq!(world.fake.rename_groups_in_a_burst("x", renames.chain([("9@g.us".into(), "x".into())])), 2000);

    let received = sink.count(2000).await;
    let names: HashSet<_> =
        payloads(&received, "group.v2.update").iter().map(|told| told["group"]["subject"].to_string()).collect();
    assert_eq!(names.len(), 2000);
    let names = world.fake.groups("x").into_iter().map(|(_, name)| name);
    assert!(names.eq((1900..2000).map(|n| format!("name {n}"))));
}
