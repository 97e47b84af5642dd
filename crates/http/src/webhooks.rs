//! WAHA's reports, on their way to the use cases.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde::Serialize;
use switchboard_domain::WorkerName;
use switchboard_domain::ports::{UpstreamEvent, WebhookReader, WebhookRefused};

use crate::State;

/// Where workers report to; the name of the worker follows as one more segment.
pub const WEBHOOKS_PATH: &str = "/webhooks/waha";

/// The largest report that is read. A group with all of its 1024 members has a tenth of it.
const BODY_LIMIT: usize = 1024 * 1024;

/// An HMAC-SHA512 in hexadecimal digits: of what has none, nothing is read.
const SIGNATURE_DIGITS: usize = 128;

/// How long a report may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// `POST /webhooks/waha/{worker}`.
pub(crate) fn routes(server: &mut web::ServiceConfig) {
    server.service(web::resource(path()).route(web::post().to(report)));
}

fn path() -> String {
    format!("{WEBHOOKS_PATH}/{{worker}}")
}

async fn report(state: web::Data<State>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let answer = answer(&*state.webhooks, &request, payload, |event| state.services.take_report.run(event)).await;
    state.telemetry.webhook(answer.status());
    answer
}

/// WAHA sends again whatever is not answered with success.
async fn answer(
    reader: &dyn WebhookReader,
    request: &HttpRequest,
    payload: web::Payload,
    take: impl FnOnce(UpstreamEvent),
) -> HttpResponse {
    match event(reader, request, payload).await {
        Ok(event) => {
            if let Some(event) = event {
                take(event);
            }
            HttpResponse::NoContent().finish()
        }
        Err(refusal) => refusal.into(),
    }
}

async fn event(
    reader: &dyn WebhookReader,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Option<UpstreamEvent>, Refusal> {
    let worker: WorkerName = request.match_info().query("worker").parse().map_err(|_| Refusal::Unsigned)?;
    let signature = signature(request).ok_or(Refusal::Unsigned)?;
    let body = timeout(BODY_DEADLINE, read(payload)).await.map_err(|_elapsed| Refusal::TooSlow)??;
    Ok(reader.read(&worker, signature, &body)?)
}

/// What may be a signature.
fn signature(request: &HttpRequest) -> Option<&str> {
    let signature = request.headers().get("x-webhook-hmac")?.to_str().ok()?;
    let is_hexadecimal = signature.bytes().all(|b| b.is_ascii_hexdigit());
    (signature.len() == SIGNATURE_DIGITS && is_hexadecimal).then_some(signature)
}

/// The body as it was signed: to the byte, and compressed if it came so.
async fn read(mut payload: web::Payload) -> Result<BytesMut, Refusal> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::Malformed)?;
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(Refusal::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why a report is not taken.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
enum Refusal {
    Unsigned,
    Malformed,
    TooLarge,
    TooSlow,
}

impl From<WebhookRefused> for Refusal {
    fn from(refused: WebhookRefused) -> Self {
        match refused {
            WebhookRefused::Unsigned => Self::Unsigned,
            WebhookRefused::Malformed => Self::Malformed,
        }
    }
}

impl From<Refusal> for HttpResponse {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Unsigned => StatusCode::UNAUTHORIZED,
            Refusal::Malformed => StatusCode::BAD_REQUEST,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
        };
        Self::build(status).json(refusal)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use actix_web::App;
    use actix_web::http::Method;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use chrono::DateTime;
    use switchboard_domain::SessionStatus;
    use switchboard_domain::ports::{MockWebhookReader, Report};

    use super::*;

    fn event() -> UpstreamEvent {
        UpstreamEvent {
            worker: "w.1".parse().unwrap(),
            session: "user42".parse().unwrap(),
            me: None,
            report: Report::Status { at: DateTime::UNIX_EPOCH, status: SessionStatus::Working },
        }
    }

    /// Finds this in whatever it is asked to read, once at most.
    fn reader(found: Result<Option<UpstreamEvent>, WebhookRefused>) -> MockWebhookReader {
        let mut reader = MockWebhookReader::new();
        reader.expect_read().times(..=1).return_const(found);
        reader
    }

    /// Status and body of the answer, and what was taken.
    async fn answered(reader: MockWebhookReader, request: TestRequest) -> (u16, String, Vec<UpstreamEvent>) {
        let (reader, taken) = (Arc::new(reader), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&taken);
        let handler = move |request: HttpRequest, payload: web::Payload| {
            let (reader, kept) = (Arc::clone(&reader), Arc::clone(&kept));
            async move { answer(&*reader, &request, payload, |event| kept.lock().unwrap().push(event)).await }
        };
        let app = init_service(App::new().service(web::resource(path()).route(web::post().to(handler)))).await;
        let response = call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        let taken = taken.lock().unwrap().clone();
        (status, body, taken)
    }

    fn post(worker: &str) -> TestRequest {
        let request = TestRequest::post().uri(&format!("/webhooks/waha/{worker}")).set_payload("{}");
        request.insert_header(("X-Webhook-Hmac", "aB12".repeat(32)))
    }

    #[actix_web::test]
    async fn an_event_is_taken_and_what_is_of_no_use_is_not_sent_again() {
        assert_eq!(answered(reader(Ok(Some(event()))), post("w.1")).await, (204, String::new(), vec![event()]));
        assert_eq!(answered(reader(Ok(None)), post("w.1")).await, (204, String::new(), vec![]));
    }

    #[actix_web::test]
    async fn a_report_is_read_as_it_came_with_its_worker_and_signature() {
        const BODY: &[u8] = b"{\"a\": \"\xff\"}\n";
        let mut reader = MockWebhookReader::new();
        reader
            .expect_read()
            .withf(|worker, signature, seen| worker.as_str() == "w.1" && signature == "aB12".repeat(32) && seen == BODY)
            .return_const(Ok(None));
        let request = post("w%2E1").insert_header(("content-encoding", "gzip")).set_payload(BODY);
        assert_eq!(answered(reader, request).await.0, 204);
    }

    #[actix_web::test]
    async fn what_is_not_believed_or_not_to_be_read_is_refused_in_a_word() {
        let unsigned = (401, r#"{"code":"unsigned"}"#.to_owned(), vec![]);
        assert_eq!(answered(reader(Err(WebhookRefused::Unsigned)), post("w1")).await, unsigned);
        let malformed = (400, r#"{"code":"malformed"}"#.to_owned(), vec![]);
        assert_eq!(answered(reader(Err(WebhookRefused::Malformed)), post("w1")).await, malformed);
    }

    #[actix_web::test]
    async fn of_what_cannot_be_signed_nothing_is_read() {
        let unsigned = (401, r#"{"code":"unsigned"}"#.to_owned(), vec![]);
        for signature in ["", "ab12", &"a".repeat(127), &"a".repeat(129), &"g".repeat(128)] {
            let large = post("w1").insert_header(("X-Webhook-Hmac", signature)).set_payload(vec![b' '; BODY_LIMIT + 1]);
            assert_eq!(answered(MockWebhookReader::new(), large).await, unsigned, "{signature}");
        }
    }

    #[actix_web::test]
    async fn a_name_that_no_worker_can_have_is_answered_like_one_that_none_has() {
        for name in [".", "%2E%2E", "a%20b", "%00", "a%2Fb", "%FF", &"x".repeat(65)] {
            let (status, body, _) = answered(MockWebhookReader::new(), post(name)).await;
            assert_eq!((status, &*body), (401, r#"{"code":"unsigned"}"#), "{name}");
        }
    }

    #[actix_web::test]
    async fn a_megabyte_is_read_and_not_a_byte_more() {
        let body = vec![b' '; BODY_LIMIT];
        assert_eq!(answered(reader(Ok(None)), post("w1").set_payload(body)).await.0, 204);
        let body = vec![b' '; BODY_LIMIT + 1];
        let too_large = (413, r#"{"code":"too_large"}"#.to_owned(), vec![]);
        assert_eq!(answered(MockWebhookReader::new(), post("w1").set_payload(body)).await, too_large);
    }

    #[actix_web::test]
    async fn nothing_but_a_post_to_one_worker_is_a_report() {
        let asked = post("w1").method(Method::GET);
        assert_eq!(answered(MockWebhookReader::new(), asked).await.0, 405);
        for path in ["", "/", "/w1/", "/w1/x"] {
            let request = TestRequest::post().uri(&format!("/webhooks/waha{path}"));
            assert_eq!(answered(MockWebhookReader::new(), request).await.0, 404, "{path}");
        }
    }
}
