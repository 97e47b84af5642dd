//! What an operator sees: metrics, a line a call, traces.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard_waha_fake::{FakeWaha, Fault, FaultAction, Options};
use tempfile::TempDir;

use super::collector::Collector;
use super::server::Server;

async fn waha() -> FakeWaha {
    switchboard_waha_fake::start(Options { time_scale: 50.0, ..Options::default() }).await.unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A GET that has not been sent.
fn get(server: &Server, path: &str) -> reqwest::RequestBuilder {
    client().get(format!("http://{}{path}", server.authority()))
}

async fn scrape(server: &Server) -> String {
    let answer = get(server, "/metrics").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// Scrapes until it is so.
async fn scrape_until(server: &Server, what: &str, is_so: impl Fn(&str) -> bool) -> String {
    let began = Instant::now();
    loop {
        let scraped = scrape(server).await;
        if is_so(&scraped) {
            return scraped;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no {what} in\n{scraped}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The metrics of a scrape, by name.
fn metrics(scraped: &str) -> BTreeSet<&str> {
    scraped.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

fn document(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(path)).unwrap()
}

/// The words of a text that are names of metrics. Of a histogram, the name without the suffix of its parts.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("switchboard_") || word.starts_with("process_"));
    let whole = |name: &str| {
        let parts = ["_bucket", "_sum", "_count"];
        parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name).to_owned()
    };
    names.map(whole).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_documented_and_every_panel_shows_one_that_there_is() {
    let (waha, folder) = (waha().await, TempDir::new().unwrap());
    let url = format!("sqlite://{}", folder.path().join("shared.sqlite").display());
    let first = Server::start(&url, &waha, None).await;
    let name = first.pair(&waha, "ana", "34600111222").await;
    waha.inject(Fault::new(FaultAction::Reset).method("DELETE"));
    let logout = first.ask("ana", "user.logoutSession", json!({ "sessionName": name })).await;
    assert_eq!(logout.status, 502, "{logout:?}");
    first.stop().await;
    waha.clear_faults();

    // It finishes the logout, and counts that.
    let server = Server::start(&url, &waha, None).await;
    let ben = server.pair(&waha, "ben", "34600111223").await;
    let session = json!({ "sessionName": ben });
    assert_eq!(server.ask("ben", "user.getWhatsAppGroups", session.clone()).await.status, 200);
    assert_eq!(server.ask("ben", "user.noSuchThing", Value::Null).await.status, 404);
    let twin = get(&server, &format!("/v1/sessions/{ben}/status")).bearer_auth(server.token("ben")).send();
    assert_eq!(twin.await.unwrap().status(), 200);
    let mut stream = server.watch("ben", &ben).await;
    stream.until(|state| state["status"] == "WORKING").await;
    let scraped = scrape_until(&server, "repair", |scraped| {
        scraped.contains(r#"finding="logout_unfinished",outcome="done""#) && scraped.contains("switchboard_worker_up")
    })
    .await;

    for line in [
        r#"switchboard_calls_total{api="trpc",outcome="OK",procedure="user.getWhatsAppGroups"} 1"#,
        r#"switchboard_calls_total{api="rest",outcome="OK",procedure="user.getSessionStatus"} 1"#,
        r#"switchboard_calls_total{api="trpc",outcome="NOT_FOUND",procedure="unknown"} 1"#,
        r#"switchboard_worker_up{worker="default"} 1"#,
        r#"switchboard_worker_left_alone{worker="default"} 0"#,
        r#"switchboard_reconciler_alarm{alarm="failing",worker="default"} 0"#,
        "switchboard_reconciler_leads 1",
        "switchboard_streams_open 1",
    ] {
        assert!(scraped.lines().any(|scraped| scraped == line), "{line}\n{scraped}");
    }
    for part in [r#"switchboard_waha_calls_total{call="groups",outcome="ok",worker="default"}"#, r#"status="204""#] {
        assert!(scraped.contains(part), "{part}\n{scraped}");
    }
    let known = metrics(&scraped);
    let documented = named(&document("operations.md"));
    let documented: BTreeSet<_> = documented.iter().map(String::as_str).collect();
    assert_eq!(known, documented, "docs/operations.md has all metrics and no other");

    let dashboard: Value = serde_json::from_str(&document("grafana/switchboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = BTreeSet::new();
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten()) {
        let names = named(target["expr"].as_str().unwrap());
        assert!(!names.is_empty(), "{target}");
        shown.extend(names);
    }
    for name in &shown {
        assert!(known.contains(name.as_str()), "the dashboard shows {name}, which there is not");
    }
    println!("{} metrics, {} of them in {} panels", known.len(), shown.len(), panels.len());
    for user in ["ana", "ben", "34600111222", &*ben, &*name] {
        assert!(!scraped.contains(user), "{user}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_for_those_who_have_the_token_or_for_nobody() {
    let waha = waha().await;
    let server = Server::with(&[("METRICS__TOKEN", "a token of the tests")], &waha).await;
    let status = async |token: &str| get(&server, "/metrics").bearer_auth(token).send().await.unwrap().status();
    assert_eq!(status("a token of the tests").await, 200);
    assert_eq!(status("another").await, 401);
    assert_eq!(server.status("/metrics").await, 401);

    let server = Server::with(&[("METRICS__ENABLED", "false")], &waha).await;
    assert_eq!(server.status("/metrics").await, 404);

    let server = Server::with(&[], &waha).await;
    assert_eq!(server.status("/metrics").await, 200);
    let proxied = get(&server, "/metrics").header("x-forwarded-for", "192.0.2.1").send().await.unwrap();
    assert_eq!(proxied.status(), 404, "whoever comes through a proxy comes from anywhere");
}

/// The calls in a log of JSON.
fn calls(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    lines.filter(|line| line["procedure"].is_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_one_line_with_the_requests_id_and_nobodys_name() {
    let waha = waha().await;
    let settings = [("LOG__FORMAT", "json"), ("LOG__USER_KEY", "a key of the tests")];
    let server = Server::with(&settings, &waha).await;
    let name = server.pair(&waha, "ana@example.com", "34600111222").await;
    waha.inject(Fault::on("/groups", FaultAction::Status { status: 500, body: "{}".to_owned() }));
    let input = json!({ "sessionName": name }).to_string();
    let ask = |procedure: &str| {
        let request = get(&server, &format!("/api/trpc/user.{procedure}")).query(&[("input", &input)]);
        request.bearer_auth(server.token("ana@example.com"))
    };
    let failed = ask("getWhatsAppGroups").header("x-request-id", "of.the-tests_1").send().await.unwrap();
    assert_eq!((failed.status().as_u16(), &failed.headers()["x-request-id"] == "of.the-tests_1"), (502, true));
    let good = ask("getSessionStatus").header("x-request-id", "not a good one").send().await.unwrap();
    let made = good.headers()["x-request-id"].to_str().unwrap();
    assert!(made.len() == 16 && made.bytes().all(|b| b.is_ascii_hexdigit()), "{made}");
    let elsewhere = get(&server, "/nowhere").send().await.unwrap();
    assert!(elsewhere.headers().contains_key("x-request-id"), "every answer has one");

    let log = server.log();
    let calls = calls(&log);
    let of = |procedure: &str| calls.iter().filter(|call| call["procedure"] == procedure).collect::<Vec<_>>();
    let [connect] = of("user.initiateWhatsAppSession")[..] else { panic!("{log}") };
    // printf ana@example.com | openssl dgst -sha256 -hmac "a key of the tests"
    let told = [&connect["level"], &connect["outcome"], &connect["user"], &connect["api"]];
    assert_eq!(told.map(|told| told.as_str().unwrap()), ["INFO", "OK", "8699bff46040e1e0", "trpc"]);
    let [groups] = of("user.getWhatsAppGroups")[..] else { panic!("{log}") };
    assert_eq!((&groups["level"], &groups["request_id"]), (&json!("WARN"), &json!("of.the-tests_1")), "{groups}");
    assert_eq!((&groups["outcome"], &groups["reason"]), (&json!("BAD_GATEWAY"), &json!("waha_broken")), "{groups}");
    assert!(groups["error"].as_str().unwrap().contains("WAHA's answer was unusable"), "{groups}");
    assert!(of("user.getSessionStatus").is_empty(), "what went well and changed nothing is not told at info");
    assert!(!log.contains("ana@example.com"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_for_people_has_no_colours_where_nobody_looks_on() {
    let waha = waha().await;
    let server = Server::with(&[("LOG__FORMAT", "pretty"), ("LOG__FILTER", "debug")], &waha).await;
    server.pair(&waha, "ana", "34600111222").await;
    let log = server.log();
    assert!(log.contains("request") && log.contains("user.initiateWhatsAppSession"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_what_they_ask_of_waha_are_spans_of_the_callers_trace() {
    const TRACE: [u8; 16] = *b"\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36";
    let (waha, collector) = (waha().await, Collector::start());
    let mut server = Server::with(&[("TRACES__ENDPOINT", collector.url())], &waha).await;
    let name = server.pair(&waha, "ana", "34600111222").await;
    let input = json!({ "sessionName": name }).to_string();
    let request = get(&server, "/api/trpc/user.getWhatsAppGroups").query(&[("input", &input)]);
    let request = request.bearer_auth(server.token("ana")).header("tracestate", "x=y");
    let traced = request.header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").send();
    assert_eq!(traced.await.unwrap().status(), 200);
    server.terminate();
    server.until_ended().await;

    let sent = collector.bytes();
    let times = |what: &[u8]| sent.windows(what.len()).filter(|window| *window == what).count();
    assert!(collector.paths().iter().all(|path| path == "/v1/traces"), "{:?}", collector.paths());
    for span in ["user.initiateWhatsAppSession", "user.getWhatsAppGroups", "create", "groups", "switchboard"] {
        assert!(times(span.as_bytes()) > 0, "{span}");
    }
    // The call, and its question for the list at least, made in a task of its own.
    assert!(times(&TRACE) >= 2, "{} spans of the caller's trace", times(&TRACE));
    assert_eq!((times(b"34600111222"), times(name.as_bytes())), (0, 0), "nothing tells of whom");
    println!("{} bytes of spans, {} of the caller's trace", sent.len(), times(&TRACE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_keeps_nobody_waiting() {
    let waha = waha().await;
    let mut server = Server::with(&[("TRACES__ENDPOINT", "http://127.0.0.1:9")], &waha).await;
    server.pair(&waha, "ana", "34600111222").await;
    server.terminate();
    let took = server.until_ended().await;
    assert!(took < Duration::from_secs(20), "{took:?}");
}
