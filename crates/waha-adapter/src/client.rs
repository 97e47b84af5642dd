//! One WAHA's HTTP: its address and key, deadlines, repeats, and the gate before it.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::{
    Request, Response,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use switchboard_domain::WorkerName;
use switchboard_domain::ports::Clock;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::body;
use crate::breaker::Verdict;
use crate::call::Call;
use crate::config::{ClientConfig, WorkerConfig};
use crate::failure::Failure;
use crate::gate::Gate;
use crate::gateway::SetupError;
use crate::health::Memory;
use crate::loose::{Entries, Entry};
use crate::refusal::Refusal;

/// WAHA is a Node server, which closes a connection after 5 s of idleness; one that is about to be closed would lose
/// the request it is used for.
const IDLE: Duration = Duration::from_secs(4);

/// How to call one WAHA.
pub(crate) struct Client {
    http: reqwest::Client,
    worker: WorkerName,
    base: Url,
    gate: Gate,
    pub(crate) heard: Memory,
    refusal_limit: usize,
}

impl Client {
    pub(crate) fn new(worker: &WorkerConfig, config: &ClientConfig, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let mut key = HeaderValue::from_str(worker.api_key.expose_secret())
            .map_err(|_| SetupError::ApiKey(worker.name.clone()))?;
        key.set_sensitive(true);
        // Exactly this type: with any other, or a list of them, WAHA sends QR codes as images.
        let accept = HeaderValue::from_static("application/json");
        let headers = [(HeaderName::from_static("x-api-key"), key), (ACCEPT, accept)];

        let mut http = reqwest::Client::builder()
            .user_agent(concat!("switchboard/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter(headers))
            .connect_timeout(config.deadlines.connect)
            .pool_idle_timeout(IDLE)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false);
        if !config.environment_proxy {
            http = http.no_proxy();
            if worker.url.scheme() == "http" {
                // Nobody's certificate will be asked for, so a machine that trusts none will do.
                http = http.tls_certs_only([]);
            }
        }
        Ok(Self {
            http: http.build().map_err(|_| SetupError::Tls(worker.name.clone()))?,
            worker: worker.name.clone(),
            base: worker.url.clone(),
            gate: Gate::new(worker.name.clone(), config, clock),
            heard: Memory::new(),
            refusal_limit: config.limits.refusal,
        })
    }

    /// Whether the worker is left alone.
    pub(crate) fn is_shut(&self) -> bool {
        self.gate.is_shut()
    }

    /// Whether it is time to try whether it answers again.
    pub(crate) fn awaits_a_try(&self) -> bool {
        self.gate.awaits_a_try()
    }

    /// Makes the call, and reads its answer with `decode` if it is a success.
    pub(crate) async fn fetch<T: Send>(
        &self,
        call: Call<'_>,
        decode: fn(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let limit = call.bounds.limit;
        self.make(&call, |response| async move { decode(&body::read(response, limit).await?) }).await
    }

    /// Makes the call, and decodes the list that answers it while that arrives. `make` is applied to the whole of it, and
    /// may take its time.
    pub(crate) async fn fetch_list<E, T>(&self, call: Call<'_>, make: fn(Entries<E>) -> T) -> Result<T, Failure>
    where
        E: Entry<Wire: DeserializeOwned> + 'static,
        T: Send + 'static,
    {
        let limit = call.bounds.limit;
        self.make(&call, |response| body::read_json(response, limit, make)).await
    }

    /// Makes the call, repeated if it may be, and reads its answer if it is a success.
    async fn make<T, F>(&self, call: &Call<'_>, read: impl Fn(Response) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let began = Instant::now();
        let until = began + call.bounds.deadline;
        // A request ends by itself then; what may still be cut short is a pause.
        let made = timeout_at(until, self.repeat(call, until, read)).await;
        let result = made.unwrap_or(Err(Failure::Deadline));
        match &result {
            Ok(_) => self.heard.answered(),
            Err(failure) => self.log(call.name, began.elapsed(), failure),
        }
        result
    }

    async fn repeat<T, F>(&self, call: &Call<'_>, until: Instant, read: impl Fn(Response) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let request = self.request(call);
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(2)
            .with_jitter();
        let mut unsure = false;
        let result = (|| self.attempt(call, &request, until, &read))
            .retry(pauses)
            .when(|failure| call.is_repeatable() && failure.is_passing())
            .notify(|failure, _pause| unsure |= failure.outcome_is_unknown())
            .await;
        result
            .map_err(|failure| if unsure && !call.only_reads() { failure.after_an_unknown_outcome() } else { failure })
    }

    /// Sends the request once it may be sent, and tells the gate what that told of the worker.
    async fn attempt<T, F>(
        &self,
        call: &Call<'_>,
        request: &Request,
        until: Instant,
        read: impl Fn(Response) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let pass = self.gate.pass(&call.bounds).await?;
        let result = timeout_at(until, self.send(request, read)).await.unwrap_or(Err(Failure::Deadline));
        let verdict = |failure: &Failure| failure.verdict(call.bounds.kind, call.session);
        pass.report(result.as_ref().map_or_else(verdict, |_| Verdict::Answers));
        result
    }

    async fn send<T, F>(&self, request: &Request, read: impl Fn(Response) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let request = request.try_clone().expect("the body is in memory");
        let response = self.http.execute(request).await.map_err(|error| Failure::from_request(&error))?;
        let status = response.status();
        if status.is_success() {
            return read(response).await;
        }
        // The status says enough if the body cannot be had.
        let body = body::read(response, self.refusal_limit).await.unwrap_or_default();
        Err(Failure::Refused { status, refusal: Refusal::read(status, &body) })
    }

    fn request(&self, call: &Call<'_>) -> Request {
        let mut url = self.base.clone();
        append(&mut url, ["api"].iter().chain(call.segments));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        // The builder, unlike the request itself, turns a password in the address into a header: hyper logs addresses.
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(json) = &call.json {
            request = request.header(CONTENT_TYPE, "application/json").body(json.clone());
        }
        request.build().expect("the address was checked, and the headers are ours")
    }

    fn log(&self, call: &'static str, elapsed: Duration, failure: &Failure) {
        let worker = self.worker.as_str();
        let status = failure.status();
        let elapsed = elapsed.as_millis();
        if failure.refusal().is_some_and(Refusal::tells_of_the_session) {
            tracing::debug!(worker, call, status, elapsed_ms = elapsed, "WAHA said no");
        } else if let Failure::NotMade(_) = failure {
            // As many as there are requests, and said once where it begins.
            tracing::debug!(worker, call, elapsed_ms = elapsed, %failure, "WAHA was not called");
        } else {
            tracing::warn!(worker, call, status, elapsed_ms = elapsed, %failure, "a call of WAHA failed");
        }
    }
}

/// Appends segments to the path, each of them escaped.
pub(crate) fn append<'a>(url: &mut Url, segments: impl IntoIterator<Item = &'a &'a str>) {
    let mut path = url.path_segments_mut().expect("only http and https addresses are accepted");
    path.pop_if_empty().extend(segments);
}
