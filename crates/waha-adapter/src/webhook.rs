//! What WAHA reports by itself: whether it is WAHA's word, and what it says.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha512;
use switchboard_domain::ports::{Report, UpstreamEvent, WebhookReader, WebhookRefused};
use switchboard_domain::{GroupChange, GroupEvent, SessionStatus, WorkerName};

use crate::config::WorkerConfig;
use crate::{body, normalise, wire};

/// The reports of the configured WAHA servers.
pub struct WahaWebhooks {
    /// The keys that each of them may sign with.
    workers: BTreeMap<WorkerName, Vec<Key>>,
}

/// A secret, ready to sign with.
type Key = Hmac<Sha512>;

/// HMAC-SHA512.
const SIGNATURE_BYTES: usize = 64;

impl WahaWebhooks {
    /// Believes these workers, if they have a secret to sign with.
    pub fn new<'a>(workers: impl IntoIterator<Item = &'a WorkerConfig>) -> Self {
        let keys = |worker: &WorkerConfig| {
            let webhook = worker.webhook.as_ref()?;
            let secrets = [Some(&webhook.secret), webhook.previous_secret.as_ref()];
            Some(secrets.into_iter().flatten().filter_map(key).collect())
        };
        let workers = workers.into_iter().map(|worker| (worker.name.clone(), keys(worker).unwrap_or_default()));
        Self { workers: workers.collect() }
    }

    /// Looks at the secrets in constant time, not at how many there are.
    fn is_signed(&self, worker: &WorkerName, signature: &str, body: &[u8]) -> bool {
        let mut claimed = [0; SIGNATURE_BYTES];
        let is_claimed = hex::decode_to_slice(signature, &mut claimed).is_ok();
        let signs = |key: &Key| key.clone().chain_update(body).verify_slice(&claimed).is_ok();
        is_claimed && self.workers.get(worker).is_some_and(|keys| keys.iter().any(signs))
    }
}

/// Anybody can sign with an empty secret.
fn key(secret: &SecretString) -> Option<Key> {
    let secret = secret.expose_secret();
    (!secret.is_empty()).then(|| Key::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length"))
}

impl WebhookReader for WahaWebhooks {
    fn read(&self, worker: &WorkerName, signature: &str, body: &[u8]) -> Result<Option<UpstreamEvent>, WebhookRefused> {
        if !self.is_signed(worker, signature, body) {
            // Anybody can make names up: only our own are worth a line.
            if self.workers.contains_key(worker) {
                tracing::debug!(%worker, "a webhook that is not signed with the worker's secret was refused");
            }
            return Err(WebhookRefused::Unsigned);
        }
        match body::decode_object(body) {
            Ok(event) => Ok(read(worker, event)),
            Err(failure) => {
                tracing::debug!(%worker, %failure, "a webhook could not be read");
                Err(WebhookRefused::Malformed)
            }
        }
    }
}

/// The event, if it is of any use.
fn read(worker: &WorkerName, event: wire::Event) -> Option<UpstreamEvent> {
    let session = event.session.0?.parse().ok()?;
    let me = event.me.0.unwrap_or_default();
    let told = event.payload.0?;
    let Some(at) = time(told.timestamp.0).or_else(|| time(event.timestamp.0)) else {
        // It cannot be put in order, and what is old must not replace what is new.
        tracing::debug!(%worker, "a webhook without a time was passed over");
        return None;
    };
    let report = match event.kind.as_deref()? {
        "session.status" => Report::Status { at, status: SessionStatus::from(told.status.as_deref()?) },
        kind => Report::Group(group_event(kind, at, &me, told)?),
    };
    Some(UpstreamEvent { worker: worker.clone(), session, me: normalise::account(&me), report })
}

/// What happened to a group, if that is of any use.
fn group_event(kind: &str, at: DateTime<Utc>, me: &wire::Me, told: wire::Payload) -> Option<GroupEvent> {
    let (group, name) = normalise::named_group(None, told.group.0?)?;
    let joined = |name| GroupChange::Present { name, joined: true };
    let change = match kind {
        "group.v2.join" => joined(name),
        "group.v2.leave" => GroupChange::Left,
        // Nothing else that may change in a group is known of it here.
        "group.v2.update" => GroupChange::Present { name: Some(name?), joined: false },
        // Of oneself, WAHA does not always say it in an event of its own: GOWS looks for the number where the group has
        // hidden ids.
        "group.v2.participants" if normalise::is_among(me, &told.participants.0?) => match told.kind.as_deref()? {
            "join" => joined(name),
            "leave" => GroupChange::Left,
            _ => return None,
        },
        _ => return None,
    };
    Some(GroupEvent { at, group, change })
}

/// A time in milliseconds, as NOWEB and GOWS send it, or in seconds, as WhatsApp's own web page does. There is none
/// before WhatsApp was, nor after this century.
fn time(stamp: Option<u64>) -> Option<DateTime<Utc>> {
    const SECONDS: std::ops::RangeInclusive<i64> = 1_230_768_000..=4_102_444_800;
    let stamp = i64::try_from(stamp?).ok()?;
    if SECONDS.contains(&stamp) {
        DateTime::from_timestamp(stamp, 0)
    } else if SECONDS.contains(&(stamp / 1000)) {
        DateTime::from_timestamp_millis(stamp)
    } else {
        None
    }
}

#[cfg(test)]
mod fuzzed;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use switchboard_domain::Me;

    use super::*;
    use crate::config::WebhookConfig;

    /// Of a real server, signed with [`REAL_KEY`].
    const REAL: &[u8] = br#"{"id":"evt_01m82df8e4tv5vhsda3wdn1dx4","timestamp":1795377570245,"event":"session.status","session":"user42","metadata":{"user.id":"42"},"me":null,"payload":{"name":"user42","status":"STARTING","statuses":[{"status":"STOPPED","timestamp":1795377570242},{"status":"STARTING","timestamp":1795377570244}]},"engine":"NOWEB","environment":{"version":"2025.12.3","engine":"NOWEB","tier":"CORE","browser":null,"platform":"linux/x64"}}"#;
    const REAL_KEY: &str = "my-hmac-key";
    const REAL_SIGNATURE: &str = "12ab6cbf6dc55e4e998e23501b521aa32f38d610168e6d82e105bc8216479e01606424e8ffbe7a9e87c1c912484508a139a70257692ccfd4598e12803d57f9d8";

    fn worker(name: &str, secrets: &[&str]) -> WorkerConfig {
        let mut secrets = secrets.iter().map(|secret| SecretString::from(*secret));
        WorkerConfig {
            name: name.parse().unwrap(),
            url: "http://waha".parse().unwrap(),
            api_key: "key".into(),
            capacity: 500,
            webhook: secrets.next().map(|secret| WebhookConfig {
                url: "http://us".parse().unwrap(),
                secret,
                previous_secret: secrets.next(),
            }),
        }
    }

    fn w1() -> WorkerName {
        "w1".parse().unwrap()
    }

    fn signature(key: &str, body: &[u8]) -> String {
        let signed = Key::new_from_slice(key.as_bytes()).unwrap().chain_update(body).finalize();
        hex::encode(signed.into_bytes())
    }

    /// Reads a body that `w1` has signed.
    fn read_signed(body: &[u8]) -> Result<Option<UpstreamEvent>, WebhookRefused> {
        WahaWebhooks::new(&[worker("w1", &["key"])]).read(&w1(), &signature("key", body), body)
    }

    fn read_json(body: &Value) -> Option<UpstreamEvent> {
        read_signed(body.to_string().as_bytes()).unwrap()
    }

    /// A report of a group of `user42`, as 2025.12.3 sends it.
    fn report(kind: &str, payload: Value) -> Value {
        let mut payload = payload;
        payload.as_object_mut().unwrap().entry("timestamp").or_insert(json!(1_795_377_570_100_u64));
        json!({
            "id": "evt_01m82df8e4tv5vhsda3wdn1dx4",
            "timestamp": 1_795_377_570_245_u64,
            "event": kind,
            "session": "user42",
            "metadata": {"user.id": "42"},
            "me": {"id": "79110000001@c.us", "pushName": "Alice", "lid": "90079110000001@lid"},
            "payload": payload,
            "engine": "NOWEB",
            "environment": {"version": "2025.12.3"},
        })
    }

    fn change(kind: &str, payload: Value) -> Option<GroupChange> {
        match read_json(&report(kind, payload))?.report {
            Report::Group(event) => Some(event.change),
            Report::Status { .. } => None,
        }
    }

    fn present(name: &str, joined: bool) -> GroupChange {
        GroupChange::Present { name: Some(name.to_owned()), joined }
    }

    #[test]
    fn what_a_real_server_signed_is_believed_and_nothing_else() {
        let webhooks = WahaWebhooks::new(&[worker("w1", &[REAL_KEY])]);
        let read = |signature, body: &[u8]| webhooks.read(&w1(), signature, body);
        let at = DateTime::from_timestamp_millis(1_795_377_570_245).unwrap();
        let starting = Report::Status { at, status: SessionStatus::Starting };
        let event = UpstreamEvent { worker: w1(), session: "user42".parse().unwrap(), me: None, report: starting };
        assert_eq!(read(REAL_SIGNATURE, REAL), Ok(Some(event)));

        let altered = [REAL, b" "].concat();
        let longer = format!("{REAL_SIGNATURE}00");
        let other = signature("another key", REAL);
        for (signature, body) in [
            ("", REAL),
            ("sha512", REAL),
            (&REAL_SIGNATURE[..64], REAL),
            (&REAL_SIGNATURE[..127], REAL),
            (&longer, REAL),
            (&other, REAL),
            (REAL_SIGNATURE, &altered),
            (REAL_SIGNATURE, &REAL[1..]),
            (REAL_SIGNATURE, b""),
        ] {
            assert_eq!(read(signature, body), Err(WebhookRefused::Unsigned), "{signature:?}");
        }
    }

    #[test]
    fn the_example_of_wahas_documentation_is_signed() {
        let body = br#"{"event":"message","session":"default","engine":"WEBJS"}"#;
        let signed = "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89";
        let webhooks = WahaWebhooks::new(&[worker("w1", &["my-secret-key"])]);
        assert_eq!(webhooks.read(&w1(), signed, body), Ok(None));
    }

    #[test]
    fn a_worker_signs_with_its_own_secret_or_the_one_before() {
        let webhooks =
            WahaWebhooks::new(&[worker("w1", &["new", "old"]), worker("w2", &["other", ""]), worker("w3", &[])]);
        let read = |worker: &str, key| {
            webhooks.read(&worker.parse().unwrap(), &signature(key, b"{}"), b"{}").map(|event| event.is_none())
        };
        assert_eq!((read("w1", "new"), read("w1", "old"), read("w2", "other")), (Ok(true), Ok(true), Ok(true)));
        for (worker, key) in
            [("w1", "other"), ("w2", "new"), ("w2", ""), ("w3", ""), ("w3", "new"), ("w4", "new"), ("W1", "new")]
        {
            assert_eq!(read(worker, key), Err(WebhookRefused::Unsigned), "{worker} {key:?}");
        }
    }

    #[test]
    fn a_group_joined_is_present_and_one_left_is_not() {
        let group = json!({"id": "1@g.us", "subject": "Family", "participants": [{"id": "1@lid", "role": "admin"}]});
        let event = read_json(&report("group.v2.join", json!({"group": group, "_data": {"id": 7}}))).unwrap();
        assert_eq!(
            event,
            UpstreamEvent {
                worker: w1(),
                session: "user42".parse().unwrap(),
                me: Some(Me {
                    id: "79110000001@c.us".parse().unwrap(),
                    lid: Some("90079110000001@lid".parse().unwrap()),
                }),
                report: Report::Group(GroupEvent {
                    at: DateTime::from_timestamp_millis(1_795_377_570_100).unwrap(),
                    group: "1@g.us".parse().unwrap(),
                    change: present("Family", true),
                }),
            }
        );
        let nameless = GroupChange::Present { name: None, joined: true };
        assert_eq!(change("group.v2.join", json!({"group": {"id": "1@g.us", "subject": " "}})), Some(nameless));
        assert_eq!(change("group.v2.leave", json!({"group": {"id": "1@g.us"}})), Some(GroupChange::Left));
    }

    #[test]
    fn an_update_counts_if_it_tells_a_name() {
        let update = |group| change("group.v2.update", json!({ "group": group }));
        assert_eq!(update(json!({"id": "1@g.us", "subject": "a\u{0}b"})), Some(present("ab", false)));
        for subject in [json!(null), json!(""), json!("  "), json!("\u{0}"), json!(7), json!({})] {
            assert_eq!(update(json!({"id": "1@g.us", "subject": subject})), None, "{subject}");
        }
        assert_eq!(update(json!({"id": "1@g.us", "description": "x"})), None);
    }

    #[test]
    fn who_comes_and_goes_matters_if_it_is_oneself() {
        let participants = |kind: &str, participants: Value| {
            change(
                "group.v2.participants",
                json!({"type": kind, "group": {"id": "1@g.us"}, "participants": participants}),
            )
        };
        let (other, joined) = (json!({"id": "5@c.us"}), GroupChange::Present { name: None, joined: true });
        for oneself in [
            json!({"id": "79110000001@c.us", "role": "left"}),
            json!({"id": "79110000001:12@s.whatsapp.net"}),
            json!({"id": "90079110000001@lid"}),
            json!({"id": "77@lid", "pn": "79110000001@s.whatsapp.net"}),
        ] {
            assert_eq!(participants("leave", json!([other, oneself])), Some(GroupChange::Left), "{oneself}");
            assert_eq!(participants("join", json!([oneself])), Some(joined.clone()), "{oneself}");
            assert_eq!(participants("promote", json!([oneself])), None);
        }
        for others in
            [json!([other]), json!([]), json!(null), json!([null, 7, "x", {"id": null}, {"id": "@"}]), json!({})]
        {
            assert_eq!(participants("leave", others.clone()), None, "{others}");
        }
        for me in [json!(null), json!({}), json!({"id": "", "lid": ""})] {
            let payload = json!({"type": "leave", "group": {"id": "1@g.us"}, "participants": [{"id": ""}, {}]});
            let mut report = report("group.v2.participants", payload);
            report["me"] = me;
            assert_eq!(read_json(&report), None);
        }
    }

    #[test]
    fn a_group_is_known_by_its_id_in_every_engines_form() {
        for id in [json!("1@g.us"), json!({"_serialized": "1@g.us"}), json!({"server": "g.us", "user": "1"})] {
            assert_eq!(change("group.v2.leave", json!({"group": {"id": id}})), Some(GroupChange::Left), "{id}");
        }
        assert_eq!(change("group.v2.leave", json!({"group": {"JID": "1@g.us"}})), Some(GroupChange::Left));
        for id in [json!(null), json!("1@c.us"), json!(1), json!({}), json!("@g.us"), json!("1\u{0}@g.us")] {
            assert_eq!(change("group.v2.leave", json!({"group": {"id": id}})), None, "{id}");
        }
    }

    #[test]
    fn the_time_is_the_payloads_in_milliseconds_or_seconds_and_else_the_events() {
        let at = |stamp: Value, envelope: Value| {
            let mut report = report("group.v2.leave", json!({"group": {"id": "1@g.us"}, "timestamp": stamp}));
            report["timestamp"] = envelope;
            match read_json(&report)?.report {
                Report::Group(event) => Some(event.at.timestamp_millis()),
                Report::Status { .. } => None,
            }
        };
        let envelope = json!(1_795_377_570_245_u64);
        assert_eq!(at(json!(1_795_377_560_001_u64), envelope.clone()), Some(1_795_377_560_001));
        assert_eq!(at(json!(1_795_377_560), envelope.clone()), Some(1_795_377_560_000));
        for absurd in
            [json!(null), json!(0), json!(-5), json!(1.5), json!("now"), json!(u64::MAX), json!(99_999_999_999_u64)]
        {
            assert_eq!(at(absurd.clone(), envelope.clone()), Some(1_795_377_570_245), "{absurd}");
            assert_eq!(at(absurd.clone(), absurd.clone()), None, "{absurd}");
        }
    }

    #[test]
    fn what_is_not_about_a_group_of_a_session_of_ours_is_of_no_use() {
        let good = report("group.v2.leave", json!({"group": {"id": "1@g.us"}}));
        assert!(read_json(&good).is_some());
        for (key, value) in [
            ("event", json!("group.v3.leave")),
            ("event", json!("message")),
            ("event", json!(null)),
            ("session", json!("../../etc")),
            ("session", json!("x".repeat(55))),
            ("session", json!(["user42"])),
            ("payload", json!(null)),
            ("payload", json!([{}])),
        ] {
            let mut report = good.clone();
            report[key] = value;
            assert_eq!(read_json(&report), None, "{key}");
        }
        let mut newer = good.clone();
        newer["unknown"] = json!({"deeply": [[[[{}]]]]});
        newer["payload"]["unknown"] = json!([1, null]);
        assert_eq!(read_json(&newer), read_json(&good));
    }

    #[test]
    fn what_is_no_object_is_malformed_though_it_is_signed() {
        let (deep, deeper) = ("[".repeat(100_000), r#"{"payload":"#.repeat(10_000));
        for body in ["", "null", "7", "[]", "\"x\"", "{", "{}{}", "{\"session\":\"\u{e9}", &deep, &deeper] {
            assert_eq!(read_signed(body.as_bytes()), Err(WebhookRefused::Malformed));
        }
        assert_eq!(read_signed(b"{\"event\":\"\xff\"}"), Err(WebhookRefused::Malformed));
    }

    /// JSON like WAHA's, with anything in the place of anything.
    fn odd_json() -> impl Strategy<Value = Value> {
        const KEYS: &str =
            "event|session|timestamp|me|payload|group|id|lid|jid|subject|participants|type|_serialized|user|server|pn";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "group\\.v2\\.(join|leave|update|participants)|user42|1@g\\.us|1@c\\.us|.{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(KEYS, inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_signed_json_does_harm(body in odd_json()) {
            let is_object = body.is_object();
            prop_assert_eq!(read_signed(body.to_string().as_bytes()).is_ok(), is_object);
        }

        #[test]
        fn no_body_and_no_signature_do_harm(body: Vec<u8>, signature: String) {
            let _ = read_signed(&body);
            let webhooks = WahaWebhooks::new(&[worker("w1", &["key"])]);
            prop_assert_eq!(webhooks.read(&w1(), &signature, &body), Err(WebhookRefused::Unsigned));
        }
    }
}
