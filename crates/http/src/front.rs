//! What holds for every answer, whatever is behind it.

use std::future::{Ready, ready};

use actix_web::Error;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use futures_util::FutureExt as _;
use futures_util::future::{Either, Map};

use crate::problem;

/// The longest path and query that are answered, in bytes: a batch of as many calls as there may be needs half of it.
pub const URL_LIMIT: usize = 32 * 1024;

/// What browsers are told unless an answer says otherwise: to take it for what it says it is, to keep no copy, and that no
/// other site shows it, embeds it or learns where a link on it led from.
const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// That browsers come by https only, for a year.
const HTTPS_ONLY: (HeaderName, HeaderValue) =
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));

/// Around everything else: adds what every answer says, and refuses URLs that are too long.
#[derive(Clone, Copy, Debug)]
pub struct Front {
    https_only: bool,
}

/// [`Front`] with what is behind it.
pub struct Fronted<S> {
    service: S,
    https_only: bool,
}

impl Front {
    /// With `https_only`, browsers are told never to come by http again.
    pub fn new(https_only: bool) -> Self {
        Self { https_only }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Front
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Fronted<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Fronted { service, https_only: self.https_only }))
    }
}

type Answered<B> = Result<ServiceResponse<B>, Error>;

impl<S, B> Service<ServiceRequest> for Fronted<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<Ready<Answered<EitherBody<B>>>, Map<S::Future, fn(Answered<B>) -> Answered<EitherBody<B>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let url = request.uri().path_and_query().map_or("", |url| url.as_str());
        if url.len() > URL_LIMIT {
            let mut refused = request.into_response(problem::url_too_long()).map_into_right_body();
            add(refused.headers_mut(), self.https_only);
            return Either::Left(ready(Ok(refused)));
        }
        // Two functions, since one that remembers something has no name.
        let dressed = if self.https_only { dressed::<B, true> } else { dressed::<B, false> };
        Either::Right(self.service.call(request).map(dressed))
    }
}

fn dressed<B, const HTTPS: bool>(answered: Answered<B>) -> Answered<EitherBody<B>> {
    let mut answer = answered?;
    add(answer.headers_mut(), HTTPS);
    Ok(answer.map_into_left_body())
}

fn add(headers: &mut HeaderMap, https_only: bool) {
    for (name, value) in ALWAYS.into_iter().chain(https_only.then_some(HTTPS_ONLY)) {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, HttpResponse, web};

    use super::*;

    async fn get(https_only: bool, path: &str) -> (u16, HeaderMap, String) {
        let own = || async { HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-cache")).body("its own") };
        let app = App::new().wrap(Front::new(https_only)).route("/own", web::get().to(own));
        let app = init_service(app).await;
        let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, String::from_utf8(read_body(response).await.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn what_an_answer_says_itself_stays_and_the_rest_is_added() {
        let (status, headers, body) = get(false, "/own").await;
        assert_eq!((status, &*body), (200, "its own"));
        assert_eq!(headers.get("cache-control").unwrap(), "no-cache");
        for (name, value) in ALWAYS.iter().filter(|(name, _)| *name != "cache-control") {
            assert_eq!(headers.get_all(name).collect::<Vec<_>>(), [value]);
        }
        let (status, headers, _) = get(false, "/nothing").await;
        assert_eq!(status, 404);
        for (name, value) in &ALWAYS {
            assert_eq!(headers.get(name), Some(value), "what nobody answers has them, too");
        }
    }

    #[actix_web::test]
    async fn browsers_are_told_to_come_by_https_only_if_that_is_how_they_reach_us() {
        for (https_only, expected) in [(true, Some("max-age=31536000")), (false, None)] {
            for path in ["/own", &format!("/{}", "x".repeat(URL_LIMIT))] {
                let (_, headers, _) = get(https_only, path).await;
                let told = headers.get("strict-transport-security").map(|value| value.to_str().unwrap());
                assert_eq!(told, expected);
            }
        }
    }

    #[actix_web::test]
    async fn a_url_may_have_its_limit_and_not_a_byte_more() {
        let of = |bytes: usize| format!("/own?{}", "x".repeat(bytes - "/own?".len()));
        assert_eq!(get(false, &of(URL_LIMIT)).await.0, 200);
        let (status, headers, body) = get(false, &of(URL_LIMIT + 1)).await;
        assert_eq!(
            (status, headers.get("content-type").unwrap()),
            (414, &HeaderValue::from_static("application/problem+json"))
        );
        assert!(body.contains("\"url_too_long\""), "{body}");
        assert!(headers.contains_key("x-content-type-options"));
    }
}
