//! Bringing a database up to date: from every schema there ever was, with rows in it, and after a migration that failed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use secrecy::SecretString;
use support::postgres;
use support::stores::Stores;
use switchboard_domain::ports::StorageError;
use switchboard_domain::{CampaignStatus, Lifecycle, ListKind, Session};
use switchboard_pg_adapter::{PgOptions, PgStore};
use switchboard_sqlite_adapter::{SqliteOptions, SqliteStore};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::fixtures::{at, group, session, user, worker};

/// A migration, and rows as they were written in the schema that it made. `{at}` is the moment `at(0)`.
const ROWS: [(&str, &str); 5] = [
    (
        "2026-11-22-000000",
        "INSERT INTO sessions (id, name, owner, worker, lifecycle, phone, account, paired_at, created_at, updated_at) VALUES
         ('s00000000000000000000001', 'session_1', 'user-1', 'a', 'connected', '+34600111222', '34600111221@c.us', '{at}', '{at}', '{at}'),
         ('s00000000000000000000002', 'session_2', 'user-2', 'a', 'logging_out', NULL, NULL, NULL, '{at}', '{at}'),
         ('s00000000000000000000003', 'session_3', 'user-3', 'b', 'disconnected', NULL, NULL, NULL, '{at}', '{at}')",
    ),
    (
        "2026-11-22-000100",
        "INSERT INTO linked_groups (id, session_id, account, group_id, name, created_at, updated_at) VALUES
         ('g00000000000000000000001', 's00000000000000000000001', '34600111221@c.us', '120363000000000001@g.us', 'Group 1', '{at}', '{at}')",
    ),
    (
        "2026-11-22-000200",
        "INSERT INTO campaigns (id, linked_group_id, status, start_date, created_at, updated_at) VALUES
         ('c00000000000000000000001', 'g00000000000000000000001', 'SCHEDULED', '{at}', '{at}', '{at}')",
    ),
    ("2026-11-22-000300", "INSERT INTO deployment (id) VALUES ('tz4a98xxat96iws9zmbrgj3a')"),
    (
        "2026-11-23-000000",
        "INSERT INTO directory_snapshots (session_id, kind, epoch, generation, version, synced_at, settled, data) VALUES
         ('s00000000000000000000001', 'groups', 0, 4, '0123456789abcdef0123456789abcdef', '{at}', {true}, {data})",
    ),
];

/// A database that no store has looked at yet.
enum Old {
    Sqlite(TempDir, SqliteConnection),
    Postgres(String, Client),
}

impl Old {
    async fn each() -> Vec<Self> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("switchboard.sqlite");
        let connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        let mut each = vec![Self::Sqlite(folder, connection)];
        if let Some(cluster) = postgres::cluster() {
            let url = cluster.empty_database().await;
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute("CREATE SCHEMA switchboard; SET search_path = switchboard").await.unwrap();
            each.push(Self::Postgres(url, client));
        }
        each
    }

    async fn execute(&mut self, sql: &str) {
        let at = at(0).format("%F %T%.6f+00:00").to_string();
        let (yes, data) = match self {
            Self::Sqlite(..) => ("1", "X'010203'"),
            Self::Postgres(..) => ("true", r"'\x010203'"),
        };
        let sql = sql.replace("{at}", &at).replace("{true}", yes).replace("{data}", data);
        match self {
            Self::Sqlite(_, connection) => connection.batch_execute(&sql).unwrap(),
            Self::Postgres(_, client) => client.batch_execute(&sql).await.unwrap(),
        }
    }

    /// The migrations for it, by name, in their order.
    fn migrations(&self) -> BTreeMap<String, String> {
        let folder = if matches!(self, Self::Sqlite(..)) { "sqlite" } else { "postgres" };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(folder);
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let named = entries.map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path().join("up.sql")).unwrap())
        });
        named.collect()
    }

    /// Makes the schema that the first so many migrations made, with the rows of that time.
    async fn make(&mut self, migrations: usize) {
        self.execute(
            "CREATE TABLE __diesel_schema_migrations \
             (version varchar(50) PRIMARY KEY NOT NULL, run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        )
        .await;
        for (name, up) in self.migrations().into_iter().take(migrations) {
            self.execute(&up).await;
            let (version, _) = name.split_once('_').unwrap();
            let done =
                format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{}')", version.replace('-', ""));
            self.execute(&done).await;
            for (_, rows) in ROWS.iter().filter(|(after, _)| *after == version) {
                self.execute(rows).await;
            }
        }
    }

    async fn migrate(&self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(folder, _) => {
                let file = folder.path().join("switchboard.sqlite");
                SqliteStore::at(&file, SqliteOptions::default()).unwrap().migrate().await
            }
            Self::Postgres(url, _) => {
                PgStore::new(&SecretString::from(url.as_str()), PgOptions::default()).unwrap().migrate().await
            }
        }
    }

    async fn stores(&self) -> Stores {
        match self {
            Self::Sqlite(folder, _) => {
                Stores::at(&format!("sqlite:{}", folder.path().join("switchboard.sqlite").display())).await
            }
            Self::Postgres(url, _) => Stores::at(url).await,
        }
    }
}

async fn check_rows(stores: &Stores, migrations: usize) {
    let place = |n: u32, on: &str, lifecycle: Lifecycle| Session { worker: worker(on), lifecycle, ..session(n) };
    for (n, on, lifecycle) in [(2, "a", Lifecycle::LoggingOut), (3, "b", Lifecycle::Disconnected)] {
        assert_eq!(stores.sessions.get(&session(n).id).await.unwrap(), Some(place(n, on, lifecycle)));
    }
    let overview = stores.sessions.overview(&user(1)).await.unwrap().unwrap();
    assert_eq!(overview.session.paired_at, Some(at(0)));
    let loads = stores.workers.loads().await.unwrap();
    assert_eq!(loads, [(worker("a"), 2)].into(), "from {migrations}");
    if migrations > 1 {
        assert_eq!((overview.groups.len(), &overview.groups[0].group.name), (1, &group(1).name));
    }
    if migrations > 2 {
        let campaigns: Vec<_> = overview.groups[0].campaigns.iter().map(|campaign| campaign.status).collect();
        assert_eq!(campaigns, [CampaignStatus::Scheduled]);
    }
    if migrations > 3 {
        let id = stores.deployments.ensure(&"aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap()).await.unwrap();
        assert_eq!(id.to_string(), "tz4a98xxat96iws9zmbrgj3a");
    }
    if migrations > 4 {
        let stored = stores.snapshots.load(&session(1).id, ListKind::Groups).await.unwrap().unwrap();
        assert_eq!(stored.data, [1, 2, 3]);
    }
    // Whoever goes from here on is counted.
    let from = [Lifecycle::Connected];
    assert!(stores.sessions.transition(&session(1).id, &from, Lifecycle::Disconnected, None, at(9)).await.unwrap());
    assert_eq!(stores.workers.loads().await.unwrap(), [(worker("a"), 1)].into());
}

#[tokio::test]
async fn every_schema_there_ever_was_is_brought_up_to_date_with_its_rows() {
    let all = Old::each().await[0].migrations().len();
    for migrations in 1..=all {
        for mut old in Old::each().await {
            old.make(migrations).await;
            old.migrate().await.unwrap();
            old.migrate().await.unwrap();
            let stores = old.stores().await;
            stores.database.check().await.unwrap();
            check_rows(&stores, migrations).await;
        }
    }
}

#[tokio::test]
async fn a_migration_that_fails_half_way_leaves_everything_as_it_was_and_is_done_the_next_time() {
    for mut old in Old::each().await {
        let done = old.migrations().keys().position(|name| name.ends_with("_workers")).unwrap();
        old.make(done).await;
        // In the way of the last of four things that the next one makes.
        old.execute("CREATE INDEX sessions_account_idx ON sessions (phone)").await;
        let failed = old.migrate().await.unwrap_err();
        assert!(matches!(failed, StorageError::Failed(_)), "{failed:?}");
        old.execute("DROP INDEX sessions_account_idx").await;
        // Whatever was left of it would be in the way now.
        old.migrate().await.unwrap();
        check_rows(&old.stores().await, done).await;
    }
}
