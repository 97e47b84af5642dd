//! What only a server can do wrong: going away, being slow, being migrated twice at once.

use std::time::Duration;

use futures_util::future::{Either, select};
use secrecy::SecretString;
use support::postgres;
use switchboard_domain::ports::{Database, SessionRepository, StorageError};
use switchboard_pg_adapter::{PgOptions, PgStore};
use tokio_postgres::{Client, NoTls};

use super::fixtures::{all_at_once_of, at, session};

fn store(url: &str, options: PgOptions) -> PgStore {
    PgStore::new(&SecretString::from(url.to_owned()), options).unwrap()
}

/// One connection, and little patience.
fn tight() -> PgOptions {
    PgOptions {
        max_connections: 1,
        acquire_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(200),
        ..PgOptions::default()
    }
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    assert_eq!(error.to_string(), "the database is not available");
}

#[tokio::test]
async fn replicas_that_migrate_at_once_do_not_meet() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.empty_database().await;
    let all = all_at_once_of(8, |_| {
        let store = store(&url, PgOptions::default());
        async move { store.migrate().await }
    });
    for result in all.await {
        result.unwrap();
    }
    store(&url, PgOptions::default()).check().await.unwrap();
}

#[tokio::test]
async fn everything_is_in_a_schema_of_its_own() {
    let Some(cluster) = postgres::cluster() else { return };
    let client = client(&cluster.database().await).await;
    let rows = client
        .query("SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname NOT LIKE 'pg\\_%' ORDER BY 1", &[])
        .await
        .unwrap();
    let schemas: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(schemas, ["information_schema", "switchboard"]);
}

#[tokio::test]
async fn a_database_without_tables_is_not_in_order() {
    let Some(cluster) = postgres::cluster() else { return };
    let error = store(&cluster.empty_database().await, PgOptions::default()).check().await.unwrap_err();
    assert!(matches!(error, StorageError::Failed(_)), "{error:?}");
    assert_eq!(error.to_string(), "the database failed");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // Port 9 of this machine: nobody listens.
    let store = store("postgres://nobody:hunter2@127.0.0.1:9/none", tight());
    assert_unavailable(store.check().await);
    assert_unavailable(store.migrate().await);
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_unavailable() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@{}/none", silent.local_addr().unwrap());
    assert_unavailable(store(&url, tight()).check().await);
}

#[tokio::test]
async fn connections_that_the_server_closed_are_replaced() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let store = store(&url, PgOptions { max_connections: 1, ..PgOptions::default() });
    store.ensure(&session(1)).await.unwrap();
    let others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_eq!(client(&url).await.query(others, &[]).await.unwrap().len(), 1);

    // The one call that meets the closed connection may fail, as unavailable, and no other.
    if let Err(error) = store.get(&session(1).id).await {
        assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    }
    assert_eq!(store.get(&session(1).id).await.unwrap(), Some(session(1)));
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_unavailable_and_spoils_nothing() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let store = store(&url, tight());
    store.ensure(&session(1)).await.unwrap();
    let blocker = client(&url).await;
    blocker.batch_execute("BEGIN; LOCK TABLE switchboard.sessions").await.unwrap();

    assert_unavailable(store.get(&session(1).id).await);

    blocker.batch_execute("COMMIT").await.unwrap();
    assert_eq!(store.get(&session(1).id).await.unwrap(), Some(session(1)));
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_spoils_nothing() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let store = store(&url, PgOptions { max_connections: 1, ..PgOptions::default() });
    store.ensure(&session(1)).await.unwrap();
    let blocker = client(&url).await;
    blocker.batch_execute("BEGIN; LOCK TABLE switchboard.sessions").await.unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(100), store.get(&session(1).id)).await;
    assert!(gone.is_err());
    blocker.batch_execute("COMMIT").await.unwrap();
    assert_eq!(store.get(&session(1).id).await.unwrap(), Some(session(1)));
}

#[tokio::test]
async fn a_pool_with_nothing_free_is_unavailable() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let patient = PgOptions { statement_timeout: Duration::from_secs(5), ..tight() };
    let store = store(&url, patient);
    store.ensure(&session(1)).await.unwrap();
    let blocker = client(&url).await;
    blocker.batch_execute("BEGIN; LOCK TABLE switchboard.sessions").await.unwrap();

    // One of them waits for the table, the other one for the first one's connection.
    let id = &session(1).id;
    let (first, other) = match select(store.get(id), store.get(id)).await {
        Either::Left(done) | Either::Right(done) => done,
    };
    assert_unavailable(first);
    blocker.batch_execute("COMMIT").await.unwrap();
    assert_eq!(other.await.unwrap(), Some(session(1)));
}

#[tokio::test]
async fn connections_outlive_the_runtime_that_first_needed_them() {
    let Some(cluster) = postgres::cluster() else { return };
    let store = store(&cluster.database().await, PgOptions { max_connections: 1, ..PgOptions::default() });
    let on_a_worker = store.clone();
    let worker = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(on_a_worker.ensure(&session(1))).unwrap()
    };
    tokio::task::spawn_blocking(worker).await.unwrap();
    assert!(
        store.transition(&session(1).id, &[session(1).lifecycle], session(1).lifecycle, None, at(1)).await.unwrap()
    );
}
