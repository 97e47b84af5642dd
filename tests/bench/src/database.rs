//! The databases, and what is put into them behind the server's back while it is not running.

use std::path::Path;

use anyhow::Context as _;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use secrecy::SecretString;
use support::postgres::Cluster;
use switchboard_domain::ports::{CampaignRepository, Clock as _, Random as _, SessionRepository};
use switchboard_domain::{Campaign, CampaignStatus, SystemClock, SystemRandom, UserId};
use switchboard_pg_adapter::{PgOptions, PgStore};
use switchboard_sqlite_adapter::{SqliteOptions, SqliteStore};
use tokio_postgres::NoTls;

/// Rows like one that is there, but logged out, so that they are nobody's work. The same text for both databases.
const MORE_SESSIONS: &str = "
    WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 100000)
    INSERT INTO sessions (id, name, owner, worker, lifecycle, created_at, updated_at)
    SELECT 'more' || i, 'session_more' || i, 'more-' || i, worker, 'disconnected', created_at, updated_at
    FROM numbers, (SELECT worker, created_at, updated_at FROM sessions LIMIT 1) AS one;
    ANALYZE;";

/// Rows of sessions that have long been working, and of which WAHA reports: [`Streamed`], like one that is there.
const STREAMED_SESSIONS: &str = "
    WITH RECURSIVE numbers (i) AS (SELECT 10000 UNION ALL SELECT i + 1 FROM numbers WHERE i < 19999)
    INSERT INTO sessions
        (id, name, owner, worker, lifecycle, phone, account, paired_at, status, reported_at, created_at, updated_at)
    SELECT 'streamed' || i, 'session_streamed' || i, 'streamed-' || i, worker, 'connected', '+346700' || i,
        '346700' || i || '@c.us', created_at, 'WORKING', created_at, created_at, updated_at
    FROM numbers, (SELECT worker, created_at, updated_at FROM sessions LIMIT 1) AS one;
    ANALYZE;";

/// Rows of sessions on workers that nobody here has.
const SESSIONS_ELSEWHERE: &str = "
    WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 100000)
    INSERT INTO sessions (id, name, owner, worker, lifecycle, created_at, updated_at)
    SELECT 'else' || i, 'session_else' || i, 'else-' || i, 'elsewhere' || i % 500, 'connected', now(), now()
    FROM numbers;
    ANALYZE;";

/// How many rows those are, each time.
pub(crate) const MORE: usize = 100_000;

/// A session of which there may be an open stream.
#[derive(Clone, Debug)]
pub(crate) struct Streamed {
    pub(crate) user: UserId,
    pub(crate) session: String,
    /// Digits only.
    pub(crate) phone: String,
}

impl Streamed {
    /// The session of that number, from 0.
    pub(crate) fn of(number: usize) -> anyhow::Result<Self> {
        let i = 10_000 + number;
        let (session, phone) = (format!("session_streamed{i}"), format!("346700{i}"));
        Ok(Self { user: format!("streamed-{i}").parse()?, session, phone })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A database of our own.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) kind: Kind,
    pub(crate) url: String,
}

impl Database {
    /// A SQLite file in this folder, which outlives it.
    pub(crate) fn sqlite(folder: &Path) -> Self {
        Self { kind: Kind::Sqlite, url: format!("sqlite://{}", folder.join("bench.sqlite").display()) }
    }

    /// A new database on this server.
    pub(crate) async fn postgres(cluster: &Cluster) -> Self {
        Self { kind: Kind::Postgres, url: cluster.empty_database().await }
    }

    /// Gives every linked group of these users two active campaigns, as a sibling service would.
    pub(crate) async fn add_campaigns(&self, users: &[UserId]) -> anyhow::Result<()> {
        match self.kind {
            Kind::Sqlite => add_campaigns(&SqliteStore::new(&self.url, SqliteOptions::default())?, users).await,
            Kind::Postgres => {
                let url = SecretString::from(self.url.as_str());
                add_campaigns(&PgStore::new(&url, PgOptions::default())?, users).await
            }
        }
    }

    /// Adds the rows of [`MORE`] sessions.
    pub(crate) async fn add_sessions(&self) -> anyhow::Result<()> {
        self.execute(MORE_SESSIONS).await
    }

    /// Adds the rows of [`MORE`] sessions that are on other workers; PostgreSQL only.
    pub(crate) async fn add_sessions_elsewhere(&self) -> anyhow::Result<()> {
        self.execute(SESSIONS_ELSEWHERE).await
    }

    /// Adds the rows of sessions that have streams.
    pub(crate) async fn add_streamed(&self) -> anyhow::Result<()> {
        self.execute(STREAMED_SESSIONS).await
    }

    async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        match self.kind {
            Kind::Sqlite => {
                let path = self.url.strip_prefix("sqlite://").context("a URL of our own making")?;
                SqliteConnection::establish(path)?.batch_execute(sql)?;
            }
            Kind::Postgres => {
                let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
                let connection = tokio::spawn(connection);
                client.batch_execute(&format!("SET search_path = switchboard; {sql}")).await?;
                drop(client);
                connection.await??;
            }
        }
        Ok(())
    }
}

async fn add_campaigns(store: &(impl SessionRepository + CampaignRepository), users: &[UserId]) -> anyhow::Result<()> {
    let now = SystemClock.now();
    for user in users {
        let overview = SessionRepository::overview(store, user).await?.context("a user has a session")?;
        for linked in overview.groups {
            for status in [CampaignStatus::Scheduled, CampaignStatus::InProgress] {
                let id = SystemRandom.cuid().parse()?;
                let campaign = Campaign { id, group: linked.group.id.clone(), status, start_date: now };
                store.save(&campaign, now).await?;
            }
        }
    }
    Ok(())
}
