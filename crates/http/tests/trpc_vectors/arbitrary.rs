//! Whatever is sent, there is an answer, and a batch has one element for each of its calls.

use actix_web::rt::System;
use bytes::Bytes;
use futures_util::StreamExt;
use proptest::prelude::*;
use serde_json::Value as Json;
use switchboard_http::trpc::{Body, Request, Response};

use crate::canned::{Caller, procedures};

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("user.getSessionStatus".to_owned()),
        Just("user.getWhatsAppSession".to_owned()),
        Just("user.restartSession".to_owned()),
        Just("user.onSessionStatus".to_owned()),
        Just("user.echo".to_owned()),
        "[a-z%2C/.,\\PC]{0,8}",
    ];
    prop::collection::vec(name, 0..5).prop_map(|names| names.join(","))
}

fn input() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[\\[\\]{}\":,0-9a-z]{0,40}",
        r#"\{"[0-4]":\{("json":)?(null|5|"x"|\{"sessionName":("missing"|"a"|7)\})(,"meta":\{"values":\["undefined"\]\})?\}\}"#,
    ]
}

proptest! {
    #[test]
    fn whatever_is_sent_is_answered(
        method in "GET|POST|PUT|HEAD|OPTIONS|[A-Z]{1,5}",
        path in path(),
        batch in prop_oneof![Just("batch=1&"), Just("batch=1&batch=0&"), Just("batch=0&"), Just("")],
        input in input(),
        body in prop_oneof![input().prop_map(String::into_bytes), any::<Vec<u8>>()],
        content_type in prop::option::of("application/json(; x)?|multipart/form-data|\\PC{0,12}"),
        accept in prop::option::of("application/jsonl|\\PC{0,12}"),
        raw_query in any::<bool>(),
        last_event_id in prop::option::of("[0-9]|\\PC{0,4}"),
        params in prop_oneof![4 => Just("{}".to_owned()), 1 => "\\PC{0,12}"],
    ) {
        let query = if raw_query {
            format!("{batch}input={input}")
        } else {
            let mut query = url::form_urlencoded::Serializer::new(batch.to_owned());
            query.append_pair("connectionParams", &params).append_pair("input", &input).finish()
        };
        let request = Request {
            method: &method,
            path: &path,
            query: &query,
            content_type: content_type.as_deref(),
            trpc_accept: accept.as_deref(),
            accept: None,
            last_event_id: last_event_id.as_deref(),
            body: Ok(Bytes::from(body)),
        };
        System::new().block_on(async {
            let response = procedures(None).handle(|_| Caller::User, &request).await;
            check(&method, &path, response).await;
        });
    }
}

async fn check(method: &str, path: &str, response: Response) {
    let (status, content_type) = (response.status, response.header("content-type").map(str::to_owned));
    match response.body {
        Body::Empty => assert_eq!((method, status), ("HEAD", 204)),
        Body::Full(bytes) => match serde_json::from_slice(&bytes).expect("it is JSON") {
            Json::Array(elements) => assert_eq!(elements.len(), calls(path)),
            Json::Object(fields) => {
                assert!(fields.contains_key("error") || fields.contains_key("result"));
            }
            other => panic!("an answer is an array or an object, not {other}"),
        },
        Body::Stream(events) if content_type.as_deref() == Some("text/event-stream") => {
            let events: Vec<_> = events.collect().await;
            assert_eq!((status, calls(path)), (200, 1));
            assert!(events[0].starts_with(b"event: connected\n"));
            let ended = String::from_utf8(events.last().expect("there is an end").to_vec()).expect("text");
            assert!(ended.starts_with("event: return\n") || ended.starts_with("event: serialized-error\n"), "{ended}");
        }
        Body::Stream(lines) => {
            let lines: Vec<_> = lines.collect().await;
            assert_eq!((status, lines.len()), (200, 1 + calls(path)));
            for line in lines {
                assert!(line.ends_with(b"\n"));
                serde_json::from_slice::<Json>(&line).expect("a line is JSON");
            }
        }
    }
}

fn calls(path: &str) -> usize {
    let path = path.strip_suffix('/').unwrap_or(path);
    percent_encoding::percent_decode_str(path).decode_utf8().expect("else refused").split(',').count()
}
