//! Signing in: what of it can be configured, keys from the command line, and the guides, each as it stands.

use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use support::guide;
use switchboard_domain::SystemClock;
use switchboard_domain::ports::Clock as _;
use switchboard_waha_fake::{FakeWaha, Options};
use tempfile::TempDir;

use crate::commands::{failure, switchboard};
use crate::server::Server;

/// What is configured beside signing in, in a folder of its own.
const REST: &[(&str, &str)] = &[("WAHA__URL", "http://127.0.0.1:9"), ("WAHA__API_KEY", "k")];

/// What `config check` says of these settings: that they are good, or what is wrong.
fn check(settings: &[(&str, &str)]) -> Result<String, String> {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("empty.json"), r#"{"keys":[]}"#).unwrap();
    std::fs::write(folder.path().join("keys.json"), document(&[("a", &rsa(), Algorithm::RS256)]).to_string()).unwrap();
    let output = switchboard(folder.path(), &[REST, settings].concat(), &["config", "check"]).output().unwrap();
    if output.status.success() { Ok(String::from_utf8(output.stdout).unwrap()) } else { Err(failure(&output)) }
}

#[test]
fn a_server_that_nobody_could_sign_in_to_does_not_start_and_one_way_is_enough() {
    let jwks = [("AUTH__JWKS_URL", "https://id.example/jwks"), ("AUTH__ISSUER", "i"), ("AUTH__AUDIENCE", "a")];
    let parties = [("AUTH__JWKS_FILE", "keys.json"), ("AUTH__ISSUER", "i"), ("AUTH__AUTHORIZED_PARTIES", "a, b")];
    let database = ("DATABASE__URL", "postgres://u@h/d");
    let long = "0123456789abcdef0123456789abcdef";
    for good in [
        &[("AUTH__API_KEYS", "true")][..],
        &[("AUTH__HS256_SECRET", long)],
        &[("AUTH__HS256_SECRET", long), ("AUTH__API_KEYS", "false"), ("AUTH__LEEWAY_SECONDS", "0")],
        &jwks,
        &parties,
        &[database, ("AUTH__COOKIE__KIND", "authjs"), ("AUTH__COOKIE__TABLE", "a \"b\"; --")],
        &[database, ("AUTH__COOKIE__KIND", "better-auth"), ("AUTH__COOKIE__SECRET", long)],
        &[database, ("AUTH__COOKIE__KIND", "authjs"), ("AUTH__COOKIE__NAMES", "a.b,__Secure-c")],
    ] {
        let said = check(good);
        assert!(said.is_ok(), "{good:?}: {said:?}");
    }
    let cookie = |more: &[(&'static str, &'static str)]| [&[database][..], more].concat();
    for (bad, expected) in [
        (vec![], &["auth", "auth.hs256_secret", "auth.jwks_url", "auth.cookie.kind", "auth.api_keys"][..]),
        (vec![("AUTH__API_KEYS", "false")], &["nobody could sign in"]),
        (jwks[..2].to_vec(), &["auth.audience", "auth.authorized_parties", "SWITCHBOARD__AUTH__AUDIENCE"]),
        ([&jwks[..], &parties[..1]].concat(), &["auth.jwks_file", "auth.jwks_url"]),
        (vec![("AUTH__JWKS_FILE", "empty.json")], &["auth.jwks_file", "empty.json", "RS256"]),
        (vec![("AUTH__JWKS_FILE", "nowhere.json")], &["auth.jwks_file", "nowhere.json"]),
        (
            cookie(&[("AUTH__COOKIE__KIND", "better-auth"), ("AUTH__COOKIE__SECRET", "hunter2")]),
            &["auth.cookie.secret", "32"],
        ),
        (
            cookie(&[
                ("AUTH__COOKIE__KIND", "better-auth"),
                ("AUTH__COOKIE__SECRET", "better-auth-secret-12345678901234567890"),
            ]),
            &["auth.cookie.secret", "of your own"],
        ),
        (cookie(&[("AUTH__COOKIE__KIND", "authjs"), ("AUTH__COOKIE__SECRET", long)]), &["auth.cookie.secret", "none"]),
        (cookie(&[("AUTH__COOKIE__KIND", "authjs"), ("AUTH__COOKIE__NAMES", "a b")]), &["auth.cookie.names", "a b"]),
        (
            cookie(&[("AUTH__COOKIE__KIND", "authjs"), ("AUTH__COOKIE__USER_COLUMN", "a\nb")]),
            &["auth.cookie.user_column", "1 to 63"],
        ),
    ] {
        let said = check(&bad).unwrap_err();
        assert!(expected.iter().all(|part| said.contains(part)), "{bad:?}: {said}");
        assert!(!said.contains("hunter2") && !said.contains(long), "{said}");
    }
}

pub(crate) fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(include_bytes!("../../../../tests/fixtures/keys/rsa.pem")).unwrap()
}

pub(crate) fn ed25519() -> EncodingKey {
    EncodingKey::from_ed_pem(include_bytes!("../../../../tests/fixtures/keys/ed.pem")).unwrap()
}

pub(crate) fn document(keys: &[(&str, &EncodingKey, Algorithm)]) -> Value {
    let jwk = |(kid, key, algorithm): &(&str, &EncodingKey, Algorithm)| {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, *algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(kid);
        jwk
    };
    json!({ "keys": keys.iter().map(jwk).collect::<Vec<_>>() })
}

/// An identity provider's address of keys, and how often it was asked for them.
struct Provider {
    url: String,
    asked: Arc<AtomicUsize>,
    server: ServerHandle,
}

impl Provider {
    /// One that answers `/jwks` with that status and body.
    fn start(status: u16, body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, body) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(body)));
        let (counted, elsewhere) = (Arc::clone(&asked), format!("{url}/elsewhere"));
        let app = move || {
            let (counted, body, elsewhere) = (Arc::clone(&counted), Arc::clone(&body), elsewhere.clone());
            App::new().default_service(web::to(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut answer = HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap());
                let answer = answer.insert_header(("location", elsewhere.clone())).body(body.lock().unwrap().clone());
                std::future::ready(answer)
            }))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url: format!("{url}/jwks"), asked, server: handle }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn waha() -> FakeWaha {
    switchboard_waha_fake::start(Options::default()).await.unwrap()
}

/// Calls a procedure with that token; the status, and the body.
async fn call(server: &Server, token: &str, procedure: &str, body: Option<&Value>) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/api/trpc/user.{procedure}", server.authority());
    let request = body.map_or_else(|| client.get(&url), |body| client.post(&url).json(body));
    let answer = request.bearer_auth(token).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Who a token is, to the server; or the status with which it is refused.
async fn who(server: &Server, token: &str) -> Result<String, u16> {
    let mut body = Value::Null;
    // It may be revoked between the two.
    for (procedure, input) in [("initiateWhatsAppSession", Some(&Value::Null)), ("getWhatsAppSession", None)] {
        let status;
        (status, body) = call(server, token, procedure, input).await;
        if status != 200 {
            assert!(body["error"].is_object(), "{body}");
            return Err(status);
        }
    }
    Ok(body["result"]["data"]["userId"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned())
}

/// Tries a guide's configuration with tokens of that provider's shape: good as they are, and no good with any of the
/// changes.
async fn try_guide(
    configuration: String,
    (algorithm, key): (Algorithm, EncodingKey),
    typ: Option<&str>,
    claims: Value,
    user: &str,
    changes: &[(&str, Value)],
) {
    // A provider has other keys, too: one to encrypt with, and the one before.
    let mut keys = document(&[("now", &key, algorithm)]);
    let others = [
        json!({ "kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "enc", "n": "AQAB", "e": "AQAB" }),
        json!({ "kty": "?" }),
    ];
    keys["keys"].as_array_mut().unwrap().extend(others);
    let (provider, waha) = (Provider::start(200, keys.to_string()), waha().await);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("guide.toml");
    std::fs::write(&path, &configuration).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.arg("--config").arg(&path);
    // All that is not the guide's: where the keys are today, and no secret beside.
    let settings = [("AUTH__JWKS_URL", &*provider.url), ("AUTH__HS256_SECRET", "")];
    let server = Server::of(command, &settings, &waha, None).await;

    let now = SystemClock.now().timestamp();
    let sign = |claims: &Value| {
        let mut header = Header::new(algorithm);
        header.typ = typ.map(str::to_owned);
        header.kid = Some("now".to_owned());
        let mut claims = claims.clone();
        for (name, time) in [("iat", now), ("exp", now + 60)] {
            claims.as_object_mut().unwrap().entry(name).or_insert(json!(time));
        }
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    };
    assert_eq!(who(&server, &sign(&claims)).await.as_deref(), Ok(user), "{configuration}{}", server.log());
    for (name, value) in changes {
        let mut changed = claims.clone();
        match value {
            Value::Null => drop(changed.as_object_mut().unwrap().remove(*name)),
            value => changed[*name] = value.clone(),
        }
        assert_eq!(who(&server, &sign(&changed)).await, Err(401), "{name}: {changed}");
    }
    let mut expired = claims.clone();
    expired["exp"] = json!(now - 31);
    assert_eq!(who(&server, &sign(&expired)).await, Err(401));
    assert_eq!(provider.asked(), 1, "once for all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_for_auth0_takes_its_tokens() {
    let configuration = guide::sign_in("Auth0");
    let claims = json!({
        "iss": "https://your-tenant.eu.auth0.com/",
        "sub": "auth0|65f1c0ffee",
        "aud": ["https://switchboard.example.com", "https://your-tenant.eu.auth0.com/userinfo"],
        "scope": "openid profile email offline_access",
        "azp": "dGhlLWNsaWVudC1pZA",
        "https://example.com/user_id": "user-7",
    });
    let changes = [
        ("iss", json!("https://your-tenant.eu.auth0.com")),
        ("iss", json!("https://another-tenant.eu.auth0.com/")),
        // An id token is for the front-end.
        ("aud", json!("dGhlLWNsaWVudC1pZA")),
        ("aud", json!(["https://your-tenant.eu.auth0.com/userinfo"])),
        ("sub", Value::Null),
    ];
    let key = || (Algorithm::RS256, rsa());
    try_guide(configuration.clone(), key(), Some("JWT"), claims.clone(), "auth0|65f1c0ffee", &changes).await;
    // The other profile of access tokens, and the application's own ids.
    let own_ids = own_ids();
    let changes = [("https://example.com/user_id", Value::Null), ("https://example.com/user_id", json!(["user-7"]))];
    try_guide(format!("{configuration}{own_ids}"), key(), Some("at+jwt"), claims, "user-7", &changes).await;
}

/// The second configuration of the guide for Auth0: a line to add to the first.
fn own_ids() -> String {
    let guide = include_str!("../../../../docs/sign-in.md");
    let section = guide.split("\n## Auth0\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let second = section.split("```toml\n").nth(2).unwrap().split("```").next().unwrap();
    second.strip_prefix("[auth]\n").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_for_clerk_takes_its_tokens() {
    let claims = json!({
        "iss": "https://clerk.example.com",
        "sub": "user_2abcDEF",
        "azp": "https://app.example.com",
        "sid": "sess_2abcDEF",
        "nbf": 1_700_000_000,
        "fva": [0, -1],
        "v": 2,
    });
    let changes = [
        ("iss", json!("https://clerk.example.com/")),
        ("azp", json!("https://evil.example.com")),
        ("azp", Value::Null),
        ("sub", json!("")),
        ("nbf", json!(4_000_000_000_i64)),
    ];
    try_guide(guide::sign_in("Clerk"), (Algorithm::RS256, rsa()), Some("JWT"), claims, "user_2abcDEF", &changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_for_keycloak_takes_its_tokens() {
    let claims = json!({
        "iss": "https://id.example.com/realms/example",
        "sub": "01890a5d-ac96-774b-bcce-b302099a8057",
        "aud": ["switchboard", "account"],
        "typ": "Bearer",
        "azp": "front-end",
        "realm_access": { "roles": ["offline_access"] },
        "scope": "openid email profile",
    });
    let changes = [
        ("iss", json!("https://id.example.com/realms/example/")),
        ("iss", json!("https://id.example.com/realms/other")),
        ("aud", json!("account")),
        ("aud", Value::Null),
        ("sub", Value::Null),
    ];
    let user = "01890a5d-ac96-774b-bcce-b302099a8057";
    let key = || (Algorithm::RS256, rsa());
    try_guide(guide::sign_in("Keycloak"), key(), Some("JWT"), claims.clone(), user, &changes).await;
    // What the guide says for a realm without a mapper.
    let by_client =
        guide::sign_in("Keycloak").replace("audience = \"switchboard\"", "authorized_parties = [\"front-end\"]");
    let changes = [("azp", json!("another-client")), ("azp", Value::Null)];
    try_guide(by_client, key(), Some("JWT"), claims, user, &changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_for_better_auths_tokens_takes_them() {
    let claims = json!({
        "iss": "https://app.example.com",
        "aud": "https://app.example.com",
        "sub": "h3lp0UtNs8",
        "id": "h3lp0UtNs8",
        "email": "ana@example.com",
    });
    let changes =
        [("iss", json!("https://app.example.com/")), ("aud", json!("https://api.example.com")), ("sub", Value::Null)];
    let configuration = guide::sign_in("better-auth, with tokens");
    try_guide(configuration, (Algorithm::EdDSA, ed25519()), None, claims, "h3lp0UtNs8", &changes).await;
}

#[test]
fn the_guides_for_cookies_and_for_ones_own_secret_are_good() {
    let long = ("AUTH__HS256_SECRET", "0123456789abcdef0123456789abcdef");
    let secret = ("AUTH__COOKIE__SECRET", "0123456789abcdef0123456789abcdef");
    let database = ("DATABASE__URL", "postgres://u@h/d");
    for (heading, settings) in [
        ("Your own secret", &[long][..]),
        ("better-auth, with its cookie", &[database, secret]),
        ("Auth.js and NextAuth", &[database]),
    ] {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("switchboard.toml"), guide::sign_in(heading)).unwrap();
        let output = switchboard(folder.path(), &[REST, settings].concat(), &["config", "check"]).output().unwrap();
        assert!(output.status.success(), "{heading}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_fetched_are_a_503_and_nobody_is_sent_elsewhere_for_them() {
    let key = rsa();
    let good = document(&[("now", &key, Algorithm::RS256)]).to_string();
    let large = format!("{{\"padding\":\"{}\",{}", "x".repeat(300_000), &good[1..]);
    let waha = waha().await;
    let claims = json!({ "iss": "i", "aud": "a", "sub": "ana", "exp": SystemClock.now().timestamp() + 60 });
    let header = Header { kid: Some("now".to_owned()), ..Header::new(Algorithm::RS256) };
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    for (status, body) in [(302, good.clone()), (500, good.clone()), (200, large), (200, "<html>".to_owned())] {
        let provider = Provider::start(status, body);
        let settings = [("AUTH__JWKS_URL", &*provider.url), ("AUTH__ISSUER", "i"), ("AUTH__AUDIENCE", "a")];
        let server = Server::with(&settings, &waha).await;
        let (answered, body) = call(&server, &token, "getWhatsAppSession", None).await;
        assert_eq!(
            (answered, &body["error"]["data"]["reason"]),
            (503, &json!("sign_in_unavailable")),
            "{status}: {body}"
        );
        assert_eq!(provider.asked(), 1, "neither elsewhere nor again: {status}");
        let log = server.log();
        assert!(log.contains("the keys of the identity provider cannot be fetched"), "{log}");
        assert!(!log.contains(&token), "{log}");
    }
}

/// Runs a command on the server's database; what it printed, and what it said beside.
fn run(server: &Server, arguments: &[&str]) -> (String, String) {
    let settings = [REST, &[("DATABASE__URL", "sqlite://switchboard.sqlite"), ("AUTH__API_KEYS", "true")]].concat();
    let output = switchboard(&server.path(""), &settings, arguments).output().unwrap();
    let [printed, said] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{arguments:?}: {said}");
    (printed, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_shown_once_used_listed_and_revoked_while_a_server_runs() {
    let waha = waha().await;
    let settings =
        [("DATABASE__URL", "sqlite://switchboard.sqlite"), ("AUTH__HS256_SECRET", ""), ("AUTH__API_KEYS", "true")];
    let server = Server::with(&settings, &waha).await;
    let made = ["keys", "create", "--user", "ana", "--name", "nightly report", "--expires", "90d"];
    let (key, said) = run(&server, &made);
    let key = key.strip_suffix('\n').expect("a line").to_owned();
    assert!(key.starts_with("swb_") && key.len() == 68 && !key.contains(char::is_whitespace), "nothing but the key");
    let id = &key[..16];
    assert!(said.contains(&format!("switchboard keys revoke {id}")) && !said.contains(&key), "{said}");
    assert_eq!(who(&server, &key).await.as_deref(), Ok("ana"));

    run(&server, &["keys", "create", "--user", "ben", "--name", "link", "--scope", "connect"]);
    let (listed, _) = run(&server, &["keys", "list"]);
    assert!(listed.contains(id) && listed.contains("nightly report") && listed.contains("connect"), "{listed}");
    assert!(!listed.contains(&key[..20]), "{listed}");
    let (json, _) = run(&server, &["keys", "list", "--user", "ana", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let row = &json[0];
    assert_eq!((json.as_array().unwrap().len(), &row["key"], &row["state"]), (1, &json!(id), &json!("good")), "{json}");

    let (revoked, _) = run(&server, &["keys", "revoke", id]);
    assert!(revoked.contains(id) && revoked.contains("5 seconds"), "{revoked}");
    let began = Instant::now();
    while who(&server, &key).await != Err(401) {
        assert!(began.elapsed() < Duration::from_secs(5), "a revoked key is dead within 5 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("a revoked key was dead after {:?}", began.elapsed());
    assert!(run(&server, &["keys", "list", "--user", "ana"]).0.contains("revoked"));
    assert!(!server.log().contains(&key), "{}", server.log());

    let refused = |arguments: &[&str]| {
        let settings = [REST, &[("DATABASE__URL", "sqlite://switchboard.sqlite")]].concat();
        let output = switchboard(&server.path(""), &settings, arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["keys", "revoke", "swb_0123456789ab"]).contains("there is no key swb_0123456789ab"));
    let (again, _) = run(&server, &["keys", "revoke", &key]);
    assert!(again.contains(id) && !again.contains(&key), "a key that somebody found: {again}");
    let forever = ["keys", "create", "--user", "ana", "--name", "x", "--expires", "300000y"];
    assert!(refused(&forever).contains("at most 100 years"));
    let long = refused(&["keys", "create", "--user", "a", "--name", "b", "--scope", "connect", "--expires", "16m"]);
    assert!(long.contains("--expires") && long.contains("15m"), "{long}");
    assert!(refused(&["keys", "create", "--user", "a", "--name", ""]).contains("1 to 100 characters"));
}
