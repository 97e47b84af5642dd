//! Every storage port at once, on each database.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use switchboard_domain::ports::{
    ApiKeyRepository, AuditLog, CampaignRepository, Clock, Database, DeploymentRepository, EventBus, GroupRepository,
    LeaseRepository, Ports, SessionRepository, SnapshotStore, StrayRepository, TaskLeases, UserRepository,
    WhatsAppGateway, WorkerRepository,
};
use switchboard_domain::{LocalBus, SystemRandom};
use switchboard_pg_adapter::{PgEventBus, PgOptions, PgStore};
use switchboard_sqlite_adapter::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use crate::memory::Memory;
use crate::postgres;
use crate::web_sessions::FakeWebSessions;

/// One store, as the use cases see it. Each has rows of its own.
#[derive(Clone)]
pub struct Stores {
    /// Sessions.
    pub sessions: Arc<dyn SessionRepository>,
    /// Leases on sessions.
    pub leases: Arc<dyn LeaseRepository>,
    /// Workers.
    pub workers: Arc<dyn WorkerRepository>,
    /// Strays.
    pub strays: Arc<dyn StrayRepository>,
    /// Linked groups.
    pub groups: Arc<dyn GroupRepository>,
    /// Campaigns.
    pub campaigns: Arc<dyn CampaignRepository>,
    /// The deployment's id.
    pub deployments: Arc<dyn DeploymentRepository>,
    /// Directory snapshots.
    pub snapshots: Arc<dyn SnapshotStore>,
    /// Leases on tasks.
    pub tasks: Arc<dyn TaskLeases>,
    /// API keys.
    pub api_keys: Arc<dyn ApiKeyRepository>,
    /// A web application's sessions, which are in memory whatever the store.
    pub web_sessions: Arc<FakeWebSessions>,
    /// All that is kept of one user.
    pub users: Arc<dyn UserRepository>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// What tells replicas of changes: one bus for all on a database that one process may have.
    pub bus: Arc<dyn EventBus>,
    /// The database itself.
    pub database: Arc<dyn Database>,
    kept: Kept,
}

/// Where the rows are.
#[derive(Clone)]
enum Kept {
    Memory(Memory),
    /// The file, and the folder that is to be removed with it.
    Sqlite(PathBuf, Option<Arc<TempDir>>),
    Postgres(String),
}

impl Stores {
    /// In memory.
    pub fn memory() -> Self {
        let memory = Memory::default();
        Self::of(memory.clone(), Arc::new(LocalBus::default()), Kept::Memory(memory))
    }

    /// In a new SQLite file, removed with the last clone.
    ///
    /// # Panics
    /// If there cannot be one.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let file = folder.path().join("switchboard.sqlite");
        Self::sqlite_at(file, Some(Arc::new(folder)), Arc::new(LocalBus::default())).await
    }

    /// In a new PostgreSQL database, if there is a server to be had.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn postgres() -> Option<Self> {
        let url = postgres::cluster()?.database().await;
        Some(Self::postgres_at(url))
    }

    /// In the database at that URL, which is migrated if need be: `sqlite:` and a path, or PostgreSQL's.
    ///
    /// # Panics
    /// If there is none.
    pub async fn at(url: &str) -> Self {
        let Some(file) = url.strip_prefix("sqlite:") else { return Self::postgres_at(url.to_owned()) };
        Self::sqlite_at(PathBuf::from(file), None, Arc::new(LocalBus::default())).await
    }

    /// Where the rows are, for [`Stores::at`] in another process; `None` if they are in memory.
    pub fn url(&self) -> Option<String> {
        match &self.kept {
            Kept::Memory(_) => None,
            Kept::Sqlite(file, _) => Some(format!("sqlite:{}", file.display())),
            Kept::Postgres(url) => Some(url.clone()),
        }
    }

    /// The same rows as a program that is started again would find them: through new connections.
    #[must_use]
    pub async fn reopened(&self) -> Self {
        let reopened = match &self.kept {
            Kept::Memory(memory) => Self::of(memory.clone(), self.bus.clone(), Kept::Memory(memory.clone())),
            Kept::Sqlite(file, folder) => Self::sqlite_at(file.clone(), folder.clone(), self.bus.clone()).await,
            Kept::Postgres(url) => Self::postgres_at(url.clone()),
        };
        Self { web_sessions: self.web_sessions.clone(), ..reopened }
    }

    /// All that use cases need, on this store.
    pub fn ports(&self, gateway: Arc<dyn WhatsAppGateway>, clock: Arc<dyn Clock>) -> Ports {
        Ports {
            sessions: self.sessions.clone(),
            leases: self.leases.clone(),
            workers: self.workers.clone(),
            strays: self.strays.clone(),
            groups: self.groups.clone(),
            deployments: self.deployments.clone(),
            snapshots: self.snapshots.clone(),
            tasks: self.tasks.clone(),
            users: self.users.clone(),
            audit: self.audit.clone(),
            bus: self.bus.clone(),
            gateway,
            clock,
            random: Arc::new(SystemRandom),
        }
    }

    async fn sqlite_at(file: PathBuf, folder: Option<Arc<TempDir>>, bus: Arc<dyn EventBus>) -> Self {
        let store = SqliteStore::at(&file, SqliteOptions::default()).expect("the folder is there");
        store.migrate().await.expect("the migrations run");
        Self::of(store, bus, Kept::Sqlite(file, folder))
    }

    fn postgres_at(url: String) -> Self {
        let secret = SecretString::from(url.clone());
        let store = PgStore::new(&secret, PgOptions::default()).expect("the URL is a URL");
        let bus = PgEventBus::new(&secret, PgOptions::default()).expect("the URL is a URL");
        Self::of(store, Arc::new(bus), Kept::Postgres(url))
    }

    fn of<S>(store: S, bus: Arc<dyn EventBus>, kept: Kept) -> Self
    where
        S: SessionRepository
            + LeaseRepository
            + WorkerRepository
            + StrayRepository
            + GroupRepository
            + CampaignRepository
            + DeploymentRepository
            + SnapshotStore
            + TaskLeases
            + ApiKeyRepository
            + UserRepository
            + AuditLog
            + Database
            + 'static,
    {
        let store = Arc::new(store);
        Self {
            sessions: store.clone(),
            leases: store.clone(),
            workers: store.clone(),
            strays: store.clone(),
            groups: store.clone(),
            campaigns: store.clone(),
            deployments: store.clone(),
            snapshots: store.clone(),
            tasks: store.clone(),
            api_keys: store.clone(),
            web_sessions: Arc::default(),
            users: store.clone(),
            audit: store.clone(),
            bus,
            database: store,
            kept,
        }
    }
}
