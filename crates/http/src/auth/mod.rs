//! Who asks.

mod scope;
mod token;

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header;
use chrono::{DateTime, Utc};
use switchboard_domain::UserId;

pub use scope::Scope;
pub use token::{Secret, ShortSecret, TokenKey, TokenRefused};

use crate::trpc::{Call, ConnectionParams, Error};

/// A signed-in user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub user: UserId,
    /// What they may do.
    pub scope: Scope,
    /// The first moment at which they would no longer be let in. Whatever goes on for longer than a request ends then.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Principal {
    /// Whether they may make that call.
    ///
    /// # Errors
    /// [`crate::trpc::Code::Forbidden`] if their scope is too narrow for it.
    pub(crate) fn authorize(&self, call: &Call<'_>) -> Result<(), Error> {
        self.scope.authorize(call)
    }
}

/// The principal of a request: who its bearer token names.
///
/// # Errors
/// [`TokenRefused`] if there is no token, or none that is good.
pub(crate) fn principal(request: &HttpRequest, key: &TokenKey) -> Result<Arc<Principal>, TokenRefused> {
    let header = request.headers().get(header::AUTHORIZATION).ok_or(TokenRefused)?;
    // What a token is made of is checked with it: `to_str` would look at each byte for that.
    let header = std::str::from_utf8(header.as_bytes()).map_err(|_| TokenRefused)?;
    let (scheme, token) = header.split_once(' ').ok_or(TokenRefused)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenRefused);
    }
    key.verify(token.trim_ascii())
}

/// The principal of a tRPC call: as of any request. A browser's `EventSource` cannot send headers, so a subscription
/// without one is its whose token stands in its connection parameters; other calls have none.
///
/// # Errors
/// [`TokenRefused`] if there is no token, or none that is good.
pub(crate) fn caller(
    request: &HttpRequest,
    params: &ConnectionParams,
    key: &TokenKey,
) -> Result<Arc<Principal>, TokenRefused> {
    match params.get("token") {
        Some(token) if !request.headers().contains_key(header::AUTHORIZATION) => key.verify(token),
        _ => principal(request, key),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::test::TestRequest;
    use actix_web::{App, HttpResponse, web};
    use switchboard_domain::SystemClock;

    use super::*;
    use crate::trpc::{self, Code, Event, Router};

    fn key() -> TokenKey {
        TokenKey::new(&Secret::new("x".repeat(32).into()).unwrap(), None, None, Arc::new(SystemClock))
    }

    fn token(key: &TokenKey, user: &str) -> String {
        key.sign(&user.parse().unwrap(), Duration::from_mins(1)).unwrap()
    }

    #[test]
    fn only_a_bearer_token_in_the_header_names_somebody() {
        let key = key();
        let token = token(&key, "alice");
        for (header, good) in [
            (format!("Bearer {token}"), true),
            (format!("bearer  {token} "), true),
            (format!("Basic {token}"), false),
            (format!("Bearer{token}"), false),
            (token.clone(), false),
            (String::new(), false),
        ] {
            let request = TestRequest::get().insert_header((header::AUTHORIZATION, header.clone())).to_http_request();
            assert_eq!(principal(&request, &key).is_ok(), good, "{header}");
        }
        let request = TestRequest::with_uri(&format!("/?token={token}&access_token={token}")).to_http_request();
        assert_eq!(principal(&request, &key), Err(TokenRefused));
    }

    /// What a call of that kind is answered that has a token in its query, and perhaps a header.
    async fn call(path: &str, in_query: &str, header: Option<&str>) -> String {
        let key = Arc::new(key());
        let router = Router::new(|user: &Option<String>, _| {
            user.as_ref().map(|_| ()).ok_or_else(|| Error::of(Code::Unauthorized))
        })
        .query("ask", async |user, (): ()| Ok(serde_json::json!(user)))
        .mutation("change", async |user, (): ()| Ok(serde_json::json!(user)))
        .subscription("follow", async |user: Option<String>, (): ()| {
            let event = Event::Tracked { id: "1".to_owned(), data: serde_json::json!(user) };
            Ok(futures_util::stream::iter([event, Event::Return]))
        });
        let params = serde_json::json!({ "token": in_query.replace("alice", &token(&key, "alice")) }).to_string();
        let query =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("connectionParams", &params).finish();
        let mut request = TestRequest::with_uri(&format!("/t/{path}?{query}"));
        if path == "change" {
            request = request.method(actix_web::http::Method::POST).insert_header(header::ContentType::json());
        }
        if let Some(user) = header {
            let token = if user == "nobody" { "x".to_owned() } else { token(&key, user) };
            request = request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
        }
        let context = move |request: &HttpRequest, params: &ConnectionParams| {
            caller(request, params, &key).ok().map(|principal| principal.user.as_str().to_owned())
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
}
