//! Encrypted connections to PostgreSQL.

use std::time::Duration;

use futures_util::StreamExt;
use secrecy::SecretString;
use support::postgres;
use switchboard_domain::ports::{Database, EventBus, Heard, StorageError};
use switchboard_pg_adapter::{PgEventBus, PgOptions, PgStore};
use tokio_postgres::NoTls;

const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tls/ca.pem");

fn store(url: &str) -> PgStore {
    PgStore::new(&SecretString::from(url), PgOptions::default()).unwrap()
}

async fn refusal(url: &str) -> String {
    let error = store(url).check().await.unwrap_err();
    let StorageError::Unavailable(cause) = &error else { panic!("{error:?}") };
    cause.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_and_the_server_is_who_it_says() {
    let Some(mut cluster) = postgres::own_cluster() else { return };
    let url = cluster.encrypted().await;
    let encrypted = format!("{url}?sslmode=verify-full&sslrootcert={AUTHORITY}");

    let store = store(&encrypted);
    store.migrate().await.unwrap();
    store.check().await.unwrap();
    let bus = PgEventBus::new(&SecretString::from(encrypted.as_str()), PgOptions::default()).unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(20), bus.listen().next()).await;
    assert_eq!(heard.unwrap(), Some(Heard::Gap), "the bus listens");

    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let ours = "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                WHERE application_name = 'switchboard'";
    let ours = client.query_one(ours, &[]).await.unwrap();
    assert_eq!((ours.get::<_, i64>(0), ours.get::<_, i64>(1)), (2, 2), "the store's and the bus's");

    let stranger = refusal(&format!("{url}?sslmode=require")).await;
    assert!(stranger.contains("UnknownIssuer"), "nobody here trusts it: {stranger}");
    let elsewhere = refusal(&encrypted.replace("@localhost", "@127.0.0.1")).await;
    assert!(elsewhere.contains("not valid for name"), "it is another's certificate: {elsewhere}");
}

#[tokio::test]
async fn a_server_that_does_not_encrypt_is_not_talked_to() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let refusal = refusal(&format!("{url}?sslmode=require&sslrootcert={AUTHORITY}")).await;
    assert!(refusal.contains("TLS"), "{refusal}");
}
