//! Nobody reaches another's session. Generated from the router and from the `OpenAPI` document, so that no procedure and no
//! operation is forgotten: one that takes what no case here has a value for fails.

mod smuggling;

use std::time::Duration;

use chrono::TimeDelta;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use support::app::{Replica, TestApp};
use support::events::Door;
use support::stores::Stores;
use switchboard_domain::ports::Clock as _;
use switchboard_http::trpc::{Call, Kind, user};
use switchboard_http::{Scope, allows};

use crate::rest::{Answered, Document, Operation};
use crate::user_api::have_key;

on_every_database! {
    whatever_is_not_for_the_caller_is_closed_at_every_door,
    names_that_waha_would_not_allow_are_nobodys,
}

/// Procedures that name nothing: they are about the caller by themselves.
const ABOUT_ONESELF: [&str; 2] = ["user.getWhatsAppSession", "user.initiateWhatsAppSession"];

/// A way to ask for something.
#[derive(Clone, Copy)]
pub(crate) enum Way<'a> {
    /// A call of tRPC's, or a subscription.
    Alone,
    /// Two in a batch.
    Batched,
    /// One in a batch that is answered in lines.
    Streamed,
    /// By REST, server-sent events included.
    Rest(Operation<'a>),
}

/// A thing that can be asked for, and how.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) call: Call<'static>,
    pub(crate) way: Way<'a>,
}

/// By what somebody signs in.
#[derive(Clone, Copy)]
enum Shown<'a> {
    Nothing,
    Token(&'a str),
    /// A session of the web application, and the origin of the page that sends its cookie.
    Cookie(&'a str, &'a str),
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: &'a str,
    pub(crate) group: &'a str,
}

/// Every procedure in every way in which it can be called.
pub(crate) fn cases(document: &Document) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for call in user::router().procedures() {
        cases.push(Case { call, way: Way::Alone });
        if call.kind != Kind::Subscription {
            cases.extend([Way::Batched, Way::Streamed].map(|way| Case { call, way }));
        }
    }
    let by_trpc = cases.len();
    for operation in document.operations() {
        let call = user::router().procedures().find(|call| call.path == operation.procedure());
        cases.push(Case { call: call.expect(operation.path), way: Way::Rest(operation) });
    }
    let procedures = user::router().procedures().count();
    assert_eq!(
        (by_trpc, cases.len()),
        (3 * procedures - 2, 4 * procedures - 2),
        "one subscription, and all have a twin"
    );
    cases
}

impl Case<'_> {
    /// A request for the target, as that caller; its input has these fields as well.
    pub(crate) fn request(
        &self,
        app: &TestApp,
        token: Option<&str>,
        target: Target<'_>,
        more: &[(&str, &str)],
    ) -> RequestBuilder {
        let Target { name, id, group } = target;
        let with_more = |mut input: Value, own: &[(&str, &str)]| {
            for (field, value) in more.iter().chain(own) {
                input[field] = json!(value);
            }
            input
        };
        // Everything that any procedure takes.
        let own = [("sessionName", name), ("id", id), ("phoneNumber", "+34600111222"), ("groupId", group)];
        let input = with_more(json!({}), &own);
        let path = self.call.path;
        let trpc = |path: &str, input: Value| match self.call.kind {
            Kind::Query | Kind::Subscription => app.get(None, path, &input),
            Kind::Mutation => app.post(None, path, &input),
        };
        let request = match self.way {
            Way::Alone => trpc(path, input),
            Way::Batched => trpc(&format!("{path},{path}"), json!({ "0": input, "1": input })).query(&[("batch", "1")]),
            Way::Streamed => {
                let request = trpc(path, json!({ "0": input })).query(&[("batch", "1")]);
                request.header("trpc-accept", "application/jsonl")
            }
            Way::Rest(operation) => {
                let path = operation.path_with(&[("name", name), ("groupId", group)]);
                let request = app.rest(operation.method(), &path, None);
                match operation.body() {
                    Some(body) => request.json(&with_more(body, &[])),
                    None => request,
                }
            }
        };
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// The answer to whoever shows that.
    async fn answer(&self, app: &TestApp, shown: Shown<'_>, target: Target<'_>) -> Answered {
        Answered::to(match shown {
            Shown::Nothing => self.request(app, None, target, &[]),
            Shown::Token(token) => self.request(app, Some(token), target, &[]),
            Shown::Cookie(session, origin) => {
                Replica::with_cookie(self.request(app, None, target, &[]), session, origin)
            }
        })
        .await
    }

    /// The status of all calls of an answer.
    pub(crate) fn status(&self, answered: &Answered) -> u16 {
        if matches!(self.way, Way::Rest(_)) {
            return answered.status;
        }
        let text = answered.text();
        let mut statuses = text.split("\"httpStatus\":").skip(1).map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        });
        let first = statuses.next().unwrap_or(200);
        assert!(statuses.all(|status| status == first), "{}: {text}", self.name());
        first
    }

    pub(crate) fn name(&self) -> String {
        let way = match self.way {
            Way::Alone => "alone",
            Way::Batched => "batched",
            Way::Streamed => "in lines",
            Way::Rest(operation) => operation.path,
        };
        format!("{} {way}", self.call.path)
    }

    fn is_about_oneself(&self) -> bool {
        ABOUT_ONESELF.contains(&self.call.path)
    }
}

async fn whatever_is_not_for_the_caller_is_closed_at_every_door(stores: Stores) {
    let app = TestApp::new(stores).await;
    let document = Document::read();
    let expired = app.token("ana", Duration::from_secs(1), Scope::Full);
    app.clock.advance(Duration::from_mins(1));
    let name = app.pair("ana", "34600111222").await;
    app.pair("eve", "491701234567").await;
    let groups = app.query("ana", "user.getWhatsAppGroups", json!({ "sessionName": name })).await;
    let group = groups.data()["items"][0]["groupId"].as_str().unwrap().to_owned();
    let before = app.row("ana").await;
    let anas = Target { name: &name, id: before.id.as_str(), group: &group };
    let nobodys = Target { name: "session_123456", id: "tz4a98xxat96iws9zmbrgj3a", group: &group };
    let token = |user, scope| (scope, app.token(user, Duration::from_mins(10), scope));
    let key = async |user, scope| (scope, have_key(&app, user, scope, None).await.1);
    let strangers = [
        token("eve", Scope::Full),
        token("nobody-yet", Scope::Full),
        token("eve", Scope::Connect),
        key("eve", Scope::Full).await,
        key("eve", Scope::Read).await,
        key("eve", Scope::Connect).await,
    ];
    let narrow = [
        token("ana", Scope::Connect),
        token("ana", Scope::Read),
        key("ana", Scope::Connect).await,
        key("ana", Scope::Read).await,
    ];
    let (revoked, revoked_key) = have_key(&app, "ana", Scope::Full, None).await;
    app.stores.api_keys.revoke(&revoked.id, app.clock.now()).await.unwrap();
    let (_, mut made_up_key) = have_key(&app, "ana", Scope::Full, None).await;
    let last = made_up_key.pop();
    made_up_key.push(if last == Some('0') { '1' } else { '0' });
    let cookie = |session| Shown::Cookie(session, Replica::ORIGIN);
    for (user, session, minutes) in
        [("ana", "anas", 60), ("eve", "eves", 60), ("ana", "signed-out", 60), ("ana", "expired", 0)]
    {
        app.stores.web_sessions.sign_in(user, session, app.clock.now() + TimeDelta::minutes(minutes));
    }
    for session in ["anas", "signed-out"] {
        let request =
            Replica::with_cookie(app.get(None, "user.getWhatsAppSession", &Value::Null), session, Replica::ORIGIN);
        assert_eq!(Replica::answer(request).await.data()["sessionName"], name, "{session} is Ana's");
    }
    app.stores.web_sessions.sign_out("signed-out");
    // For as long it is remembered.
    app.clock.advance(Duration::from_secs(5));
    // Lists that were just fetched are fetched again a little later.
    app.clock.stop();
    app.waha.clear_calls();

    let (mut run, mut leaks) = (0, Vec::new());
    for case in cases(&document) {
        let mut look = async |shown: Shown<'_>, expected: u16| {
            let theirs = case.answer(&app, shown, anas).await;
            let unknown = case.answer(&app, shown, nobodys).await;
            if let Way::Rest(operation) = case.way {
                document.check(operation, &theirs);
            }
            run += 1;
            let is_told_apart = theirs != unknown;
            if case.status(&theirs) != expected || is_told_apart || theirs.text().contains(&name) {
                leaks.push(format!("{} {expected}: {theirs:?} {unknown:?}", case.name()));
            }
        };
        look(Shown::Nothing, 401).await;
        for unknown in ["not.a.token", &expired, &revoked_key, &made_up_key] {
            look(Shown::Token(unknown), 401).await;
        }
        for unknown in ["signed-out", "expired", "nobodys"] {
            look(cookie(unknown), 401).await;
        }
        // Her own, which her browser sends along for a page of somebody else's.
        look(Shown::Cookie("anas", "https://evil.example"), 403).await;
        for (scope, token) in &narrow {
            if !allows(*scope, &case.call) {
                look(Shown::Token(token), 403).await;
            }
        }
        if !case.is_about_oneself() {
            for (scope, stranger) in &strangers {
                if allows(*scope, &case.call) {
                    look(Shown::Token(stranger), 404).await;
                }
            }
            look(cookie("eves"), 404).await;
        }
    }
    println!("isolation: {run} cases, {} leaks", leaks.len());
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(run > 300, "the matrix was generated: {run}");
    assert_eq!(app.waha.calls(), [], "WAHA was asked nothing");
    assert_eq!(app.row("ana").await, before, "nothing changed");
}

async fn names_that_waha_would_not_allow_are_nobodys(stores: Stores) {
    let app = TestApp::new(stores).await;
    let document = Document::read();
    let token = app.token("ana", Duration::from_mins(5), Scope::Full);
    let long = "x".repeat(4096);
    for name in ["../sessions", "..", "%2e%2e", "a/b", "a%2Fb", "@", "?x=1", "#", "\0", "é", " ", long.as_str()] {
        let answer = app.query("ana", "user.getSessionStatus", json!({ "sessionName": name })).await;
        assert_eq!((answer.status, answer.error()), (404, ("NOT_FOUND", "not_found")), "{name:?}: {answer:?}");
        for operation in document.operations().filter(|operation| operation.path.contains("{name}") && name != "..") {
            let path = operation.path_with(&[("name", name), ("groupId", "1@g.us")]);
            let request = app.rest(operation.method(), &path, Some(&token));
            let answered = Answered::to(operation.body().iter().fold(request, RequestBuilder::json)).await;
            assert_eq!(answered.problem(), (404, "not_found".to_owned()), "{name:?} {path}");
        }
    }
    let subscription = app.stream(Door::Trpc, Some(&token), "..").send().await.unwrap().text().await.unwrap();
    assert!(subscription.contains("NOT_FOUND"), "{subscription}");
    assert_eq!(app.waha.calls(), []);
}
