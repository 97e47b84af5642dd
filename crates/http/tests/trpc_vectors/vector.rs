//! A recorded exchange, and how it is sent again.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::Value as Json;
use switchboard_http::trpc::{Body, BodyError, ConnectionParams, KeepAlive, Request, Router};

use crate::canned::Caller;
use crate::decode;

/// A recorded exchange.
pub(crate) struct Vector {
    pub(crate) name: String,
    recording: Json,
}

/// An answer, as far as it can matter to a client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) vary: Option<String>,
    pub(crate) allow: Option<String>,
    /// Whether caches and proxies are told to keep away.
    pub(crate) cache_control: Option<String>,
    pub(crate) accel_buffering: Option<String>,
    /// The body with its transformer undone: one object, an array for a batch (streamed or not) or for
    /// events, or nothing.
    pub(crate) body: Option<Json>,
}

impl Vector {
    /// All the recordings in a folder, by name.
    pub(crate) fn all(folder: PathBuf) -> Vec<Self> {
        let mut vectors: Vec<_> = fs::read_dir(folder)
            .expect("the fixtures are in the repository")
            .map(|file| {
                let text = fs::read_to_string(file.expect("it was listed").path()).expect("text");
                let recording: Json = serde_json::from_str(&text).expect("a recording is JSON");
                let name = recording["name"].as_str().expect("a recording has a name").to_owned();
                Self { name, recording }
            })
            .collect();
        vectors.sort_by(|a, b| a.name.cmp(&b.name));
        vectors
    }

    pub(crate) fn superjson(&self) -> bool {
        self.recording["transformer"] == "superjson"
    }

    /// How the names of the recordings with its transformer end.
    pub(crate) fn transformer_suffix(&self) -> &'static str {
        if self.superjson() { "sj" } else { "plain" }
    }

    pub(crate) fn max_batch_size(&self) -> Option<usize> {
        self.recording["config"]["maxBatchSize"].as_u64()?.try_into().ok()
    }

    /// The options for subscriptions.
    fn sse(&self) -> &Json {
        &self.recording["config"]["sse"]
    }

    /// After how long a subscription is closed.
    pub(crate) fn max_duration(&self) -> Option<Duration> {
        self.sse()["maxDurationMs"].as_u64().map(Duration::from_millis)
    }

    pub(crate) fn keep_alive(&self) -> Option<KeepAlive> {
        let reconnect = Duration::from_millis(self.sse()["client"]["reconnectAfterInactivityMs"].as_u64()?);
        let ping = self.sse()["ping"]["intervalMs"].as_u64().map_or(reconnect, Duration::from_millis);
        Some(KeepAlive { ping, reconnect })
    }

    /// Whether it was answered with server-sent events.
    fn events(&self) -> bool {
        self.recording["response"]["headers"]["content-type"] == "text/event-stream"
    }

    /// How many events came until the client hung up, if it did.
    fn hung_up_after(&self) -> Option<usize> {
        let hung_up = ["sse.unsubscribe.", "sse.maxDuration.plain.5", "sse.maxDuration.sj.5"];
        let body = self.recording["response"]["body"].as_str().expect("a recording has a body");
        hung_up.iter().any(|name| self.name.starts_with(name)).then(|| decode::events(body, self.superjson()).len())
    }

    /// Whether T3's formatter was on; ours always is.
    fn t3(&self) -> bool {
        self.recording["config"]["errorFormatter"] == "t3"
    }

    /// What tRPC answered. Its `text/plain` for errors of a whole request is an oversight.
    pub(crate) fn recorded(&self) -> Answer {
        let response = &self.recording["response"];
        let header = |name: &str| response["headers"][name].as_str().map(str::to_owned);
        let status = response["status"].as_u64().and_then(|status| status.try_into().ok());
        let content_type =
            header("content-type").map(|value| value.replace("text/plain;charset=UTF-8", "application/json"));
        Answer {
            status: status.expect("a recording has a status"),
            content_type,
            vary: header("vary"),
            allow: header("allow"),
            cache_control: header("cache-control"),
            accel_buffering: self.events().then(|| header("x-accel-buffering")).flatten(),
            body: self.decode(response["body"].as_str().expect("a recording has a body")),
        }
    }

    /// What we answer.
    pub(crate) async fn send(&self, router: &Router<Caller>) -> Answer {
        let request = &self.recording["request"];
        let header = |name: &str| request["headers"][name].as_str();
        let url = request["path"].as_str().expect("a request has a path");
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let body = request["body"].as_str().unwrap_or_default();
        let limit = self.recording["config"]["maxBodySize"].as_u64();
        let too_large = limit.is_some_and(|limit| body.len() as u64 > limit);
        let request = Request {
            method: request["method"].as_str().expect("a request has a method"),
            path: path.strip_prefix("/api/trpc/").expect("they were sent there"),
            query,
            content_type: header("content-type"),
            trpc_accept: header("trpc-accept"),
            accept: header("accept"),
            last_event_id: header("last-event-id"),
            body: if too_large {
                Err(BodyError::TooLarge(Bytes::from(body.to_owned())))
            } else {
                Ok(Bytes::from(body.to_owned()))
            },
        };
        let caller = |params: &ConnectionParams| Caller::of(header("authorization"), params.get("token"));
        let response = router.handle(caller, &request).await;

        let header = |name: &str| response.header(name).map(str::to_owned);
        let (content_type, vary, allow) = (header("content-type"), header("vary"), header("allow"));
        let cache_control = header("cache-control");
        let accel_buffering = self.events().then(|| header("x-accel-buffering")).flatten();
        let body = match response.body {
            Body::Empty => String::new(),
            Body::Full(bytes) => text(&bytes),
            Body::Stream(lines) => {
                let lines: Vec<_> = lines.take(self.hung_up_after().unwrap_or(usize::MAX)).collect().await;
                if self.events() {
                    assert!(lines.iter().all(|event| text(event).find("\n\n") == Some(event.len() - 2)), "{lines:?}");
                }
                text(&lines.concat())
            }
        };
        let mut body = self.decode(&body);
        if !self.t3() {
            body.iter_mut().for_each(forget_zod_error);
        }
        Answer { status: response.status, content_type, vary, allow, cache_control, accel_buffering, body }
    }

    fn decode(&self, body: &str) -> Option<Json> {
        let asked_for_lines = self.recording["request"]["headers"]["trpc-accept"].is_string()
            || self.recording["request"]["headers"]["accept"].as_str().is_some_and(|accept| accept.contains("jsonl"));
        let streamed = asked_for_lines && self.recording["response"]["status"] == 200;
        (!body.is_empty()).then(|| match (self.events(), streamed) {
            (true, _) => Json::Array(decode::events(body, self.superjson())),
            (_, true) => decode::lines(body, self.superjson()),
            (_, false) => decode::body(body, self.superjson()),
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("an answer is UTF-8")
}

/// tRPC's default formatter does not have it; that every error of ours does is checked here.
fn forget_zod_error(body: &mut Json) {
    match body {
        Json::Array(elements) => elements.iter_mut().for_each(forget_zod_error),
        element => {
            if let Some(mut error) = element.get_mut("error") {
                if error.get("$plain").is_some() {
                    error = &mut error["$plain"];
                }
                let data = error["data"].as_object_mut().expect("an error has data");
                data.remove("zodError").expect("and says whether zod found it");
            }
        }
    }
}
