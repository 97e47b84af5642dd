//! From a request to its response: the checks in tRPC's order, the calls at the same time.

use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::pending::{Answer, Attempt, Pending, Room};
use super::procedure::Procedure;
use super::request::{Asked, Inputs};
use super::response::Body;
use super::{
    Code, ConnectionParams, Error, KeepAlive, Kind, Request, Response, Router, Transformer, envelope, jsonl, sse,
    waiting,
};

impl<C: Clone + Send + 'static> Router<C> {
    /// Answers a request. Never fails: whatever is wrong with it is an answer. `context` is made from what a client that
    /// subscribes says in its query; other calls say nothing there.
    ///
    /// The request has been read when this returns: nobody has to keep it until it is answered.
    pub fn handle<F>(&self, context: F, request: &Request<'_>) -> impl Future<Output = Response> + use<C, F>
    where
        F: FnOnce(&ConnectionParams) -> C,
    {
        let asked = self.asked(request, context);
        let keep_alive = self.keep_alive;
        async move {
            match asked {
                Ok(calls) => calls.answered(keep_alive).await,
                Err(response) => response,
            }
        }
    }

    /// The calls of a request, or what it is answered with if there are none to be made.
    fn asked(&self, request: &Request<'_>, context: impl FnOnce(&ConnectionParams) -> C) -> Result<Calls<C>, Response> {
        if request.method == "HEAD" {
            return Err(Response::no_content());
        }
        let inputs = Inputs::of(request);
        let transformer = inputs.transformer().unwrap_or(self.default_transformer);
        self.calls(request, inputs, transformer, context).map_err(|error| {
            if let Some(observer) = &self.observer {
                observer.refused(&error);
            }
            // tRPC says text/plain here; no client looks.
            let body = envelope::request_error(&error, transformer);
            Response::json(error.code().http_status(), Body::Full(body.into()))
        })
    }

    /// Finds out which calls are asked for. An error is one of the request as a whole.
    fn calls(
        &self,
        request: &Request<'_>,
        inputs: Inputs,
        transformer: Transformer,
        context: impl FnOnce(&ConnectionParams) -> C,
    ) -> Result<Calls<C>, Error> {
        let Asked { paths, batch, streamed } = Asked::of(request, self.max_batch_size)?;
        let procedures: Vec<_> = paths.iter().map(|path| self.procedures.get_key_value(&**path)).collect();
        let kind = one_kind(procedures.iter().flatten().map(|(_, procedure)| procedure.kind))?;
        let subscription = kind == Some(Kind::Subscription);
        let params = Some(ConnectionParams::of(request)?).filter(|_| subscription).unwrap_or_default();
        if streamed && !batch {
            return Err(Error::new(Code::BadRequest, "Streaming requests must be batched (you can do a batch of 1)"));
        }
        let context = context(&params);
        let last_event_id = if subscription { request.last_event_id() } else { None };
        let wrong_kind = kind.filter(|kind| kind.method() != request.method);
        let inputs = inputs.of_calls(paths.len(), self.default_transformer);
        let calls = paths.into_iter().zip(procedures).zip(inputs).enumerate();
        let room = Arc::new(Room::default());
        let until = self.deadline.map(|deadline| Instant::now() + deadline);
        Ok(Calls {
            form: match (streamed, batch) {
                (true, _) => Form::Lines,
                (false, true) => Form::Batch,
                (false, false) if subscription => Form::Events,
                (false, false) => Form::Alone,
            },
            transformer,
            wrong_kind,
            pending: calls
                .map(|(index, ((path, procedure), mut input))| {
                    if let Some(id) = &last_event_id {
                        input.resume_after(id.clone());
                    }
                    Pending {
                        index,
                        path,
                        transformer: input.transformer,
                        room: Arc::clone(&room),
                        attempt: Attempt {
                            procedure: procedure.map(|(&name, procedure)| (name, Arc::clone(procedure))),
                            input: input.value,
                            context: context.clone(),
                            authorize: Arc::clone(&self.authorize),
                            observer: self.observer.clone(),
                            wrong_method: wrong_kind.map(|_| request.method.to_owned()),
                            until,
                        },
                    }
                })
                .collect(),
        })
    }
}

/// How many calls of a request are made at the same time: more than a page of a front-end makes, and few enough that one
/// request cannot keep everybody else's waiting.
const AT_THE_SAME_TIME: usize = 10;

/// How a request is answered.
#[derive(Clone, Copy)]
enum Form {
    /// One call, which stands for itself.
    Alone,
    /// Calls in an array.
    Batch,
    /// Calls in a line each.
    Lines,
    /// One subscription.
    Events,
}

/// The calls of a request: several only in a batch.
struct Calls<C> {
    form: Form,
    /// What the answer is written in as a whole.
    transformer: Transformer,
    /// The kind of procedure that the method does not fit, if so: a request has but one kind.
    wrong_kind: Option<Kind>,
    pending: Vec<Pending<C>>,
}

impl<C: Clone + Send + 'static> Calls<C> {
    async fn answered(self, keep_alive: Option<KeepAlive>) -> Response {
        let allow = self.wrong_kind.map(Kind::method);
        let response = match self.form {
            Form::Events => self.events(keep_alive).await,
            Form::Lines => self.lines(),
            Form::Batch => self.together().await,
            Form::Alone => self.alone().await,
        };
        response.with_header("allow", allow)
    }

    /// All answers at once, in the order of the calls.
    async fn together(self) -> Response {
        let calls = stream::iter(self.pending).map(Pending::run).buffered(AT_THE_SAME_TIME);
        let answers: Vec<Answer> = calls.collect().await;
        let elements: Vec<_> = answers.iter().map(Answer::element).collect();
        answered(&answers, format!("[{}]", elements.join(",")))
    }

    /// The answer of the one call that there is.
    async fn alone(mut self) -> Response {
        let answer = self.pending.swap_remove(0).run().await;
        answered(std::slice::from_ref(&answer), answer.element())
    }

    /// Each answer when it is there, as a line. The calls go on while nobody reads, since they hold connections to the
    /// database and have deadlines; they end with their reader.
    fn lines(self) -> Response {
        let transformer = self.transformer;
        let head = jsonl::head(self.pending.len(), transformer);
        // There is a place for each, and together they are no larger than a batch may be.
        let (ready, lines) = mpsc::channel(self.pending.len().max(1));
        tokio::spawn(async move {
            let mut calls = pin!(stream::iter(self.pending).map(Pending::run).buffer_unordered(AT_THE_SAME_TIME));
            loop {
                let answer = tokio::select! {
                    answer = calls.next() => answer,
                    () = ready.closed() => None,
                };
                let Some(answer) = answer else { return };
                let line = jsonl::chunk(answer.index, &answer.outcome, &answer.path, transformer);
                if ready.send(line).await.is_err() {
                    return;
                }
            }
        });
        let lines = stream::unfold(lines, async |mut lines| Some((lines.recv().await?, lines)));
        Response::lines(stream::once(async { head }).chain(lines).boxed())
    }

    /// What the one call that there is yields, from the first event on.
    async fn events(mut self, keep_alive: Option<KeepAlive>) -> Response {
        let Pending { path, transformer, attempt, .. } = self.pending.swap_remove(0);
        let observed = attempt.observed();
        let begun = attempt.begin(&path, Procedure::stream);
        let events = observed.outcome(async { begun?.finished().await }).await;
        let headers = waiting(events.as_ref().err());
        Response::events(sse::body(events, path, transformer, keep_alive).boxed()).with_headers(headers)
    }
}

/// The kind of all procedures that there are among those of a request.
fn one_kind(kinds: impl Iterator<Item = Kind> + Clone) -> Result<Option<Kind>, Error> {
    let first = kinds.clone().next();
    if kinds.clone().all(|kind| Some(kind) == first) {
        return Ok(first);
    }
    let mut found: Vec<Kind> = Vec::new();
    for kind in kinds {
        if !found.contains(&kind) {
            found.push(kind);
        }
    }
    let found: Vec<_> = found.iter().map(Kind::to_string).collect();
    Err(Error::new(Code::BadRequest, format!("Cannot mix procedure types in call: {}", found.join(", "))))
}

/// The response with these answers, of which `body` is made.
fn answered(answers: &[Answer], body: String) -> Response {
    let headers = waiting(answers.iter().filter_map(Answer::error));
    Response::json(status(answers), Body::Full(body.into())).with_headers(headers)
}

/// The status that all calls have, else "multi-status".
fn status(answers: &[Answer]) -> u16 {
    let mut statuses = answers.iter().map(Answer::status);
    let first = statuses.next().unwrap_or(200);
    if statuses.all(|status| status == first) { first } else { 207 }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use bytes::Bytes;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::trpc::{Body, Event};

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
        .subscription("ticks", async |_, (): ()| Ok(stream::iter([Event::<()>::Return])))
        .subscription("hesitates", async |_, (): ()| {
            std::future::pending::<Result<stream::Empty<Event<()>>, _>>().await
        })
        .subscription("refused", async |_, (): ()| Err::<stream::Empty<Event<()>>, _>(Error::of(Code::NotFound)))
        .subscription("collapses", async |_, (): ()| -> Result<stream::Empty<Event<()>>, Error> { panic!("the cause") })
    }

    fn busy(millis: u64) -> Error {
        Error::of(Code::TooManyRequests).with_retry_after(Duration::from_millis(millis))
    }

    async fn get(allowed: bool, path: &str, query: &str) -> (u16, Json, Option<String>) {
        let response = router().handle(|_| allowed, &request(path, query, None)).await;
        let retry_after = response.header("retry-after").map(str::to_owned);
        let Body::Full(body) = response.body else { panic!("{response:?}") };
        (response.status, serde_json::from_slice(&body).unwrap(), retry_after)
    }

    fn request<'a>(path: &'a str, query: &'a str, trpc_accept: Option<&'a str>) -> Request<'a> {
        Request {
            method: "GET",
            path,
            query,
            content_type: None,
            trpc_accept,
            accept: None,
            last_event_id: None,
            body: Ok(Bytes::new()),
        }
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

    #[tokio::test(start_paused = true)]
    async fn a_request_is_answered_in_time_with_what_has_come_of_it() {
        let begun = Instant::now();
        let router = router().deadline(Duration::from_mins(1));
        // More at the same time than are made at the same time.
        let paths = ["never"; 3 * AT_THE_SAME_TIME].join(",") + ",nothing";
        let response = router.handle(|_| true, &request(&format!("nothing,{paths}"), "batch=1", None)).await;
        assert_eq!((response.status, begun.elapsed().as_secs()), (207, 60));
        let Body::Full(body) = response.body else { panic!("it is no stream") };
        let answers: Vec<Json> = serde_json::from_slice(&body).unwrap();
        assert_eq!(answers[0], json!({"result": {}}));
        // The last one waited for a place until it was too late to begin.
        for late in &answers[1..] {
            let data = &late["error"]["data"];
            assert_eq!((&data["code"], &data["reason"]), (&json!("GATEWAY_TIMEOUT"), &json!("deadline")));
        }

        let response = router.handle(|_| true, &request("hesitates", "", None)).await;
        let Body::Stream(events) = response.body else { panic!("it streams") };
        let events: Vec<_> = events.collect().await;
        let error = String::from_utf8(events.concat()).unwrap();
        assert!(error.contains("serialized-error") && error.contains("deadline"), "{error}");
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
        let response = router().handle(|_| true, &request).await;
        let Body::Stream(lines) = response.body else { panic!("{response:?}") };

        let lines: Vec<_> = lines.take(2).collect().await;

        assert_eq!(lines[0], "{\"0\":[[0],[null,0,0]],\"1\":[[0],[null,0,1]]}\n");
        assert_eq!(lines[1], "[1,0,[[{\"result\":{}}]]]\n");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_go_on_while_nobody_reads_their_lines_and_end_with_the_reader() {
        let (done, counter) = (Arc::new(AtomicUsize::new(0)), |done: &Arc<AtomicUsize>| Arc::clone(done));
        let count = counter(&done);
        let router = router().query("slow", move |_, (): ()| {
            let count = counter(&count);
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        });
        let request = request("slow,slow", "batch=1", Some("application/jsonl"));
        let response = router.handle(|_| true, &request).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(done.load(Ordering::SeqCst), 2);
        drop(response);

        drop(router.handle(|_| true, &request).await);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(done.load(Ordering::SeqCst), 2, "nobody is there any more");
    }

    #[tokio::test]
    async fn a_batch_has_a_limit() {
        let paths = vec!["nothing"; Router::<bool>::MAX_BATCH_SIZE + 1].join(",");

        let (status, body, _) = get(true, &paths, "batch=1").await;

        assert_eq!(status, 400);
        assert_eq!(body["error"]["message"], "Batch call exceeds maximum size");
    }

    #[tokio::test]
    async fn a_subscription_that_cannot_begin_says_so_in_its_stream() {
        for (path, allowed, code) in [
            ("refused", true, "NOT_FOUND"),
            ("collapses", true, "INTERNAL_SERVER_ERROR"),
            ("ticks", false, "UNAUTHORIZED"),
        ] {
            let response = router().handle(|_| allowed, &request(path, "", None)).await;
            assert_eq!((response.status, response.header("content-type")), (200, Some("text/event-stream")), "{path}");
            let Body::Stream(events) = response.body else { panic!("{path} streams") };
            let events: Vec<_> = events.collect().await;
            assert_eq!(events.len(), 2, "{events:?}");
            assert!(events[0].starts_with(b"event: connected\n"), "{events:?}");
            let error = String::from_utf8(events[1].to_vec()).unwrap();
            assert!(error.starts_with("event: serialized-error\n") && error.contains(code), "{error}");
            assert!(!error.contains("the cause"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_subscription_is_not_batched_whoever_asks() {
        let (status, body, _) = get(false, "ticks", "batch=1").await;

        assert_eq!(status, 400);
        assert_eq!(body[0]["error"]["message"], "Cannot batch subscription calls");
    }

    #[tokio::test]
    async fn what_a_client_says_in_the_query_is_for_subscriptions() {
        let said = |path| async move {
            let mut said = None;
            let context = |params: &ConnectionParams| {
                said = params.get("token").map(str::to_owned);
                true
            };
            let query = "connectionParams=%7B%22token%22%3A%22t%22%7D";
            router().handle(context, &request(path, query, None)).await;
            said
        };
        assert_eq!(said("ticks").await.as_deref(), Some("t"));
        assert_eq!(said("nothing").await, None);
        assert_eq!(said("no.such.procedure").await, None);
    }
}
