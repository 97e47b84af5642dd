//! One who asks for far too much, while others go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::ready;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use support::app::{Answer, Replica, TestApp};
use support::stores::Stores;
use switchboard_domain::ports::Clock as _;
use switchboard_domain::{ApiKey, ApiKeySecret, Scope, SystemRandom};
use switchboard_http::Quotas;

use crate::rest::Answered;

on_every_database! {
    a_storm_of_connects_of_one_user_is_refused_while_others_connect_and_work,
    a_flood_of_made_up_keys_keeps_nobody_out_whose_key_is_known,
}

/// How many of a storm's requests are under way at the same time.
const AT_ONCE: usize = 100;

async fn a_storm_of_connects_of_one_user_is_refused_while_others_connect_and_work(stores: Stores) {
    /// At least: it lasts for as long as the others work.
    const STORM: u32 = 1000;
    const ROUNDS: u32 = 5;
    let quotas = Quotas::default();
    let app = TestApp::limited(stores, quotas).await;
    // Before, since the fake's codes do not wait for a busy machine.
    let name = app.pair("ben", "491701234567").await;
    let (began, is_done) = (app.clock.now(), AtomicBool::new(false));
    let storm = async {
        let connects = stream::iter(0..)
            .take_while(|sent| ready(*sent < STORM || !is_done.load(Ordering::SeqCst)))
            .map(|_| Answered::to(app.post(Some("eve"), "user.initiateWhatsAppSession", &Value::Null)));
        connects.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await
    };
    let others = async {
        let (mut calls, mut slowest) = (0, Duration::ZERO);
        for round in 0..ROUNDS {
            app.connect(&format!("new-{round}")).await;
            for procedure in ["user.getSessionStatus", "user.getWhatsAppGroups", "user.getWhatsAppContacts"] {
                let asked = Instant::now();
                app.query("ben", procedure, json!({ "sessionName": name })).await.data();
                slowest = slowest.max(asked.elapsed());
                calls += 1;
            }
            assert_eq!(app.connect("ben").await, name);
        }
        is_done.store(true, Ordering::SeqCst);
        (calls, slowest)
    };
    let (answers, (calls, slowest)) = tokio::join!(storm, others);

    let minutes = (app.clock.now() - began).as_seconds_f64() / 60.0;
    let most = f64::from(quotas.connects) * (1.0 + minutes) + 1.0;
    let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answered| answered.status != 429);
    println!(
        "a storm of {} connects: {} served, {} refused; others connected and made {calls} calls meanwhile, the slowest in {slowest:?}",
        answers.len(),
        served.len(),
        refused.len()
    );
    assert!(f64::from(u32::try_from(served.len()).unwrap()) <= most, "{} of {most}", served.len());
    assert!(served.len() >= quotas.connects as usize);
    assert!(served.iter().all(|answered| answered.status == 200 && answered.body == served[0].body), "one session");
    for answered in refused {
        assert!(answered.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        assert!(answered.header("ratelimit-policy").unwrap().starts_with("\"connects\";q=30"));
    }
    assert_eq!(app.waha.sessions().len(), 2 + ROUNDS as usize, "one for eve, whatever she does");
}

async fn a_flood_of_made_up_keys_keeps_nobody_out_whose_key_is_known(stores: Stores) {
    const FLOOD: u32 = 2000;
    let app = TestApp::new(stores).await;
    let (key, whole) = made_up(&app);
    let hash = whole.parse::<ApiKeySecret>().unwrap().hash();
    app.stores.api_keys.insert(&key, &hash).await.unwrap();
    let with = async |key: &str| -> Answer {
        let request = app.get(None, "user.getWhatsAppSession", &Value::Null);
        Replica::answer(request.bearer_auth(key)).await
    };
    with(&whole).await.data();
    let is_over = AtomicBool::new(false);
    let flood = async {
        let asked = stream::iter(0..FLOOD).map(async |_| with(&made_up(&app).1).await.status);
        let statuses: Vec<u16> = asked.buffer_unordered(AT_ONCE).collect().await;
        is_over.store(true, Ordering::SeqCst);
        statuses
    };
    let known = async {
        let (mut calls, mut slowest) = (0, Duration::ZERO);
        while !is_over.load(Ordering::SeqCst) {
            let asked = Instant::now();
            with(&whole).await.data();
            slowest = slowest.max(asked.elapsed());
            calls += 1;
            // What is remembered of the key is over again and again.
            app.clock.advance(Duration::from_millis(200));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (calls, slowest)
    };
    let (statuses, (calls, slowest)) = tokio::join!(flood, known);
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    println!(
        "a flood of {FLOOD} made-up keys: {} refused, {} put off; a known key was good {calls} times, the slowest in {slowest:?}",
        count(401),
        count(503)
    );
    assert_eq!(count(401) + count(503), statuses.len(), "nobody is let in, and nothing breaks");
    assert!(calls > 5, "{calls}");
}

/// A key that could be one, and all of it.
fn made_up(app: &TestApp) -> (ApiKey, String) {
    let (user, name) = ("ana".parse().unwrap(), "reports".parse().unwrap());
    let (key, secret) = ApiKey::new(&SystemRandom, user, name, Scope::Full, None, app.clock.now()).unwrap();
    (key, secret.expose().to_owned())
}
