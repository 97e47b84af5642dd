//! One operation: how it is called, what it does, and what the document says of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, ready};
use serde_json::Value as Json;
use switchboard_domain::ports::{GatewayError, StorageError};
use switchboard_domain::{Error as DomainError, Means, Precondition, Scope, UserId};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::input;
use crate::auth::{NotSignedIn, Principal, scope};
use crate::problem::Problem;
use crate::schema::JsonSchema;
use crate::telemetry::{Api, Told};
use crate::trpc::{self, Awaited, Call, Code, Input, Issue, Kind, Value};
use crate::{State, error, limits};

/// What is at a path below `/v1`, for one method.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// The procedure that does the same by tRPC: whoever may call that one may do this.
    pub(super) twin: Call<'static>,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// What is read from the query; parameters in the path are known by the path.
    pub(super) query: Vec<QueryParameter>,
    /// The header that is read.
    pub(super) header: Option<HeaderParameter>,
    /// What the body has to be, if there is one.
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
    refusals: Vec<trpc::Error>,
    /// What is wrong with an input.
    check: fn(Value) -> Vec<Issue>,
    act: Act,
}

/// Reads the input and does what is asked.
type Act = Box<dyn Fn(Caller, Value) -> LocalBoxFuture<'static, Result<HttpResponse, Problem>>>;

/// A parameter of the query.
pub(super) struct QueryParameter {
    pub(super) name: &'static str,
    pub(super) kind: QueryKind,
    pub(super) about: &'static str,
    pub(super) example: Json,
}

/// A header that is read, with what it is for.
pub(super) struct HeaderParameter {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) example: &'static str,
}

/// What a body has to be, with an example of it.
pub(super) struct Body {
    pub(super) schema: JsonSchema,
    pub(super) example: Json,
}

/// What a parameter of the query may be.
pub(super) enum QueryKind {
    /// A whole number.
    Integer { minimum: u32, default: u64 },
    /// `true` or `false`.
    Boolean { default: bool },
    /// Anything.
    Text,
}

/// An answer to what went well.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    /// The types it may have.
    pub(super) contents: Vec<Content>,
}

/// One of the types of an answer, with an example of it.
pub(super) struct Content {
    pub(super) media_type: &'static str,
    pub(super) schema: JsonSchema,
    pub(super) example: Example,
}

/// What an answer may look like.
pub(super) enum Example {
    Json(Json),
    /// What JSON cannot hold, by a URL.
    Elsewhere(String),
}

/// Who asks, and with what.
pub(super) struct Caller {
    pub(super) principal: Arc<Principal>,
    pub(super) state: Arc<State>,
    pub(super) request: HttpRequest,
}

impl Caller {
    /// As whom.
    pub(super) fn user(&self) -> &UserId {
        &self.principal.user
    }

    /// By what means.
    pub(super) fn means(&self) -> Means {
        self.principal.means()
    }
}

/// The twin of a procedure that reads.
pub(super) fn query(path: &'static str) -> Call<'static> {
    Call { path, kind: Kind::Query }
}

/// The twin of one that changes something.
pub(super) fn mutation(path: &'static str) -> Call<'static> {
    Call { path, kind: Kind::Mutation }
}

/// The twin of one that goes on telling.
pub(super) fn subscription(path: &'static str) -> Call<'static> {
    Call { path, kind: Kind::Subscription }
}

impl Operation {
    /// What `handler` does, at that path for that method.
    pub(super) fn new<I, F, Fut>(method: Method, path: &'static str, twin: Call<'static>, handler: F) -> Self
    where
        I: Input + 'static,
        F: Fn(Caller, I) -> Fut + 'static,
        Fut: Future<Output = Result<HttpResponse, Problem>> + 'static,
    {
        let act: Act = Box::new(move |caller, input| match I::parse_value(input) {
            Ok(input) => handler(caller, input).boxed_local(),
            Err(issues) => ready(Err(trpc::Error::input(issues).into())).boxed_local(),
        });
        Self {
            method,
            path,
            twin,
            summary: "",
            description: "",
            query: Vec::new(),
            header: None,
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            check: |input| I::parse_value(input).err().unwrap_or_default(),
            act,
        }
    }

    /// What it does, in a line and at length.
    pub(super) fn says(self, summary: &'static str, description: &'static str) -> Self {
        Self { summary, description, ..self }
    }

    /// Reads these from the query.
    pub(super) fn reads(self, query: impl IntoIterator<Item = QueryParameter>) -> Self {
        Self { query: query.into_iter().collect(), ..self }
    }

    /// Reads that header.
    pub(super) fn reads_header(self, header: HeaderParameter) -> Self {
        Self { header: Some(header), ..self }
    }

    /// Takes a body.
    pub(super) fn takes(self, body: Body) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Answers that, if all goes well.
    pub(super) fn answers(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// May come to that, beside what any operation may come to.
    pub(super) fn refuses(mut self, errors: impl IntoIterator<Item = DomainError>) -> Self {
        self.refusals.extend(errors.into_iter().map(|error| error::answer(&error)));
        self
    }

    /// Answers a request: who asks, whether they may, what they ask for, and then the use case.
    pub(super) async fn answer(
        &self,
        state: Arc<State>,
        request: HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, Problem> {
        let (began, telemetry) = (Instant::now(), Arc::clone(&state.telemetry.calls));
        let until = began + state.limits.deadline;
        let incoming = state.telemetry.incoming(&request);
        let principal = state.sign_in.principal(&request).await;
        let user = principal.as_ref().ok().map(|principal| principal.user.clone());
        let told = Told { api: Api::Rest, call: Some(&self.twin), incoming: Some(&incoming), user: user.as_ref() };
        let span = telemetry.span(told);
        let awaited = Awaited::new(|error| telemetry.done(told, &span, error, began.elapsed()));
        let answer = self.answer_to(principal, state, request, payload).instrument(span.clone());
        let answer = trpc::by(Some(until), answer).await.map_err(Problem::from).flatten();
        awaited.came_to(answer.as_ref().err().map(Problem::error));
        answer
    }

    async fn answer_to(
        &self,
        principal: Result<Arc<Principal>, NotSignedIn>,
        state: Arc<State>,
        request: HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, Problem> {
        let principal = principal?;
        state.admit(&principal, &self.twin)?;
        let input = input::of(self, &request, payload).await?;
        let act = || (self.act)(Caller { principal, state, request }, input);
        AssertUnwindSafe(async { act().await }).catch_unwind().await.unwrap_or_else(|_| {
            // The panic hook has reported it.
            tracing::error!(operation = self.twin.path, "an operation panicked");
            Err(trpc::Error::internal().into())
        })
    }

    /// Every way in which it may be refused.
    pub(super) fn all_refusals(&self) -> Vec<trpc::Error> {
        let mut refusals = self.shared_refusals();
        if self.body.is_some() {
            refusals.extend([input::malformed(), input::too_large(), input::too_slow(), input::wrong_type()]);
        }
        refusals
    }

    /// Those that its twin may be refused by, too.
    pub(super) fn shared_refusals(&self) -> Vec<trpc::Error> {
        let mut refusals = vec![trpc::Error::of(Code::Unauthorized), NotSignedIn::UNAVAILABLE.into()];
        refusals.push(NotSignedIn::CrossSite.into());
        refusals.extend((self.method != Method::GET).then(|| NotSignedIn::NotJson.into()));
        // They differ in the scope's name alone.
        refusals.extend(Scope::ALL.into_iter().find_map(|scope| scope::authorize(scope, &self.twin).err()));
        refusals.extend([limits::example(&self.twin), trpc::too_long()]);
        let issues = (self.check)(input::example_of_wrong(self));
        refusals.extend((!issues.is_empty()).then(|| trpc::Error::input(issues)));
        refusals.extend(self.refusals.iter().cloned());
        let ours = [DomainError::Internal, DomainError::Storage(StorageError::unavailable(std::fmt::Error))];
        refusals.extend(ours.iter().map(error::answer));
        refusals
    }
}

impl Answer {
    /// JSON.
    pub(super) fn json(about: &'static str, schema: JsonSchema, example: Json) -> Self {
        Self { status: 200, about, contents: vec![] }.or("application/json", schema, Example::Json(example))
    }

    /// Nothing but a status.
    pub(super) fn empty(about: &'static str) -> Self {
        Self { status: 204, about, contents: vec![] }
    }

    /// That, for who wants another type.
    pub(super) fn or(mut self, media_type: &'static str, schema: JsonSchema, example: Example) -> Self {
        self.contents.push(Content { media_type, schema, example });
        self
    }
}

impl QueryParameter {
    /// What came under its name: a repeated one is a list, which no parameter may be.
    pub(super) fn read(&self, texts: Vec<String>) -> Value {
        match <[String; 1]>::try_from(texts) {
            Ok([text]) => self.kind.read(text),
            Err(texts) if texts.is_empty() => Value::Undefined,
            Err(texts) => Value::Array(texts.into_iter().map(Value::String).collect()),
        }
    }
}

impl QueryKind {
    /// What a text stands for. One that is of another kind stays a text, which the input then refuses.
    fn read(&self, text: String) -> Value {
        match self {
            Self::Integer { .. } => match serde_json::from_str::<serde_json::Number>(&text) {
                // JSON may have spaces around it.
                Ok(number) if text.trim() == text => Json::Number(number).into(),
                _ => Value::String(text),
            },
            Self::Boolean { .. } => text.parse().map_or(Value::String(text), Value::Boolean),
            Self::Text => Value::String(text),
        }
    }
}

/// What may come of asking WAHA.
pub(super) fn upstream() -> [DomainError; 4] {
    [
        GatewayError::RateLimited.into(),
        GatewayError::Broken(String::new()).into(),
        GatewayError::Unavailable(String::new()).into(),
        GatewayError::Timeout.into(),
    ]
}

/// What may come of asking something of a session that has to be in some state for it.
pub(super) fn unless(preconditions: &[Precondition]) -> impl Iterator<Item = DomainError> {
    preconditions.iter().copied().map(DomainError::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: QueryKind, texts: &[&str]) -> Value {
        let parameter = QueryParameter { name: "x", kind, about: "", example: Json::Null };
        parameter.read(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn a_parameter_is_read_as_what_it_has_to_be_and_stays_a_text_if_it_is_not() {
        let number = || QueryKind::Integer { minimum: 1, default: 10 };
        let boolean = || QueryKind::Boolean { default: false };
        for (text, value) in [("7", 7.0), ("-1", -1.0), ("2.5", 2.5), ("99999999999999999999", 1e20)] {
            assert_eq!(read(number(), &[text]), Value::Number(value), "{text}");
        }
        for text in ["", " 7", "+7", "07", "0x7", "NaN", "inf", "seven", "null", "1e999"] {
            assert_eq!(read(number(), &[text]), Value::String(text.to_owned()), "{text}");
        }
        assert_eq!(read(boolean(), &["true"]), Value::Boolean(true));
        for text in ["1", "True", "yes", ""] {
            assert_eq!(read(boolean(), &[text]), Value::String(text.to_owned()), "{text}");
        }
        assert_eq!(read(QueryKind::Text, &["7"]), Value::String("7".to_owned()));
    }

    #[test]
    fn a_parameter_that_is_missing_is_undefined_and_a_repeated_one_is_a_list() {
        assert_eq!(read(QueryKind::Text, &[]), Value::Undefined);
        assert!(matches!(read(QueryKind::Text, &["a", "a"]), Value::Array(list) if list.len() == 2));
    }
}
