//! What the clients do with an answer.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

/// The body for `httpLink` and `httpBatchLink`: the transformer is undone in each element.
pub(crate) fn body(text: &str, superjson: bool) -> Json {
    let mut body: Json = serde_json::from_str(text).expect("an answer is JSON");
    if superjson {
        match &mut body {
            Json::Array(elements) => elements.iter_mut().for_each(undo_element),
            element => undo_element(element),
        }
    }
    body
}

/// The lines for `httpBatchStreamLink`, put together to the array of a batch that waits.
pub(crate) fn lines(text: &str, superjson: bool) -> Json {
    assert!(text.ends_with('\n'), "the last line is whole");
    let mut lines = text.lines().filter_map(|line| {
        let mut line: Json = serde_json::from_str(line.trim_start()).expect("a line is JSON");
        if superjson && !undo(&mut line) {
            return None;
        }
        Some(line)
    });
    let head = lines.next().expect("there is a head");
    let chunks: HashMap<u64, Json> = lines
        .map(|mut chunk| {
            assert_eq!(chunk[1], 0, "every promise is fulfilled");
            (chunk[0].as_u64().expect("a chunk is numbered"), chunk[2].take())
        })
        .collect();
    let calls = head.as_object().expect("the head is an object").len();
    (0..calls).map(|call| hydrate(&head[call.to_string()], &chunks).expect("a call has an answer")).collect()
}

/// The events for `httpSubscriptionLink`: `{event, data?, error?, id?}`. How many pings fit into a while is up to the clock.
pub(crate) fn events(text: &str, superjson: bool) -> Vec<Json> {
    assert!(text.ends_with("\n\n"), "the last event is whole");
    let events = text.split("\n\n").map(str::trim).filter(|event| !event.is_empty());
    let mut events: Vec<_> = events.map(|text| event(text, superjson)).collect();
    events.dedup_by(|a, b| a == b && a["event"] == "ping");
    events
}

fn event(text: &str, superjson: bool) -> Json {
    let mut event = json!({"event": "message"});
    for line in text.lines() {
        // As of the last line of an event that was trimmed.
        let (field, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
        // tRPC leaves it to the browser when to connect again.
        if field != "retry" {
            event[field] = json!(value);
        }
    }
    let data = event["data"].as_str().expect("`EventSource` drops events without data");
    if data.is_empty() {
        return event;
    }
    let mut data: Json = serde_json::from_str(data).expect("the data is JSON");
    let greeting = event["event"] == "connected";
    if superjson && !greeting {
        assert!(undo(&mut data), "data is not undefined");
    }
    if event["event"] == "serialized-error" {
        // Where the other answers have theirs.
        return json!({"event": "serialized-error", "error": data});
    }
    event["data"] = data;
    event
}

/// A value with its promises kept; `None` is `undefined`.
fn hydrate(encoded: &Json, chunks: &HashMap<u64, Json>) -> Option<Json> {
    let parts = encoded.as_array().expect("an encoded value is an array");
    let mut value = parts[0].get(0).cloned();
    for promise in &parts[1..] {
        assert_eq!(promise[1], 0, "it is a promise");
        let chunk = &chunks[&promise[2].as_u64().expect("a promise has a number")];
        let kept = hydrate(chunk, chunks);
        match promise[0].as_str() {
            None => value = kept,
            Some(key) => {
                let fields = value.as_mut().and_then(Json::as_object_mut).expect("it has keys");
                match kept {
                    Some(kept) => fields.insert(key.to_owned(), kept),
                    None => fields.remove(key),
                };
            }
        }
    }
    value
}

fn undo_element(element: &mut Json) {
    if let Some(error) = element.get_mut("error") {
        assert!(undo(error), "an error is not undefined");
        return;
    }
    let result = element["result"].as_object_mut().expect("an element is an error or a result");
    let defined = undo(result.get_mut("data").expect("a superjson result has data"));
    if !defined {
        result.remove("data");
    }
}

/// Replaces a superjson document by its value. False if that is `undefined`. What is no document
/// is marked, since it is not what the client waits for.
fn undo(document: &mut Json) -> bool {
    let is_document = |fields: &&mut Map<String, Json>| {
        fields.contains_key("json") && fields.keys().all(|key| key == "json" || key == "meta")
    };
    let Some(fields) = document.as_object_mut().filter(is_document) else {
        *document = json!({ "$plain": document.take() });
        return true;
    };
    let mut value = fields.remove("json").expect("a document has json");
    let values = fields.remove("meta").map(|mut meta| meta["values"].take());
    match values {
        None => {}
        Some(Json::Array(root)) => match root[0].as_str() {
            Some("undefined") => return false,
            Some("Date") => value = json!({ "$date": value }),
            other => panic!("unexpected transformation {other:?}"),
        },
        Some(Json::Object(paths)) => {
            assert!(!paths.is_empty(), "there is no meta where nothing is announced");
            for (path, types) in paths {
                let (parent, key) = path.rsplit_once('.').unwrap_or(("", &path));
                let parent = format!("{}{}", if parent.is_empty() { "" } else { "/" }, parent.replace('.', "/"));
                let parent = value.pointer_mut(&parent).expect("the path exists");
                match types[0].as_str() {
                    Some("undefined") => {
                        parent.as_object_mut().expect("it is a key").remove(key);
                    }
                    Some("Date") => {
                        let at = match parent {
                            Json::Array(items) => &mut items[key.parse::<usize>().expect("an index")],
                            parent => &mut parent[key],
                        };
                        assert!(at.is_string(), "a date is a string at {path}");
                        *at = json!({ "$date": at.take() });
                    }
                    other => panic!("unexpected transformation {other:?}"),
                }
            }
        }
        Some(other) => panic!("unexpected meta {other}"),
    }
    *document = value;
    true
}
