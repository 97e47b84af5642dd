//! No secret and no personal data in logs, spans, metrics and answers, at any level: whatever happens is done with values
//! that stand nowhere else, and then they are looked for. It is a scenario, and not all that tests do elsewhere.

mod neighbours;

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use support::postgres;
use switchboard_domain::SystemClock;
use switchboard_domain::ports::Clock as _;
use switchboard_waha_fake::{FakeWaha, Fault, FaultAction, Options};
use tempfile::TempDir;
use url::Url;

use self::neighbours::{sign_in_by_cookie, take_over};
use super::collector::Collector;
use super::commands::{SECRET, failure, switchboard};
use super::server::Server;
use super::sign_in::{document, rsa};

const USER: &str = "canary-user@example.com";
const PHONE: &str = "34655019283";
const CONTACT: &str = "Canary Contact";
const GROUP: &str = "Canary Group";
const SEARCH: &str = "canarysearch";
const WAHA_KEY: &str = "canary-key-of-waha";
const HMAC_KEY: &str = "canary-key-of-webhooks";
const METRICS_TOKEN: &str = "canary-token-of-metrics";
const USER_KEY: &str = "canary-key-of-hashes";
const DATABASE_PASSWORD: &str = "canary-password-of-the-database";
const COOKIE: &str = "canary-cookie-of-a-web-session";
const BAD_TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.canarysignature";
const BAD_KEY: &str = "swb_canary0canary0canary0canary0canary0canary0canary0canary0canary00";
const STACK: &str = "Error: canary stack at canary.js:1";
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "switchboard";
const OCT_KEY: &str = "Y2FuYXJ5LWtleS1vZi1hbi1pZGVudGl0eS1wcm92aWRlcg";

/// What must not be told, and all that was told.
#[derive(Default)]
struct Search {
    canaries: Vec<String>,
    /// Where from, and what.
    told: Vec<(String, Vec<u8>)>,
}

impl Search {
    fn of(constant: &[&str]) -> Self {
        Self { canaries: constant.iter().map(|canary| (*canary).to_owned()).collect(), told: Vec::new() }
    }

    /// A value that is made up as it goes.
    fn seed(&mut self, canary: &str) {
        assert!(canary.len() >= 6, "{canary} may be found by chance");
        self.canaries.push(canary.to_owned());
    }

    fn tell(&mut self, source: impl Into<String>, told: impl Into<Vec<u8>>) {
        self.told.push((source.into(), told.into()));
    }

    /// Looks for every canary, as it is and as it may be written.
    fn hits(&self) -> Vec<String> {
        let mut hits = Vec::new();
        for canary in &self.canaries {
            for form in forms(canary) {
                for (source, told) in &self.told {
                    if let Some(at) = told.windows(form.len()).position(|window| window == form.as_bytes()) {
                        let around = &told[at.saturating_sub(150)..(at + form.len() + 50).min(told.len())];
                        hits.push(format!("{source}: {form:?} in …{}…", String::from_utf8_lossy(around)));
                    }
                }
            }
        }
        hits
    }

    /// Nothing was told; prints how much was looked at.
    fn assert_nothing_was_told(&self, what: &str) {
        let lines: usize = self.told.iter().map(|(_, told)| told.split(|byte| *byte == b'\n').count()).sum();
        let bytes: usize = self.told.iter().map(|(_, told)| told.len()).sum();
        let hits = self.hits();
        println!(
            "{what}: {} canaries in {} texts of {lines} lines and {bytes} bytes: {} hits",
            self.canaries.len(),
            self.told.len(),
            hits.len()
        );
        assert!(hits.is_empty(), "{:#?}", &hits[..hits.len().min(10)]);
    }
}

/// A text as it is, as the bytes that `{:?}` of a buffer shows, in hexadecimal, in Base64, and percent-encoded.
fn forms(canary: &str) -> Vec<String> {
    let bytes: Vec<_> = canary.bytes().map(|byte| byte.to_string()).collect();
    let mut forms = vec![canary.to_owned(), bytes.join(", ")];
    forms.push(canary.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }));
    forms.push(STANDARD.encode(canary).trim_end_matches('=').to_owned());
    let encoded = canary.replace('@', "%40").replace(' ', "%20");
    forms.extend((encoded != canary).then_some(encoded));
    forms
}

#[test]
fn what_is_told_is_found_in_any_form() {
    for told in ["canary 34655", "[99, 97, 110, 97, 114, 121]", "x63616e617279x", "Y2FuYXJ5"] {
        let mut search = Search::of(&["canary"]);
        search.tell("here", told);
        assert_eq!(search.hits().len(), 1, "{told}");
    }
}

async fn waha() -> FakeWaha {
    let options = Options { time_scale: 50.0, api_key: WAHA_KEY.to_owned(), ..Options::default() };
    switchboard_waha_fake::start(options).await.unwrap()
}

const CONSTANT: [&str; 15] = [
    USER,
    PHONE,
    CONTACT,
    GROUP,
    SEARCH,
    WAHA_KEY,
    HMAC_KEY,
    METRICS_TOKEN,
    USER_KEY,
    DATABASE_PASSWORD,
    COOKIE,
    BAD_TOKEN,
    BAD_KEY,
    STACK,
    SECRET,
];

/// What is beside a server on PostgreSQL.
struct Neighbours {
    /// The database of the server, and of a web application.
    database: String,
    /// That of an old application.
    old: String,
}

/// Runs a server at trace level through all that happens to it, well and badly.
async fn run(database: &str, format: &str, neighbours: Option<&Neighbours>) -> Search {
    let (waha, collector, mut search) = (waha().await, Collector::start(), Search::of(&CONSTANT));
    let folder = TempDir::new().unwrap();
    let keys = folder.path().join("provider.json");
    std::fs::write(&keys, document(&[("now", &rsa(), Algorithm::RS256)]).to_string()).unwrap();
    let cookies = [("AUTH__COOKIE__KIND", "better-auth"), ("AUTH__COOKIE__SECRET", neighbours::COOKIE_SECRET)];
    let settings = [
        &[
            ("DATABASE__URL", database),
            ("LOG__FILTER", "trace"),
            ("LOG__FORMAT", format),
            ("LOG__USER_KEY", USER_KEY),
            ("METRICS__TOKEN", METRICS_TOKEN),
            ("TRACES__ENDPOINT", collector.url()),
            ("WAHA__WEBHOOK_SECRET", HMAC_KEY),
            ("AUTH__API_KEYS", "true"),
            ("AUTH__JWKS_FILE", keys.to_str().unwrap()),
            ("AUTH__ISSUER", ISSUER),
            ("AUTH__AUDIENCE", AUDIENCE),
        ][..],
        if neighbours.is_some() { &cookies } else { &[] },
    ]
    .concat();
    let mut server = Server::with(&settings, &waha).await;
    search.seed(&server.token(USER));
    let key = key(&server, database);
    search.seed(&key);
    for request in
        [client().get(url(&server, "/v1/session")), client().get(url(&server, "/api/trpc/user.getWhatsAppSession"))]
    {
        let status = request.header("x-api-key", &key).send().await.unwrap().status();
        assert!(matches!(status.as_u16(), 200 | 404), "the key is good: {status}");
    }
    let by_provider = token_of_provider();
    search.seed(&by_provider);
    let status = client().get(url(&server, "/v1/session")).bearer_auth(&by_provider).send().await.unwrap().status();
    assert!(matches!(status.as_u16(), 200 | 404), "the provider's token is good: {status}");
    let name = pair(&server, &waha, &mut search).await;
    use_it(&server, &waha, &name).await;
    if let Some(Neighbours { database, old }) = neighbours {
        sign_in_by_cookie(database, &server, &name, &mut search).await;
        take_over(database, old, &server, &waha, &mut search).await;
    }
    break_it(&server, &waha, &name, &mut search).await;

    let metrics = client().get(url(&server, "/metrics")).bearer_auth(METRICS_TOKEN).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("switchboard_waha_calls_total"), "{metrics}");
    search.tell("metrics", metrics);
    server.terminate();
    server.until_ended().await;
    let (log, spans) = (server.log(), collector.bytes());
    for wanted in ["user.getWhatsAppGroups", "DEBUG", "request failed", "session placed"] {
        assert!(log.contains(wanted), "the log has {wanted}");
    }
    let span = b"user.getWhatsAppContacts";
    assert!(spans.windows(span.len()).any(|window| window == span), "spans were sent");
    search.tell("log", log);
    search.tell("spans", spans);
    search
}

/// A token of the user's, signed by an identity provider.
fn token_of_provider() -> String {
    let exp = SystemClock.now().timestamp() + 3600;
    let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": USER, "exp": exp });
    let header = Header { kid: Some("now".to_owned()), ..Header::new(Algorithm::RS256) };
    jsonwebtoken::encode(&header, &claims, &rsa()).unwrap()
}

/// A key of the user's, made while the server runs.
fn key(server: &Server, database: &str) -> String {
    let settings = [("DATABASE__URL", database), ("WAHA__URL", "http://127.0.0.1:9"), ("WAHA__API_KEY", WAHA_KEY)];
    let settings = [&settings[..], &[("AUTH__API_KEYS", "true")]].concat();
    let arguments = ["keys", "create", "--user", USER, "--name", "a key"];
    let made = switchboard(&server.path(""), &settings, &arguments).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.authority())
}

async fn pair(server: &Server, waha: &FakeWaha, search: &mut Search) -> String {
    let name = server.connect(USER).await;
    server.until_status(USER, &name, "SCAN_QR_CODE").await;
    let session = json!({ "sessionName": name });
    let qr = server.ask(USER, "user.getSessionQR", session.clone()).await;
    search.seed(&qr.data()["qr"].as_str().unwrap()[60..120]);
    let pairing = json!({ "sessionName": name, "phoneNumber": PHONE });
    let code = server.ask(USER, "user.requestPairingCode", pairing).await;
    search.seed(code.data()["code"].as_str().unwrap());
    let mut stream = server.subscribe(USER, &name).await;
    stream.until(|state| state["status"] == "SCAN_QR_CODE").await;
    search.seed(waha.session(&name).unwrap().qr.as_deref().expect("it shows a code"));
    assert!(waha.scan(&name, PHONE), "the code can be scanned");
    stream.until(|state| state["status"] == "WORKING").await;
    assert!(waha.set_groups(&name, vec![("120363000000000001@g.us".to_owned(), GROUP.to_owned())]));
    search.canaries.extend(waha.contacts(&name).into_iter().filter_map(|(_, name)| name).filter(|name| name.len() > 8));
    name
}

/// What users do when all is well.
async fn use_it(server: &Server, waha: &FakeWaha, name: &str) {
    let list = json!({ "sessionName": name, "limit": 100, "search": SEARCH });
    for procedure in ["user.getWhatsAppGroups", "user.getWhatsAppContacts"] {
        assert_eq!(server.ask(USER, procedure, json!({ "sessionName": name })).await.status, 200);
        assert_eq!(server.ask(USER, procedure, list.clone()).await.status, 200);
    }
    let group = json!({ "sessionName": name, "groupId": "120363000000000001@g.us" });
    let linked = server.ask(USER, "user.linkWhatsAppGroup", group).await;
    assert_eq!(linked.status, 200, "{linked:?}");
    assert!(waha.rename_group(name, "120363000000000001@g.us", &format!("{GROUP} 2")));
    let shown = server.ask(USER, "user.getWhatsAppSession", Value::Null).await;
    let phone = json!({ "id": shown.data()["id"], "phoneNumber": format!("+{PHONE}") });
    assert_eq!(server.ask(USER, "user.updateSessionPhone", phone).await.status, 200);
    let by_rest = format!("/v1/sessions/{name}/contacts?search={SEARCH}");
    let answer = client().get(url(server, &by_rest)).bearer_auth(server.token(USER)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let in_query = json!({ "token": server.token(USER) }).to_string();
    let stream = client().get(url(server, "/api/trpc/user.onSessionStatus"));
    let input = json!({ "sessionName": name }).to_string();
    let stream = stream.query(&[("input", &input), ("connectionParams", &in_query)]).send().await.unwrap();
    assert_eq!(stream.status(), 200);
}

/// What goes wrong: who asks, what they ask, and WAHA.
async fn break_it(server: &Server, waha: &FakeWaha, name: &str, search: &mut Search) {
    let status = format!("/v1/sessions/{name}/status");
    let asked = |path: &str| client().get(url(server, path));
    let cookies = format!("authjs.session-token={COOKIE}; better-auth.session_token={COOKIE}");
    let token = server.token(USER);
    for request in [
        asked(&status).bearer_auth(BAD_TOKEN),
        asked(&status).bearer_auth(BAD_KEY),
        asked(&status).header("x-api-key", BAD_KEY),
        asked(&status).header("cookie", &cookies).header("sec-fetch-site", "same-origin"),
        asked(&status).header("authorization", format!("Basic {BAD_TOKEN}")),
        asked(&format!("/v1/sessions/{PHONE}/status")).bearer_auth(&token),
        asked(&format!("/v1/sessions/{name}/contacts?limit={PHONE}x&search={SEARCH}")).bearer_auth(&token),
        asked(&format!("/{BAD_TOKEN}/{PHONE}")).bearer_auth(&token),
        asked(&format!("/webhooks/waha/{PHONE}")),
        client().post(url(server, "/webhooks/waha/default")).header("x-webhook-hmac", HMAC_KEY).body(CONTACT),
        asked("/metrics").bearer_auth(BAD_TOKEN),
        client().post(url(server, "/api/trpc/user.updateSessionPhone")).bearer_auth(&token).json(&json!({ "id": 7 })),
        client().post(url(server, "/api/trpc/user.logoutSession")).bearer_auth(&token).body(format!("{{{CONTACT}")),
    ] {
        let answer = request.header("x-request-id", format!("{{{PHONE}}}")).send().await.unwrap();
        let status = answer.status();
        assert!(status.as_u16() >= 400, "{status}");
        let headers = format!("{:?}", answer.headers());
        search.tell(format!("answer {status}"), format!("{headers}\n{}", answer.text().await.unwrap()));
    }
    let dump = json!({
        "statusCode": 500, "exception": { "message": format!("{STACK} {CONTACT} {PHONE}"), "stack": STACK },
        "request": { "headers": { "x-api-key": WAHA_KEY }, "body": GROUP },
    });
    let dumped = |status| FaultAction::Status { status, body: dump.to_string() };
    let faults =
        [dumped(500), dumped(422), dumped(401), dumped(503), FaultAction::Reset, FaultAction::Truncate { after: 9 }];
    for fault in faults {
        waha.inject(Fault::new(fault));
        let session = json!({ "sessionName": name });
        for procedure in ["user.restartSession", "user.getSessionQR", "user.refreshDirectory", "user.getSessionStatus"]
        {
            let answer = server.ask(USER, procedure, session.clone()).await;
            search.tell(format!("{procedure} {}", answer.status), answer.body.to_string());
        }
        waha.clear_faults();
    }
    let logout = server.ask(USER, "user.logoutSession", json!({ "sessionName": name })).await;
    search.tell("logout", logout.body.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_trace_level_on_sqlite_nothing_tells_a_secret_or_of_anybody() {
    for format in ["json", "pretty"] {
        run("sqlite://switchboard.sqlite", format, None).await.assert_nothing_was_told(&format!("SQLite, {format}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_trace_level_on_postgres_nothing_tells_a_secret_or_of_anybody() {
    let Some(cluster) = postgres::cluster() else { return };
    for format in ["json", "pretty"] {
        let mut database: Url = cluster.database().await.parse().unwrap();
        database.set_password(Some(DATABASE_PASSWORD)).unwrap();
        let neighbours = Neighbours { database: database.to_string(), old: cluster.empty_database().await };
        let search = run(database.as_str(), format, Some(&neighbours)).await;
        search.assert_nothing_was_told(&format!("PostgreSQL, {format}"));
    }
}

#[test]
fn a_server_that_cannot_start_tells_no_secret() {
    let mut search = Search::of(&[&CONSTANT[..], &[OCT_KEY, "canary"]].concat());
    let good = [("WAHA__URL", "http://127.0.0.1:9"), ("WAHA__API_KEY", WAHA_KEY), ("AUTH__HS256_SECRET", SECRET)];
    let keys = json!({ "keys": [{ "kty": "oct", "k": OCT_KEY, "alg": "HS256" }] }).to_string();
    let secret_file = format!("[waha]\napi_key = \"{WAHA_KEY}\nurl = 7");
    for (bad, file) in [
        (("DATABASE__URL", "mysql://user:canary@host/canary"), ""),
        (("DATABASE__URL", "postgres://user:canary@host:port/canary"), ""),
        (("AUTH__HS256_SECRET", "canary"), ""),
        (("AUTH__JWKS_URL", "ftp://user:canary@host/"), ""),
        (("METRICS__TOKEN", "canary"), ""),
        (("LOG__USER_KEY", "canary"), ""),
        (("TRACES__ENDPOINT", "http://user:canary@host"), ""),
        (("TRACES__ENDPOINT", "canary"), ""),
        (("WAHA__URL", "ftp://user:canary@host"), ""),
        (("WAHA__API_KEY", "canary\nline"), ""),
        (("WAHA__WEBHOOK_URL", "http://user:canary@"), ""),
        (("SERVER__WORKERS", "2"), secret_file.as_str()),
        (("AUTH__JWKS_FILE", "keys.json"), "[auth]\nhs256_secret = \"\""),
    ] {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("switchboard.toml"), file).unwrap();
        std::fs::write(folder.path().join("keys.json"), &keys).unwrap();
        let settings: Vec<_> = good.into_iter().filter(|(key, _)| *key != bad.0).chain([bad]).collect();
        let output = switchboard(folder.path(), &settings, &["serve"]).output().unwrap();
        search.tell(bad.0, failure(&output));
    }
    search.tell("a database that is not there", waiting_for_a_database(&good));
    search.assert_nothing_was_told("bad configurations");
}

/// What a server says that waits for its database.
fn waiting_for_a_database(good: &[(&str, &str)]) -> String {
    let folder = TempDir::new().unwrap();
    let database = format!("postgres://user:{DATABASE_PASSWORD}@127.0.0.1:9/database");
    let settings = [good, &[("DATABASE__URL", &*database), ("LOG__FILTER", "trace"), ("SERVER__BIND", "127.0.0.1:0")]];
    let log = folder.path().join("log");
    let mut command: Command = switchboard(folder.path(), &settings.concat(), &["serve"]);
    let mut child = command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let began = Instant::now();
    let said = loop {
        let said = std::fs::read_to_string(&log).unwrap();
        if said.contains("waiting for the database") || began.elapsed() > Duration::from_secs(20) {
            break said;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.contains("waiting for the database"), "{said}");
    said
}
