//! One WAHA's HTTP: its address and key, deadlines, repeats.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::{
    Method, Request, Response,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use secrecy::ExposeSecret;
use serde::{Serialize, de::DeserializeOwned};
use switchboard_domain::WorkerName;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::body;
use crate::config::{ClientConfig, WorkerConfig};
use crate::failure::Failure;
use crate::gateway::SetupError;
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
    refusal_limit: usize,
}

/// A call of WAHA's API.
pub(crate) struct Call<'a> {
    name: &'static str,
    method: Method,
    /// What follows `/api` in the path, decoded: each one is one segment of it, whatever it holds.
    segments: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    json: Option<Vec<u8>>,
    bounds: Bounds,
}

/// What one call may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Until the last byte of the answer, repeats included.
    pub(crate) deadline: Duration,
    /// Of the answer, in bytes after decompression.
    pub(crate) limit: usize,
}

impl<'a> Call<'a> {
    pub(crate) fn new(name: &'static str, method: Method, segments: &'a [&'a str], bounds: Bounds) -> Self {
        Self { name, method, segments, query: &[], json: None, bounds }
    }

    pub(crate) fn query(self, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { query, ..self }
    }

    pub(crate) fn json(self, body: &impl Serialize) -> Self {
        Self { json: Some(serde_json::to_vec(body).expect("our own types have no keys but texts")), ..self }
    }

    /// Whether doing it twice is the same as doing it once, in WAHA and in WhatsApp.
    fn is_repeatable(&self) -> bool {
        self.only_reads() || self.method == Method::DELETE || matches!(self.name, "create" | "start")
    }

    fn only_reads(&self) -> bool {
        self.method == Method::GET
    }
}

impl Client {
    pub(crate) fn new(worker: &WorkerConfig, config: &ClientConfig) -> Result<Self, SetupError> {
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
            refusal_limit: config.limits.refusal,
        })
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
        let made = timeout_at(began + call.bounds.deadline, self.repeat(call, read)).await;
        let result = made.unwrap_or_else(|_elapsed| Err(Failure::timeout()));
        if let Err(failure) = &result {
            self.log(call.name, began.elapsed(), failure);
        }
        result
    }

    async fn repeat<T, F>(&self, call: &Call<'_>, read: impl Fn(Response) -> F) -> Result<T, Failure>
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
        let result = (|| self.attempt(&request, &read))
            .retry(pauses)
            .when(|failure| call.is_repeatable() && failure.is_passing())
            .notify(|failure, _pause| unsure |= failure.outcome_is_unknown())
            .await;
        result
            .map_err(|failure| if unsure && !call.only_reads() { failure.after_an_unknown_outcome() } else { failure })
    }

    async fn attempt<T, F>(&self, request: &Request, read: impl Fn(Response) -> F) -> Result<T, Failure>
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
