//! Applications beside Switchboard: one whose users sign in by its cookie, and one whose sessions are taken over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use switchboard_waha_fake::FakeWaha;
use tokio_postgres::{Client, NoTls};

use super::{Search, USER, WAHA_KEY, client, url};
use crate::commands::{SECRET, switchboard};
use crate::server::Server;

/// What the web application signs its cookies with.
pub(super) const COOKIE_SECRET: &str = "canary-secret-of-a-web-application";

/// The user of the old application, whose session has a name that is personal.
const OLD_USER: &str = "canary-old-user@example.com";
const OLD_SESSION: &str = "canary-phone-of-maria";
const OLD_PHONE: &str = "34655029384";
const OLD_GROUP: &str = "Canary Old Group";

async fn connected_to(database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A cookie as better-auth signs it, and its parts are canaries.
fn cookie(token: &str, search: &mut Search) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(COOKIE_SECRET.as_bytes()).unwrap();
    mac.update(token.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    search.seed(token);
    search.seed(signature.trim_end_matches('='));
    format!("better-auth.session_token={token}.{signature}")
}

/// A user signs in by the cookie of the application in that database: well, from another site, and when its table is gone.
pub(super) async fn sign_in_by_cookie(database: &str, server: &Server, name: &str, search: &mut Search) {
    search.seed(COOKIE_SECRET);
    let application = connected_to(database).await;
    let table = r#"CREATE TABLE session (id serial PRIMARY KEY, "expiresAt" timestamptz NOT NULL, token text NOT NULL,
                   "userId" text NOT NULL)"#;
    application.batch_execute(table).await.unwrap();
    let (token, other) = ("canary-token-of-a-web-session", "canary-token-of-another-one");
    let row = r#"INSERT INTO session ("expiresAt", token, "userId") VALUES (now() + interval '1 hour', $1, $2)"#;
    application.execute(row, &[&token, &USER]).await.unwrap();
    let (good, others) = (cookie(token, search), cookie(other, search));
    let asked = |path: &str, cookie: &str| client().get(url(server, path)).header("cookie", cookie);
    for path in ["/v1/session", &format!("/v1/sessions/{name}/events")] {
        assert_eq!(asked(path, &good).send().await.unwrap().status(), 200, "the cookie is good: {}", server.log());
    }
    let cross_site = asked("/v1/session", &good).header("origin", "https://evil.example");
    let unknown = asked("/v1/session", &others);
    for (request, expected) in [(cross_site, 403), (unknown, 401)] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), expected);
        search.tell(format!("answer {expected}"), answer.text().await.unwrap());
    }
    application.batch_execute("DROP TABLE session").await.unwrap();
    let unheard_of = cookie("canary-token-of-a-third-one", search);
    let failed = asked("/v1/session", &unheard_of).send().await.unwrap();
    assert_eq!(failed.status(), 500, "there is no such table");
    search.tell("answer 500", failed.text().await.unwrap());
}

/// The old application's sessions, in `old`, are taken over while the server runs, and its user logs out and connects again.
pub(super) async fn take_over(database: &str, old: &str, server: &Server, waha: &FakeWaha, search: &mut Search) {
    for canary in [OLD_USER, OLD_SESSION, OLD_PHONE, OLD_GROUP] {
        search.seed(canary);
    }
    let application = connected_to(old).await;
    application.batch_execute(include_str!("../../../../../tests/fixtures/prisma/t3-app.sql")).await.unwrap();
    let rows = format!(
        "INSERT INTO \"User\" VALUES ('{OLD_USER}', '{OLD_USER}');
         INSERT INTO \"WhatsAppSession\" VALUES ('clh1q2w3e4r5t6y7u8i9o0p9z', '{OLD_SESSION}', '+{OLD_PHONE}', '{OLD_USER}',
                                               now(), now());
         INSERT INTO \"WhatsAppGroup\" VALUES ('clg1q2w3e4r5t6y7u8i9o0p9z', '{OLD_GROUP}', '{OLD_PHONE}-1400000000@g.us',
                                             'clh1q2w3e4r5t6y7u8i9o0p9z', now(), now());"
    );
    application.batch_execute(&rows).await.unwrap();
    waha.restore(OLD_SESSION, OLD_PHONE);
    let waha_url = waha.url();
    let settings = [
        ("DATABASE__URL", database),
        ("WAHA__URL", &waha_url),
        ("WAHA__API_KEY", WAHA_KEY),
        ("AUTH__HS256_SECRET", SECRET),
        ("LOG__FILTER", "trace"),
    ];
    let mut import = switchboard(&server.path(""), &settings, &["import", "--from", old]);
    // On a thread of its own: the fake WAHA lives in this process.
    let import = tokio::task::spawn_blocking(move || import.output().unwrap()).await.unwrap();
    let printed = String::from_utf8(import.stdout).unwrap();
    // What an operator is told of is what they asked about; the log is another's to read.
    assert!(printed.contains(&format!("{OLD_USER} {OLD_SESSION}: taken over, WORKING")), "{printed}");
    search.tell("log of import", import.stderr);

    let session = json!({ "sessionName": OLD_SESSION });
    assert_eq!(server.ask(OLD_USER, "user.getWhatsAppGroups", session.clone()).await.status, 200);
    assert_eq!(server.ask(OLD_USER, "user.logoutSession", session).await.status, 200);
    assert_eq!(server.pair(waha, OLD_USER, OLD_PHONE).await, OLD_SESSION, "it is connected again");
}
