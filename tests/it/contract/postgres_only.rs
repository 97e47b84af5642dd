//! What only a server can do wrong: going away, being slow, being migrated twice at once.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use secrecy::SecretString;
use support::postgres;
use switchboard_domain::ports::{
    Database, Fence, Generation, LeaseHolder, LeaseRepository, Placement, SessionRepository, SnapshotHead,
    SnapshotStore, StorageError, WorkerRepository,
};
use switchboard_domain::{ListKind, ListVersion};
use switchboard_pg_adapter::{PgOptions, PgStore};
use tokio_postgres::{Client, NoTls};

use super::fixtures::{all_at_once_of, at, paired_session, session};

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
async fn a_crowd_that_waits_to_be_placed_leaves_room_for_those_who_read() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let patient = Duration::from_mins(1);
    let options = PgOptions { acquire_timeout: patient, statement_timeout: patient, ..PgOptions::default() };
    let store = store(&url, PgOptions { max_connections: 4, ..options });
    store.ensure(&session(1)).await.unwrap();
    let blocker = client(&url).await;
    // What placements wait for, in the hands of another process.
    blocker.batch_execute("SELECT pg_advisory_lock(x'7377697463686270'::bigint)").await.unwrap();
    let waiting = async || {
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        blocker.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0)
    };
    let placements: Vec<_> = (0..50)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.place(&session(n).id, Fence(1), &[], at(0)).await })
        })
        .collect();
    let looked = Instant::now();
    while waiting().await == 0 {
        assert!(looked.elapsed() < Duration::from_secs(20), "nobody waits");
    }

    for _ in 0..10 {
        let read = tokio::time::timeout(Duration::from_secs(20), store.get(&session(1).id)).await;
        assert_eq!(read.expect("it is answered").unwrap(), Some(session(1)));
    }
    assert!(placements.iter().all(|placement| !placement.is_finished()), "they cannot end");
    assert_eq!(waiting().await, 1);

    blocker.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    for placement in placements {
        let placed = placement.await.unwrap().unwrap();
        assert!(matches!(placed, Placement::Lost), "{placed:?}");
    }
}

#[tokio::test]
async fn who_waits_too_long_to_be_placed_is_told_that_the_database_is_not_available() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let store = store(&url, PgOptions { max_connections: 4, statement_timeout: Duration::from_secs(1), ..tight() });
    let blocker = client(&url).await;
    blocker.batch_execute("SELECT pg_advisory_lock(x'7377697463686270'::bigint)").await.unwrap();
    let placements = all_at_once_of(3, |n| {
        let store = store.clone();
        async move { store.place(&session(n).id, Fence(1), &[], at(0)).await }
    });
    for placement in placements.await {
        assert_unavailable(placement);
    }
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_not_in_order_before_it_takes_one() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let store = store(&url, PgOptions::default());
    let admin = client(&url).await;
    // No deployment was stored yet. A full disk is told of when a row is written, and not before.
    let fill = "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;";
    let tables = ["sessions", "deployment", "task_leases"];
    let full = tables.map(|table| {
        format!("CREATE TRIGGER f BEFORE INSERT OR UPDATE ON switchboard.{table} FOR EACH ROW EXECUTE FUNCTION fill();")
    });
    admin.batch_execute(&format!("{fill}{}", full.concat())).await.unwrap();
    store.check().await.unwrap();
    assert_unavailable(store.ensure(&session(1)).await);
    for _ in 0..2 {
        assert_unavailable(store.check().await);
    }
    let free = tables.map(|table| format!("DROP TRIGGER f ON switchboard.{table};"));
    admin.batch_execute(&free.concat()).await.unwrap();
    for _ in 0..2 {
        store.check().await.unwrap();
    }
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

/// The first snapshot of user 1's paired session.
async fn save_first(store: &PgStore) -> bool {
    let head = SnapshotHead {
        epoch: paired_session(1).epoch,
        generation: Generation(1),
        version: ListVersion(1),
        synced_at: at(0),
        settled: true,
    };
    store.save(&session(1).id, ListKind::Groups, None, &head, Some(b"content")).await.unwrap()
}

/// The fence of the lease on user 1's session, which we take.
async fn held(store: &PgStore) -> Fence {
    let holder = LeaseHolder("us".to_owned());
    store.acquire(&session(1).id, &holder, at(0), at(10)).await.unwrap().expect("it is free").fence
}

/// Returns once somebody waits for a lock.
async fn until_somebody_waits(client: &Client) {
    let waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let started = Instant::now();
    while client.query(waiting, &[]).await.unwrap().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "nobody waits");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_first_snapshot_waits_for_a_logout_and_is_refused() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let store = store(&url, PgOptions::default());
    store.ensure(&paired_session(1)).await.unwrap();
    let (logout, watcher) = (client(&url).await, client(&url).await);
    logout.batch_execute("BEGIN; UPDATE switchboard.sessions SET epoch = epoch + 1").await.unwrap();

    let saving = tokio::spawn({
        let store = store.clone();
        async move { save_first(&store).await }
    });
    until_somebody_waits(&watcher).await;
    logout.batch_execute("COMMIT").await.unwrap();

    assert!(!saving.await.unwrap());
    assert_eq!(store.head(&session(1).id, ListKind::Groups).await.unwrap(), None);
}

#[tokio::test]
async fn a_logout_deletes_what_was_stored_while_it_waited_whatever_the_databases_isolation() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let (saver, watcher) = (client(&url).await, client(&url).await);
    let name = url.rsplit('/').next().unwrap();
    let strict = format!("ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'");
    watcher.batch_execute(&strict).await.unwrap();
    let store = store(&url, PgOptions::default());
    store.ensure(&paired_session(1)).await.unwrap();
    let fence = held(&store).await;
    let insert = "BEGIN; SELECT FROM switchboard.sessions FOR SHARE; INSERT INTO switchboard.directory_snapshots \
                  SELECT id, 'groups', epoch, 1, repeat('0', 32), now(), true, '' FROM switchboard.sessions";
    saver.batch_execute(insert).await.unwrap();

    let forgetting = tokio::spawn({
        let store = store.clone();
        async move { store.forget_pairing(&session(1).id, fence, at(1)).await }
    });
    until_somebody_waits(&watcher).await;
    saver.batch_execute("COMMIT").await.unwrap();

    assert!(forgetting.await.unwrap().unwrap());
    assert_eq!(store.head(&session(1).id, ListKind::Groups).await.unwrap(), None);
}

#[tokio::test]
async fn a_transaction_that_does_not_come_to_an_end_changes_nothing_and_spoils_nothing() {
    let Some(cluster) = postgres::cluster() else { return };
    let url = cluster.database().await;
    let options = PgOptions { max_connections: 1, statement_timeout: Duration::from_secs(1), ..PgOptions::default() };
    let store = store(&url, options);
    store.ensure(&paired_session(1)).await.unwrap();
    assert!(save_first(&store).await);
    let fence = held(&store).await;
    let before = store.get(&session(1).id).await.unwrap();
    let (blocker, watcher) = (client(&url).await, client(&url).await);
    blocker.batch_execute("BEGIN; LOCK TABLE switchboard.directory_snapshots").await.unwrap();

    // The first half is done and the second one waits: for longer than its caller, and for longer than it may.
    let id = &session(1).id;
    let waiting = pin!(until_somebody_waits(&watcher));
    let gone = select(store.forget_pairing(id, fence, at(1)), waiting).await;
    assert!(matches!(gone, Either::Right(_)));
    drop(gone);
    assert_unavailable(store.forget_pairing(id, fence, at(1)).await);

    assert_eq!(store.get(id).await.unwrap(), before);
    blocker.batch_execute("COMMIT").await.unwrap();
    assert!(store.head(id, ListKind::Groups).await.unwrap().is_some());
    assert!(store.forget_pairing(id, fence, at(1)).await.unwrap());
    assert_eq!(store.head(id, ListKind::Groups).await.unwrap(), None);
}

#[tokio::test]
async fn a_compressed_content_is_not_compressed_again() {
    let Some(cluster) = postgres::cluster() else { return };
    let storage = "SELECT attstorage::text FROM pg_attribute \
                   WHERE attrelid = 'switchboard.directory_snapshots'::regclass AND attname = 'data'";
    let row = client(&cluster.database().await).await.query_one(storage, &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "e", "external, uncompressed");
}
