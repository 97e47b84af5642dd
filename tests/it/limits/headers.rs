//! What every answer tells browsers, whatever it is an answer to.

use reqwest::Method;
use support::app::TestApp;
use support::stores::Stores;

use super::{NOBODYS, token};
use crate::isolation::cases;
use crate::rest::{Answered, Document};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_every_door_tells_browsers_to_keep_nothing_and_to_show_it_nowhere_else() {
    let app = TestApp::new(Stores::memory()).await;
    let document = Document::read();
    let ana = token(&app, "ana");
    let mut requests = Vec::new();
    for case in cases(&document) {
        for token in [None, Some(&*ana)] {
            requests.push((case.name(), case.request(&app, token, NOBODYS, &[])));
        }
    }
    for path in ["/healthz", "/readyz", "/", "/nothing", "/v1", "/v1/session", "/api/trpc", "/api/trpc/%zz", "/%00"] {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::OPTIONS, Method::TRACE] {
            requests.push((format!("{method} {path}"), app.rest(method, path, None)));
        }
    }
    requests.push(("a report".to_owned(), app.webhook("default", None, "{}")));
    let mut statuses = Vec::new();
    for (what, request) in requests {
        let answered = Answered::to(request).await;
        for (name, expected) in [
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
        ] {
            let said: Vec<_> = answered.headers.get_all(name).iter().collect();
            assert_eq!(said, [expected], "{what}: {name}");
        }
        let is_stream = answered.media_type() == "text/event-stream";
        let kept = if is_stream { "no-cache, no-transform" } else { "no-store" };
        assert_eq!(answered.header("cache-control"), Some(kept), "{what}");
        assert_eq!(answered.header("strict-transport-security"), None, "{what}: nobody said that it is behind https");
        statuses.push(answered.status);
    }
    for seen in [200, 204, 400, 401, 404, 405] {
        assert!(statuses.contains(&seen), "{statuses:?}");
    }
    println!("headers: {} answers", statuses.len());
}
