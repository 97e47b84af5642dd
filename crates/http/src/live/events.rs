//! `GET /v1/sessions/{name}/events`: server-sent events (WHATWG HTML, 9.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use switchboard_domain::SessionName;

use super::{Stream, Told};
use crate::State;
use crate::auth::Principal;
use crate::problem::Problem;
use crate::trpc::Code;

/// What a stream without a word is kept alive with: proxies close what is silent for long.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long clients wait before they come back.
const RETRY: &str = "retry: 3000\n\n";

const RETRY_MUCH_LATER: &str = "retry: 60000\n";

/// The events of the principal's session of that name, to a client that has seen the event `known` last.
pub(crate) async fn answer(
    state: Arc<State>,
    principal: Arc<Principal>,
    name: &SessionName,
    known: Option<&[u8]>,
) -> Result<HttpResponse, Problem> {
    let mut stream = Stream::open(state, principal, name).await?;
    let first = match known {
        Some(known) => match stream.next().await {
            // A client that knows the last state has nothing to come back for: this is how it is told.
            Told::State(last) if stream.watcher.is_over() && known == last.id().as_bytes() => {
                return Ok(HttpResponse::NoContent().finish());
            }
            told => Some(told),
        },
        None => None,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        // Compression, and proxies that buffer, would hold events back.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(lines(stream, first)))
}

/// Where the writing is.
enum Next {
    Begin(Option<Told>),
    GoOn,
    End,
}

fn lines(stream: Stream, first: Option<Told>) -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold((stream, Next::Begin(first)), |(mut stream, next)| async move {
        let told = match next {
            Next::Begin(None) => return Some((Ok(Bytes::from_static(RETRY.as_bytes())), (stream, Next::GoOn))),
            Next::Begin(Some(told)) => {
                let (event, next) = written(told)?;
                return Some((Ok(format!("{RETRY}{event}").into()), (stream, next)));
            }
            Next::GoOn => stream.next_within(HEARTBEAT).await,
            Next::End => return None,
        };
        let Some(told) = told else { return Some((Ok(Bytes::from_static(b": ping\n\n")), (stream, Next::GoOn))) };
        let (event, next) = written(told)?;
        Some((Ok(event.into()), (stream, next)))
    })
}

/// The event, and whether others follow; `None` if there is nothing to say.
fn written(told: Told) -> Option<(String, Next)> {
    match told {
        Told::State(state) => Some((format!("id: {}\n{}", state.id(), event("status", &state)), Next::GoOn)),
        Told::Over => Some((event("end", &Empty {}), Next::End)),
        Told::Refused(error) => {
            // One that was displaced would only displace another.
            let retry = if error.code() == Code::TooManyRequests { RETRY_MUCH_LATER } else { "" };
            Some((format!("{retry}{}", event("error", &Problem::from(error))), Next::End))
        }
        Told::Stopping => None,
    }
}

#[derive(Serialize)]
struct Empty {}

fn event(kind: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {kind}\ndata: {data}\n\n")
}
