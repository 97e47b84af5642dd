//! What is sent to WAHA, byte by byte where it matters.

use std::sync::Arc;

use switchboard_domain::SystemClock;
use switchboard_domain::ports::WhatsAppGateway;
use switchboard_waha_adapter::{ClientConfig, SetupError, WahaGateway};

use crate::support::{Answer, CALLS, KEY, Scripted, at, call, fixture, gateway, labels, webhook, with_workers, worker};

#[tokio::test]
async fn every_call_carries_the_key_and_accepts_json_and_nothing_else() {
    let waha = Scripted::playing([Answer::json(422, fixture!("unknown-session.json"))]).await;
    let gateway = waha.gateway();
    for name in CALLS {
        let _ = call(&gateway, name).await;
    }
    gateway.probe().await;

    let requests = waha.requests();
    assert_eq!(requests.len(), CALLS.len() + 1 + 1, "the pairing code asks for the status too: {:?}", waha.targets());
    for request in requests {
        assert_eq!(request.header("x-api-key"), [KEY], "{}", request.line);
        assert_eq!(request.header("accept"), ["application/json"], "{}", request.line);
        assert!(request.header("user-agent")[0].starts_with("switchboard/"), "{}", request.line);
        assert!(!request.line.contains(KEY) && request.header("authorization").is_empty(), "{}", request.line);
    }
}

#[tokio::test]
async fn each_call_is_the_one_of_the_contract() {
    let expected = [
        ("session", "GET /api/sessions/user42"),
        ("sessions", "GET /api/sessions?all=true"),
        ("create", "POST /api/sessions"),
        ("start", "POST /api/sessions/user42/start"),
        ("restart", "POST /api/sessions/user42/restart"),
        ("logout", "POST /api/sessions/user42/logout"),
        ("delete", "DELETE /api/sessions/user42"),
        ("qr", "GET /api/user42/auth/qr"),
        ("pairing", "POST /api/user42/auth/request-code"),
        ("refresh", "POST /api/user42/groups/refresh"),
        ("groups", "GET /api/user42/groups?exclude=participants"),
        ("contacts", "GET /api/contacts/all?session=user42"),
        ("lids", "GET /api/user42/lids?limit=1000&offset=0"),
    ];
    assert_eq!(expected.map(|(name, _)| name), CALLS);
    for (name, target) in expected {
        let waha = Scripted::playing([Answer::json(400, "{}")]).await;
        let _ = call(&waha.gateway(), name).await;
        assert_eq!(waha.targets(), [target]);
    }
}

#[tokio::test]
async fn a_worker_below_a_path_is_called_below_it() {
    for prefix in ["/waha", "/waha/", "/a%20b/%2e%2e%2f"] {
        let waha = Scripted::playing([Answer::json(201, fixture!("session-created.json"))]).await;
        let url = format!("{}{prefix}", waha.url);
        gateway(&url, &ClientConfig::default()).start(&at("user42")).await.unwrap();
        let prefix = prefix.trim_end_matches('/');
        assert_eq!(waha.targets(), [format!("POST {prefix}/api/sessions/user42/start")]);
    }
}

#[tokio::test]
async fn a_created_session_carries_owner_deployment_store_and_webhook() {
    let waha = Scripted::playing([Answer::json(201, fixture!("session-created.json"))]).await;
    let mut config = worker("w.1", &waha.url);
    config.webhook = Some(webhook("https://us.example/hooks/"));
    let gateway = with_workers([config], &ClientConfig::default());
    let mut address = at("user42");
    address.worker = "w.1".parse().unwrap();
    gateway.create(&address, &labels()).await.unwrap();

    let request = &waha.requests()[0];
    assert_eq!(request.header("content-type"), ["application/json"]);
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let expected = serde_json::json!({
        "name": "user42",
        "start": true,
        "config": {
            "metadata": { "user.id": "canary-user", "switchboard": "tz4a98xxat96iws9zmbrgj3a", "switchboard.worker": "w.1" },
            "noweb": { "markOnline": false, "store": { "enabled": true, "fullSync": true } },
            "webhooks": [{
                "url": "https://us.example/hooks/w.1",
                "events": ["session.status", "group.v2.join", "group.v2.update", "group.v2.participants", "group.v2.leave"],
                "hmac": { "key": "canary-hmac" },
            }],
        },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn without_a_public_address_no_webhook_is_asked_for() {
    let waha = Scripted::playing([Answer::json(201, fixture!("session-created.json"))]).await;
    waha.gateway().create(&at("user42"), &labels()).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&waha.requests()[0].body).unwrap();
    assert_eq!(body["config"].get("webhooks"), None);
}

#[tokio::test]
async fn a_phone_number_is_sent_as_digits_and_in_the_body_alone() {
    let waha = Scripted::playing([Answer::json(201, r#"{"code":"CRGN-G5PH"}"#)]).await;
    let code = waha.gateway().request_pairing_code(&at("user42"), &"+34 600-111-222".parse().unwrap()).await.unwrap();
    assert_eq!(code.0, "CRGN-G5PH");
    assert_eq!(waha.requests()[0].body, r#"{"phoneNumber":"34600111222"}"#);
    assert!(!waha.requests()[0].line.contains("34600111222"));
}

#[test]
fn workers_that_cannot_be_called_are_refused_at_the_start() {
    let refused = |workers: Vec<_>| WahaGateway::new(workers, &ClientConfig::default(), Arc::new(SystemClock)).err();
    for url in ["ftp://waha", "mailto:waha", "http://waha/?x-api-key=canary", "http://waha/#x"] {
        assert!(matches!(refused(vec![worker("w1", url)]), Some(SetupError::Url(_))), "{url}");
        let mut with_webhook = worker("w1", "http://waha");
        with_webhook.webhook = Some(webhook(url));
        assert!(matches!(refused(vec![with_webhook]), Some(SetupError::Url(_))), "{url}");
    }
    let mut odd_key = worker("w1", "http://waha");
    odd_key.api_key = "canary\nkey".into();
    let error = refused(vec![odd_key]);
    assert!(matches!(&error, Some(SetupError::ApiKey(_))), "{error:?}");
    assert!(!format!("{error:?}").contains("canary"));
    let twice = vec![worker("w1", "http://a"), worker("w1", "http://b")];
    assert!(matches!(refused(twice), Some(SetupError::Duplicate(_))));
    for (one, other) in [
        ("http://waha", "http://waha:80/"),
        ("http://waha/below", "http://WAHA/below/"),
        ("https://waha", "https://user:canary@waha:443"),
    ] {
        let error = refused(vec![worker("w1", one), worker("w0", "http://else"), worker("w2", other)]);
        assert!(matches!(&error, Some(SetupError::SameServer(..))), "{error:?}");
        let text = error.unwrap().to_string();
        assert!(text.contains("w1") && text.contains("w2") && !text.contains("canary"), "{text}");
    }
    for other in ["https://waha", "http://waha:3000", "http://waha/below", "http://waha2"] {
        assert!(refused(vec![worker("w1", "http://waha"), worker("w2", other)]).is_none(), "{other}");
    }
}
