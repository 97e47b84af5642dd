//! A `switchboard serve` of one's own, and what it answers.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::{Value, json};
use support::app::Answer;
use support::events::LiveStream;
use switchboard_domain::SystemClock;
use switchboard_http::{Secret, TokenKey, TokenRules};
use switchboard_waha_fake::FakeWaha;
use tempfile::TempDir;

const SECRET: &str = "a secret of the tests, long enough";

/// A running one; ended when dropped.
pub(crate) struct Server {
    child: Child,
    url: String,
    tokens: TokenKey,
    client: reqwest::Client,
    folder: TempDir,
}

impl Server {
    /// Starts one that has WAHA report to itself, or to another, and waits until it is ready.
    pub(crate) async fn start(database: &str, waha: &FakeWaha, reported_to: Option<&Self>) -> Self {
        let serve = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        Self::of(serve, &[("DATABASE__URL", database)], waha, reported_to).await
    }

    /// The same with other settings.
    pub(crate) async fn with(settings: &[(&str, &str)], waha: &FakeWaha) -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_switchboard")), settings, waha, None).await
    }

    /// The same by a command that goes before the program.
    pub(crate) async fn of(
        mut command: Command,
        settings: &[(&str, &str)],
        waha: &FakeWaha,
        reported_to: Option<&Self>,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        // Freed before the server takes it; nobody else is given it so soon.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let is_encrypted = settings.iter().any(|(key, _)| *key == "SERVER__TLS_CERTIFICATE");
        // The name that the certificate is for.
        let url =
            if is_encrypted { format!("https://localhost:{}", address.port()) } else { format!("http://{address}") };
        let reports = reported_to.map_or(&*url, |other| &*other.url);
        let (bind, reports, waha_url) = (address.to_string(), format!("{reports}/webhooks/waha"), waha.url());
        let usual = [
            ("SERVER__BIND", &*bind),
            ("SERVER__WORKERS", "1"),
            ("WAHA__URL", &*waha_url),
            ("WAHA__API_KEY", waha.api_key()),
            ("WAHA__WEBHOOK_URL", &*reports),
            ("WAHA__WEBHOOK_SECRET", "what the fake WAHA signs with"),
            ("AUTH__HS256_SECRET", SECRET),
            // Loads are of few users.
            ("LIMITS__READS_PER_MINUTE", "0"),
            ("LIMITS__MUTATIONS_PER_MINUTE", "0"),
            ("LIMITS__CONNECTS_PER_MINUTE", "0"),
            ("LIMITS__STREAMS_PER_MINUTE", "0"),
        ];
        command.arg("serve").current_dir(folder.path()).env_clear();
        // Where the commands that go before the program are.
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        for (key, value) in usual.iter().chain(settings) {
            command.env(format!("SWITCHBOARD__{key}"), value);
        }
        let log = File::create(folder.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let secret = Secret::new(SecretString::from(SECRET)).unwrap();
        let set = |key| settings.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let rules =
            TokenRules { issuer: set("AUTH__ISSUER"), audience: set("AUTH__AUDIENCE"), ..TokenRules::default() };
        let tokens = TokenKey::new(&secret, rules, Arc::new(SystemClock));
        let authority =
            reqwest::Certificate::from_pem(include_bytes!("../../../../tests/fixtures/tls/ca.pem")).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
        let server = Self { child, url, tokens, client, folder };
        server.until_ready(Duration::from_secs(30)).await;
        server
    }

    /// Waits until it is ready; returns how long that took.
    pub(crate) async fn until_ready(&self, patience: Duration) -> Duration {
        let began = Instant::now();
        loop {
            let ready = self.client.get(format!("{}/readyz", self.url)).send().await;
            if ready.is_ok_and(|answer| answer.status() == 200) {
                return began.elapsed();
            }
            assert!(began.elapsed() < patience, "the server does not get ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it is red: what it knows of the database may be a second old.
    pub(crate) async fn until_red(&self) {
        let began = Instant::now();
        while self.status("/readyz").await != 503 {
            assert!(began.elapsed() < Duration::from_secs(10), "the server stays green: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where it listens: `127.0.0.1:12345`.
    pub(crate) fn authority(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// Requests of every kind, byte for byte.
    pub(crate) fn mixture(&self, user: &str, name: &str) -> Vec<Vec<u8>> {
        let (host, token) = (self.authority(), self.token(user));
        let get = |path: &str, headers: &str| {
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n{headers}\r\n")
                .into_bytes()
        };
        let input = format!("%7B%22sessionName%22:%22{name}%22%7D");
        let query = |procedure: &str| get(&format!("/api/trpc/{procedure}?input={input}"), "");
        let batch = "user.getSessionStatus,user.getWhatsAppGroups,user.getWhatsAppContacts?batch=1&input=%7B";
        let batch = (0..3).fold(format!("/api/trpc/{batch}"), |batch, n| {
            format!("{batch}{}%22{n}%22:{input}", if n == 0 { "" } else { "," })
        });
        let connect = format!(
            "POST /api/trpc/user.initiateWhatsAppSession HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: 4\r\n\r\nnull"
        );
        vec![
            query("user.getSessionStatus"),
            get("/api/trpc/user.getWhatsAppSession", ""),
            query("user.getWhatsAppGroups"),
            get(&format!("{batch}%7D"), ""),
            connect.into_bytes(),
            query("user.getWhatsAppContacts"),
            get(&format!("{batch}%7D"), "trpc-accept: application/jsonl\r\n"),
        ]
    }

    /// What it is known as to the system.
    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// A file in the folder it runs in.
    pub(crate) fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    /// The answer to a plain GET.
    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// The status of a plain GET.
    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }

    /// A request that has not been sent.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A procedure's call that has not been sent; `Value::Null` is no input.
    pub(crate) fn call(&self, client: &reqwest::Client, user: &str, procedure: &str, input: &Value) -> Call {
        let url = format!("{}/api/trpc/{procedure}", self.url);
        let request = if is_query(procedure) {
            let request = client.get(url);
            if input.is_null() { request } else { request.query(&[("input", input.to_string())]) }
        } else {
            client.post(url).json(input)
        };
        Call(request.bearer_auth(self.token(user)))
    }

    /// Calls a procedure.
    pub(crate) async fn ask(&self, user: &str, procedure: &str, input: Value) -> Answer {
        self.call(&self.client, user, procedure, &input).send().await.unwrap_or_else(|error| {
            panic!("{procedure} is not answered: {error:?}\n{}", self.log());
        })
    }

    /// Connects the user; returns the session's name.
    pub(crate) async fn connect(&self, user: &str) -> String {
        let answer = self.ask(user, "user.initiateWhatsAppSession", Value::Null).await;
        answer.data()["sessionName"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    /// Connects the user and scans the code with their phone; returns the session's name once it is WORKING.
    pub(crate) async fn pair(&self, waha: &FakeWaha, user: &str, phone: &str) -> String {
        let name = self.connect(user).await;
        self.until_status(user, &name, "SCAN_QR_CODE").await;
        assert!(waha.scan(&name, phone), "the code can be scanned");
        self.until_status(user, &name, "WORKING").await;
        name
    }

    /// Waits for a status.
    pub(crate) async fn until_status(&self, user: &str, name: &str, wanted: &str) {
        let began = Instant::now();
        loop {
            let answer = self.ask(user, "user.getSessionStatus", json!({ "sessionName": name })).await;
            if answer.body["result"]["data"]["status"] == wanted {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "still {answer:?}, not {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Watches the user's session.
    pub(crate) async fn watch(&self, user: &str, name: &str) -> LiveStream {
        let request = self.client.get(format!("{}/v1/sessions/{name}/events", self.url));
        LiveStream::open(request.bearer_auth(self.token(user))).await
    }

    /// Watches it as tRPC's clients do.
    pub(crate) async fn subscribe(&self, user: &str, name: &str) -> LiveStream {
        let input = json!({ "sessionName": name });
        LiveStream::open(self.call(&self.client, user, "user.onSessionStatus", &input).0).await
    }

    /// A token of the user's.
    pub(crate) fn token(&self, user: &str) -> String {
        self.tokens.sign(&user.parse().unwrap(), Duration::from_hours(1)).unwrap()
    }

    /// Tells it to stop, and does not wait for that.
    pub(crate) fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.pid()]).status().unwrap().success());
    }

    /// Waits until it has ended well; returns how long that took.
    pub(crate) async fn until_ended(&mut self) -> Duration {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}: {}", self.log());
                return began.elapsed();
            }
            assert!(began.elapsed() < Duration::from_mins(1), "it does not stop: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks it to stop; returns how long that takes.
    pub(crate) async fn stop(mut self) -> Duration {
        self.terminate();
        self.until_ended().await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A call that has not been sent.
pub(crate) struct Call(reqwest::RequestBuilder);

impl Call {
    /// Longer than anything may take.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// Sends it, and reads the whole answer.
    pub(crate) async fn send(self) -> reqwest::Result<Answer> {
        let response = self.0.timeout(Self::PATIENCE).send().await?;
        let status = response.status().as_u16();
        let body = response.bytes().await?;
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }
}

fn is_query(procedures: &str) -> bool {
    ["user.get", "user.on"].iter().any(|prefix| procedures.starts_with(prefix))
}
