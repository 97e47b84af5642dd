//! The endpoint as an actix service.

use std::borrow::Cow;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, HttpResponse, Scope, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::{Body, BodyError, ConnectionParams, Request, Response, Router};

/// The largest body that is read. Inputs are a few names; a batch has a hundred of them.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// The largest body that is read of whoever is not signed in: the beginning tells what to refuse them in.
pub(crate) const STRANGERS_BODY_LIMIT: usize = 16 * 1024;

/// Shorter answers are not compressed: that takes many times what they cost, to save hardly a packet.
pub(crate) const WORTH_COMPRESSING: usize = 1024;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
static TRPC_ACCEPT: HeaderName = HeaderName::from_static("trpc-accept");
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Serves the router at `endpoint` (like `/api/trpc`), whatever the method. `context` is made once for each request, from
/// it, which may take a while, and then from what a subscription says in its place. It comes with how much of a body is
/// read, at most [`BODY_LIMIT`].
pub fn service<C, F, G>(endpoint: &str, router: Arc<Router<C>>, context: F) -> Scope
where
    C: Clone + Send + 'static,
    F: AsyncFn(&HttpRequest) -> (usize, G) + 'static,
    G: FnOnce(&ConnectionParams) -> C,
{
    let context = Rc::new(context);
    // A prefix: to match the rest of the path as well would cost more than most calls.
    web::scope(endpoint).default_service(web::to(move |request: HttpRequest, payload: web::Payload| {
        let router = Arc::clone(&router);
        let context = Rc::clone(&context);
        async move {
            let (limit, context) = (*context)(&request).await;
            let body = body(request.method(), payload, limit.min(BODY_LIMIT)).await;
            let answered = router.handle(context, &seen(&request, body));
            answer(answered.await)
        }
    }))
}

/// What tRPC looks at.
fn seen(request: &HttpRequest, body: Result<Bytes, BodyError>) -> Request<'_> {
    let header = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    Request {
        method: request.method().as_str(),
        path: below_endpoint(request),
        query: request.query_string(),
        content_type: header(&header::CONTENT_TYPE),
        trpc_accept: header(&TRPC_ACCEPT),
        accept: header(&header::ACCEPT),
        last_event_id: header(&LAST_EVENT_ID),
        body,
    }
}

/// The path below the endpoint as it came. What actix has left of it is partly decoded, so the slashes of the endpoint
/// are counted instead.
fn below_endpoint(request: &HttpRequest) -> &str {
    let path = request.match_info();
    let endpoint = path.as_str().strip_suffix(path.unprocessed()).unwrap_or_default();
    let slashes = endpoint.matches('/').count() + 1;
    request.uri().path().splitn(slashes + 1, '/').nth(slashes).unwrap_or_default()
}

async fn body(method: &Method, payload: web::Payload, limit: usize) -> Result<Bytes, BodyError> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(Bytes::new());
    }
    read_body(payload, limit).await
}

/// A body of at most `limit` bytes.
pub(crate) async fn read_body(payload: web::Payload, limit: usize) -> Result<Bytes, BodyError> {
    timeout(BODY_DEADLINE, read(payload, limit)).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn read(mut payload: web::Payload, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        if body.len() + chunk.len() > limit {
            body.extend_from_slice(&chunk[..limit - body.len()]);
            return Err(BodyError::TooLarge(body.freeze()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn answer(response: Response) -> HttpResponse {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    // With a cookie or a key, a cache in between does not know that it is somebody's own.
    answer.insert_header((header::CACHE_CONTROL, NO_STORE));
    for (name, value) in response.headers {
        match value {
            Cow::Borrowed(text) => {
                answer.insert_header((HeaderName::from_static(name), HeaderValue::from_static(text)))
            }
            Cow::Owned(text) => answer.insert_header((name, text)),
        };
    }
    match response.body {
        Body::Empty => answer.finish(),
        Body::Full(bytes) => {
            if bytes.len() < WORTH_COMPRESSING {
                answer.insert_header((header::CONTENT_ENCODING, IDENTITY));
            }
            answer.body(bytes)
        }
        // Compression would hold lines and events back.
        Body::Stream(lines) => {
            answer.insert_header((header::CONTENT_ENCODING, IDENTITY)).streaming(lines.map(Ok::<_, Infallible>))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::Compress;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, web};
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::trpc::{Event, Fields, Input, string};

    struct Greet(String);

    impl Input for Greet {
        fn parse(fields: &mut Fields) -> Option<Self> {
            fields.read("name", string().min(1)).map(Self)
        }
    }

    struct Count(String);

    impl Input for Count {
        fn parse(fields: &mut Fields) -> Option<Self> {
            fields.read("lastEventId", string()).map(Self)
        }
    }

    /// The status, `content-encoding` and body of the answer, below a scope and behind a
    /// compressor.
    async fn answer(request: TestRequest) -> (u16, Option<String>, String) {
        let router = Router::new(|_: &String, _| Ok(()))
            .query("who", async |user: String, (): ()| Ok(Json::String(user)))
            .subscription("count", async |_, Count(last)| {
                let event = Event::Tracked { id: format!("{last}+"), data: json!(last) };
                Ok(futures_util::stream::iter([event, Event::Return]))
            })
            .mutation("touch", async |_, (): ()| Ok(json!("touched")))
            .mutation("greet", async |user, Greet(name)| Ok(json!([user, name])));
        let user = async |request: &HttpRequest| {
            let user = format!("{:?}", request.headers().get("x-user"));
            (BODY_LIMIT, move |_: &ConnectionParams| user)
        };
        let service = service("/trpc", Arc::new(router), user);
        let app = App::new().wrap(Compress::default()).service(web::scope("/api").service(service));
        let app = init_service(app).await;
        let response = call_service(&app, request.to_request()).await;
        let encoding = response.headers().get("content-encoding");
        let encoding = encoding.map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        (status, encoding, body)
    }

    fn post(path: &str) -> TestRequest {
        TestRequest::post().uri(path).insert_header(("content-type", "application/json"))
    }

    #[actix_web::test]
    async fn the_path_below_the_endpoint_comes_as_it_was_sent() {
        let (status, _, body) = answer(TestRequest::get().uri("/api/trpc/w%68o%2Cx?batch=1")).await;
        assert_eq!(status, 207);
        assert!(body.starts_with(r#"[{"result":{"data":"None"}},{"error""#), "{body}");

        let (status, _, body) = answer(TestRequest::get().uri("/api/trpc/a%2")).await;
        assert_eq!(status, 400);
        assert!(body.contains(r#"Invalid URL-encoding in path \"a%2\""#), "{body}");

        let (status, _, body) = answer(TestRequest::get().uri("/api/trpc/")).await;
        assert_eq!(status, 404);
        assert!(body.contains(r#"No procedure found on path \"\""#), "{body}");
    }

    #[actix_web::test]
    async fn the_context_and_the_body_reach_the_handler() {
        let request = post("/api/trpc/greet").insert_header(("x-user", "ana"));

        let (status, _, body) = answer(request.set_payload(r#"{"name":"Ben"}"#)).await;

        assert_eq!(status, 200);
        assert_eq!(body, r#"{"result":{"data":["Some(\"ana\")","Ben"]}}"#);
    }

    #[actix_web::test]
    async fn a_body_over_the_limit_fails_only_calls_that_read_it() {
        let large = vec![b' '; BODY_LIMIT + 1];

        let (status, _, body) = answer(post("/api/trpc/greet,touch?batch=1").set_payload(large)).await;

        assert_eq!(status, 207);
        assert!(body.starts_with(r#"[{"error":{"message":"PAYLOAD_TOO_LARGE""#), "{body}");
        assert!(body.ends_with(r#"{"result":{"data":"touched"}}]"#), "{body}");
    }

    #[actix_web::test]
    async fn only_what_is_long_is_compressed() {
        let short = post("/api/trpc/greet").insert_header(("accept-encoding", "gzip"));
        let (_, encoding, body) = answer(short.set_payload(r#"{"name":"Ben"}"#)).await;
        assert_eq!((encoding.as_deref(), body.as_str()), (Some("identity"), r#"{"result":{"data":["None","Ben"]}}"#));

        let request = post("/api/trpc/greet").insert_header(("accept-encoding", "gzip"));
        let router = Router::new(|(): &(), _| Ok(())).mutation("greet", async |(), Greet(name)| Ok(json!(name)));
        let service =
            service("/trpc", Arc::new(router), async |_: &HttpRequest| (BODY_LIMIT, |_: &ConnectionParams| ()));
        let app = init_service(App::new().wrap(Compress::default()).service(web::scope("/api").service(service))).await;
        let body = json!({ "name": "x".repeat(WORTH_COMPRESSING) }).to_string();
        let response = call_service(&app, request.set_payload(body).to_request()).await;
        assert_eq!(response.headers().get("content-encoding").unwrap(), "gzip");
    }

    #[actix_web::test]
    async fn lines_are_not_compressed() {
        let request = TestRequest::get()
            .uri("/api/trpc/who?batch=1")
            .insert_header(("accept-encoding", "gzip"))
            .insert_header(("trpc-accept", "application/jsonl"));

        let (status, encoding, body) = answer(request).await;

        assert_eq!((status, encoding.as_deref()), (200, Some("identity")));
        assert_eq!(body, "{\"0\":[[0],[null,0,0]]}\n[0,0,[[{\"result\":{\"data\":\"None\"}}]]]\n");
    }

    #[actix_web::test]
    async fn events_are_not_compressed_and_go_on_from_the_last_one_seen() {
        let request = TestRequest::get()
            .uri("/api/trpc/count?input={}")
            .insert_header(("accept-encoding", "gzip"))
            .insert_header(("last-event-id", "6"));

        let (status, encoding, body) = answer(request).await;

        assert_eq!((status, encoding.as_deref()), (200, Some("identity")));
        let greeting = "event: connected\ndata: {\"reconnectAfterInactivityMs\":45000}\nretry: 3000\n\n";
        assert_eq!(body, format!("{greeting}data: \"6\"\nid: 6+\n\nevent: return\ndata: \n\n"));
    }

    #[actix_web::test]
    async fn head_is_answered_with_nothing() {
        let request = TestRequest::with_uri("/api/trpc/whatever").method(Method::HEAD);

        assert_eq!(answer(request).await, (204, None, String::new()));
    }
}
