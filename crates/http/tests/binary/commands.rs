//! What it says of a wrong configuration, and how it starts and stops.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use switchboard_domain::ports::{Clock as _, SessionRepository as _};
use switchboard_domain::{Lifecycle, Session, SystemClock};
use switchboard_sqlite_adapter::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

pub(crate) const SECRET: &str = "a secret of the tests, long enough";

/// A good configuration, one setting a line.
const GOOD: &[(&str, &str)] = &[
    ("WAHA__URL", "http://127.0.0.1:9"),
    ("WAHA__API_KEY", "00123"),
    ("AUTH__HS256_SECRET", SECRET),
    ("DATABASE__URL", "sqlite://switchboard.sqlite"),
    ("SERVER__DRAIN_SECONDS", "0"),
];

pub(crate) fn switchboard(folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    for (key, value) in settings {
        command.env(format!("SWITCHBOARD__{key}"), value);
    }
    command
}

fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [GOOD, changes].concat()
}

fn run(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    switchboard(folder.path(), settings, arguments).output().unwrap()
}

/// The one line of a failure.
pub(crate) fn failure(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success(), "it succeeded: {text}");
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    text
}

/// Runs a command that succeeds; returns what it printed.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = switchboard(folder, GOOD, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    failure(&switchboard(folder, GOOD, arguments).output().unwrap())
}

#[test]
fn workers_are_listed_drained_activated_and_removed() {
    let folder = TempDir::new().unwrap();
    let unready = refused(folder.path(), &["workers", "list"]);
    assert!(unready.contains("switchboard migrate"), "{unready}");
    printed(folder.path(), &["migrate"]);
    let listed = || {
        let lines = printed(folder.path(), &["workers", "list"]);
        let rows: Vec<String> =
            lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(rows[0], "NAME STATE HEALTH ENGINE VERSION SESSIONS CAPACITY");
        rows[1..].to_vec()
    };
    assert_eq!(listed(), ["default active down - - 0 500"]);

    let unknown = refused(folder.path(), &["workers", "drain", "defualt"]);
    assert!(unknown.contains("defualt") && unknown.contains("expected one of default"), "{unknown}");
    assert_eq!(
        printed(folder.path(), &["workers", "drain", "default"]),
        "default is draining: it gets no new sessions, and still has 0 sessions.\n"
    );
    assert_eq!(listed(), ["default draining down - - 0 500"]);
    printed(folder.path(), &["workers", "activate", "default"]);
    assert_eq!(listed(), ["default active down - - 0 500"]);

    have_session(folder.path());
    let kept = refused(folder.path(), &["workers", "remove", "default"]);
    for expected in
        ["default still has 1 session,", "scan a QR code again", "switchboard workers drain default", "--yes"]
    {
        assert!(kept.contains(expected), "{kept}");
    }
    assert_eq!(listed(), ["default active down - - 1 500"]);
    let removed = printed(folder.path(), &["workers", "remove", "default", "--yes"]);
    assert!(removed.contains("default is removed") && removed.contains("Disconnected: 1 session."), "{removed}");
    for expected in ["Phones stay linked to that WAHA", "shut it down", "switchboard workers activate default\n"] {
        assert!(removed.contains(expected), "{removed}");
    }
    for (command, expected) in
        [("remove", "the phones stay linked"), ("remove", "brings the worker"), ("drain", "`activate`")]
    {
        let help = printed(folder.path(), &["workers", command, "--help"]);
        assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains(expected), "{help}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&printed(folder.path(), &["workers", "list", "--json"])).unwrap();
    let expected = serde_json::json!([{
        "name": "default", "state": "removed", "health": "down", "engine": null, "version": null,
        "sessions": 0, "capacity": 500
    }]);
    assert_eq!(json, expected);
}

/// Stores a session that is placed on the configured worker.
#[tokio::main(flavor = "current_thread")]
async fn have_session(folder: &Path) {
    let store = SqliteStore::at(&folder.join("switchboard.sqlite"), SqliteOptions::default()).unwrap();
    let [name, owner, worker] = ["session_1", "ana", "default"];
    let (name, owner, worker) = (name.parse().unwrap(), owner.parse().unwrap(), worker.parse().unwrap());
    let row = Session::new("tz4a98xxat96iws9zmbrgj3a".parse().unwrap(), name, owner, worker, SystemClock.now());
    store.ensure(&Session { lifecycle: Lifecycle::Connected, ..row }).await.unwrap();
}

#[test]
fn a_good_configuration_is_said_to_be_good_without_its_secrets() {
    let output = run(GOOD, &["config", "check"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("http://127.0.0.1:9"), "{text}");
    assert!(!text.contains(SECRET) && !text.contains("00123"), "{text}");
}

#[test]
fn the_description_of_the_rest_api_is_printed_without_any_configuration() {
    let output = run(&[], &["openapi"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), switchboard_http::openapi());
}

#[test]
fn a_wrong_configuration_ends_with_one_line_that_names_the_key_and_what_was_expected() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("SERVER__BIND", "here", &["server.bind", "127.0.0.1:8080", "here"]),
        ("SERVER__WORKERS", "0", &["server.workers", "1 or more"]),
        ("SERVER__WORKERS", "many", &["server.workers", "many"]),
        ("SERVER__TRPC_PATH", "api", &["server.trpc_path", "/api/trpc"]),
        ("SERVER__TRPC_PATH", "/v1", &["server.trpc_path", "/api/trpc", "/v1"]),
        ("SERVER__CORS_ORIGINS", "https://a.example, nonsense", &["server.cors_origins", "https://app.example.com"]),
        ("SERVER__DRAIN_SECONDS", "soon", &["server.drain_seconds", "soon"]),
        ("SERVER__SHUTDOWN_SECONDS", "soon", &["server.shutdown_seconds", "soon"]),
        ("SERVER__PAGE", "maybe", &["server.page", "maybe"]),
        ("SERVER__PORT", "1", &["server", "port"]),
        ("SERVER__TLS_CERTIFICATE", "cert.pem", &["server.tls_key", "SWITCHBOARD__SERVER__TLS_KEY"]),
        ("SERVER__TLS_KEY", "key.pem", &["server.tls_certificate", "SWITCHBOARD__SERVER__TLS_CERTIFICATE"]),
        ("SERVR__BIND", "127.0.0.1:1", &["servr"]),
        ("DATABASE__URL", "mysql://u:hunter2@h/d", &["database.url", "postgres://"]),
        ("DATABASE__URL", "postgres://u:hunter2@h:port/d", &["database.url", "postgres://"]),
        ("DATABASE__URL", "sqlite://no/such/folder/file", &["database.url", "no/such/folder"]),
        ("DATABASE__MAX_CONNECTIONS", "0", &["database.max_connections", "1 or more"]),
        ("WAHA__URL", "", &["waha.url", "SWITCHBOARD__WAHA__URL"]),
        ("WAHA__URL", "ftp://hunter2@waha", &["waha.url", "http://127.0.0.1:3000"]),
        ("WAHA__API_KEY", "", &["waha.api_key", "SWITCHBOARD__WAHA__API_KEY"]),
        ("WAHA__WEBHOOK_URL", "https://us.example/hooks", &["waha.webhook_secret"]),
        ("AUTH__JWKS_URL", "http://hunter2@id.example/jwks", &["auth.jwks_url", "https"]),
        ("WAHA__DEADLINES__STATUS_SECONDS", "0", &["waha.deadlines.status_seconds", "1 to 3600"]),
        ("AUTH__HS256_SECRET", "", &["auth.hs256_secret", "SWITCHBOARD__AUTH__HS256_SECRET", "nobody"]),
        ("AUTH__HS256_SECRET", "hunter2", &["auth.hs256_secret", "32 bytes"]),
        ("AUTH__HS256_SECRET", "a-string-secret-at-least-256-bits-long", &["auth.hs256_secret", "of your own"]),
        ("AUTH__JWKS_URL", "ftp://hunter2@id.example", &["auth.jwks_url", "https://id.example.com/"]),
        ("AUTH__JWKS_URL", "https://id.example/jwks", &["auth.issuer", "SWITCHBOARD__AUTH__ISSUER"]),
        ("AUTH__JWKS_FILE", "nowhere.json", &["auth.jwks_file", "nowhere.json"]),
        ("AUTH__LEEWAY_SECONDS", "301", &["auth.leeway_seconds", "0 to 300"]),
        ("AUTH__LEEWAY_SECONDS", "-1", &["auth.leeway_seconds", "-1"]),
        ("AUTH__USER_CLAIM", "exp", &["auth.user_claim", "sub"]),
        ("AUTH__API_KEYS", "maybe", &["auth.api_keys", "maybe"]),
        ("AUTH__COOKIE__KIND", "passport", &["auth.cookie.kind", "better-auth", "authjs", "passport"]),
        ("AUTH__COOKIE__TABLE", "session", &["auth.cookie.kind", "SWITCHBOARD__AUTH__COOKIE__KIND"]),
        ("AUTH__COOKIE__KIND", "better-auth", &["auth.cookie.secret", "BETTER_AUTH_SECRET"]),
        ("AUTH__COOKIE__KIND", "authjs", &["auth.cookie", "PostgreSQL", "SQLite"]),
        ("AUTH__COOKIE__COLUMN", "x", &["auth.cookie", "column"]),
        ("WAHA__API_KEY", "two\nlines", &["waha", "API key"]),
        ("WAHA__LISTS_MAX_BYTES", "0", &["waha.lists_max_bytes", "1024"]),
        ("LIMITS__READS_PER_MINUTE", "-1", &["limits.reads_per_minute", "-1"]),
        ("LIMITS__REQUEST_SECONDS", "0", &["limits.request_seconds", "1 to 3600"]),
        ("LIMITS__HEAD_SECONDS", "3601", &["limits.head_seconds", "1 to 3600"]),
        ("LIMITS__CONNECTIONS", "0", &["limits.connections", "1 or more"]),
        ("LIMITS__READS", "1", &["limits", "reads"]),
        ("SERVER__HTTPS_ONLY", "maybe", &["server.https_only", "maybe"]),
        ("LOG__FORMAT", "xml", &["log.format", "json"]),
        ("LOG__FILTER", "switchboard=loudly", &["log.filter"]),
    ];
    for (key, value, expected) in cases {
        for command in [&["config", "check"][..], &["serve"]] {
            let output = run(&with(&[(key, value)]), command);
            assert!(!output.status.success(), "{key}={value} is taken");
            let line = failure(&output);
            for part in *expected {
                assert!(line.contains(part), "{key}={value}: {part:?} is not in {line}");
            }
            assert!(!line.contains("hunter2"), "a secret is repeated: {line}");
        }
    }
}

#[test]
fn a_file_is_read_and_the_environment_goes_before_it() {
    let folder = TempDir::new().unwrap();
    let file = format!(
        "[waha]\nurl = \"http://waha.example:3000\"\napi_key = \"k\"\n[auth]\nhs256_secret = \"{SECRET}\"\n\
         [server]\ncors_origins = [\"https://app.example.com\"]\n"
    );
    std::fs::write(folder.path().join("switchboard.toml"), file).unwrap();
    let check = |settings: &[(&str, &str)]| {
        let output = switchboard(folder.path(), settings, &["config", "check"]).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert!(check(&[]).contains("http://waha.example:3000"), "{}", check(&[]));
    let url = [("WAHA__URL", "http://other.example")];
    assert!(check(&url).contains("http://other.example"), "{}", check(&url));

    std::fs::write(folder.path().join("switchboard.toml"), "[waha]\nurl = 7\nurll = 1\n").unwrap();
    assert!(check(&[]).contains("waha") && check(&[]).contains("urll"), "{}", check(&[]));
    std::fs::write(folder.path().join("switchboard.toml"), "[auth]\nhs256_secret = \"hunter2\n").unwrap();
    assert_eq!(check(&[]).lines().count(), 1, "{}", check(&[]));
    assert!(check(&[]).contains("line 2") && !check(&[]).contains("hunter2"), "{}", check(&[]));
    let missing = run(&[], &["--config", "nowhere.toml", "config", "check"]);
    assert!(failure(&missing).contains("nowhere.toml"));
}

#[test]
fn a_token_is_signed_for_a_user_and_a_wrong_one_is_refused() {
    let output = run(GOOD, &["token", "--user", "alice", "--ttl", "30m"]);
    let token = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && token.trim().split('.').count() == 3, "{token}");
    assert!(!run(GOOD, &["token", "--user", ""]).status.success());
    assert!(!run(GOOD, &["token", "--user", "alice", "--ttl", "soon"]).status.success());
}

#[test]
fn a_token_for_connecting_is_good_for_a_quarter_of_an_hour_at_most() {
    /// What a token says of itself: its scope, and for how many seconds it is good.
    fn says(arguments: &[&str]) -> (Option<String>, i64) {
        let output = run(GOOD, &[&["token", "--user", "alice"], arguments].concat());
        let token = String::from_utf8(output.stdout).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a token")).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let good_for = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        (claims["scope"].as_str().map(str::to_owned), good_for)
    }
    let scope = |scope: &str| Some(format!("switchboard:{scope}"));
    assert_eq!(says(&[]), (None, 3600));
    assert_eq!(says(&["--scope", "full", "--ttl", "7days"]), (None, 7 * 24 * 3600));
    assert_eq!(says(&["--scope", "read"]), (scope("read"), 3600));
    assert_eq!(says(&["--scope", "connect"]), (scope("connect"), 900));
    assert_eq!(says(&["--scope", "connect", "--ttl", "5m"]), (scope("connect"), 300));

    let long = failure(&run(GOOD, &["token", "--user", "alice", "--scope", "connect", "--ttl", "16m"]));
    assert!(long.contains("--ttl") && long.contains("15m"), "{long}");
    let unknown = run(GOOD, &["token", "--user", "alice", "--scope", "admin"]);
    let text = String::from_utf8(unknown.stderr).unwrap();
    assert!(!unknown.status.success() && text.contains("full, read or connect"), "{text}");
}

#[test]
fn a_token_opens_what_its_scope_allows_and_a_refusal_says_that_it_is_the_scope() {
    let mut server = Server::start(&with(&[("LOG__FILTER", "trace")]));
    let mut ask = |scope: &str, procedure: &str| {
        let output = run(GOOD, &["token", "--user", "alice", "--scope", scope]);
        let token = String::from_utf8(output.stdout).unwrap();
        let header = format!("authorization: Bearer {}\r\n", token.trim());
        server.get_with(&format!("/api/trpc/{procedure}?input=%7B%22sessionName%22%3A%22a%22%7D"), &header)
    };
    for (scope, procedure, allowed) in [
        ("full", "user.getSessionQR", true),
        ("read", "user.getSessionQR", false),
        ("read", "user.getSessionStatus", true),
        ("connect", "user.getSessionQR", true),
        ("connect", "user.getWhatsAppGroups", false),
    ] {
        let (status, body) = ask(scope, procedure);
        assert_eq!(status != 403, allowed, "{scope} {procedure}: {body}");
        assert_ne!(status, 401, "{scope} {procedure}: {body}");
        assert_eq!(body.contains(r#""code":"FORBIDDEN""#) && body.contains(r#""reason":"scope""#), !allowed, "{body}");
    }
    let token = String::from_utf8(run(GOOD, &["token", "--user", "alice"]).stdout).unwrap();
    let in_query =
        format!("/api/trpc/user.getWhatsAppSession?connectionParams=%7B%22token%22%3A%22{}%22%7D", token.trim());
    assert_eq!(server.get(&in_query).0, 401, "a query takes no token from its URL");
    let log = server.stop();
    assert!(!log.contains(token.trim()), "{log}");
}

#[test]
fn migrate_makes_the_database_and_says_so_when_it_cannot() {
    let folder = TempDir::new().unwrap();
    let settings = with(&[]);
    for _ in 0..2 {
        let output = switchboard(folder.path(), &settings, &["migrate"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert!(folder.path().join("switchboard.sqlite").is_file());
    let unreachable = with(&[("DATABASE__URL", "postgres://u:hunter2@127.0.0.1:9/d")]);
    let line = failure(&run(&unreachable, &["migrate"]));
    assert!(line.contains("refused") && !line.contains("hunter2"), "{line}");
}

#[test]
fn without_waha_and_database_the_server_runs_says_so_and_stays_red() {
    let settings = with(&[("DATABASE__URL", "postgres://u:hunter2@127.0.0.1:9/d")]);
    let mut server = Server::start(&settings);
    let (status, body) = server.get("/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains(r#""database":"unavailable""#) && body.contains(r#""answering":0"#), "{body}");
    assert_eq!(server.get("/healthz").0, 200);
    assert_eq!((server.get("/demo/sign-in").0, server.get("/demo/commands").0), (404, 404), "what the demo has");
    let log = server.stop();
    assert!(log.contains("waiting for the database") && log.contains("WAHA does not answer yet"), "{log}");
    assert!(!log.contains("hunter2") && !log.contains(SECRET) && !log.contains("00123"), "{log}");
}

#[test]
fn the_page_is_there_unless_it_is_switched_off() {
    for (settings, status) in [(with(&[]), 200), (with(&[("SERVER__PAGE", "false")]), 404)] {
        let mut server = Server::start(&settings);
        assert_eq!((server.get("/").0, server.get("/connect").0, server.get("/ui/app.js").0), (status, status, status));
        server.stop();
    }
}

#[test]
fn one_process_at_a_time_serves_a_sqlite_file_and_sigterm_ends_it_gracefully() {
    let mut first = Server::start(GOOD);
    while first.get("/readyz").1.contains(r#""database":"unavailable""#) {}
    let second = switchboard(first.folder.path(), &with(&[("SERVER__BIND", "127.0.0.1:0")]), &["serve"]).output();
    let second = second.unwrap();
    let text = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && text.contains("another process is using the database"), "{text}");
    let log = first.stop();
    assert!(log.contains("stopping"), "{log}");
}

/// A `switchboard serve` of its own.
struct Server {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Server {
    fn start(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        // Freed before the server takes it; nobody else is given it so soon.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut command = switchboard(folder.path(), settings, &["serve"]);
        let child = command.env("SWITCHBOARD__SERVER__BIND", &address).stderr(Stdio::piped()).spawn().unwrap();
        let server = Self { child, address, folder };
        let started = Instant::now();
        while std::net::TcpStream::connect(&server.address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Status and whole text of an answer.
    fn get(&mut self, path: &str) -> (u16, String) {
        self.get_with(path, "")
    }

    /// The same with a header line.
    fn get_with(&mut self, path: &str, header: &str) -> (u16, String) {
        use std::io::Write as _;
        let mut socket = std::net::TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nhost: x\r\n{header}connection: close\r\n\r\n").unwrap();
        let mut answer = BufReader::new(socket);
        let mut first = String::new();
        answer.read_line(&mut first).unwrap();
        let mut rest = String::new();
        answer.read_to_string(&mut rest).unwrap();
        (first.split(' ').nth(1).unwrap().parse().unwrap(), rest)
    }

    /// Asks it to stop, waits until it has, and returns its log.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {log}");
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
