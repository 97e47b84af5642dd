//! API keys, through the doors that they open.

use std::time::Duration;

use serde_json::json;
use support::app::{Answer, Replica, TestApp};
use support::events::{Door, LiveStream, Told};
use support::stores::Stores;
use switchboard_domain::ports::Clock as _;
use switchboard_domain::{ApiKey, Scope, SystemRandom};
use switchboard_http::trpc::{Kind, user};
use tokio_postgres::{NoTls, SimpleQueryMessage};

const PHONE: &str = "34600111222";

on_every_database! {
    a_revoked_key_is_dead_on_every_replica_within_five_seconds,
    a_key_is_its_users_alone_and_good_for_its_scope,
    a_key_is_no_good_after_its_time,
    no_procedure_is_open_to_what_is_no_good_nor_to_anothers_key,
    a_dump_of_the_database_holds_no_key,
}

/// A new key of that user's, and all of it.
pub(crate) async fn have_key(app: &TestApp, user: &str, scope: Scope, ttl: Option<Duration>) -> (ApiKey, String) {
    let (user, name) = (user.parse().unwrap(), "reports".parse().unwrap());
    let (key, secret) = ApiKey::new(&SystemRandom, user, name, scope, ttl, app.clock.now()).unwrap();
    app.stores.api_keys.insert(&key, &secret.hash()).await.unwrap();
    (key, secret.expose().to_owned())
}

async fn status(replica: &Replica, key: &str, name: &str) -> Answer {
    let input = json!({ "sessionName": name });
    Replica::answer(replica.get(None, "user.getSessionStatus", &input).bearer_auth(key)).await
}

async fn a_revoked_key_is_dead_on_every_replica_within_five_seconds(stores: Stores) {
    let app = TestApp::new(stores).await;
    let other = app.replica();
    let name = app.pair("ana", PHONE).await;
    app.clock.stop();
    let (key, whole) = have_key(&app, "ana", Scope::Full, None).await;
    let mut streams = Vec::new();
    for replica in [&*app, &other] {
        assert_eq!(status(replica, &whole, &name).await.data()["status"], "WORKING");
        for door in Door::BOTH {
            let mut stream = LiveStream::open(replica.stream(door, Some(&whole), &name)).await;
            stream.state().await;
            streams.push(stream);
        }
    }
    let lasting = app.token("ana", Duration::from_hours(1), Scope::Full);
    let mut lasting = LiveStream::open(app.stream(Door::Rest, Some(&lasting), &name)).await;
    lasting.state().await;

    app.stores.api_keys.revoke(&key.id, app.clock.now()).await.unwrap().unwrap();
    app.clock.advance(Duration::from_secs(5));
    for replica in [&*app, &other] {
        let refused = status(replica, &whole, &name).await;
        assert_eq!((refused.status, refused.error().0), (401, "UNAUTHORIZED"), "{refused:?}");
        assert_eq!(replica.stream(Door::Rest, Some(&whole), &name).send().await.unwrap().status(), 401);
    }
    // The clock stands still: whatever ends them has happened within those seconds.
    for stream in &mut streams {
        assert_eq!(stream.ending().await, Told::Refused(401));
    }
    let told = lasting.told_within(Duration::from_millis(50)).await;
    assert!(matches!(told, None | Some(Told::SignOfLife | Told::State { .. })), "another's stream goes on: {told:?}");
}

async fn a_key_is_its_users_alone_and_good_for_its_scope(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", PHONE).await;
    let input = json!({ "sessionName": name });
    let (_, bens) = have_key(&app, "ben", Scope::Full, None).await;
    let (_, full) = have_key(&app, "ana", Scope::Full, None).await;
    let (_, read) = have_key(&app, "ana", Scope::Read, None).await;
    let (_, connect) = have_key(&app, "ana", Scope::Connect, None).await;
    app.waha.clear_calls();
    let theirs = status(&app, &bens, &name).await;
    assert_eq!(theirs, status(&app, &bens, "session_123456").await, "as if there were none");
    assert_eq!((theirs.status, theirs.error().0), (404, "NOT_FOUND"));
    assert_eq!(app.waha.calls(), []);

    let groups = |key: &str| Replica::answer(app.get(None, "user.getWhatsAppGroups", &input).bearer_auth(key));
    let restart = |key: &str| Replica::answer(app.post(None, "user.restartSession", &input).bearer_auth(key));
    for (key, reads, changes) in [(&full, 200, 200), (&read, 200, 403), (&connect, 403, 403)] {
        assert_eq!(groups(key).await.status, reads);
        let changed = restart(key).await;
        assert_eq!(changed.status, changes, "{changed:?}");
        assert_eq!(changed.error().1, if changes == 403 { "scope" } else { "" });
        assert_eq!(status(&app, key, &name).await.status, 200);
    }
    let header = app.get(None, "user.getSessionStatus", &input).header("x-api-key", &full);
    assert_eq!(Replica::answer(header).await.status, 200);
}

async fn a_key_is_no_good_after_its_time(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", PHONE).await;
    app.clock.stop();
    let (_, brief) = have_key(&app, "ana", Scope::Full, Some(Duration::from_secs(2))).await;
    let (_, connect) = have_key(&app, "ana", Scope::Connect, None).await;
    let mut stream = LiveStream::open(app.stream(Door::Trpc, Some(&brief), &name)).await;
    stream.state().await;
    app.clock.advance(Duration::from_millis(1999));
    assert_eq!(status(&app, &brief, &name).await.status, 200);
    app.clock.advance(Duration::from_millis(1));
    assert_eq!(status(&app, &brief, &name).await.status, 401, "whatever is remembered of it");
    assert_eq!(stream.ending().await, Told::Refused(401));
    app.clock.advance(Scope::CONNECT_TTL.saturating_sub(Duration::from_secs(3)));
    assert_eq!(status(&app, &connect, &name).await.status, 200);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(status(&app, &connect, &name).await.status, 401);
}

async fn no_procedure_is_open_to_what_is_no_good_nor_to_anothers_key(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", PHONE).await;
    let input =
        |name: &str| json!({ "sessionName": name, "id": "x", "phoneNumber": "+34600111222", "groupId": "1@g.us" });
    let (revoked, revoked_key) = have_key(&app, "ana", Scope::Full, None).await;
    app.stores.api_keys.revoke(&revoked.id, app.clock.now()).await.unwrap().unwrap();
    let (_, expired_key) = have_key(&app, "ana", Scope::Full, Some(Duration::from_secs(1))).await;
    let expired_token = app.token("ana", Duration::from_secs(1), Scope::Full);
    app.clock.advance(Duration::from_mins(1));
    let (_, bens) = have_key(&app, "ben", Scope::Full, None).await;
    let unknown = format!("swb_{}", "0".repeat(64));
    app.waha.clear_calls();

    let mut cases = 0;
    for call in user::router().procedures() {
        let ask = async |credential: &str, name: &str| {
            let request = match call.kind {
                Kind::Mutation => app.post(None, call.path, &input(name)),
                Kind::Query | Kind::Subscription => app.get(None, call.path, &input(name)),
            };
            let answer = request.bearer_auth(credential).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        for credential in [&revoked_key, &expired_key, &expired_token, &unknown, "swb_", "nonsense"] {
            let (status, body) = ask(credential, &name).await;
            // A subscription begins before it is refused.
            assert_eq!(status, if call.kind == Kind::Subscription { 200 } else { 401 }, "{}: {body}", call.path);
            assert!(body.contains(r#""code":"UNAUTHORIZED""#), "{}: {body}", call.path);
            cases += 1;
        }
        // Those that name nothing are about the caller by themselves.
        if !matches!(call.path, "user.getWhatsAppSession" | "user.initiateWhatsAppSession") {
            let theirs = ask(&bens, &name).await;
            assert_eq!(theirs, ask(&bens, "session_123456").await, "{}: byte for byte", call.path);
            assert!(theirs.1.contains(r#""code":"NOT_FOUND""#), "{}: {theirs:?}", call.path);
            cases += 1;
        }
    }
    assert_eq!(app.waha.calls(), [], "WAHA was asked nothing");
    println!("keys: {cases} cases, 0 leaks");
}

async fn a_dump_of_the_database_holds_no_key(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", PHONE).await;
    let (mut ids, mut secrets) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let (key, whole) = have_key(&app, "ana", Scope::Full, None).await;
        assert_eq!(status(&app, &whole, &name).await.status, 200);
        // What is not the name of the key: as it is shown, and as the bits that it is made of.
        let rest = whole.strip_prefix(key.id.as_str()).unwrap().to_owned();
        secrets.extend([hex::decode(&rest).unwrap()[..8].to_vec(), rest.as_bytes()[..16].to_vec()]);
        ids.push(key.id.to_string());
    }
    let dump = dump(&app.stores.url().unwrap()).await;
    let holds = |bytes: &[u8]| dump.windows(bytes.len()).any(|window| window == bytes);
    assert!(ids.iter().all(|id| holds(id.as_bytes())), "it is a dump of the keys");
    let found = secrets.iter().filter(|secret| holds(secret)).count();
    println!("keys in a dump of {} bytes: {found} of {}", dump.len(), ids.len());
    assert_eq!(found, 0);
}

/// Everything that the database holds: a file and its log, or each row of each table.
async fn dump(url: &str) -> Vec<u8> {
    if let Some(file) = url.strip_prefix("sqlite:") {
        let parts = ["", "-wal"].map(|suffix| std::fs::read(format!("{file}{suffix}")).unwrap_or_default());
        return parts.concat();
    }
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let tables = "SELECT format('SELECT t::text FROM %I.%I t', schemaname, tablename) FROM pg_tables \
                  WHERE schemaname = 'switchboard'";
    let mut dump = Vec::new();
    for table in client.query(tables, &[]).await.unwrap() {
        for row in client.simple_query(table.get(0)).await.unwrap() {
            if let SimpleQueryMessage::Row(row) = row {
                dump.extend_from_slice(row.get(0).unwrap_or_default().as_bytes());
            }
        }
    }
    dump
}
