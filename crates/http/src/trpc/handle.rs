//! From a request to its response: the checks in tRPC's order, the calls at the same time.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream;
use futures_util::{FutureExt, StreamExt};

use super::envelope::{self, Outcome};
use super::jsonl;
use super::procedure::Procedure;
use super::request::{Asked, Inputs};
use super::response::Body;
use super::router::Authorize;
use super::{Call, Code, Error, Kind, Request, Response, Router, Transformer, Value};

impl<C: Clone + Send + 'static> Router<C> {
    /// Answers a request. Never fails: whatever is wrong with it is an answer.
    pub async fn handle(&self, context: C, request: Request<'_>) -> Response {
        if request.method == "HEAD" {
            return Response::no_content();
        }
        let inputs = Inputs::of(&request);
        let transformer = inputs.transformer().unwrap_or(self.default_transformer);
        let calls = match self.calls(&request, inputs, &context) {
            Ok(calls) => calls,
            Err(error) => {
                // tRPC says text/plain here; no client looks.
                let body = envelope::request_error(&error, transformer);
                return Response::json(error.code().http_status(), Body::Full(body.into()));
            }
        };
        let allow = calls.wrong_kind.map(Kind::method);
        let response =
            if calls.streamed { Response::json(200, calls.lines(transformer)) } else { calls.answers().await };
        response.with_header("allow", allow)
    }

    /// Finds out which calls are asked for. An error is one of the request as a whole.
    fn calls(&self, request: &Request<'_>, inputs: Inputs, context: &C) -> Result<Calls<C>, Error> {
        let Asked { paths, batch, streamed } = Asked::of(request, self.max_batch_size)?;
        let procedures: Vec<_> = paths.iter().map(|path| self.procedures.get_key_value(&**path)).collect();
        let mut kinds: Vec<Kind> = Vec::new();
        for (_, procedure) in procedures.iter().flatten() {
            if !kinds.contains(&procedure.kind) {
                kinds.push(procedure.kind);
            }
        }
        if kinds.len() > 1 {
            let kinds: Vec<_> = kinds.iter().map(Kind::to_string).collect();
            let message = format!("Cannot mix procedure types in call: {}", kinds.join(", "));
            return Err(Error::new(Code::BadRequest, message));
        }
        if streamed && !batch {
            return Err(Error::new(Code::BadRequest, "Streaming requests must be batched (you can do a batch of 1)"));
        }
        let inputs = inputs.of_calls(paths.len(), self.default_transformer);
        let calls = paths.iter().zip(&procedures).zip(inputs).enumerate();
        let room = Arc::new(Room::default());
        Ok(Calls {
            batch,
            streamed,
            wrong_kind: kinds.first().copied().filter(|kind| kind.method() != request.method),
            pending: calls
                .map(|(index, ((path, procedure), input))| Pending {
                    index,
                    path: path.clone(),
                    transformer: input.transformer,
                    input: input.value,
                    procedure: procedure.map(|(&name, procedure)| (name, Arc::clone(procedure))),
                    context: context.clone(),
                    authorize: Arc::clone(&self.authorize),
                    method: request.method.to_owned(),
                    batch,
                    room: Arc::clone(&room),
                })
                .collect(),
        })
    }
}

/// How many calls of a request are made at the same time: more than a page of a front-end makes, and few enough that one
/// request cannot keep everybody else's waiting.
const AT_THE_SAME_TIME: usize = 10;

/// The calls of a request.
struct Calls<C> {
    batch: bool,
    streamed: bool,
    /// The kind of procedure that the method does not fit, if so: a request has but one kind.
    wrong_kind: Option<Kind>,
    pending: Vec<Pending<C>>,
}

impl<C: Send + 'static> Calls<C> {
    /// All answers at once, in the order of the calls.
    async fn answers(self) -> Response {
        let calls = stream::iter(self.pending).map(Pending::run).buffered(AT_THE_SAME_TIME);
        let answers: Vec<Answer> = calls.collect().await;
        let elements: Vec<_> = answers.iter().map(Answer::element).collect();
        let body = if self.batch { format!("[{}]", elements.join(",")) } else { elements.concat() };
        let retry_after = answers.iter().filter_map(Answer::retry_after).max();
        Response::json(status(&answers), Body::Full(body.into())).with_header("retry-after", retry_after.map(seconds))
    }

    /// Each answer when it is there, as a line.
    fn lines(self, transformer: Transformer) -> Body {
        let head = jsonl::head(self.pending.len(), transformer);
        let calls = stream::iter(self.pending).map(Pending::run).buffer_unordered(AT_THE_SAME_TIME);
        let lines = calls.map(move |answer| jsonl::chunk(answer.index, &answer.outcome, &answer.path, transformer));
        Body::Stream(stream::once(async { head }).chain(lines).boxed())
    }
}

/// One call, not yet made.
struct Pending<C> {
    index: usize,
    path: String,
    transformer: Transformer,
    input: Result<Value, Error>,
    procedure: Option<(&'static str, Arc<Procedure<C>>)>,
    context: C,
    authorize: Authorize<C>,
    method: String,
    batch: bool,
    room: Arc<Room>,
}

/// How much the answers of a request already are together. A batch may ask for the longest list a hundred times.
#[derive(Default)]
struct Room(AtomicUsize);

impl Room {
    /// Bytes of JSON. A page of the most entries is about one MiB.
    const LIMIT: usize = 16 * 1024 * 1024;

    /// Takes room for an answer.
    fn take(&self, bytes: usize) -> Result<(), Error> {
        if self.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= Self::LIMIT {
            return Ok(());
        }
        let message = "The answers of this request are too large together: ask for less, or in several requests";
        Err(Error::new(Code::PayloadTooLarge, message))
    }
}

/// One call, made.
struct Answer {
    index: usize,
    path: String,
    transformer: Transformer,
    outcome: Outcome,
}

impl<C: Send + 'static> Pending<C> {
    async fn run(self) -> Answer {
        let Self { index, path, transformer, .. } = self;
        let Self { input, procedure, context, authorize, method, batch, room, .. } = self;
        let Some((name, procedure)) = procedure else {
            let message = format!("No procedure found on path \"{path}\"");
            let outcome = Err(Error::new(Code::NotFound, message));
            return Answer { index, path, transformer, outcome };
        };
        let call = Call { path: name, kind: procedure.kind };
        let made = async {
            check_method(&call, &method, batch)?;
            authorize(&context, &call)?;
            room.take(0)?;
            let data = procedure.run(context, input).await?;
            room.take(data.len())?;
            Ok(data)
        };
        // The panic hook has reported the panic; the other calls go on.
        let outcome = AssertUnwindSafe(made).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(procedure = name, "a procedure panicked");
            Err(Error::internal())
        });
        Answer { index, path, transformer, outcome }
    }
}

impl Answer {
    fn element(&self) -> String {
        envelope::element(&self.outcome, &self.path, self.transformer)
    }

    fn status(&self) -> u16 {
        self.outcome.as_ref().map_or_else(|error| error.code().http_status(), |_| 200)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.outcome.as_ref().err()?.retry_after()
    }
}

fn check_method(call: &Call<'_>, method: &str, batch: bool) -> Result<(), Error> {
    let Call { path, kind } = call;
    if kind.method() != method {
        let message = format!("Unsupported {method}-request to {kind} procedure at path \"{path}\"");
        return Err(Error::new(Code::MethodNotSupported, message));
    }
    if batch && *kind == Kind::Subscription {
        return Err(Error::new(Code::BadRequest, "Cannot batch subscription calls"));
    }
    Ok(())
}

/// The status that all calls have, else "multi-status".
fn status(answers: &[Answer]) -> u16 {
    let mut statuses = answers.iter().map(Answer::status);
    let first = statuses.next().unwrap_or(200);
    if statuses.all(|status| status == first) { first } else { 207 }
}

/// Whole seconds, rounded up, as `retry-after` has them.
fn seconds(wait: Duration) -> String {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).to_string()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value as Json, json};

    use super::*;

    /// Anybody but `false` is let in.
    fn router() -> Router<bool> {
        Router::new(|allowed: &bool, call| match (*allowed, call.path) {
            (true, _) | (_, "public") => Ok(()),
            _ => Err(Error::of(Code::Unauthorized)),
        })
        .query("public", async |_, (): ()| Ok(()))
        .query("nothing", async |_, (): ()| Ok(()))
        .query("never", async |_, (): ()| std::future::pending::<Result<(), _>>().await)
        .query("panics", async |_, (): ()| -> Result<(), Error> { panic!("the cause") })
        .query("busy", async |_, (): ()| Err::<(), _>(busy(1_500)))
        .query("busier", async |_, (): ()| Err::<(), _>(busy(7_000)))
        .subscription("ticks")
    }

    fn busy(millis: u64) -> Error {
        Error::of(Code::TooManyRequests).with_retry_after(Duration::from_millis(millis))
    }

    async fn get(allowed: bool, path: &str, query: &str) -> (u16, Json, Option<String>) {
        let response = router().handle(allowed, request(path, query, None)).await;
        let retry_after = response.header("retry-after").map(str::to_owned);
        let Body::Full(body) = response.body else { panic!("{response:?}") };
        (response.status, serde_json::from_slice(&body).unwrap(), retry_after)
    }

    fn request<'a>(path: &'a str, query: &'a str, trpc_accept: Option<&'a str>) -> Request<'a> {
        Request { method: "GET", path, query, content_type: None, trpc_accept, accept: None, body: Ok(Bytes::new()) }
    }

    #[tokio::test]
    async fn a_call_that_panics_does_not_take_the_others_down_nor_tell_why() {
        let (status, body, _) = get(true, "nothing,panics", "batch=1").await;

        assert_eq!(status, 207);
        assert_eq!(body[0], json!({"result": {}}));
        assert_eq!(body[1]["error"]["data"]["code"], "INTERNAL_SERVER_ERROR");
        assert_eq!(body[1]["error"]["message"], "Internal server error");
    }

    #[tokio::test]
    async fn the_authorize_hook_knows_which_call_it_is() {
        let (status, body, _) = get(false, "public,nothing", "batch=1").await;

        assert_eq!(status, 207);
        assert_eq!(body[0], json!({"result": {}}));
        assert_eq!(body[1]["error"]["data"]["code"], "UNAUTHORIZED");
    }

    #[tokio::test]
    async fn the_longest_wait_of_a_batch_is_the_one_announced() {
        let (status, _, retry_after) = get(true, "busy,busier,nothing", "batch=1").await;
        assert_eq!((status, retry_after.as_deref()), (207, Some("7")));

        let (status, _, retry_after) = get(true, "busy", "").await;
        assert_eq!((status, retry_after.as_deref()), (429, Some("2")));
    }

    #[tokio::test]
    async fn each_call_is_answered_in_the_transformer_of_its_input() {
        let input = r#"batch=1&input={"1":{"json":null},"2":{"a":1}}"#;

        let (_, body, _) = get(true, "nothing,nothing,nothing", input).await;

        let undefined = json!({"json": null, "meta": {"values": ["undefined"], "v": 1}});
        let superjson = json!({"result": {"data": undefined}});
        // The first has no input: it is taken to be like the others.
        assert_eq!(body, json!([superjson, superjson, {"result": {}}]));
    }

    #[tokio::test]
    async fn a_line_does_not_wait_for_slower_calls_before_it() {
        let request = request("never,nothing", "batch=1", Some("application/jsonl"));
        let response = router().handle(true, request).await;
        let Body::Stream(lines) = response.body else { panic!("{response:?}") };

        let lines: Vec<_> = lines.take(2).collect().await;

        assert_eq!(lines[0], "{\"0\":[[0],[null,0,0]],\"1\":[[0],[null,0,1]]}\n");
        assert_eq!(lines[1], "[1,0,[[{\"result\":{}}]]]\n");
    }

    #[tokio::test]
    async fn a_batch_has_a_limit() {
        let paths = vec!["nothing"; Router::<bool>::MAX_BATCH_SIZE + 1].join(",");

        let (status, body, _) = get(true, &paths, "batch=1").await;

        assert_eq!(status, 400);
        assert_eq!(body["error"]["message"], "Batch call exceeds maximum size");
    }

    #[tokio::test]
    async fn a_subscription_does_not_stream_yet() {
        let (status, body, _) = get(true, "ticks", "").await;

        assert_eq!(status, 501);
        assert_eq!(body["error"]["data"]["code"], "NOT_IMPLEMENTED");
    }
}
