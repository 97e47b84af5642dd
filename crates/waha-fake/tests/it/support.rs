//! A client of the fake, and waiting without hoping.

use std::{future::Future, time::Duration};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchboard_waha_fake::{FakeWaha, Options, start};
use tokio::time::{Instant, sleep};

/// A fake whose clock runs fast, and a client with its key.
pub(crate) struct World {
    pub(crate) fake: FakeWaha,
    client: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    #[track_caller]
    pub(crate) fn assert(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.text()), (status, body));
    }
}

/// A hundred times faster than a real WAHA.
pub(crate) fn fast() -> Options {
    Options { time_scale: 100.0, ..Options::default() }
}

impl World {
    pub(crate) async fn new(options: Options) -> Self {
        let fake = start(options).await.unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { fake, client }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.fake.url());
        self.client.request(method, url).header("X-Api-Key", self.fake.api_key())
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let content_type = response.headers().get("content-type");
        Answer {
            status: response.status().as_u16(),
            content_type: content_type.map(|value| value.to_str().unwrap().to_owned()),
            bytes: response.bytes().await.unwrap().to_vec(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn act(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn until(&self, session: &str, status: &str) {
        eventually(&format!("{session} is {status}"), || async {
            self.fake.session(session).filter(|session| session.status == status)
        })
        .await;
    }

    /// A session with the NOWEB store, showing its QR code.
    pub(crate) async fn unpaired(&self, name: &str) {
        let config = json!({"noweb": {"store": {"enabled": true, "fullSync": true}}});
        let body = json!({"name": name, "start": true, "config": config});
        assert_eq!(self.post("/api/sessions", body).await.status, 201);
        self.until(name, "SCAN_QR_CODE").await;
    }

    /// The same, scanned by a phone and WORKING.
    pub(crate) async fn paired(&self, name: &str) {
        self.unpaired(name).await;
        assert!(self.fake.scan(name, "+34600111222"));
        self.until(name, "WORKING").await;
    }
}

/// Looks until there is something, for 10 s at most.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
