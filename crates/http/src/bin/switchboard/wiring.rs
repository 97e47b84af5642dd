//! Adapters to ports: besides `demo`, the only place that names them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use switchboard_domain::ports::{
    ApiKeyRepository, AppSessions, AuditLog, CampaignRepository, Database, DeploymentRepository, EventBus,
    GroupRepository, LeaseRepository, Ports, SessionRepository, SnapshotStore, StorageError, StrayRepository,
    TaskLeases, UserRepository, WebhookReader, WhatsAppGateway, WorkerRepository,
};
use switchboard_domain::services::Services;
use switchboard_domain::{LocalBus, SystemClock, SystemRandom, WorkerName};
use switchboard_http::{
    CookieRules, DatabaseHealth, Jwks, Limits, Live, Quotas, SignIn, State, Telemetry, TokenKey, Tokens,
};
use switchboard_pg_adapter::{AppTables, PgAppSessions, PgEventBus, PgOptions, PgStore};
use switchboard_sqlite_adapter::{DatabaseLock, SqliteOptions, SqliteStore};
use switchboard_waha_adapter::{WahaGateway, WahaWebhooks};

use super::config::{AuthConfig, Config};
use super::jwks;

/// A database, as every port that it implements.
pub(crate) struct Storage {
    pub(crate) sessions: Arc<dyn SessionRepository>,
    pub(crate) leases: Arc<dyn LeaseRepository>,
    pub(crate) workers: Arc<dyn WorkerRepository>,
    pub(crate) strays: Arc<dyn StrayRepository>,
    pub(crate) groups: Arc<dyn GroupRepository>,
    pub(crate) campaigns: Arc<dyn CampaignRepository>,
    pub(crate) deployments: Arc<dyn DeploymentRepository>,
    pub(crate) snapshots: Arc<dyn SnapshotStore>,
    pub(crate) tasks: Arc<dyn TaskLeases>,
    pub(crate) api_keys: Arc<dyn ApiKeyRepository>,
    pub(crate) users: Arc<dyn UserRepository>,
    pub(crate) audit: Arc<dyn AuditLog>,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) database: Arc<dyn Database>,
    pub(crate) schema: Arc<dyn Schema>,
    /// The same, if it is PostgreSQL, which somebody else's tables may be in.
    postgres: Option<PgStore>,
}

/// What a database is beside the ports: something with a schema, perhaps to be had alone.
#[async_trait]
pub(crate) trait Schema: Send + Sync {
    /// Brings the schema up to date.
    async fn migrate(&self) -> Result<(), StorageError>;

    /// Keeps other processes out, where one process has to have the database alone.
    fn lock(&self) -> anyhow::Result<Option<DatabaseLock>>;
}

#[async_trait]
impl Schema for PgStore {
    async fn migrate(&self) -> Result<(), StorageError> {
        Self::migrate(self).await
    }

    fn lock(&self) -> anyhow::Result<Option<DatabaseLock>> {
        Ok(None)
    }
}

#[async_trait]
impl Schema for SqliteStore {
    async fn migrate(&self) -> Result<(), StorageError> {
        Self::migrate(self).await
    }

    fn lock(&self) -> anyhow::Result<Option<DatabaseLock>> {
        Ok(Some(Self::lock(self)?))
    }
}

/// The configured database; nothing is connected yet. What it does by itself runs on the present runtime.
pub(crate) fn storage(config: &Config) -> anyhow::Result<Storage> {
    let (url, max_connections) = (config.database_url(), config.max_connections()?);
    match url.expose_secret().split_once("://").map(|(scheme, _)| scheme) {
        Some("sqlite") => {
            let store = SqliteStore::new(url.expose_secret(), SqliteOptions::default()).context("database.url")?;
            Ok(stored_in(store, LocalBus::default()))
        }
        Some("postgres" | "postgresql") => {
            let options = PgOptions { max_connections, ..PgOptions::default() };
            let store = PgStore::new(url, options.clone()).context("database.url")?;
            let bus = PgEventBus::new(url, options).context("database.url")?;
            Ok(Storage { postgres: Some(store.clone()), ..stored_in(store, bus) })
        }
        _ => Err(anyhow!("database.url: expected sqlite://file or postgres://user:password@host/database")),
    }
}

/// Another application's sessions. A whole table is read at once, which may take its time.
pub(crate) async fn app_sessions(url: &SecretString, tables: &AppTables) -> anyhow::Result<Arc<dyn AppSessions>> {
    let options = PgOptions { max_connections: 1, statement_timeout: Duration::from_mins(2), ..PgOptions::default() };
    Ok(Arc::new(PgAppSessions::open(url, options, tables).await.context("--from")?))
}

/// The configured WAHA servers; nothing is connected yet.
pub(crate) fn gateway(config: &Config) -> anyhow::Result<Arc<dyn WhatsAppGateway>> {
    let gateway = WahaGateway::new(config.workers()?, &config.waha_client()?, Arc::new(SystemClock));
    Ok(Arc::new(gateway.context("waha")?))
}

/// Whose reports are believed.
pub(crate) fn webhooks(config: &Config) -> anyhow::Result<Arc<dyn WebhookReader>> {
    Ok(Arc::new(WahaWebhooks::new(&config.workers()?)))
}

/// One store as all its ports, with what carries news between those who have it.
pub(crate) fn stored_in<S>(store: S, bus: impl EventBus + 'static) -> Storage
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
        + Schema
        + 'static,
{
    let store = Arc::new(store);
    Storage {
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
        users: store.clone(),
        audit: store.clone(),
        bus: Arc::new(bus),
        database: store.clone(),
        schema: store,
        postgres: None,
    }
}

/// What tokens are signed with here.
pub(crate) fn token_key(auth: &AuthConfig) -> anyhow::Result<TokenKey> {
    let secret = auth.secret.as_ref().context("auth.hs256_secret: expected the secret that tokens are signed with")?;
    Ok(TokenKey::new(secret, auth.rules.clone(), Arc::new(SystemClock)))
}

/// Everything that somebody can sign in with. `origins` are those whose pages may send cookies.
pub(crate) fn sign_in(auth: &AuthConfig, storage: &Storage, origins: &[String]) -> anyhow::Result<SignIn> {
    let clock = Arc::new(SystemClock);
    let mut sign_in = SignIn::new(clock.clone());
    if auth.secret.is_some() || auth.keys.is_some() {
        let mut tokens = Tokens::new(auth.rules.clone(), clock.clone());
        if let Some(secret) = &auth.secret {
            tokens = tokens.with_secret(secret);
        }
        if let Some(keys) = &auth.keys {
            tokens = tokens.with_jwks(Jwks::new(jwks::source(keys)?, clock));
        }
        sign_in = sign_in.with_tokens(tokens);
    }
    if auth.api_keys {
        sign_in = sign_in.with_api_keys(storage.api_keys.clone());
    }
    if let Some(cookie) = &auth.cookie {
        let store = storage.postgres.as_ref().context("auth.cookie: expected PostgreSQL")?;
        let rules = CookieRules {
            names: cookie.names.clone(),
            secure_only: cookie.secure_only,
            form: cookie.form.clone(),
            origins: origins.to_vec(),
        };
        sign_in = sign_in.with_cookies(rules, Arc::new(store.web_sessions(&cookie.table)));
    }
    Ok(sign_in)
}

/// How much of something there may be.
#[derive(Clone, Copy)]
pub(crate) struct ServiceLimits {
    /// Bytes for lists in memory.
    pub(crate) directory_memory: u64,
    pub(crate) streams_per_user: usize,
    /// What users may ask for in a minute.
    pub(crate) quotas: Quotas,
    /// How long a request may take.
    pub(crate) deadline: Duration,
}

/// What use cases need from outside.
pub(crate) fn ports(storage: &Storage, gateway: Arc<dyn WhatsAppGateway>) -> Ports {
    Ports {
        sessions: storage.sessions.clone(),
        leases: storage.leases.clone(),
        workers: storage.workers.clone(),
        strays: storage.strays.clone(),
        groups: storage.groups.clone(),
        deployments: storage.deployments.clone(),
        snapshots: storage.snapshots.clone(),
        tasks: storage.tasks.clone(),
        users: storage.users.clone(),
        audit: storage.audit.clone(),
        bus: storage.bus.clone(),
        gateway,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    }
}

/// Everything a request works with. What outlives a request runs on the present runtime.
pub(crate) fn state(
    storage: &Storage,
    gateway: Arc<dyn WhatsAppGateway>,
    webhooks: Arc<dyn WebhookReader>,
    sign_in: SignIn,
    limits: ServiceLimits,
    telemetry: Telemetry,
) -> Arc<State> {
    let gateway = telemetry.observe(gateway);
    let ports = ports(storage, gateway.clone());
    let services = Services::new(&ports, limits.directory_memory);
    let live = Live::new(limits.streams_per_user, Arc::new(SystemClock));
    let database = DatabaseHealth::new(storage.database.clone());
    let limits = Limits::new(limits.quotas, limits.deadline, Arc::new(SystemClock));
    Arc::new(State { services, sign_in, limits, database, gateway, live, webhooks, telemetry })
}

/// The name of a WAHA server that is not one of a list.
pub(crate) fn worker_name() -> WorkerName {
    "default".parse().expect("a word of letters is a worker's name")
}
