use std::time::Duration;

use actix_web::test::TestRequest;
use actix_web::{App, HttpResponse, web};
use switchboard_domain::ports::{MockApiKeyRepository, MockWebSessions, WebSession, WebSessionToken};
use switchboard_domain::{ApiKey, Scope, SystemClock, SystemRandom};

use super::super::{CookieForm, Secret, TokenKey, TokenRules};
use super::*;
use crate::trpc::{self, Code, Error, Event, Router};

fn secret() -> Secret {
    Secret::new("x".repeat(32).into()).unwrap()
}

fn with_tokens() -> SignIn {
    let clock = Arc::new(SystemClock);
    let tokens = Tokens::new(TokenRules::default(), clock.clone()).with_secret(&secret());
    SignIn::new(clock).with_tokens(tokens)
}

fn token(user: &str) -> String {
    let key = TokenKey::new(&secret(), TokenRules::default(), Arc::new(SystemClock));
    key.sign(&user.parse().unwrap(), Duration::from_mins(1)).unwrap()
}

#[actix_web::test]
async fn only_a_bearer_token_in_the_header_names_somebody() {
    let (sign_in, token) = (with_tokens(), token("alice"));
    for (header, good) in [
        (format!("Bearer {token}"), true),
        (format!("bearer  {token} "), true),
        (format!("Basic {token}"), false),
        (format!("Bearer{token}"), false),
        (token.clone(), false),
        ("Bearer ".to_owned(), false),
        (String::new(), false),
    ] {
        let request = TestRequest::get().insert_header((header::AUTHORIZATION, header.clone())).to_http_request();
        assert_eq!(sign_in.principal(&request).await.is_ok(), good, "{header}");
    }
    let request = TestRequest::with_uri(&format!("/?token={token}&access_token={token}")).to_http_request();
    assert_eq!(sign_in.principal(&request).await, Err(NotSignedIn::Refused));
}

/// What a call of that kind is answered that has a token in its query, and perhaps a header.
async fn call(path: &str, in_query: &str, header: Option<&str>) -> String {
    let sign_in = Arc::new(with_tokens());
    let router =
        Router::new(|user: &Option<String>, _| user.as_ref().map(|_| ()).ok_or_else(|| Error::of(Code::Unauthorized)))
            .query("ask", async |user, (): ()| Ok(serde_json::json!(user)))
            .mutation("change", async |user, (): ()| Ok(serde_json::json!(user)))
            .subscription("follow", async |user: Option<String>, (): ()| {
                let event = Event::Tracked { id: "1".to_owned(), data: serde_json::json!(user) };
                Ok(futures_util::stream::iter([event, Event::Return]))
            });
    let params = serde_json::json!({ "token": in_query.replace("alice", &token("alice")) }).to_string();
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("connectionParams", &params).finish();
    let mut request = TestRequest::with_uri(&format!("/t/{path}?{query}"));
    if path == "change" {
        request = request.method(actix_web::http::Method::POST).insert_header(header::ContentType::json());
    }
    if header == Some("a proxy's password") {
        request = request.insert_header((header::AUTHORIZATION, "Basic YTpi"));
    } else if let Some(user) = header {
        let token = if user == "nobody" { "x".to_owned() } else { token(user) };
        request = request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    }
    let context = async move |request: &HttpRequest| {
        let caller = sign_in.caller(request).await;
        let user = move |params: &ConnectionParams| {
            caller.with(params).ok().map(|principal| principal.user.as_str().to_owned())
        };
        (trpc::BODY_LIMIT, user)
    };
    let app = App::new()
        .service(trpc::service("/t", Arc::new(router), context))
        .default_service(web::to(HttpResponse::NotFound));
    let app = actix_web::test::init_service(app).await;
    let body = actix_web::test::call_and_read_body(&app, request.to_request()).await;
    String::from_utf8(body.to_vec()).unwrap()
}

#[actix_web::test]
async fn a_token_in_the_query_is_for_subscriptions_alone_and_the_header_goes_before_it() {
    assert!(call("follow", "alice", None).await.contains("data: \"alice\""));
    assert!(call("follow", "alice", Some("ben")).await.contains("data: \"ben\""));
    assert!(call("follow", "alice", Some("a proxy's password")).await.contains("data: \"alice\""));
    for (path, in_query, header) in [
        ("follow", "alice", Some("nobody")),
        ("follow", "nonsense", None),
        ("ask", "alice", None),
        ("change", "alice", None),
    ] {
        let answer = call(path, in_query, header).await;
        assert!(answer.contains("UNAUTHORIZED"), "{path} {header:?}: {answer}");
    }
    assert_eq!(call("ask", "alice", Some("ben")).await, r#"{"result":{"data":"ben"}}"#);
}

/// Alice has a token, Ben a key, Cleo a session; the key.
fn with_everything() -> (SignIn, String) {
    let now = SystemClock.now();
    let (user, name) = ("ben".parse().unwrap(), "reports".parse().unwrap());
    let (key, whole) = ApiKey::new(&SystemRandom, user, name, Scope::Read, None, now).unwrap();
    let (mut keys, mut sessions, hash) = (MockApiKeyRepository::new(), MockWebSessions::new(), whole.hash());
    keys.expect_find().returning(move |asked| Ok((*asked == hash).then(|| key.clone())));
    sessions.expect_find().returning(move |token| {
        let cleos = || WebSession { user: "cleo".parse().unwrap(), expires_at: now + Duration::from_hours(1) };
        Ok((*token == WebSessionToken("cleos".to_owned())).then(cleos))
    });
    let rules = CookieRules {
        names: vec!["session".to_owned()],
        secure_only: false,
        form: CookieForm::Plain,
        origins: Vec::new(),
    };
    let sign_in = with_tokens().with_api_keys(Arc::new(keys)).with_cookies(rules, Arc::new(sessions));
    (sign_in, whole.expose().to_owned())
}

#[actix_web::test]
async fn a_token_goes_before_a_key_and_a_key_before_a_cookie_and_what_is_no_good_before_what_is() {
    let (sign_in, key) = with_everything();
    let (token, bearer) = (format!("Bearer {}", token("alice")), format!("Bearer {key}"));
    let unknown = format!("swb_{}", "0".repeat(64));
    let cookie = ("cookie", "session=cleos");
    for (headers, expected) in [
        (&[("authorization", &*token)][..], Some("alice")),
        (&[("authorization", &*bearer)], Some("ben")),
        (&[("x-api-key", &*key)], Some("ben")),
        (&[cookie], Some("cleo")),
        (&[("authorization", &*token), ("x-api-key", &*key), cookie], Some("alice")),
        (&[("x-api-key", &*key), cookie], Some("ben")),
        (&[("authorization", "Basic YTpi"), cookie], Some("cleo")),
        (&[("authorization", "Bearer nonsense"), ("x-api-key", &*key), cookie], None),
        // What is left of `Bearer ` and an empty token, of another blank, and of two headers.
        (&[("authorization", "Bearer"), cookie], None),
        (&[("authorization", "Bearer\tnonsense"), cookie], None),
        (&[("authorization", "Basic x"), ("authorization", "Bearer nonsense"), cookie], None),
        (&[("authorization", &*format!("Bearer {unknown}")), cookie], None),
        (&[("x-api-key", &*unknown), cookie], None),
        (&[("x-api-key", &*token), cookie], None),
        (&[("x-api-key", "")], None),
        (&[("cookie", "session=nobodys")], None),
        (&[], None),
    ] {
        let request = headers.iter().fold(TestRequest::get(), |request, header| request.append_header(*header));
        let principal = sign_in.principal(&request.to_http_request()).await.ok();
        assert_eq!(principal.as_ref().map(|principal| principal.user.as_str()), expected, "{headers:?}");
    }
}

#[actix_web::test]
async fn what_was_not_configured_signs_nobody_in() {
    let (_, key) = with_everything();
    let nothing = SignIn::new(Arc::new(SystemClock));
    for header in [
        ("authorization", format!("Bearer {}", token("alice"))),
        ("x-api-key", key),
        ("cookie", "session=cleos".to_owned()),
    ] {
        let request = TestRequest::get().insert_header(header).to_http_request();
        assert_eq!(nothing.principal(&request).await, Err(NotSignedIn::Refused));
    }
}
