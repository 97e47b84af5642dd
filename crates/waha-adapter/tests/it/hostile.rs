//! A WAHA that means harm, or a proxy that is not one: memory is bounded, deadlines are kept, errors are typed and tell
//! nothing of what was sent.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use futures_util::future::join_all;
use switchboard_domain::ports::{GatewayError, WhatsAppGateway};
use switchboard_waha_adapter::{ClientConfig, Limits};

use crate::support::{Answer, CALLS, Scripted, at, bounded, call, gateway, hurried};

/// The calls that need no body to know that they are done.
const DONE_BY_STATUS: [&str; 5] = ["start", "restart", "logout", "delete", "refresh"];

/// Makes every call against that answer, each of a server of its own.
async fn each(answer: Answer, check: impl Fn(&str, Result<(), GatewayError>, Scripted)) {
    let calls = CALLS.map(async |name| {
        let waha = Scripted::playing([answer.clone()]).await;
        (name, call(&gateway(&waha.url, &bounded()), name).await, waha)
    });
    for (name, result, waha) in join_all(calls).await {
        if let Err(error) = &result {
            let told = format!("{error} {error:?}");
            assert!(!told.contains("canary") && !told.contains("127.0.0.1"), "{name}: {told}");
        }
        check(name, result, waha);
    }
}

async fn all_broken(answer: Answer) {
    each(answer, |name, result, _| assert!(matches!(result, Err(GatewayError::Broken(_))), "{name}: {result:?}")).await;
}

/// Broken for all calls that need the body.
async fn unusable(answer: Answer) {
    each(answer, |name, result, _| {
        let is_right = if DONE_BY_STATUS.contains(&name) {
            result.is_ok()
        } else {
            matches!(result, Err(GatewayError::Broken(_)))
        };
        assert!(is_right, "{name}: {result:?}");
    })
    .await;
}

/// Timeout for all calls, in time.
async fn too_slow(answer: Answer) {
    let calls = CALLS.map(async |name| {
        let waha = Scripted::playing([answer.clone()]).await;
        let began = Instant::now();
        let result = call(&gateway(&waha.url, &hurried()), name).await;
        assert!(matches!(result, Err(GatewayError::Timeout)), "{name}: {result:?}");
        // The deadline is 0.6 s; the rest is for a machine that does other things too.
        assert!(began.elapsed() < Duration::from_secs(5), "{name} took {:?}", began.elapsed());
        assert_eq!(waha.targets().len(), 1, "{name} was repeated");
    });
    join_all(calls).await;
}

#[tokio::test]
async fn a_body_without_end_is_read_up_to_the_limit() {
    let answer = Answer::endless(200, "[", &r#"{"id":"1@g.us","name":"canary"},"#.repeat(1000));
    each(answer, |name, result, waha| {
        assert!(matches!(result, Err(GatewayError::Broken(_))), "{name}: {result:?}");
        // The limit is 256 KiB; the rest is what two sockets buffer.
        assert!(waha.sent() < 16 << 20, "{name} took {} bytes", waha.sent());
        assert_eq!(waha.targets().len(), 1, "{name} was repeated");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_without_end_is_known_by_its_status() {
    let answer = Answer::endless(403, "{\"message\":\"canary", &"canary".repeat(1000));
    each(answer, |name, result, waha| {
        assert!(matches!(result, Err(GatewayError::Refused(_))), "{name}: {result:?}");
        assert!(waha.sent() < 16 << 20, "{name} took {} bytes", waha.sent());
    })
    .await;
}

#[tokio::test]
async fn a_gzip_bomb_does_not_go_off() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        gzip.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = gzip.finish().unwrap();
    assert!(bomb.len() < 1 << 17);
    all_broken(Answer::body(200, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", &bomb)).await;
}

#[tokio::test]
async fn a_body_that_is_no_gzip_though_it_says_so_is_broken() {
    all_broken(Answer::body(200, "Content-Encoding: gzip\r\n", b"canary")).await;
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_stretch_the_deadline() {
    too_slow(Answer::drip(200, "[", " ", Duration::from_millis(50))).await;
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    too_slow(Answer::silence()).await;
}

#[tokio::test]
async fn a_status_line_and_then_silence_ends_at_the_deadline() {
    too_slow(Answer::drip(200, "", "", Duration::from_mins(1))).await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for to in ["/api/sessions/canary", "http://canary.example/"] {
        each(Answer::redirect(to), |name, result, waha| {
            assert!(matches!(result, Err(GatewayError::Refused(_))), "{name}: {result:?}");
            assert_eq!(waha.targets().len(), 1, "{name} was redirected");
        })
        .await;
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_broken() {
    for body in ["7", "true", "null", "\"canary\"", "[\"canary\"]", "[[]]", "<html>canary", "", "{} canary", "[] 1"] {
        unusable(Answer::json(200, body)).await;
    }
}

#[tokio::test]
async fn invalid_utf8_is_broken() {
    unusable(Answer::body(200, "", b"{\"name\":\"x\",\"status\":\"canary\xff\"}")).await;
    unusable(Answer::body(200, "", b"[{\"unknown\":\"canary\xc3\x28\"}]")).await;
}

#[tokio::test]
async fn truncated_json_is_broken() {
    unusable(Answer::json(200, r#"[{"id":"1@g.us","name":"can"#)).await;
    unusable(Answer::json(200, r#"{"name":"user42","status":"canary"#)).await;
}

#[tokio::test]
async fn deep_nesting_is_broken_and_costs_no_stack() {
    let deep = 30_000;
    unusable(Answer::json(200, &"[".repeat(deep))).await;
    unusable(Answer::json(200, &format!("{}{}", "[".repeat(deep), "]".repeat(deep)))).await;
    unusable(Answer::json(200, &r#"{"a":"#.repeat(deep / 3))).await;
    unusable(Answer::json(200, &format!(r#"[{{"id":{}"#, "[".repeat(deep)))).await;
}

#[tokio::test]
async fn a_500_with_a_stack_is_broken_and_keeps_its_stack_to_itself() {
    let dump = r#"{"statusCode":500,"exception":{"message":"canary","stack":"Error: canary\n at canary"},"request":{"body":{"phoneNumber":"canary"}}}"#;
    all_broken(Answer::json(500, dump)).await;
    all_broken(Answer::body(502, "", b"<html>canary")).await;
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_broken() {
    all_broken(Answer::reset()).await;
    all_broken(Answer::cut(200, r#"{"name":"canary""#)).await;
    all_broken(Answer::reset_in_body(200, r#"[{"id":"canary""#)).await;
}

/// The calls whose answers are decoded while they arrive, if they are long.
const LISTS: [&str; 4] = ["sessions", "groups", "contacts", "lids"];

/// The beginning of a list that is too long to be decoded at once.
fn long_list() -> String {
    format!("[{}", r#"{"id":"1@g.us","name":"canary"},"#.repeat(20_000))
}

#[tokio::test]
async fn a_long_list_that_breaks_off_is_asked_for_again_and_then_broken() {
    for answer in [Answer::cut(200, &long_list()), Answer::reset_in_body(200, &long_list())] {
        for name in LISTS {
            let waha = Scripted::playing([answer.clone()]).await;
            let result = call(&waha.gateway(), name).await;
            assert!(matches!(result, Err(GatewayError::Broken(_))), "{name}: {result:?}");
            assert_eq!(waha.targets().len(), 3, "{name}");
        }
    }
}

#[tokio::test]
async fn a_long_list_with_something_wrong_at_its_end_is_broken_and_not_asked_for_again() {
    for end in [&b"{}"[..], b"{}] canary", b"[]]", b"{\"unknown\":\"canary\xff\"}]", b"{\"unknown\":\"canary\xc3"] {
        let body = [long_list().as_bytes(), end].concat();
        for name in LISTS {
            let waha = Scripted::playing([Answer::body(200, "", &body)]).await;
            let result = call(&waha.gateway(), name).await;
            let error = result.expect_err(name);
            assert!(matches!(&error, GatewayError::Broken(cause) if !cause.contains("canary")), "{name}: {error:?}");
            assert_eq!(waha.targets().len(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn a_long_list_that_stops_coming_ends_at_the_deadline() {
    for name in LISTS {
        let waha = Scripted::playing([Answer::drip(200, &long_list(), " ", Duration::from_millis(50))]).await;
        let config = ClientConfig { limits: Limits::default(), ..hurried() };
        let result = call(&gateway(&waha.url, &config), name).await;
        assert!(matches!(result, Err(GatewayError::Timeout)), "{name}: {result:?}");
        assert_eq!(waha.targets().len(), 1, "{name} was repeated");
    }
}

#[tokio::test]
async fn a_million_contacts_are_read() {
    let contact = r#"{"id":"7911@c.us","name":"a name"},"#;
    let body = format!("[{}{{}}]", contact.repeat(1_000_000));
    let waha = Scripted::playing([Answer::json(200, &body)]).await;
    assert_eq!(waha.gateway().contacts(&at("user42")).await.unwrap().len(), 1_000_000);
}

#[tokio::test]
async fn what_is_not_http_is_broken() {
    all_broken(Answer::raw("SSH-2.0-canary\r\n\r\n")).await;
    all_broken(Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: canary\r\n\r\n")).await;
}

#[tokio::test]
async fn headers_without_end_are_broken() {
    let answer = Answer::endless_headers(&"X-Canary: canary\r\n".repeat(100));
    each(answer, |name, result, waha| {
        assert!(matches!(result, Err(GatewayError::Broken(_))), "{name}: {result:?}");
        assert!(waha.sent() < 3 * (16 << 20), "{name} took {} bytes", waha.sent());
    })
    .await;
}
