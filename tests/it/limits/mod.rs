//! How much a user may ask for, at every door; and what every door says of itself.

mod crowds;
mod headers;

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use support::app::TestApp;
use support::stores::Stores;
use switchboard_http::trpc::{BODY_LIMIT, Kind, Router};
use switchboard_http::{Quotas, Scope, URL_LIMIT};

use crate::isolation::{Case, Target, Way, cases};
use crate::rest::{Answered, Document};

/// A session that nobody has.
const NOBODYS: Target<'_> =
    Target { name: "session_123456", id: "tz4a98xxat96iws9zmbrgj3a", group: "120363041234567890@g.us" };

fn token(app: &TestApp, user: &str) -> String {
    app.token(user, Duration::from_mins(10), Scope::Full)
}

async fn ask(app: &TestApp, case: &Case<'_>, user: &str) -> Answered {
    Answered::to(case.request(app, Some(&token(app, user)), NOBODYS, &[])).await
}

/// What a case costs, by the name of the quota that it is taken from.
fn costs(case: &Case<'_>) -> (usize, &'static str) {
    let calls = if matches!(case.way, Way::Batched) { 2 } else { 1 };
    let quota = match case.call.kind {
        Kind::Query => "reads",
        Kind::Mutation if case.call.path == "user.initiateWhatsAppSession" => "connects",
        Kind::Mutation => "mutations",
        Kind::Subscription => "streams",
    };
    (calls, quota)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_doors_of_a_procedure_take_from_one_quota_of_the_callers() {
    let quotas = Quotas { reads: 2, mutations: 2, connects: 2, streams: 2 };
    let app = TestApp::limited(Stores::memory(), quotas).await;
    let document = Document::read();
    let cases = cases(&document);
    // Time goes on, but not by as much as a call takes to come back.
    let (mut run, patient) = (0, Duration::from_mins(1));
    for (n, first) in cases.iter().enumerate() {
        let (user, other) = (format!("user-{n}"), format!("other-{n}"));
        let (cost, quota) = costs(first);
        for _ in 0..2 / cost {
            let taken = ask(&app, first, &user).await;
            assert_ne!(first.status(&taken), 429, "{}: {}", first.name(), taken.text());
        }
        for second in cases.iter().filter(|second| second.call.path == first.call.path) {
            let refused = ask(&app, second, &user).await;
            let what = format!("{} after {}: {}", second.name(), first.name(), refused.text());
            assert_eq!(second.status(&refused), 429, "{what}");
            run += 1;
            if let Way::Rest(operation) = second.way {
                document.check(operation, &refused);
                assert_eq!(refused.problem(), (429, "rate_limited".to_owned()), "{what}");
            } else {
                assert!(what.contains("TOO_MANY_REQUESTS") && what.contains("\"rate_limited\""), "{what}");
            }
            if matches!(second.way, Way::Streamed) {
                // Its headers are sent before anything is known.
                assert_eq!((refused.status, refused.header("retry-after")), (200, None), "{what}");
                continue;
            }
            let wait: u64 = refused.header("retry-after").expect(&what).parse().unwrap();
            assert!((1..=30).contains(&wait), "{what}: {wait}");
            let policy = format!("\"{quota}\";q=2;w=60");
            assert_eq!(refused.header("ratelimit-policy"), Some(&*policy), "{what}");
            assert_eq!(refused.header("ratelimit"), Some(&*format!("\"{quota}\";r=0;t={wait}")), "{what}");
        }
        let others = ask(&app, first, &other).await;
        assert_ne!(first.status(&others), 429, "{}: another user has a quota of their own", first.name());
        if n % 10 == 0 {
            app.clock.advance(patient);
            let later = ask(&app, first, &user).await;
            assert_ne!(first.status(&later), 429, "{}: a minute later", first.name());
        }
    }
    println!("limits: {run} calls refused through {} doors", cases.len());
    assert!(run > 150, "the table was generated: {run}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_costs_what_its_calls_cost_and_each_has_an_outcome_of_its_own() {
    let app = TestApp::limited(Stores::memory(), Quotas { reads: 3, ..Quotas::NONE }).await;
    let batch = |calls: usize| {
        let input: Value = (0..calls).map(|n| (n.to_string(), json!({ "sessionName": "nobodys" }))).collect();
        let paths = vec!["user.getSessionStatus"; calls].join(",");
        app.get(Some("ana"), &paths, &input).query(&[("batch", "1")])
    };
    let codes = |answered: &Answered| -> Vec<String> {
        let answers = answered.json();
        let code = |answer: &Value| answer["error"]["data"]["code"].as_str().unwrap().to_owned();
        answers.as_array().unwrap().iter().map(code).collect()
    };
    let mixed = Answered::to(batch(5)).await;
    assert_eq!(mixed.status, 207);
    let expected = ["NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "TOO_MANY_REQUESTS", "TOO_MANY_REQUESTS"];
    assert_eq!(codes(&mixed), expected);
    assert!(mixed.header("retry-after").is_some());
    let none = Answered::to(batch(2)).await;
    assert_eq!((none.status, codes(&none)), (429, vec!["TOO_MANY_REQUESTS".to_owned(); 2]));
    assert_eq!(none.json()[0]["error"]["code"], -32029);
    let unlimited = app.mutate("ana", "user.restartSession", json!({ "sessionName": "nobodys" })).await;
    assert_eq!(unlimited.status, 404, "mutations have no quota here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_for_another_reason_has_not_paid() {
    let app = TestApp::limited(Stores::memory(), Quotas { reads: 1, mutations: 1, ..Quotas::NONE }).await;
    let narrow = app.token("ana", Duration::from_mins(10), Scope::Read);
    let input = json!({ "sessionName": "nobodys" });
    for _ in 0..3 {
        let forbidden = Answered::to(app.post(None, "user.restartSession", &input).bearer_auth(&narrow)).await;
        assert_eq!(forbidden.status, 403);
        assert_eq!(app.query("ana", "user.noSuchProcedure", Value::Null).await.status, 404);
        let wrong_method = Answered::to(app.get(Some("ana"), "user.restartSession", &input)).await;
        assert_eq!(wrong_method.status, 405);
    }
    assert_eq!(app.mutate("ana", "user.restartSession", input.clone()).await.status, 404);
    assert_eq!(app.query("ana", "user.getSessionStatus", input.clone()).await.status, 404);
    assert_eq!(app.query("ana", "user.getSessionStatus", input).await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_at_every_door_and_others_are_served() {
    let app = TestApp::new(Stores::memory()).await;
    let name = app.connect("ben").await;
    let long = "x".repeat(URL_LIMIT);
    let token = token(&app, "ana");
    let rest = |method: Method, path: &str| app.rest(method, path, Some(&token));
    let input = json!({ "sessionName": "x".repeat(BODY_LIMIT), "phoneNumber": "+34600111222" });
    let too_many = vec!["user.getSessionStatus"; Router::<()>::MAX_BATCH_SIZE + 1].join(",");
    let cases: [(&str, RequestBuilder, u16, &str); 9] = [
        ("a URL of tRPC's", app.get(Some("ana"), "user.getSessionStatus", &json!(long)), 414, "url_too_long"),
        ("a URL of REST's", rest(Method::GET, &format!("/v1/sessions/{long}/status")), 414, "url_too_long"),
        ("a URL of nothing", rest(Method::DELETE, &format!("/{long}")), 414, "url_too_long"),
        ("a body of tRPC's", app.post(Some("ana"), "user.restartSession", &input), 413, "PAYLOAD_TOO_LARGE"),
        ("a body of REST's", rest(Method::PATCH, "/v1/sessions/x").json(&input), 413, "body_too_large"),
        ("a body of a stranger's", app.post(None, "user.restartSession", &input), 401, "UNAUTHORIZED"),
        ("a report", app.webhook("default", Some(&"a".repeat(128)), input.to_string()), 413, "too_large"),
        ("a report that nobody signed", app.webhook("default", None, input.to_string()), 401, "unsigned"),
        (
            "a batch",
            app.get(Some("ana"), &too_many, &Value::Null).query(&[("batch", "1")]),
            400,
            "exceeds maximum size",
        ),
    ];
    for (what, request, status, code) in cases {
        let refused = Answered::to(request).await;
        assert_eq!(refused.status, status, "{what}: {}", refused.text());
        assert!(refused.text().contains(code), "{what}: {}", refused.text());
        let others = app.query("ben", "user.getSessionStatus", json!({ "sessionName": name })).await;
        assert_eq!(others.status, 200, "{what}: {others:?}");
    }
}
