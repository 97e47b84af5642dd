//! A server of a few lines that plays scripted answers, and the gateway on it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use switchboard_domain::ports::{Clock, GatewayError, WhatsAppGateway};
use switchboard_domain::{DeploymentId, SessionAddress, SessionLabels, SystemClock, UserId, WorkerName};
use switchboard_waha_adapter::{ClientConfig, Deadlines, Limits, WahaGateway, WebhookConfig, WorkerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) const KEY: &str = "canary-key";
pub(crate) const DEPLOYMENT: &str = "tz4a98xxat96iws9zmbrgj3a";

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name))
    };
}
pub(crate) use fixture;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET /api/x HTTP/1.1`
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Method and target.
    pub(crate) fn target(&self) -> &str {
        self.line.strip_suffix(" HTTP/1.1").unwrap_or(&self.line)
    }
}

/// What is sent back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    head: Vec<u8>,
    then: Then,
    is_held: bool,
}

#[derive(Clone, Debug)]
enum Then {
    /// Wait for the next request.
    Go,
    /// The socket is closed in good order.
    Close,
    /// The socket is reset.
    Reset,
    /// This, over and over.
    Repeat(Vec<u8>),
    /// This again and again with a pause, for ever.
    Drip(Vec<u8>, Duration),
    /// Nothing more.
    Hang,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::body(status, "Content-Type: application/json; charset=utf-8\r\n", body.trim_end().as_bytes())
    }

    pub(crate) fn body(status: u16, headers: &str, body: &[u8]) -> Self {
        let mut head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        head.extend_from_slice(body);
        Self { head, then: Then::Go, is_held: false }
    }

    /// A body that breaks off: it is said to be longer.
    pub(crate) fn cut(status: u16, body: &str) -> Self {
        Self { head: Self::long_head(status, body), then: Then::Close, is_held: false }
    }

    pub(crate) fn reset_in_body(status: u16, body: &str) -> Self {
        Self { head: Self::long_head(status, body), then: Then::Reset, is_held: false }
    }

    pub(crate) fn endless(status: u16, start: &str, over_and_over: &str) -> Self {
        Self {
            head: Self::unbounded_head(status, start),
            then: Then::Repeat(over_and_over.as_bytes().to_vec()),
            is_held: false,
        }
    }

    pub(crate) fn drip(status: u16, start: &str, bytes: &str, gap: Duration) -> Self {
        Self {
            head: Self::unbounded_head(status, start),
            then: Then::Drip(bytes.as_bytes().to_vec(), gap),
            is_held: false,
        }
    }

    pub(crate) fn raw(bytes: &str) -> Self {
        Self { head: bytes.into(), then: Then::Close, is_held: false }
    }

    pub(crate) fn endless_headers(over_and_over: &str) -> Self {
        Self {
            head: b"HTTP/1.1 200 OK\r\n".to_vec(),
            then: Then::Repeat(over_and_over.as_bytes().to_vec()),
            is_held: false,
        }
    }

    pub(crate) fn reset() -> Self {
        Self { head: Vec::new(), then: Then::Reset, is_held: false }
    }

    pub(crate) fn silence() -> Self {
        Self { head: Vec::new(), then: Then::Hang, is_held: false }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::body(302, &format!("Location: {to}\r\n"), b"")
    }

    /// Not before [`Scripted::release`].
    pub(crate) fn held(self) -> Self {
        Self { is_held: true, ..self }
    }

    fn long_head(status: u16, body: &str) -> Vec<u8> {
        let length = body.len() + 100_000;
        format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
            .into()
    }

    fn unbounded_head(status: u16, start: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{start}").into()
    }
}

/// A server that answers by script.
pub(crate) struct Scripted {
    pub(crate) url: String,
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

struct State {
    script: Mutex<Script>,
    requests: Mutex<Vec<Request>>,
    sent: AtomicU64,
    /// How many requests are under way, and how many were at most.
    under_way: Mutex<(usize, usize)>,
    is_released: watch::Sender<bool>,
}

type Script = Box<dyn FnMut(&Request) -> Option<Answer> + Send>;

/// A request that is under way until it is dropped.
struct UnderWay<'a>(&'a State);

impl<'a> UnderWay<'a> {
    fn new(state: &'a State) -> Self {
        let mut counts = state.under_way.lock().unwrap();
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
        Self(state)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.lock().unwrap().0 -= 1;
    }
}

impl Scripted {
    /// Plays the answers, one a request; the last one for ever.
    pub(crate) async fn playing(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: VecDeque<_> = answers.into_iter().collect();
        Self::answering(move |_| if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }).await
    }

    /// Answers each request as it is told to; without an answer, the connection is closed.
    pub(crate) async fn answering(script: impl FnMut(&Request) -> Option<Answer> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            script: Mutex::new(Box::new(script)),
            requests: Mutex::default(),
            sent: AtomicU64::default(),
            under_way: Mutex::default(),
            is_released: watch::Sender::new(false),
        });
        let serving = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { url, state, accepting }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    pub(crate) fn targets(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.target().to_owned()).collect()
    }

    /// From now on it plays these.
    pub(crate) fn play(&self, answer: Answer) {
        *self.state.script.lock().unwrap() = Box::new(move |_| Some(answer.clone()));
    }

    /// Waits until so many requests have come, 20 s at most.
    pub(crate) async fn asked(&self, times: usize) {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while self.requests().len() < times {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        assert!(waited.await.is_ok(), "{} of {times} requests came", self.requests().len());
    }

    /// Lets held answers go.
    pub(crate) fn release(&self) {
        self.state.is_released.send_replace(true);
    }

    /// How many requests were under way at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.under_way.lock().unwrap().1
    }

    /// How many bytes the sockets took.
    pub(crate) fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }

    /// Patient, for what should succeed.
    pub(crate) fn gateway(&self) -> WahaGateway {
        gateway(&self.url, &ClientConfig::default())
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    while let Some(request) = read(&mut stream).await {
        let under_way = UnderWay::new(&state);
        let answer = (state.script.lock().unwrap())(&request);
        state.requests.lock().unwrap().push(request);
        let Some(answer) = answer else { return };
        if answer.is_held {
            let _ = state.is_released.subscribe().wait_for(|is_released| *is_released).await;
        }
        // Before the last byte is sent, after which the client may ask again.
        let _under_way = (!matches!(answer.then, Then::Go)).then_some(under_way);
        if stream.write_all(&answer.head).await.is_err() {
            return;
        }
        state.sent.fetch_add(answer.head.len() as u64, Ordering::Relaxed);
        match answer.then {
            Then::Go => {}
            Then::Close => return,
            Then::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Then::Repeat(bytes) => {
                while stream.write_all(&bytes).await.is_ok() {
                    state.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                }
                return;
            }
            Then::Drip(bytes, gap) => {
                while stream.write_all(&bytes).await.is_ok() {
                    tokio::time::sleep(gap).await;
                }
                return;
            }
            Then::Hang => {
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let line = lines.next().unwrap();
    let headers: Vec<_> =
        lines.map(|l| l.split_once(": ").map(|(k, v)| (k.to_lowercase(), v.to_owned())).unwrap()).collect();
    let length = headers.iter().find(|(key, _)| key == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { line, headers, body: String::from_utf8(body).unwrap() })
}

/// Small limits, for bodies that are too large.
pub(crate) fn bounded() -> ClientConfig {
    let limits = Limits { refusal: 4 << 10, status: 64 << 10, qr: 64 << 10, lists: 256 << 10 };
    ClientConfig { limits, ..ClientConfig::default() }
}

/// Short deadlines too, for answers that do not come.
pub(crate) fn hurried() -> ClientConfig {
    let short = Duration::from_millis(600);
    let deadlines = Deadlines { connect: short, status: short, qr: short, lifecycle: short, lists: short };
    ClientConfig { deadlines, ..bounded() }
}

pub(crate) fn worker(name: &str, url: &str) -> WorkerConfig {
    WorkerConfig {
        name: name.parse().unwrap(),
        url: url.parse().unwrap(),
        api_key: SecretString::from(KEY),
        capacity: 500,
        webhook: None,
    }
}

pub(crate) fn webhook(url: &str) -> WebhookConfig {
    let url = url.parse().unwrap();
    WebhookConfig { url, secret: SecretString::from("canary-hmac"), previous_secret: None }
}

pub(crate) fn gateway(url: &str, config: &ClientConfig) -> WahaGateway {
    with_workers([worker("w1", url)], config)
}

/// The gateway on these workers, by the machine's clock.
pub(crate) fn with_workers(workers: impl IntoIterator<Item = WorkerConfig>, config: &ClientConfig) -> WahaGateway {
    WahaGateway::new(workers, config, Arc::new(SystemClock)).unwrap()
}

/// A clock that stands still but for being put forward.
#[derive(Default)]
pub(crate) struct StillClock(Mutex<Duration>);

impl StillClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

#[async_trait]
impl Clock for StillClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + *self.0.lock().unwrap()
    }

    async fn sleep(&self, _duration: Duration) {
        panic!("nobody sleeps by this clock");
    }
}

pub(crate) fn at(name: &str) -> SessionAddress {
    SessionAddress { worker: w1(), name: name.parse().unwrap() }
}

pub(crate) fn w1() -> WorkerName {
    "w1".parse().unwrap()
}

pub(crate) fn labels() -> SessionLabels {
    let owner: UserId = "canary-user".parse().unwrap();
    let deployment: DeploymentId = DEPLOYMENT.parse().unwrap();
    SessionLabels { owner, deployment }
}

/// The calls of the port that fail with an error, by name.
pub(crate) const CALLS: [&str; 13] = [
    "session", "sessions", "create", "start", "restart", "logout", "delete", "qr", "pairing", "refresh", "groups",
    "contacts", "lids",
];

/// Makes one of [`CALLS`] for the session `user42`.
pub(crate) async fn call(gateway: &WahaGateway, name: &str) -> Result<(), GatewayError> {
    let at = at("user42");
    match name {
        "session" => gateway.session(&at).await.map(drop),
        "sessions" => gateway.sessions(&at.worker).await.map(drop),
        "create" => gateway.create(&at, &labels()).await.map(drop),
        "start" => gateway.start(&at).await,
        "restart" => gateway.restart(&at).await,
        "logout" => gateway.logout(&at).await,
        "delete" => gateway.delete(&at).await,
        "qr" => gateway.qr(&at).await.map(drop),
        "pairing" => gateway.request_pairing_code(&at, &"+34600111222".parse().unwrap()).await.map(drop),
        "refresh" => gateway.refresh_groups(&at).await,
        "groups" => gateway.groups(&at).await.map(drop),
        "contacts" => gateway.contacts(&at).await.map(drop),
        "lids" => gateway.lid_twins(&at).await.map(drop),
        other => panic!("no call {other}"),
    }
}

/// A port on which nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
