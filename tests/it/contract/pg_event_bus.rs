//! What only a bus through a server can do wrong: losing its connection, and meeting others on its channel.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use support::postgres;
use support::proxy::Proxy;
use switchboard_domain::ports::{Change, EventBus, Heard, Notice};
use switchboard_pg_adapter::{PgEventBus, PgOptions};
use tokio_postgres::{Client, NoTls};

use super::event_bus::{listener, next, notice, until};

fn bus(url: &str) -> PgEventBus {
    bus_with(url, PgOptions::default())
}

fn bus_with(url: &str, options: PgOptions) -> PgEventBus {
    PgEventBus::new(&SecretString::from(url.to_owned()), options).unwrap()
}

/// Notices within a second that nobody answers.
fn impatient() -> PgOptions {
    PgOptions {
        acquire_timeout: Duration::from_millis(300),
        statement_timeout: Duration::from_millis(300),
        ..PgOptions::default()
    }
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Closes all other connections to the client's database. Returns how many there were.
async fn terminate_others(client: &Client) -> usize {
    let others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    client.query(others, &[]).await.unwrap().len()
}

async fn others(client: &Client) -> i64 {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    client.query_one(others, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_connection_that_is_closed_is_a_gap_and_notices_flow_again() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.empty_database().await;
    let (ours, theirs) = (bus(&url), bus(&url));
    let (mut first, mut second) = (listener(&ours, "ours").await, listener(&theirs, "theirs").await);
    let client = client(&url).await;
    for n in 0..3 {
        assert_eq!(terminate_others(&client).await, 2);
        // Told while there was no connection, or while it was believed that there was one.
        ours.publish(notice("ours", n));
        until(&mut first, &Heard::Gap).await;
        until(&mut second, &Heard::Gap).await;
        ours.publish(notice("ours", n + 10));
        until(&mut second, &Heard::Notice(notice("ours", n + 10))).await;
        theirs.publish(notice("theirs", n));
        until(&mut first, &Heard::Notice(notice("theirs", n))).await;
    }
}

#[tokio::test]
async fn a_server_that_is_stopped_and_started_again_is_a_gap_and_notices_flow_again() {
    let Some(mut cluster) = postgres::own_cluster() else { return };
    let url = cluster.empty_database().await;
    let (ours, theirs) = (bus(&url), bus(&url));
    let (mut first, mut second) = (listener(&ours, "ours").await, listener(&theirs, "theirs").await);
    cluster.stop();
    ours.publish(notice("ours", 1));
    cluster.start_again();
    until(&mut first, &Heard::Gap).await;
    until(&mut second, &Heard::Gap).await;
    ours.publish(notice("ours", 2));
    until(&mut second, &Heard::Notice(notice("ours", 2))).await;
    theirs.publish(notice("theirs", 3));
    until(&mut first, &Heard::Notice(notice("theirs", 3))).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_at_first_is_waited_for() {
    let Some(mut cluster) = postgres::own_cluster() else { return };
    let url = cluster.empty_database().await;
    cluster.stop();
    let (ours, theirs) = (bus(&url), bus(&url));
    let mut heard = theirs.listen();
    ours.publish(notice("ours", 1));
    cluster.start_again();
    until(&mut heard, &Heard::Gap).await;
    ours.publish(notice("ours", 2));
    until(&mut heard, &Heard::Notice(notice("ours", 2))).await;
}

#[tokio::test]
async fn a_connection_that_died_without_a_word_is_noticed_and_replaced() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.empty_database().await;
    let proxy = Proxy::to(&url).await;
    let ours = bus_with(&proxy.url(), impatient());
    let mut listener = listener(&ours, "ours").await;
    // Nobody has anything to tell.
    proxy.fall_silent();
    proxy.until_abandoned().await;
    proxy.speak_again();
    assert_eq!(next(&mut listener).await, Heard::Gap);
    let theirs = bus(&url);
    theirs.publish(notice("theirs", 1));
    until(&mut listener, &Heard::Notice(notice("theirs", 1))).await;
}

#[tokio::test]
async fn what_could_not_be_told_at_once_is_told_later_to_those_who_noticed_nothing() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.empty_database().await;
    let proxy = Proxy::to(&url).await;
    let (ours, theirs) = (bus_with(&proxy.url(), impatient()), bus(&url));
    let (_first, mut second) = (listener(&ours, "ours").await, listener(&theirs, "theirs").await);
    proxy.fall_silent();
    // The first is sent, and never arrives; the others wait.
    for n in 0..10 {
        ours.publish(notice("ours", n));
        tokio::task::yield_now().await;
    }
    proxy.until_abandoned().await;
    proxy.speak_again();
    let mut missed: Vec<_> = (0..10).map(|n| Heard::Notice(notice("ours", n))).collect();
    while !missed.is_empty() {
        let heard = next(&mut second).await;
        assert_ne!(heard, Heard::Gap, "theirs was never lost");
        missed.retain(|notice| *notice != heard);
    }

    // And if it is too much to be kept, they hear that there was something.
    proxy.fall_silent();
    let started = Instant::now();
    (0..20_000).for_each(|n| ours.publish(notice("ours", n)));
    assert!(started.elapsed() < Duration::from_secs(5), "publishing waits for nobody");
    proxy.until_abandoned().await;
    proxy.speak_again();
    until(&mut second, &Heard::Gap).await;
}

#[tokio::test]
async fn payloads_that_are_not_understood_are_gaps() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.empty_database().await;
    let ours = bus(&url);
    let mut listener = listener(&ours, "ours").await;
    let client = client(&url).await;
    let longest = "x".repeat(7999);
    for payload in ["", "2\nreplica session abc", "{}", "1\nreplica campaigns abc", "\u{1f600}", &longest] {
        client.execute("SELECT pg_notify('switchboard', $1)", &[&payload]).await.unwrap();
        assert_eq!(next(&mut listener).await, Heard::Gap, "{payload:.30}");
    }
    client.batch_execute("NOTIFY another_channel, 'x'; NOTIFY switchboard, E'1\\nreplica session abc'").await.unwrap();
    let change = Change::Session("abc".parse().unwrap());
    assert_eq!(next(&mut listener).await, Heard::Notice(Notice { from: "replica".parse().unwrap(), change }));
}

#[tokio::test]
async fn the_longest_ids_go_many_at_a_time_and_arrive() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.empty_database().await;
    let (ours, theirs) = (bus(&url), bus(&url));
    let (_first, mut second) = (listener(&ours, "ours").await, listener(&theirs, "theirs").await);
    let long = |n: usize| {
        let change = Change::Session(format!("s{n:031}").parse().unwrap());
        Notice { from: "r".repeat(32).parse().unwrap(), change }
    };
    (0..1000).for_each(|n| ours.publish(long(n)));
    let mut missed: Vec<_> = (0..1000).map(|n| Heard::Notice(long(n))).collect();
    while !missed.is_empty() {
        let heard = next(&mut second).await;
        assert_ne!(heard, Heard::Gap);
        missed.retain(|notice| *notice != heard);
    }
}

#[tokio::test]
async fn there_is_a_connection_from_the_first_use_to_the_end_and_then_the_listeners_are_told_so() {
    use futures_util::StreamExt as _;
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.empty_database().await;
    let client = client(&url).await;
    let ours = bus(&url);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(others(&client).await, 0, "nobody needs one yet");
    let mut heard = listener(&ours, "ours").await;
    let publishing = bus(&url);
    publishing.publish(notice("theirs", 1));
    until(&mut heard, &Heard::Notice(notice("theirs", 1))).await;
    assert_eq!(others(&client).await, 2);

    drop((ours, publishing));
    assert_eq!(heard.next().await, None);
    let started = Instant::now();
    while others(&client).await > 0 {
        assert!(started.elapsed() < Duration::from_secs(10), "a connection was left open");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_notice_takes_milliseconds_from_one_replica_to_another() {
    const ROUNDS: usize = 200;
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.empty_database().await;
    let (ours, theirs) = (bus(&url), bus(&url));
    let (_first, mut second) = (listener(&ours, "ours").await, listener(&theirs, "theirs").await);
    let mut took = Vec::with_capacity(ROUNDS);
    for n in 0..ROUNDS {
        let told = Instant::now();
        ours.publish(notice("ours", n));
        until(&mut second, &Heard::Notice(notice("ours", n))).await;
        took.push(told.elapsed());
    }
    took.sort_unstable();
    println!("median {:?}, the slowest {:?}", took[ROUNDS / 2], took[ROUNDS - 1]);
}
