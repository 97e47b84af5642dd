//! Every answer of WAHA's, with anything in the place of anything.

use std::collections::HashSet;

use reqwest::StatusCode;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use switchboard_domain::ChatId;
use switchboard_fuzz::Target;

use super::*;
use crate::config::WebhookConfig;
use crate::loose::Entry;

const SEEDS: [&str; 17] = [
    include_str!("../../tests/fixtures/contacts-gows.json"),
    include_str!("../../tests/fixtures/contacts-noweb.json"),
    include_str!("../../tests/fixtures/contacts-webjs.json"),
    include_str!("../../tests/fixtures/contacts-wpp.json"),
    include_str!("../../tests/fixtures/groups-gows.json"),
    include_str!("../../tests/fixtures/groups-noweb.json"),
    include_str!("../../tests/fixtures/groups-webjs.json"),
    include_str!("../../tests/fixtures/groups-wpp.json"),
    include_str!("../../tests/fixtures/lids.json"),
    include_str!("../../tests/fixtures/session-created.json"),
    include_str!("../../tests/fixtures/session-stopped.json"),
    include_str!("../../tests/fixtures/session-working.json"),
    include_str!("../../tests/fixtures/sessions-all.json"),
    include_str!("../../tests/fixtures/version.json"),
    include_str!("../../tests/fixtures/wrong-status-starting.json"),
    r#"{"mimetype":"image/png","data":"iVBORw0KGgo="}"#,
    r#"{"code":"ABCD-1234"}"#,
];

const WORDS: [&str; 40] = [
    "id",
    "lid",
    "jid",
    "JID",
    "_serialized",
    "user",
    "server",
    "subject",
    "name",
    "Name",
    "groupMetadata",
    "pushname",
    "shortName",
    "verifiedName",
    "phoneNumber",
    "isMyContact",
    "isMe",
    "isBlocked",
    "pn",
    "status",
    "WORKING",
    "FAILED",
    "me",
    "config",
    "metadata",
    "switchboard",
    "switchboard.worker",
    "webhooks",
    "url",
    "events",
    "hmac",
    "key",
    "*",
    "https://us.example/hooks/w1",
    "7911:12@s.whatsapp.net",
    "120363@g.us",
    "1@lid",
    "message",
    "exception",
    "Session status is not as expected",
];

/// A list that is read as a whole and as it arrives: the same entries, or not at all.
fn entries<T: Entry<Wire: DeserializeOwned>>(answer: &[u8]) -> Vec<T> {
    let read = body::decode::<Entries<T>>(answer).map(|Entries(entries)| entries);
    if str::from_utf8(answer).is_ok() {
        let arrived = serde_json::from_reader::<_, Entries<T>>(answer).map(|Entries(entries)| entries.len());
        assert_eq!(arrived.ok(), read.as_ref().map(Vec::len).ok());
    }
    read.map_err(told).unwrap_or_default()
}

/// What is said of a failure is short, whatever the answer was.
fn told(failure: Failure) {
    let told = GatewayError::from(failure).to_string();
    assert!(told.len() < 200, "{told}");
}

/// A configuration into which our webhook was put has it, once and for all.
fn renewed(subscription: &Subscription, mut config: SessionConfig) {
    if subscription.renew(&mut config).is_none() {
        return;
    }
    assert_eq!(subscription.renew(&mut config), Some(false), "what was renewed is as it should be");
    let session = serde_json::json!({ "name": "x", "config": config.0 });
    let session: wire::Session = serde_json::from_value(session).unwrap();
    let shown = ShownSession::new("x".parse().unwrap(), session).beside(Some(subscription));
    assert!(!shown.is_webhook_outdated);
}

fn is_an_id(id: &ChatId) {
    assert_eq!(id.as_str().parse().as_ref(), Ok(id));
}

#[test]
fn whatever_waha_answers_is_read_or_refused() {
    let webhook = WebhookConfig {
        url: "https://us.example/hooks/".parse().unwrap(),
        secret: SecretString::from("new"),
        previous_secret: Some(SecretString::from("old")),
    };
    let subscription = Subscription::new(&"w1".parse().unwrap(), webhook);
    Target::new("waha").seeds(SEEDS).words(WORDS).run(|answer| {
        let groups = normalise::distinct(entries::<Group>(answer));
        let ids: HashSet<_> = groups.iter().map(|group| &group.id).collect();
        assert_eq!(ids.len(), groups.len(), "each group is listed once");
        assert!(groups.iter().all(|group| !group.name.trim().is_empty() && !group.name.contains('\0')));
        for contact in entries::<ListedContact>(answer) {
            contact.lid.iter().chain([&contact.id]).for_each(is_an_id);
        }
        for twin in entries::<ListedTwin>(answer) {
            twin.lid.iter().chain(&twin.phone).for_each(is_an_id);
        }
        for shown in entries::<ShownSession>(answer) {
            let session = shown.beside(Some(&subscription));
            assert_eq!(session.name.as_str().parse().as_ref(), Ok(&session.name));
            assert!(session.status.as_str().chars().count() <= 64);
        }
        session(answer).map_or_else(told, |wire| drop(ShownSession::new("asked".parse().unwrap(), wire).beside(None)));
        match configured(answer) {
            Ok(config) => renewed(&subscription, config),
            Err(failure) => told(failure),
        }
        qr::decode(answer).map_or_else(told, |qr| assert!(qr.png_base64.starts_with("iVBORw0KGgo")));
        pairing_code(answer).map_or_else(told, drop);
        software(answer).map_or_else(told, |software| assert!(software.version.chars().count() <= 32));
        for status in [302, 400, 401, 404, 422, 429, 500, 501, 502, 503, 504] {
            let status = StatusCode::from_u16(status).unwrap();
            told(Failure::Refused { status, refusal: Refusal::read(status, answer) });
        }
    });
}
