//! The table of procedures.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;

use super::procedure::{Procedure, Signature};
use super::{Call, Error, Event, Input, KeepAlive, Kind, Output, Transformer};

/// Whether a call may be made at all.
pub(super) type Authorize<C> = Arc<dyn Fn(&C, &Call<'_>) -> Result<(), Error> + Send + Sync>;

/// Sees the calls of an endpoint.
pub trait Observer<C>: Send + Sync {
    /// What a call is made in. `None` is a procedure that there is not.
    fn span(&self, context: &C, call: Option<&Call<'static>>) -> tracing::Span;

    /// What came of it, and how long that took: with a subscription, until it began. `span` is the call's.
    fn called(
        &self,
        context: &C,
        call: Option<&Call<'static>>,
        span: &tracing::Span,
        error: Option<&Error>,
        took: Duration,
    );

    /// A request was refused that holds no call, or none that can be told apart.
    fn refused(&self, error: &Error);
}

/// The procedures of an endpoint. `C` is what a request brings along for each of its calls: who
/// asks, and with which use cases.
///
/// ```
/// use switchboard_http::trpc::{Error, Fields, Input, Output, Router, Schema, string};
///
/// struct Greet {
///     name: String,
/// }
///
/// impl Input for Greet {
///     fn parse(fields: &mut Fields) -> Option<Self> {
///         let name = fields.read("name", string().min(1));
///         Some(Self { name: name? })
///     }
/// }
///
/// #[derive(serde::Serialize)]
/// struct Greeting {
///     text: String,
/// }
///
/// impl Output for Greeting {}
///
/// async fn greet(_context: (), input: Greet) -> Result<Greeting, Error> {
///     Ok(Greeting { text: format!("Hello, {}", input.name) })
/// }
///
/// let router = Router::new(|_context: &(), _call| Ok(()))
///     .query("user.greet", greet)
///     .mutation("user.forget", async |_context, (): ()| Ok(()));
/// ```
pub struct Router<C> {
    pub(super) procedures: BTreeMap<&'static str, Arc<Procedure<C>>>,
    pub(super) authorize: Authorize<C>,
    pub(super) max_batch_size: usize,
    pub(super) default_transformer: Transformer,
    pub(super) keep_alive: Option<KeepAlive>,
    pub(super) observer: Option<Arc<dyn Observer<C>>>,
    pub(super) deadline: Option<Duration>,
}

impl<C: Clone + Send + 'static> Router<C> {
    /// Calls in one batch, unless said otherwise: far more than a page of a front-end makes, and
    /// few enough that one request cannot keep a server busy.
    pub const MAX_BATCH_SIZE: usize = 100;

    /// No procedures yet. `authorize` is asked before each call, after its method was found right
    /// and before its input is looked at.
    pub fn new(authorize: impl Fn(&C, &Call<'_>) -> Result<(), Error> + Send + Sync + 'static) -> Self {
        Self {
            procedures: BTreeMap::new(),
            authorize: Arc::new(authorize),
            max_batch_size: Self::MAX_BATCH_SIZE,
            default_transformer: Transformer::Plain,
            keep_alive: Some(KeepAlive::default()),
            observer: None,
            deadline: None,
        }
    }

    /// Takes at most that many calls in a batch.
    #[must_use]
    pub fn max_batch_size(self, calls: usize) -> Self {
        Self { max_batch_size: calls, ..self }
    }

    /// What is answered where no input tells it. Plain unless said otherwise, since a superjson
    /// client always sends an input, while a plain one leaves `undefined` out.
    #[must_use]
    pub fn default_transformer(self, transformer: Transformer) -> Self {
        Self { default_transformer: transformer, ..self }
    }

    /// How both ends of a subscription find out that the other is gone; `None`: they do not.
    #[must_use]
    pub fn keep_alive(self, keep_alive: Option<KeepAlive>) -> Self {
        Self { keep_alive, ..self }
    }

    /// Who sees the calls.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer<C>>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Answers whatever has come of a request after that time; a subscription has to begin by then. Without it, calls take as
    /// long as they take.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// Adds a query.
    ///
    /// # Panics
    /// If the name is taken.
    #[must_use]
    pub fn query<I, O, F, Fut>(self, name: &'static str, handler: F) -> Self
    where
        I: Input + Send + 'static,
        O: Output + 'static,
        F: Fn(C, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Error>> + Send + 'static,
    {
        self.procedure(name, Procedure::answering(Kind::Query, handler))
    }

    /// Adds a mutation.
    ///
    /// # Panics
    /// If the name is taken.
    #[must_use]
    pub fn mutation<I, O, F, Fut>(self, name: &'static str, handler: F) -> Self
    where
        I: Input + Send + 'static,
        O: Output + 'static,
        F: Fn(C, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Error>> + Send + 'static,
    {
        self.procedure(name, Procedure::answering(Kind::Mutation, handler))
    }

    /// Adds a subscription. The handler finds out whether there is anything to subscribe to; its stream is what the client
    /// sees from then on. A stream that ends without [`Event::Return`] closes the response, upon which clients connect
    /// again.
    ///
    /// # Panics
    /// If the name is taken.
    #[must_use]
    pub fn subscription<I, O, F, Fut, S>(self, name: &'static str, handler: F) -> Self
    where
        I: Input + Send + 'static,
        O: Output + 'static,
        F: Fn(C, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, Error>> + Send + 'static,
        S: Stream<Item = Event<O>> + Send + 'static,
    {
        self.procedure(name, Procedure::streaming(handler))
    }

    /// The procedures, by name.
    pub fn procedures(&self) -> impl Iterator<Item = Call<'static>> {
        self.procedures.iter().map(|(path, procedure)| Call { path, kind: procedure.kind })
    }

    /// What each procedure takes and answers, by name.
    pub fn signatures(&self) -> impl Iterator<Item = (Call<'static>, Signature)> {
        self.procedures.iter().map(|(path, procedure)| (Call { path, kind: procedure.kind }, (procedure.signature)()))
    }

    fn procedure(mut self, name: &'static str, procedure: Procedure<C>) -> Self {
        let taken = self.procedures.insert(name, Arc::new(procedure));
        assert!(taken.is_none(), "there are two procedures named {name}");
        self
    }
}

impl<C> fmt::Debug for Router<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("procedures", &self.procedures.keys())
            .field("max_batch_size", &self.max_batch_size)
            .field("default_transformer", &self.default_transformer)
            .field("keep_alive", &self.keep_alive)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
