//! Switchboard as main wires it, on a port, before a fake WAHA.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::{ServerHandle, Service as _};
use actix_web::middleware::Compress;
use actix_web::{App, HttpServer};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard_domain::ports::{Clock as _, Generation, SnapshotHead};
use switchboard_domain::services::{Directory, Round, Services};
use switchboard_domain::{ListKind, Session, SystemRandom, UserId, WorkerName, WorkerState};
use switchboard_http::{
    CookieForm, CookieRules, DatabaseHealth, Front, Limits, Live, Page, Quotas, Scope, Secret, SignIn, State,
    Telemetry, TelemetryOptions, TokenKey, TokenRules, Tokens, WEBHOOKS_PATH, routes,
};
use switchboard_waha_adapter::{
    BreakerConfig, ClientConfig, Deadlines, WahaGateway, WahaWebhooks, WebhookConfig, WorkerConfig,
};
use switchboard_waha_fake::{Engine, FakeWaha, Options};
use tokio::task::AbortHandle;

use crate::clock::TestClock;
use crate::events::{Door, LiveStream};
use crate::stores::Stores;

/// How much faster than life the fake WAHA is.
const TIME_SCALE: f64 = 50.0;

/// A server with its database and its WAHA.
pub struct TestApp {
    /// The fake WAHA, or the first of them.
    pub waha: Arc<FakeWaha>,
    /// All of them: see [`TestApp::worker`].
    pub wahas: Vec<Arc<FakeWaha>>,
    capacities: Vec<u32>,
    /// The database.
    pub stores: Stores,
    /// The time of all replicas.
    pub clock: Arc<TestClock>,
    replica: Replica,
}

/// One process of several on the same database and WAHA.
pub struct Replica {
    url: String,
    client: reqwest::Client,
    state: Arc<State>,
    tokens: TokenKey,
    server: ServerHandle,
    following: AbortHandle,
}

/// What a call was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, whole.
    pub body: Value,
}

impl TestApp {
    /// On these stores, before a NOWEB engine.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn new(stores: Stores) -> Self {
        Self::with(stores, Options::default()).await
    }

    /// Before an engine of that kind.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn with_engine(stores: Stores, engine: Engine) -> Self {
        Self::with(stores, Options { engine, ..Options::default() }).await
    }

    /// Before a fake WAHA with these options; the clock is ours.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn with(stores: Stores, options: Options) -> Self {
        Self::start(stores, options, false).await
    }

    /// How far the clock of an app that is reported to is behind the fake's when it starts, so that it can be put forward
    /// without making reports look old.
    pub const BEHIND: Duration = Duration::from_mins(4);

    /// Before a fake WAHA with these options that reports to it; the clock is ours.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn reported_to(stores: Stores, options: Options) -> Self {
        Self::start(stores, options, true).await
    }

    /// Before as many fake WAHAs as there are capacities, each for so many sessions.
    ///
    /// # Panics
    /// If they cannot be started.
    pub async fn with_workers(stores: Stores, capacities: &[u32]) -> Self {
        Self::start_with(stores, Options::default(), capacities, false, Quotas::NONE).await
    }

    /// Whose users may ask for so much, where others may ask for anything.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn limited(stores: Stores, quotas: Quotas) -> Self {
        Self::start_with(stores, Options::default(), &[500], false, quotas).await
    }

    async fn start(stores: Stores, options: Options, reported_to: bool) -> Self {
        Self::start_with(stores, options, &[500], reported_to, Quotas::NONE).await
    }

    async fn start_with(
        stores: Stores,
        options: Options,
        capacities: &[u32],
        reported_to: bool,
        quotas: Quotas,
    ) -> Self {
        let options = Options { time_scale: TIME_SCALE, ..options };
        let mut wahas = Vec::new();
        for _ in capacities {
            let waha = switchboard_waha_fake::start(options.clone()).await.expect("the fake WAHA starts");
            wahas.push(Arc::new(waha));
        }
        let clock = Arc::new(TestClock::behind(if reported_to { Self::BEHIND } else { Duration::ZERO }));
        let workers = workers(&wahas, capacities);
        let replica = Replica::start(&stores, &workers, &clock, reported_to, quotas);
        Self { waha: wahas[0].clone(), wahas, capacities: capacities.to_vec(), stores, clock, replica }
    }

    /// The name of that WAHA as a worker.
    ///
    /// # Panics
    /// Never.
    pub fn worker(n: usize) -> WorkerName {
        let name = if n == 0 { "default".to_owned() } else { format!("worker-{n}") };
        name.parse().expect("a worker's name")
    }

    /// Another process on the same database and WAHA.
    pub fn replica(&self) -> Replica {
        Replica::start(&self.stores, &workers(&self.wahas, &self.capacities), &self.clock, false, Quotas::NONE)
    }

    /// The same, but that WAHA is missing in its configuration.
    pub fn replica_without(&self, n: usize) -> Replica {
        let mut workers = workers(&self.wahas, &self.capacities);
        workers.remove(n);
        Replica::start(&self.stores, &workers, &self.clock, false, Quotas::NONE)
    }

    /// Another process on the same database and WAHA, which is to be reported to.
    pub fn replica_reported_to(&self) -> Replica {
        Replica::start(&self.stores, &workers(&self.wahas, &self.capacities), &self.clock, true, Quotas::NONE)
    }

    /// A process on another database before the same WAHA.
    pub fn beside(&self, stores: &Stores) -> Replica {
        Replica::start(stores, &workers(&self.wahas, &self.capacities), &self.clock, false, Quotas::NONE)
    }

    /// A round of the reconciler.
    pub async fn round(&self) -> Round {
        self.round_by(&self.replica).await
    }

    /// A round of that replica's reconciler. The clock goes about as fast as the fake WAHA meanwhile.
    pub async fn round_by(&self, replica: &Replica) -> Round {
        let mut round = std::pin::pin!(replica.state.services.reconciler.round());
        loop {
            tokio::select! {
                round = &mut round => return round,
                () = tokio::time::sleep(Duration::from_millis(20)) => self.clock.advance(Duration::from_millis(500)),
            }
        }
    }

    /// A round after that time.
    pub async fn round_after(&self, time: Duration) -> Round {
        self.clock.advance(time);
        self.round().await
    }

    /// The same, through connections of its own: what a process that is started again finds.
    pub async fn restarted(&self) -> Replica {
        let workers = workers(&self.wahas, &self.capacities);
        Replica::start(&self.stores.reopened().await, &workers, &self.clock, false, Quotas::NONE)
    }

    /// Gives that WAHA a state; returns how many sessions it lost.
    ///
    /// # Panics
    /// If the database does not answer.
    pub async fn set_state(&self, n: usize, state: WorkerState) -> u32 {
        let lost = self.stores.workers.set_state(&Self::worker(n), state, self.clock.now()).await;
        lost.expect("the database answers")
    }

    /// Puts the clock forward by `step`, again and again, until it is `so`.
    ///
    /// # Panics
    /// If that takes more than 20 s of the machine's time.
    pub async fn advance_until(&self, step: Duration, so: impl Fn() -> bool) {
        let started = Instant::now();
        while !so() {
            assert!(started.elapsed() < Duration::from_secs(20), "it does not come to that");
            self.clock.advance(step);
            // Whoever woke gets its turn.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the user's list is stored.
    ///
    /// # Panics
    /// If it is not within 10 s.
    pub async fn until_stored(&self, user: &str, kind: ListKind) {
        self.until_head(user, kind, |_| true).await;
    }

    /// Waits until that version of the user's list is stored.
    ///
    /// # Panics
    /// If it is not within 10 s.
    pub async fn until_stored_as(&self, user: &str, kind: ListKind, version: &Value) {
        self.until_head(user, kind, |head| *version == head.version.to_string()).await;
    }

    /// Waits until another version of the user's list is stored.
    ///
    /// # Panics
    /// If it is not within 10 s.
    pub async fn until_not_stored_as(&self, user: &str, kind: ListKind, version: &Value) {
        self.until_head(user, kind, |head| *version != head.version.to_string()).await;
    }

    /// Waits until the user's list is stored for that time.
    ///
    /// # Panics
    /// If it is not within 10 s.
    pub async fn until_generation(&self, user: &str, kind: ListKind, generation: Generation) {
        self.until_head(user, kind, |head| head.generation >= generation).await;
    }

    async fn until_head(&self, user: &str, kind: ListKind, wanted: impl Fn(&SnapshotHead) -> bool) {
        let (session, started) = (self.row(user).await.id, Instant::now());
        loop {
            let head = self.stores.snapshots.head(&session, kind).await.expect("the database answers");
            if head.as_ref().is_some_and(&wanted) {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "still {head:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Connects the user and scans the code with their phone; returns the session's name once it is WORKING.
    ///
    /// # Panics
    /// If it does not come to that.
    pub async fn pair(&self, user: &str, phone: &str) -> String {
        let name = self.connect(user).await;
        self.until(user, &name, "SCAN_QR_CODE").await;
        assert!(self.waha.scan(&name, phone), "the code can be scanned");
        self.until(user, &name, "WORKING").await;
        name
    }

    /// Connects the user; returns the session's name.
    ///
    /// # Panics
    /// If that fails.
    pub async fn connect(&self, user: &str) -> String {
        let answer = self.mutate(user, "user.initiateWhatsAppSession", Value::Null).await;
        let name = answer.data()["sessionName"].as_str().expect("a session has a name");
        name.to_owned()
    }

    /// Lets what was said of statuses a moment ago be old.
    pub fn ask_anew(&self) {
        self.clock.advance(Duration::from_secs(1));
    }

    /// Lets the pause be over in which a WAHA that failed again and again is left alone, and finds that it answers.
    pub async fn waha_is_back(&self) {
        self.clock.advance(BreakerConfig::default().longest_pause);
        self.probe().await;
    }

    /// Asks for the status until it is `wanted`, each time anew.
    ///
    /// # Panics
    /// If it is not within 10 s.
    pub async fn until(&self, user: &str, name: &str, wanted: &str) {
        let started = Instant::now();
        loop {
            let answer = self.query(user, "user.getSessionStatus", json!({ "sessionName": name })).await;
            if answer.data()["status"] == wanted {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "still {answer:?}, not {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.ask_anew();
        }
    }

    /// The user's row.
    ///
    /// # Panics
    /// If there is none.
    pub async fn row(&self, user: &str) -> Session {
        let user: UserId = user.parse().expect("a user id");
        let overview = self.stores.sessions.overview(&user).await.expect("the database answers");
        overview.expect("the user has a row").session
    }
}

/// A test asks its app as it would ask its one replica.
impl std::ops::Deref for TestApp {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.replica
    }
}

/// The fake WAHAs, as they are configured.
fn workers(wahas: &[Arc<FakeWaha>], capacities: &[u32]) -> Vec<WorkerConfig> {
    let worker = |(n, (waha, capacity)): (usize, (&Arc<FakeWaha>, &u32))| WorkerConfig {
        name: TestApp::worker(n),
        url: waha.url().parse().expect("the fake's address"),
        api_key: SecretString::from(waha.api_key()),
        capacity: *capacity,
        webhook: None,
    };
    wahas.iter().zip(capacities).enumerate().map(worker).collect()
}

impl Replica {
    /// What its WAHA signs reports with, if it reports to it: as the real one did of which reports were recorded.
    pub const WEBHOOK_SECRET: &str = "my-hmac-key";

    /// The cookie that the web application beside it keeps its users signed in with.
    pub const COOKIE: &str = "authjs.session-token";

    /// Where the pages of that application are.
    pub const ORIGIN: &str = "https://app.example.com";

    /// Another worker with that secret, which has no session of ours.
    pub const OTHER_WORKER: &str = "elsewhere";

    fn start(
        stores: &Stores,
        workers: &[WorkerConfig],
        clock: &Arc<TestClock>,
        reported_to: bool,
        quotas: Quotas,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let webhook = WebhookConfig {
            url: format!("{url}{WEBHOOKS_PATH}").parse().expect("our address"),
            secret: SecretString::from(Self::WEBHOOK_SECRET),
            previous_secret: None,
        };
        let reports_to =
            |worker: &WorkerConfig| WorkerConfig { webhook: reported_to.then(|| webhook.clone()), ..worker.clone() };
        let mut workers: Vec<WorkerConfig> = workers.iter().map(reports_to).collect();
        let elsewhere = Self::OTHER_WORKER.parse().expect("a worker's name");
        workers.push(WorkerConfig { name: elsewhere, ..workers[0].clone() });
        let webhooks = Arc::new(WahaWebhooks::new(&workers));
        workers.pop();
        let deadlines = Deadlines { status: Duration::from_secs(4), ..Deadlines::default() };
        let config = ClientConfig { deadlines, ..ClientConfig::default() };
        let gateway = Arc::new(WahaGateway::new(workers, &config, clock.clone()).expect("good workers"));
        let telemetry = Telemetry::new(TelemetryOptions::default(), &**clock, &SystemRandom);
        let gateway = telemetry.observe(gateway);
        let ports = stores.ports(gateway.clone(), clock.clone());
        let secret = Secret::new("a secret of the tests, long enough".to_owned().into()).expect("it is long enough");
        let rules = TokenRules::default();
        let tokens = Tokens::new(rules.clone(), clock.clone()).with_secret(&secret);
        let cookies = CookieRules {
            names: vec![Self::COOKIE.to_owned()],
            secure_only: false,
            form: CookieForm::Plain,
            origins: vec![Self::ORIGIN.to_owned()],
        };
        let sign_in = SignIn::new(clock.clone()).with_tokens(tokens).with_api_keys(stores.api_keys.clone());
        let state = Arc::new(State {
            services: Services::new(&ports, Services::DIRECTORY_MEMORY),
            sign_in: sign_in.with_cookies(cookies, stores.web_sessions.clone()),
            limits: Limits::new(quotas, Limits::DEADLINE, clock.clone()),
            database: DatabaseHealth::new(stores.database.clone()),
            gateway,
            live: Live::new(Live::STREAMS_PER_USER, clock.clone()),
            webhooks,
            telemetry,
        });
        let served = Arc::clone(&state);
        let app = move || {
            let asked = Arc::clone(&served);
            let app = App::new().wrap(Compress::default()).wrap_fn(move |request, service| {
                let id = asked.telemetry.request_id(&request);
                let answer = service.call(request);
                async move {
                    let mut answer = answer.await?;
                    answer.headers_mut().insert(Telemetry::REQUEST_ID, id.to_header());
                    Ok(answer)
                }
            });
            app.wrap(Front::new(false)).configure(routes(&served, "/api/trpc", Page::Off))
        };
        let server = HttpServer::new(app)
            .workers(1)
            // As main does: longer than any test leaves a connection idle.
            .keep_alive(Duration::from_secs(75))
            .tcp_nodelay(true)
            .h1_allow_half_closed(false)
            .disable_signals()
            .listen(listener)
            .expect("the port listens")
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        let follower = Arc::clone(&state);
        let following = tokio::spawn(async move { follower.services.follow().await }).abort_handle();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let tokens = TokenKey::new(&secret, rules, clock.clone());
        Self { url, client, state, tokens, server: handle, following }
    }

    /// Asks the workers whether they answer, as main does every ten seconds.
    pub async fn probe(&self) {
        self.state.gateway.probe().await;
    }

    /// Its use cases.
    pub fn services(&self) -> &Services {
        &self.state.services
    }

    /// Its lists.
    pub fn directory(&self) -> &Directory {
        &self.state.services.directory
    }

    /// Calls a query; `Value::Null` is no input.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn query(&self, user: &str, procedure: &str, input: Value) -> Answer {
        Self::answer(self.get(Some(user), procedure, &input)).await
    }

    /// Calls a mutation; `Value::Null` is no input.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn mutate(&self, user: &str, procedure: &str, input: Value) -> Answer {
        Self::answer(self.post(Some(user), procedure, &input)).await
    }

    /// A query that has not been sent.
    pub fn get(&self, user: Option<&str>, procedure: &str, input: &Value) -> reqwest::RequestBuilder {
        let request = self.client.get(format!("{}/api/trpc/{procedure}", self.url));
        let request = if input.is_null() { request } else { request.query(&[("input", input.to_string())]) };
        self.signed(user, request)
    }

    /// A mutation that has not been sent.
    pub fn post(&self, user: Option<&str>, procedure: &str, input: &Value) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}/api/trpc/{procedure}", self.url));
        let request = request.header("content-type", "application/json");
        let request = if input.is_null() { request } else { request.body(input.to_string()) };
        self.signed(user, request)
    }

    /// A report that has not been sent.
    pub fn webhook(&self, worker: &str, hmac: Option<&str>, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}{WEBHOOKS_PATH}/{worker}", self.url)).body(body);
        let request = request.header("content-type", "application/json");
        match hmac {
            Some(hmac) => request.header("x-webhook-hmac", hmac),
            None => request,
        }
    }

    /// A request of the REST API that has not been sent.
    pub fn rest(&self, method: reqwest::Method, path: &str, token: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A plain GET of some other path.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn fetch(&self, path: &str) -> Answer {
        Self::answer(self.client.get(format!("{}{path}", self.url))).await
    }

    /// Sends a request and reads its answer.
    ///
    /// # Panics
    /// If there is none within a minute.
    pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
        let response = request.timeout(Duration::from_mins(1)).send().await.expect("the server answers");
        let status = response.status().as_u16();
        let body = response.bytes().await.expect("the answer is whole");
        Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    fn signed(&self, user: Option<&str>, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let Some(user) = user else { return request };
        request.bearer_auth(self.token(user, Duration::from_hours(1), Scope::Full))
    }

    /// A token of that user's.
    ///
    /// # Panics
    /// If that is no user.
    pub fn token(&self, user: &str, ttl: Duration, scope: Scope) -> String {
        let user: UserId = user.parse().expect("a user id");
        self.tokens.sign_scoped(&user, ttl, scope).expect("a token")
    }

    /// A request as a page of that origin makes it in a browser that has this session of the web application.
    pub fn with_cookie(request: reqwest::RequestBuilder, session: &str, origin: &str) -> reqwest::RequestBuilder {
        let request = request.header("cookie", format!("{}={session}", Self::COOKIE)).header("origin", origin);
        // In the place of one that is there already.
        let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers(HeaderMap::from_iter([json]))
    }

    /// A stream that has not been opened.
    pub fn stream(&self, door: Door, token: Option<&str>, name: &str) -> reqwest::RequestBuilder {
        let request = match door {
            Door::Rest => self.client.get(format!("{}/v1/sessions/{name}/events", self.url)),
            Door::Trpc => {
                let input = json!({ "sessionName": name }).to_string();
                self.client.get(format!("{}/api/trpc/user.onSessionStatus", self.url)).query(&[("input", input)])
            }
        };
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Watches the user's session.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn watch(&self, door: Door, user: &str, name: &str) -> LiveStream {
        let token = self.token(user, Duration::from_hours(1), Scope::Full);
        LiveStream::open(self.stream(door, Some(&token), name)).await
    }

    /// How many streams it has open.
    pub fn open_streams(&self) -> usize {
        self.state.live.open()
    }

    /// Ends its streams, as when it is about to stop.
    pub fn stop_streams(&self) {
        self.state.live.stop();
    }

    /// From now on it reconciles, until it is told to stop.
    pub fn reconcile(&self) -> AbortHandle {
        let state = Arc::clone(&self.state);
        tokio::spawn(async move { state.services.reconcile().await }).abort_handle()
    }

    /// From now on it hears nothing of the other replicas.
    pub fn deafen(&self) {
        self.following.abort();
    }

    /// Where it listens: `127.0.0.1:12345`.
    pub fn authority(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // Sends the command; nobody has to wait for it.
        drop(self.server.stop(false));
        self.following.abort();
    }
}

impl Answer {
    /// The data of a success.
    ///
    /// # Panics
    /// If it is none.
    pub fn data(&self) -> &Value {
        assert_eq!(self.status, 200, "{self:?}");
        &self.body["result"]["data"]
    }

    /// The code and, where there is one, the reason of a failure.
    pub fn error(&self) -> (&str, &str) {
        let data = &self.body["error"]["data"];
        (data["code"].as_str().unwrap_or_default(), data["reason"].as_str().unwrap_or_default())
    }
}
