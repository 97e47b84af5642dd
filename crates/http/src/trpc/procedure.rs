//! One procedure: its kind and what it does, with its types erased.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, Stream, StreamExt, TryFutureExt};

use super::output::Data;
use super::sse::Events;
use super::{Error, Event, Field, Input, Output, Value};
use crate::schema::JsonSchema;

/// What a procedure is, which decides how it may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Reads; called with GET.
    Query,
    /// Changes; called with POST.
    Mutation,
    /// Streams; called with GET, never in a batch.
    Subscription,
}

impl Kind {
    /// The only method it may be called with.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Query | Self::Subscription => "GET",
            Self::Mutation => "POST",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        })
    }
}

/// A call that is about to be made: what the authorize hook decides on, beside the context.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The name of the procedure, as registered.
    pub path: &'a str,
    /// Its kind.
    pub kind: Kind,
}

/// What a procedure takes and answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The fields of its input; `None` if it takes none.
    pub input: Option<Vec<Field>>,
    /// Its answer; of a subscription, what each event tells.
    pub output: JsonSchema,
}

impl Signature {
    fn of<I: Input, O: Output>() -> Self {
        Self { input: I::READ.then(I::fields), output: O::schema() }
    }
}

/// Reads the input and makes what it is answered with.
pub(super) type Run<C, T> = Box<dyn Fn(C, Result<Value, Error>) -> BoxFuture<'static, Result<T, Error>> + Send + Sync>;

pub(super) struct Procedure<C> {
    pub(super) kind: Kind,
    pub(super) signature: fn() -> Signature,
    action: Action<C>,
}

/// What a procedure does.
enum Action<C> {
    /// It answers once: a query or a mutation.
    Answer(Run<C, Data>),
    /// It goes on answering: a subscription.
    Stream(Run<C, Events>),
}

impl<C: Send + 'static> Procedure<C> {
    pub(super) fn answering<I, O, F, Fut>(kind: Kind, handler: F) -> Self
    where
        I: Input + Send + 'static,
        O: Output + 'static,
        F: Fn(C, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Error>> + Send + 'static,
    {
        let run: Run<C, Data> = Box::new(move |context, input| match parse(input) {
            Ok(input) => handler(context, input).map(|output| Data::of(&output?)).boxed(),
            Err(error) => ready(Err(error)).boxed(),
        });
        Self { kind, signature: Signature::of::<I, O>, action: Action::Answer(run) }
    }

    pub(super) fn streaming<I, O, F, Fut, S>(handler: F) -> Self
    where
        I: Input + Send + 'static,
        O: Output + 'static,
        F: Fn(C, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, Error>> + Send + 'static,
        S: Stream<Item = Event<O>> + Send + 'static,
    {
        let run: Run<C, Events> = Box::new(move |context, input| match parse(input) {
            Ok(input) => handler(context, input).map_ok(|events| events.map(Event::ready).boxed()).boxed(),
            Err(error) => ready(Err(error)).boxed(),
        });
        Self { kind: Kind::Subscription, signature: Signature::of::<I, O>, action: Action::Stream(run) }
    }

    /// How it answers once, unless it is a subscription.
    pub(super) fn answer(&self) -> Option<&Run<C, Data>> {
        match &self.action {
            Action::Answer(run) => Some(run),
            Action::Stream(_) => None,
        }
    }

    /// How it goes on answering, if it is a subscription.
    pub(super) fn stream(&self) -> Option<&Run<C, Events>> {
        match &self.action {
            Action::Answer(_) => None,
            Action::Stream(run) => Some(run),
        }
    }
}

fn parse<I: Input>(input: Result<Value, Error>) -> Result<I, Error> {
    let value = if I::READ { input? } else { Value::Object(BTreeMap::new()) };
    I::parse_value(value).map_err(Error::input)
}
