//! Calls of procedures, by tRPC or by their twins: each is counted, timed, traced, and a line in the log.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::http::header::HeaderName;
use switchboard_domain::UserId;
use tracing::field::Empty;
use tracing::{Level, Span};

use super::ContinueTrace;
use super::metrics::{CallMetrics, Registry, outcome};
use super::request_id::RequestId;
use super::user_hash::UserHashes;
use crate::trpc::user::Context;
use crate::trpc::{Call, Code, Error, Kind, Observer};

/// The target of all spans that may leave the process: nothing else about them is exported.
pub const TRACED: &str = "switchboard::trace";

/// The name of every procedure that there is not.
pub(super) const UNKNOWN: &str = "unknown";

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// What is told of calls.
pub(crate) struct Calls {
    metrics: CallMetrics,
    users: UserHashes,
    continue_trace: Option<ContinueTrace>,
}

/// Where a call came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Trpc,
    Rest,
}

impl Api {
    pub(super) const ALL: [Self; 2] = [Self::Trpc, Self::Rest];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Trpc => "trpc",
            Self::Rest => "rest",
        }
    }
}

/// What a request says of itself.
#[derive(Clone, Debug)]
pub struct Incoming {
    id: RequestId,
    /// Only if anybody cares.
    trace_parent: Option<Arc<str>>,
}

impl Incoming {
    pub(super) fn new(id: RequestId, trace_parent: Option<Arc<str>>) -> Self {
        Self { id, trace_parent }
    }
}

/// A call, as far as it is told of.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) api: Api,
    /// None if there is no such procedure.
    pub(crate) call: Option<&'a Call<'static>>,
    /// None if the request had to be refused before it was looked at.
    pub(crate) incoming: Option<&'a Incoming>,
    /// None if nobody is signed in.
    pub(crate) user: Option<&'a UserId>,
}

impl Told<'_> {
    fn procedure(&self) -> &'static str {
        self.call.map_or(UNKNOWN, |call| call.path)
    }
}

impl Calls {
    pub(super) fn new(registry: Arc<Registry>, users: UserHashes, continue_trace: Option<ContinueTrace>) -> Self {
        Self { metrics: CallMetrics::new(registry), users, continue_trace }
    }

    /// The trace that a request belongs to, if traces are made.
    pub(super) fn trace_parent(&self, request: &impl HttpMessage) -> Option<Arc<str>> {
        self.continue_trace?;
        Some(request.headers().get(TRACE_PARENT)?.to_str().ok()?.into())
    }

    /// What a call is made in. Unless somebody traces, or logs at `debug`, it is nothing and costs nothing.
    pub(crate) fn span(&self, told: Told<'_>) -> Span {
        let procedure = told.procedure();
        let span = tracing::debug_span!(
            target: TRACED,
            "call",
            otel.name = procedure,
            otel.kind = "server",
            otel.status_code = Empty,
            api = told.api.as_str(),
            procedure,
            request_id = told.incoming.map(|incoming| display(incoming.id)),
            user = told.user.map(|user| display(self.users.of(user))),
            outcome = Empty,
        );
        // Who is traced costs something: that is not for everybody to say.
        let parent = told.user.and(told.incoming).and_then(|incoming| incoming.trace_parent.as_deref());
        if let (Some(continue_trace), Some(parent), false) = (self.continue_trace, parent, span.is_disabled()) {
            continue_trace(&span, parent);
        }
        span
    }

    /// A call came to this. What fails on our side is a warning; what somebody wanted to change is told; the rest is for those
    /// who look closely, so that whoever just knocks fills no log.
    pub(crate) fn done(&self, told: Told<'_>, span: &Span, error: Option<&Error>, took: Duration) {
        let (procedure, outcome, code) = (told.procedure(), outcome(error.map(Error::code)), error.map(Error::code));
        self.metrics.count(told.api, procedure, code, took);
        // Why nobody could be signed in is told where that is found out, once: whoever shows made-up keys fills no log.
        let is_strangers = told.user.is_none() && error.and_then(Error::reason) == Some("sign_in_unavailable");
        let is_fault = code.is_some_and(|code| code.http_status() >= 500) && !is_strangers;
        if !span.is_disabled() {
            span.record("outcome", outcome);
            if is_fault {
                span.record("otel.status_code", "ERROR");
            }
        }
        macro_rules! line {
            ($level:expr, $message:literal) => {
                tracing::event!(
                    $level,
                    api = told.api.as_str(),
                    procedure,
                    outcome,
                    reason = error.and_then(Error::reason),
                    error = error.and_then(Error::cause),
                    request_id = told.incoming.map(|incoming| display(incoming.id)),
                    user = told.user.map(|user| display(self.users.of(user))),
                    elapsed_ms = took.as_millis(),
                    $message
                )
            };
        }
        let is_change = told.call.is_some_and(|call| call.kind == Kind::Mutation) && told.user.is_some();
        if is_fault {
            line!(Level::WARN, "request failed");
        } else if is_change && code != Some(Code::TooManyRequests) {
            line!(Level::INFO, "request");
        } else {
            line!(Level::DEBUG, "request");
        }
    }
}

impl Observer<Context> for Calls {
    fn span(&self, context: &Context, call: Option<&Call<'static>>) -> Span {
        self.span(trpc(context, call))
    }

    fn called(
        &self,
        context: &Context,
        call: Option<&Call<'static>>,
        span: &Span,
        error: Option<&Error>,
        took: Duration,
    ) {
        self.done(trpc(context, call), span, error, took);
    }

    fn refused(&self, error: &Error) {
        let told = Told { api: Api::Trpc, call: None, incoming: None, user: None };
        self.done(told, &Span::none(), Some(error), Duration::ZERO);
    }
}

fn trpc<'a>(context: &'a Context, call: Option<&'a Call<'static>>) -> Told<'a> {
    let user = context.principal.as_ref().ok().map(|principal| &principal.user);
    Told { api: Api::Trpc, call, incoming: Some(&context.incoming), user }
}
