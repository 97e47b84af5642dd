//! Limits of the server itself, each hit by one client while others are served.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use support::app::Answer;
use switchboard_waha_fake::{FakeWaha, Fault, FaultAction, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::server::Server;

const ORIGIN: &str = "https://app.example.com";

async fn waha() -> FakeWaha {
    switchboard_waha_fake::start(Options::default()).await.unwrap()
}

/// What is answered to these bytes, until the server closes the connection.
async fn sent(server: &Server, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(server.authority()).await.unwrap();
    // The server may have stopped reading by then.
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(20), socket.read_to_end(&mut answer));
    // What it did not read makes it reset the connection behind its answer.
    let _ = read.await.expect("the server closes the connection");
    String::from_utf8(answer).unwrap()
}

async fn is_served(server: &Server) {
    let answer = server.ask("ben", "user.getWhatsAppSession", Value::Null).await;
    assert_eq!((answer.status, answer.data()), (200, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused() {
    let waha = waha().await;
    let server = Server::with(&[], &waha).await;
    let head = |line: &str, headers: &str| {
        let host = server.authority();
        format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n")
    };
    let url = |bytes: usize| head(&format!("GET /v1/{}", "x".repeat(bytes)), "");
    let many = "x: y\r\n".repeat(100);
    for (what, request, status) in [
        ("a URL of 33 KiB", url(33 * 1024), 414),
        ("one of 70 KiB, which is no URL any more", url(70 * 1024), 400),
        ("one that does not end", url(200 * 1024), 431),
        ("a header of 60 KiB", head("GET /healthz", &format!("x: {}\r\n", "y".repeat(60 * 1024))), 200),
        ("one of 200 KiB", head("GET /healthz", &format!("x: {}\r\n", "y".repeat(200 * 1024))), 431),
        ("a hundred headers", head("GET /healthz", &many), 431),
    ] {
        let answer = sent(&server, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer:.200}");
        is_served(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_to_ask_is_not_waited_for() {
    let waha = waha().await;
    let server = Server::with(&[("LIMITS__HEAD_SECONDS", "1")], &waha).await;
    let began = Instant::now();
    let mut sockets = Vec::new();
    for _ in 0..100 {
        let mut socket = TcpStream::connect(server.authority()).await.unwrap();
        socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
        sockets.push(socket);
    }
    is_served(&server).await;
    for mut socket in sockets {
        let mut answer = String::new();
        let read = timeout(Duration::from_secs(20), socket.read_to_string(&mut answer));
        read.await.expect("it is given up").unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    println!("100 slow clients were given up after {:?}", began.elapsed());
    is_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_until_others_end() {
    let waha = waha().await;
    let server = Server::with(&[("LIMITS__CONNECTIONS", "4")], &waha).await;
    let ask = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", server.authority());
    let is_answered = async |socket: &mut TcpStream| {
        let mut first = [0; 15];
        timeout(Duration::from_millis(500), socket.read_exact(&mut first)).await.is_ok_and(|read| read.is_ok())
    };
    let mut waiting = Vec::new();
    let mut served = Vec::new();
    for _ in 0..8 {
        let mut socket = TcpStream::connect(server.authority()).await.unwrap();
        socket.write_all(ask.as_bytes()).await.unwrap();
        let queue = if is_answered(&mut socket).await { &mut served } else { &mut waiting };
        queue.push(socket);
    }
    assert!((1..=4).contains(&served.len()), "{} are served", served.len());
    drop(served);
    for socket in &mut waiting[..2] {
        assert!(is_answered(socket).await, "there is room now");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_too_long_is_answered_and_others_are_served() {
    let waha = waha().await;
    let server = Server::with(&[("LIMITS__REQUEST_SECONDS", "1")], &waha).await;
    let name = server.connect("ana").await;
    waha.inject(Fault::new(FaultAction::Delay { by: Duration::from_secs(20) }));
    let input = json!({ "sessionName": name });
    let began = Instant::now();
    let restart = server.request(Method::POST, &format!("/v1/sessions/{name}/restart"));
    let (by_trpc, by_rest) = tokio::join!(
        server.ask("ana", "user.getSessionQR", input.clone()),
        restart.bearer_auth(server.token("ana")).send(),
    );
    let Answer { status, body } = &by_trpc;
    assert_eq!((*status, by_trpc.error()), (504, ("GATEWAY_TIMEOUT", "deadline")), "{body}");
    let by_rest = by_rest.unwrap();
    assert_eq!((by_rest.status().as_u16(), &by_rest.json::<Value>().await.unwrap()["code"]), (504, &json!("deadline")));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    is_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_asks_for_more_than_the_configuration_allows_is_refused_and_others_are_not() {
    let waha = waha().await;
    let server = Server::with(&[("LIMITS__CONNECTS_PER_MINUTE", "2")], &waha).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(server.ask("ana", "user.initiateWhatsAppSession", Value::Null).await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    server.connect("ben").await;
}

/// What a browser asks before it calls from that origin, and what it is told.
async fn preflight(server: &Server, origin: &str, path: &str, method: &str, headers: &str) -> reqwest::Response {
    let request = server.request(Method::OPTIONS, path).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    request.header("access-control-request-headers", headers).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_listed_origins_may_call_and_others_may_not() {
    let waha = waha().await;
    let server = Server::with(&[("SERVER__CORS_ORIGINS", ORIGIN)], &waha).await;
    let header = |answer: &reqwest::Response, name: &str| {
        answer.headers().get(name).map(|value| value.to_str().unwrap().to_ascii_lowercase()).unwrap_or_default()
    };
    let allowed = "authorization,content-type,last-event-id,trpc-accept,x-api-key";
    for (path, method) in [
        ("/api/trpc/user.initiateWhatsAppSession", "POST"),
        ("/api/trpc/user.getSessionStatus?batch=1", "GET"),
        ("/v1/sessions/x", "DELETE"),
        ("/v1/sessions/x", "PATCH"),
        ("/v1/sessions/x/linked-groups/1@g.us", "PUT"),
        ("/v1/session", "HEAD"),
    ] {
        let answer = preflight(&server, ORIGIN, path, method, allowed).await;
        assert_eq!(answer.status(), 200, "{method} {path}");
        assert_eq!(header(&answer, "access-control-allow-origin"), ORIGIN);
        assert!(header(&answer, "access-control-allow-methods").contains(&method.to_ascii_lowercase()), "{answer:?}");
        for name in allowed.split(',') {
            assert!(header(&answer, "access-control-allow-headers").contains(name), "{name}: {answer:?}");
        }
        assert_eq!(header(&answer, "access-control-max-age"), "3600");
        assert!(header(&answer, "vary").contains("origin"), "{answer:?}");
        assert_eq!(header(&answer, "access-control-allow-credentials"), "", "there are no cookies here");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");

        for other in ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"]
        {
            let answer = preflight(&server, other, path, method, allowed).await;
            assert_eq!(header(&answer, "access-control-allow-origin"), "", "{other}");
            assert_eq!(answer.status(), 400, "{other}");
        }
    }
    for (method, headers) in [("TRACE", "authorization"), ("GET", "x-admin")] {
        let answer = preflight(&server, ORIGIN, "/v1/session", method, headers).await;
        assert_eq!(answer.status(), 400, "{method} {headers}");
    }
    for (origin, expected) in [(ORIGIN, ORIGIN), ("https://evil.example", "")] {
        let answer = server.request(Method::GET, "/v1/session").header("origin", origin).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &*header(&answer, "access-control-allow-origin")), (401, expected));
        if origin == ORIGIN {
            let exposed = header(&answer, "access-control-expose-headers");
            assert!(
                ["retry-after", "ratelimit", "ratelimit-policy"].iter().all(|name| exposed.contains(name)),
                "{exposed}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_say_what_browsers_may_do_with_them_and_may_be_for_https_only() {
    let waha = waha().await;
    let server = Server::with(&[("SERVER__HTTPS_ONLY", "true")], &waha).await;
    for path in
        ["/", "/connect", "/ui/app.js", "/docs", "/docs/", "/openapi.json", "/healthz", "/v1/session", "/nothing"]
    {
        let answer = server.request(Method::GET, path).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert!(["no-store", "no-cache"].contains(&header("cache-control")), "{path}");
        assert_eq!(header("strict-transport-security"), "max-age=31536000", "{path}");
        let is_page = header("content-type").starts_with("text/html");
        assert_eq!(header("cross-origin-opener-policy") == "same-origin", is_page, "{path}");
    }
}
