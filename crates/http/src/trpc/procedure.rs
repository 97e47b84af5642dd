//! One procedure: its kind and what it does, with its types erased.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::BoxFuture;

use super::envelope::Outcome;
use super::output::Data;
use super::{Error, Input, Output, Value};

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

/// Reads the input and makes the output.
type Run<C> = Box<dyn Fn(C, Result<Value, Error>) -> BoxFuture<'static, Outcome> + Send + Sync>;

pub(super) struct Procedure<C> {
    pub(super) kind: Kind,
    run: Run<C>,
}

impl<C: Send + 'static> Procedure<C> {
    pub(super) fn new<I, O, F, Fut>(kind: Kind, handler: F) -> Self
    where
        I: Input + Send + 'static,
        O: Output + 'static,
        F: Fn(C, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Error>> + Send + 'static,
    {
        let run: Run<C> = Box::new(move |context, input| {
            let output = parse(input).map(|input| handler(context, input));
            Box::pin(async move { Data::of(&output?.await?) })
        });
        Self { kind, run }
    }

    pub(super) fn run(&self, context: C, input: Result<Value, Error>) -> BoxFuture<'static, Outcome> {
        (self.run)(context, input)
    }
}

fn parse<I: Input>(input: Result<Value, Error>) -> Result<I, Error> {
    let value = if I::READ { input? } else { Value::Object(BTreeMap::new()) };
    I::parse_value(value).map_err(Error::input)
}
