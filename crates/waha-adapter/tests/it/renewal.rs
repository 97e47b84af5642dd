//! A session that reports elsewhere is told to report to us, and nothing else of it changes.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_domain::SessionStatus;
use switchboard_domain::ports::{GatewayError, WhatsAppGateway};
use switchboard_waha_adapter::{ClientConfig, WahaGateway, WorkerConfig};
use switchboard_waha_fake::{Engine, FakeWaha, Options, start};

use crate::support::{Answer, Scripted, at, labels, w1, webhook, with_workers, worker};

const PHONE: &str = "34600111222";

async fn fake(engine: Engine) -> FakeWaha {
    start(Options { engine, time_scale: 50.0, ..Options::default() }).await.unwrap()
}

/// The gateway that wants to hear at that address, with that secret.
fn listening_at(waha: &FakeWaha, url: &str, secret: &str) -> WahaGateway {
    let mut webhook = webhook(url);
    webhook.secret = secret.into();
    webhook.previous_secret = Some("old".into());
    let config = WorkerConfig { api_key: waha.api_key().into(), webhook: Some(webhook), ..worker("w1", &waha.url()) };
    with_workers([config], &ClientConfig::default())
}

fn config(waha: &FakeWaha) -> Value {
    waha.sessions().into_iter().find(|session| session.name == "user42").unwrap().config
}

/// Puts webhooks into the session as an operator would.
async fn put_webhooks(waha: &FakeWaha, webhooks: Value) {
    let mut config = config(waha);
    config["webhooks"] = webhooks;
    config["proxy"] = json!({ "server": "proxy:8080", "password": "theirs" });
    config["noweb"]["store"]["fullSync"] = json!(false);
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.put(format!("{}/api/sessions/user42", waha.url())).header("x-api-key", waha.api_key());
    let body = json!({ "config": config }).to_string();
    let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

async fn becomes(gateway: &WahaGateway, status: SessionStatus) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while gateway.session(&at("user42")).await.unwrap().unwrap().status != status {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "it never is {status}");
}

#[tokio::test]
async fn only_our_webhook_is_changed_and_the_phone_stays_paired() {
    let waha = fake(Engine::Noweb).await;
    let before = listening_at(&waha, "http://before.example/hooks", "old");
    before.create(&at("user42"), &labels()).await.unwrap();
    becomes(&before, SessionStatus::ScanQrCode).await;
    assert!(waha.scan("user42", PHONE));
    becomes(&before, SessionStatus::Working).await;
    let ours = config(&waha)["webhooks"][0].clone();
    let theirs = json!({
        "url": "http://theirs.example/hook", "events": ["message"], "hmac": { "key": "theirs" },
        "retries": { "policy": "exponential", "delaySeconds": 1.5, "attempts": 3 },
        "customHeaders": [{ "name": "X-Tenant", "value": "t-42" }],
    });
    put_webhooks(&waha, json!([theirs, ours, theirs])).await;
    let was = config(&waha);

    let now = listening_at(&waha, "https://us.example/webhooks/waha", "new");
    assert!(now.session(&at("user42")).await.unwrap().unwrap().is_webhook_outdated);
    now.renew_webhook(&at("user42")).await.unwrap();

    let mut expected = was.clone();
    expected["webhooks"][1]["url"] = json!("https://us.example/webhooks/waha/w1");
    expected["webhooks"][1]["hmac"]["key"] = json!("new");
    assert_eq!(config(&waha), expected);
    assert!(!now.session(&at("user42")).await.unwrap().unwrap().is_webhook_outdated);
    becomes(&now, SessionStatus::Working).await;

    waha.clear_calls();
    now.renew_webhook(&at("user42")).await.unwrap();
    let methods: Vec<_> = waha.calls().into_iter().map(|call| call.method).collect();
    assert_eq!(methods, ["GET"], "what is as it should be is not restarted");
}

#[tokio::test]
async fn every_engine_tells_which_sessions_report_elsewhere() {
    for engine in [Engine::Noweb, Engine::Webjs, Engine::Gows, Engine::Wpp] {
        let waha = fake(engine).await;
        let deaf = WorkerConfig { api_key: waha.api_key().into(), ..worker("w1", &waha.url()) };
        let deaf = with_workers([deaf], &ClientConfig::default());
        let listening = listening_at(&waha, "https://us.example/hooks", "new");
        deaf.create(&at("user42"), &labels()).await.unwrap();
        let outdated = async |gateway: &WahaGateway| {
            let listed = gateway.sessions(&w1()).await.unwrap().remove(0).is_webhook_outdated;
            (listed, gateway.session(&at("user42")).await.unwrap().unwrap().is_webhook_outdated)
        };
        assert_eq!(outdated(&deaf).await, (false, false), "{engine}: nobody wants to hear");
        assert_eq!(outdated(&listening).await, (true, true), "{engine}");
        listening.renew_webhook(&at("user42")).await.unwrap();
        assert_eq!(outdated(&listening).await, (false, false), "{engine}");
        let listed = listening.sessions(&w1()).await.unwrap().remove(0).home;
        let shown = listening.session(&at("user42")).await.unwrap().unwrap().home;
        assert_eq!((listed, shown), (Some(w1()), Some(w1())), "{engine}: it still says where it was created");
        for other in ["https://us.example/elsewhere", "http://us.example/hooks"] {
            assert_eq!(outdated(&listening_at(&waha, other, "new")).await, (true, true), "{engine}");
        }
        assert_eq!(outdated(&listening_at(&waha, "https://us.example/hooks", "newer")).await, (true, true), "{engine}");
    }
}

#[tokio::test]
async fn a_session_that_is_not_there_cannot_be_renewed() {
    let waha = fake(Engine::Noweb).await;
    let gateway = listening_at(&waha, "https://us.example/hooks", "new");
    let result = gateway.renew_webhook(&at("user42")).await;
    assert!(matches!(result, Err(GatewayError::NoSession)), "{result:?}");
}

#[tokio::test]
async fn a_configuration_that_is_not_shown_whole_is_never_replaced() {
    for body in [
        r#"{"name":"user42","status":"WORKING"}"#,
        r#"{"name":"user42","status":"WORKING","config":null}"#,
        r#"{"name":"user42","status":"WORKING","config":[]}"#,
        r#"{"name":"user42","status":"WORKING","config":{"webhooks":"canary"}}"#,
    ] {
        let waha = Scripted::playing([Answer::json(200, body)]).await;
        let config = WorkerConfig { webhook: Some(webhook("https://us.example/hooks")), ..worker("w1", &waha.url) };
        let result = with_workers([config], &ClientConfig::default()).renew_webhook(&at("user42")).await;
        assert!(matches!(&result, Err(GatewayError::Broken(why)) if !why.contains("canary")), "{result:?}");
        assert_eq!(waha.targets(), ["GET /api/sessions/user42"]);
    }
}

#[tokio::test]
async fn a_renewal_whose_answer_is_lost_is_not_repeated() {
    let waha = Scripted::answering(|request| {
        let session = r#"{"name":"user42","status":"WORKING","config":{}}"#;
        Some(if request.line.starts_with("GET") { Answer::json(200, session) } else { Answer::reset() })
    })
    .await;
    let config = WorkerConfig { webhook: Some(webhook("https://us.example/hooks")), ..worker("w1", &waha.url) };
    let result = with_workers([config], &ClientConfig::default()).renew_webhook(&at("user42")).await;
    assert!(result.is_err_and(|error| error.outcome_is_unknown()));
    assert_eq!(waha.targets(), ["GET /api/sessions/user42", "PUT /api/sessions/user42"]);
}
