//! One call of a request: not yet made, being made, made.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, CatchUnwind};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::envelope::{self, Outcome};
use super::procedure::{Procedure, Run};
use super::router::Authorize;
use super::{Awaited, Call, Code, Error, Observer, Transformer, Value, by, too_long};

/// One call, not yet made.
pub(super) struct Pending<C> {
    pub(super) index: usize,
    pub(super) path: String,
    pub(super) transformer: Transformer,
    pub(super) room: Arc<Room>,
    pub(super) attempt: Attempt<C>,
}

/// All that it takes to make a call.
pub(super) struct Attempt<C> {
    pub(super) procedure: Option<(&'static str, Arc<Procedure<C>>)>,
    pub(super) input: Result<Value, Error>,
    pub(super) context: C,
    pub(super) authorize: Authorize<C>,
    pub(super) observer: Option<Arc<dyn Observer<C>>>,
    /// The method of the request, if the procedure is not called with it.
    pub(super) wrong_method: Option<String>,
    /// When it has to be answered.
    pub(super) until: Option<Instant>,
}

/// A call whose outcome somebody may want to see.
pub(super) struct Observed<C>(Option<Seen<C>>);

struct Seen<C> {
    observer: Arc<dyn Observer<C>>,
    context: C,
    call: Option<Call<'static>>,
    began: Instant,
}

/// A call that is being made.
pub(super) struct Begun<T> {
    /// The procedure's.
    name: &'static str,
    answer: CatchUnwind<AssertUnwindSafe<BoxFuture<'static, Result<T, Error>>>>,
    until: Option<Instant>,
}

/// How much the answers of a request already are together. A batch may ask for the longest list a hundred times.
#[derive(Default)]
pub(super) struct Room(AtomicUsize);

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
pub(super) struct Answer {
    pub(super) index: usize,
    pub(super) path: String,
    transformer: Transformer,
    pub(super) outcome: Outcome,
}

impl<C: Clone + Send + 'static> Pending<C> {
    /// Makes the call. What it takes to begin it is not kept until it is answered.
    pub(super) fn run(self) -> impl Future<Output = Answer> + Send + 'static {
        let Self { index, path, transformer, room, attempt } = self;
        let observed = attempt.observed();
        let begun = room.take(0).and_then(|()| attempt.begin(&path, Procedure::answer));
        async move {
            let made = async {
                let data = begun?.finished().await?;
                room.take(data.len())?;
                Ok(data)
            };
            let outcome = observed.outcome(made).await;
            Answer { index, path, transformer, outcome }
        }
    }
}

impl<C: Clone + Send + 'static> Attempt<C> {
    /// Whoever sees what comes of it.
    pub(super) fn observed(&self) -> Observed<C> {
        Observed(self.observer.as_ref().map(|observer| Seen {
            observer: Arc::clone(observer),
            context: self.context.clone(),
            call: self.procedure.as_ref().map(|(name, procedure)| Call { path: name, kind: procedure.kind }),
            began: Instant::now(),
        }))
    }

    /// Begins the call, in the way that `how` finds in its procedure.
    pub(super) fn begin<T>(self, path: &str, how: fn(&Procedure<C>) -> Option<&Run<C, T>>) -> Result<Begun<T>, Error> {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            // It waited for others of its batch; begun now, it would be given up at once.
            return Err(too_long());
        }
        let Some((name, procedure)) = self.procedure else {
            return Err(Error::new(Code::NotFound, format!("No procedure found on path \"{path}\"")));
        };
        let call = Call { path: name, kind: procedure.kind };
        if let Some(method) = &self.wrong_method {
            let Call { path, kind } = call;
            let message = format!("Unsupported {method}-request to {kind} procedure at path \"{path}\"");
            return Err(Error::new(Code::MethodNotSupported, message));
        }
        // Alone, a subscription is asked for its stream.
        let run = how(&procedure).ok_or_else(|| Error::new(Code::BadRequest, "Cannot batch subscription calls"))?;
        let answer = || {
            (self.authorize)(&self.context, &call)?;
            Ok(AssertUnwindSafe(run(self.context, self.input)).catch_unwind())
        };
        let answer = catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| Err(panicked(name)))?;
        Ok(Begun { name, answer, until: self.until })
    }
}

impl<C> Observed<C> {
    /// What comes of making it.
    pub(super) async fn outcome<T>(self, made: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(Seen { observer, context, call, began }) = self.0 else { return made.await };
        let span: Span = observer.span(&context, call.as_ref());
        let made = made.instrument(span.clone());
        let awaited =
            Awaited::new(move |error| observer.called(&context, call.as_ref(), &span, error, began.elapsed()));
        let outcome = made.await;
        awaited.came_to(outcome.as_ref().err());
        outcome
    }
}

impl<T> Begun<T> {
    pub(super) async fn finished(self) -> Result<T, Error> {
        by(self.until, self.answer).await?.unwrap_or_else(|_| Err(panicked(self.name)))
    }
}

/// The panic hook has reported the panic; the other calls go on.
fn panicked(procedure: &'static str) -> Error {
    tracing::error!(procedure, "a procedure panicked");
    Error::internal()
}

impl Answer {
    pub(super) fn element(&self) -> String {
        envelope::element(&self.outcome, &self.path, self.transformer)
    }

    pub(super) fn status(&self) -> u16 {
        self.outcome.as_ref().map_or_else(|error| error.code().http_status(), |_| 200)
    }

    pub(super) fn error(&self) -> Option<&Error> {
        self.outcome.as_ref().err()
    }
}
