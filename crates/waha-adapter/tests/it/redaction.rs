//! No secret and no personal data in logs, at any level.

use std::{
    io,
    sync::{Arc, Mutex},
};

use futures_util::future::join_all;
use switchboard_domain::ports::WhatsAppGateway;
use switchboard_waha_adapter::ClientConfig;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Answer, CALLS, Scripted, at, bounded, call, gateway, webhook, with_workers, worker};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The runtime has one thread, so that this subscriber hears of everything.
#[tokio::test]
async fn at_trace_level_no_log_holds_a_secret_or_anything_that_was_sent() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    for answer in [
        Answer::json(200, r#"{"name":"user42","status":"WORKING","config":{"webhooks":[{"hmac":{"key":"canary"}}]}}"#),
        Answer::json(
            200,
            r#"{"config":{"webhooks":[{"url":"http://us.example/canary/w1","hmac":{"key":"canary"}}],"proxy":{"password":"canary"}}}"#,
        ),
        Answer::json(200, r#"[{"id":"34600111222@c.us","name":"canary"}]"#),
        Answer::json(200, "\"canary\""),
        Answer::json(400, r#"{"message":"canary 34600111222","error":"canary"}"#),
        Answer::json(401, r#"{"message":"canary"}"#),
        Answer::json(422, r#"{"error":"canary","status":"canary","session":"canary"}"#),
        Answer::json(500, r#"{"exception":{"message":"canary","stack":"canary"},"request":{"body":"canary"}}"#),
        Answer::redirect("http://canary.example/canary"),
        Answer::raw("canary\r\n\r\n"),
        Answer::cut(200, "canary"),
    ] {
        let waha = Scripted::playing([answer]).await;
        let mut config = worker("w1", &waha.url.replace("http://", "http://user:canary@"));
        config.webhook = Some(webhook("http://us.example/canary"));
        let gateway = with_workers([config], &bounded());
        join_all(CALLS.map(|name| call(&gateway, name))).await;
        gateway.probe().await;
        let _ = gateway.renew_webhook(&at("user42")).await;
    }
    let _ = call(&gateway(&crate::support::nobody().await, &ClientConfig::default()), "groups").await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("call=\"groups\"") && log.contains("worker=\"w1\"") && log.contains("status=500"), "{log}");
    for secret in ["canary", "34600111222"] {
        let told: Vec<_> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{told:#?}");
    }
}
