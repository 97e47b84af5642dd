//! Every report of WAHA's, signed, with anything in the place of anything.

use serde_json::{Value, json};
use switchboard_fuzz::Target;

use super::*;
use crate::config::WebhookConfig;

const WORDS: [&str; 32] = [
    "event",
    "session",
    "timestamp",
    "me",
    "payload",
    "status",
    "group",
    "participants",
    "type",
    "id",
    "lid",
    "jid",
    "JID",
    "pn",
    "subject",
    "name",
    "groupMetadata",
    "_serialized",
    "user",
    "server",
    "session.status",
    "group.v2.join",
    "group.v2.leave",
    "group.v2.update",
    "group.v2.participants",
    "join",
    "leave",
    "WORKING",
    "user42",
    "1@g.us",
    "7911@c.us",
    "1@lid",
];

fn seeds() -> impl Iterator<Item = String> {
    let me = json!({ "id": "7911@c.us", "lid": "1@lid", "jid": "7911:1@s.whatsapp.net" });
    let group =
        json!({ "id": { "_serialized": "1@g.us" }, "subject": "Family", "groupMetadata": { "subject": "Inner" } });
    let payloads = [
        ("session.status", json!({ "name": "user42", "status": "WORKING" })),
        ("group.v2.join", json!({ "group": group, "timestamp": 1_795_377_560 })),
        (
            "group.v2.update",
            json!({ "group": { "JID": "1@g.us", "Name": "Family" }, "timestamp": 1_795_377_560_001_u64 }),
        ),
        ("group.v2.leave", json!({ "group": { "id": "1@g.us" } })),
        (
            "group.v2.participants",
            json!({ "group": group, "type": "leave", "participants": [{ "id": "1@lid", "pn": "7911@c.us" }] }),
        ),
    ];
    payloads.into_iter().map(move |(event, payload)| {
        let session = "user42";
        json!({ "event": event, "session": session, "timestamp": 1_795_377_570_245_u64, "me": me, "payload": payload })
            .to_string()
    })
}

#[test]
fn whatever_is_reported_is_read_or_refused() {
    let worker: WorkerName = "w1".parse().unwrap();
    let webhooks = WahaWebhooks::new(&[WorkerConfig {
        name: worker.clone(),
        url: "http://waha.example".parse().unwrap(),
        api_key: SecretString::from("key"),
        capacity: 1,
        webhook: Some(WebhookConfig {
            url: "https://us.example/hooks".parse().unwrap(),
            secret: SecretString::from("new"),
            previous_secret: Some(SecretString::from("old")),
        }),
    }]);
    let signed = |secret: &str, body: &[u8]| {
        let key = Key::new_from_slice(secret.as_bytes()).unwrap();
        hex::encode(key.chain_update(body).finalize().into_bytes())
    };
    Target::new("webhook").seeds(seeds()).words(WORDS).run(|body| {
        let read = webhooks.read(&worker, &signed("new", body), body);
        assert_eq!(webhooks.read(&worker, &signed("old", body), body), read);
        let text = String::from_utf8_lossy(body);
        for signature in [&*text, "", &signed("other", body)] {
            assert_eq!(webhooks.read(&worker, signature, body), Err(WebhookRefused::Unsigned));
        }
        if let Ok(json) = serde_json::from_slice::<Value>(body) {
            // Written anew, so that no key is there twice: that is refused.
            let once = json.to_string();
            let read = webhooks.read(&worker, &signed("new", once.as_bytes()), once.as_bytes());
            assert_eq!(read.is_ok(), json.is_object(), "objects are events, useful or not");
        }
        if let Ok(Some(event)) = read {
            assert_eq!(event.session.as_str().parse().as_ref(), Ok(&event.session));
            if let Report::Group(GroupEvent { change: GroupChange::Present { name: Some(name), .. }, .. }) =
                event.report
            {
                assert!(!name.trim().is_empty() && !name.contains('\0'));
            }
        }
    });
}
