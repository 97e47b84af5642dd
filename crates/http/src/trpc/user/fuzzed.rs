//! Requests, with anything in the place of anything: with the inputs of the documented procedures, and canned answers.

use std::collections::BTreeMap;
use std::fs;
use std::future::{Ready, ready};
use std::path::Path;
use std::sync::LazyLock;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value as Json, json};
use switchboard_domain::Limit;
use switchboard_fuzz::Target;
use tokio::runtime::{Builder, Runtime};
use url::form_urlencoded;

use super::session::UpdatePhone;
use super::*;
use crate::trpc::{Body, ConnectionParams, Event, Request, Response, Transformer, Value};

const WORDS: [&str; 44] = [
    "json",
    "meta",
    "values",
    "undefined",
    "Date",
    "number",
    "v",
    "0",
    "1",
    "a.b",
    "__proto__",
    "sessionName",
    "phoneNumber",
    "groupId",
    "id",
    "limit",
    "cursor",
    "search",
    "version",
    "all",
    "direction",
    "lastEventId",
    "connectionParams",
    "batch",
    "input",
    "GET",
    "POST",
    "HEAD",
    "user.getSessionStatus",
    "user.getWhatsAppGroups",
    "user.getWhatsAppContacts",
    ",",
    "user.restartSession",
    "user.onSessionStatus",
    "user.getWhatsAppSession,user.getSessionStatus",
    "content-type",
    "application/json",
    "multipart/form-data",
    "trpc-accept",
    "accept",
    "application/jsonl",
    "+34600111222",
    "token",
    "%2C",
];

/// The documented procedures, which do nothing.
fn canned() -> Router<()> {
    fn told<I>((): (), _: I) -> Ready<Result<Json, Error>> {
        ready(Ok(json!({ "told": "é\u{2028}\"" })))
    }
    Router::new(|(): &(), _| Ok(()))
        .query("user.getWhatsAppSession", told::<()>)
        .query("user.getSessionStatus", told::<OfSession>)
        .query("user.getWhatsAppGroups", told::<GroupsInput>)
        .query("user.getWhatsAppContacts", told::<ContactsInput>)
        .mutation("user.initiateWhatsAppSession", told::<()>)
        .mutation("user.restartSession", told::<OfSession>)
        .mutation("user.updateSessionPhone", told::<UpdatePhone>)
        .mutation("user.requestPairingCode", told::<OfPhone>)
        .mutation("user.linkWhatsAppGroup", told::<OfGroup>)
        .subscription("user.onSessionStatus", async |(), input: OfSession| {
            let event = Event::Tracked { id: "1".to_owned(), data: Json::String(input.session_name) };
            Ok(stream::iter([event, Event::Return]))
        })
}

/// The requests that were recorded from the real client, as JSON.
fn recorded() -> Vec<Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/trpc");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let recording: Json = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            let request = &recording["request"];
            let (path, query) = request["path"].as_str().unwrap().split_once('?').unwrap_or_default();
            let query: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            json!({
                "method": request["method"],
                "path": path.trim_start_matches("/api/trpc/"),
                "query": query,
                "headers": request["headers"],
                "body": request["body"],
            })
        })
        .collect()
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());

/// Sends a request that is described in JSON; nothing, if it is not.
fn send(router: &Router<()>, described: &Json) {
    let (method, path) = (text(&described["method"]), text(&described["path"]));
    // As pairs, or as it stands.
    let query = match &described["query"] {
        Json::Object(pairs) => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(pairs.iter().map(|(name, value)| (name, text(value)))).finish()
        }
        query => text(query),
    };
    let header = |name: &str| described["headers"].get(name).map(text);
    let (content_type, trpc_accept, accept) = (header("content-type"), header("trpc-accept"), header("accept"));
    let last_event_id = header("last-event-id");
    let request = Request {
        method: &method,
        path: &path,
        query: &query,
        content_type: content_type.as_deref(),
        trpc_accept: trpc_accept.as_deref(),
        accept: accept.as_deref(),
        last_event_id: last_event_id.as_deref(),
        body: Ok(Bytes::from(text(&described["body"]))),
    };
    RUNTIME.block_on(async {
        let response = router.handle(|_: &ConnectionParams| (), &request).await;
        check(&method, response).await;
    });
}

/// A text, or what is there as JSON.
fn text(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

/// The response is of a form that clients read, and nothing is our fault.
async fn check(method: &str, response: Response) {
    assert!(response.status < 500, "{response:?}");
    let is_events = response.header("content-type") == Some("text/event-stream");
    match response.body {
        Body::Empty => assert_eq!((method, response.status), ("HEAD", 204)),
        Body::Full(body) => match serde_json::from_slice(&body).expect("an answer is JSON") {
            Json::Array(elements) => elements.iter().for_each(check_element),
            element => check_element(&element),
        },
        Body::Stream(events) if is_events => {
            let events = events.map(|event| String::from_utf8(event.to_vec()).expect("events are text"));
            let events: Vec<_> = events.collect().await;
            assert!(events[0].starts_with("event: connected\n"), "{events:?}");
            assert!(events.iter().all(|event| event.find("\n\n") == Some(event.len() - 2)), "{events:?}");
        }
        Body::Stream(lines) => {
            let lines: Vec<_> = lines.collect().await;
            assert!(lines.iter().all(|line| serde_json::from_slice::<Json>(line).is_ok() && line.ends_with(b"\n")));
        }
    }
}

fn check_element(element: &Json) {
    let Some(error) = element.get("error") else {
        return assert!(element.get("result").is_some(), "{element}");
    };
    let error = error.get("json").unwrap_or(error);
    let (code, status) = (error["data"]["code"].as_str(), error["data"]["httpStatus"].as_u64());
    let is_error = error["message"].is_string() && error["code"].as_i64().is_some_and(|code| code < 0);
    assert!(is_error && code.is_some() && status.is_some_and(|status| (400..500).contains(&status)), "{element}");
    assert!(error["data"].get("zodError").is_some() && error["data"].get("stack").is_none(), "{element}");
}

#[test]
fn whatever_is_requested_is_answered() {
    static ROUTER: LazyLock<Router<()>> = LazyLock::new(canned);
    Target::new("trpc").seeds(recorded().iter().map(Json::to_string)).words(WORDS).run(|input| {
        if let Ok(described) = serde_json::from_slice::<Json>(input) {
            return send(&ROUTER, &described);
        }
        // What cannot be described is a body, and an input.
        let text = String::from_utf8_lossy(input);
        let headers = json!({ "content-type": "application/json" });
        for path in ["user.getSessionStatus", "user.restartSession,user.linkWhatsAppGroup"] {
            let query = json!({ "batch": "1", "input": text });
            send(&ROUTER, &json!({ "method": "GET", "path": path, "query": query, "headers": headers, "body": "" }));
            let query = json!({ "batch": "1" });
            send(&ROUTER, &json!({ "method": "POST", "path": path, "query": query, "headers": headers, "body": text }));
        }
    });
}

#[test]
fn whatever_superjson_carries_is_decoded_or_refused() {
    let documents = [
        json!({ "json": null, "meta": { "values": ["undefined"], "v": 1 } }),
        json!({
            "json": { "a.b": null, "list": [1, { "at": "1970-01-01T00:00:00.000Z" }], "n": "-Infinity" },
            "meta": { "values": { "a\\.b": ["undefined"], "list": { "1.at": ["Date"] }, "n": ["number"] }, "v": 1 },
        }),
        json!({ "json": { "sessionName": "a", "cursor": null }, "meta": { "values": { "cursor": ["undefined"] } } }),
        json!({ "json": [[]], "meta": { "values": ["number", { "0": ["Date", { "x": ["map"] }] }] } }),
    ];
    Target::new("superjson").seeds(documents.iter().map(Json::to_string)).words(WORDS).run(|input| {
        let whole = crate::trpc::surrogates::replaced(&String::from_utf8_lossy(input)).into_owned();
        assert_eq!(crate::trpc::surrogates::replaced(&whole), whole.as_str(), "nothing is left to replace");
        let Ok(json) = serde_json::from_str::<Json>(&whole) else { return };
        let _ = Transformer::of(&json).decode(json.clone());
        let _ = Transformer::Superjson.decode(json.clone());
        let bare = json!({ "json": json });
        assert_eq!(Transformer::of(&bare).decode(bare), Ok(Value::from(json.clone())), "without meta it is itself");
        let annotated = json!({ "json": json, "meta": { "values": json, "v": 1 } });
        let _ = Transformer::of(&annotated).decode(annotated);
    });
}

#[test]
fn whatever_page_is_asked_for_is_one_of_the_list_or_refused() {
    let inputs = [
        json!({ "sessionName": "a", "limit": 10, "cursor": 20, "search": "José", "version": "0", "all": true }),
        json!({ "sessionName": "a", "limit": 10_000, "cursor": null, "direction": "forward" }),
        json!({ "sessionName": "a", "limit": 9_007_199_254_740_991_u64, "cursor": 9_007_199_254_740_991_u64 }),
    ];
    Target::new("cursor").seeds(inputs.iter().map(Json::to_string)).words(WORDS).run(|input| {
        let Ok(json) = serde_json::from_slice::<Json>(input) else { return };
        let (limit, cursor) = (json.get("limit").cloned(), json.get("cursor").cloned());
        let is_page = |input: &ListInput, default: u64| {
            let asked = limit.as_ref().map_or(Some(default), whole);
            assert_eq!(asked.and_then(Limit::clamped), Some(input.page.limit));
            let from = cursor.as_ref().filter(|cursor| !cursor.is_null()).map_or(Some(0), whole);
            assert_eq!(from, Some(input.page.cursor));
            assert!(!input.session_name.is_empty());
        };
        if let Ok(GroupsInput(input)) = GroupsInput::parse_value(json.clone().into()) {
            is_page(&input, ListInput::GROUPS);
        }
        match ContactsInput::parse_value(json.into()) {
            Ok(input) => is_page(&input.list, ListInput::CONTACTS),
            Err(issues) => assert!(!issues.is_empty()),
        }
    });
}

/// A whole number as JavaScript has it, 0 or more, and never more than it can count to.
fn whole(json: &Json) -> Option<u64> {
    let number = json.as_f64().filter(|number| number.fract() == 0.0)?;
    // Not -0, which is 0 as well.
    format!("{}", number.min(9_007_199_254_740_991.0) + 0.0).parse().ok()
}
