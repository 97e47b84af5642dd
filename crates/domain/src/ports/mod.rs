//! What the use cases need from outside. Adapters implement these; `mock` feature: mockall mocks of all of them.

mod app_sessions;
mod audit;
mod bus;
mod gateway;
mod sign_in;
mod snapshots;
mod storage;
mod system;
mod users;
mod webhook;
mod workers;

pub use app_sessions::{AppCampaign, AppGroup, AppSession, AppSessions};
pub use audit::{AuditLog, AuditQuery};
pub use bus::{Change, EventBus, Heard, Notice, ReplicaId};
pub use gateway::{Created, GatewayError, WhatsAppGateway};
pub use sign_in::{ApiKeyRepository, WebSession, WebSessionToken, WebSessions};
pub use snapshots::{Claim, Generation, SnapshotHead, SnapshotStore, StoredSnapshot, TaskLeases};
pub use storage::{
    CampaignRepository, Database, DeploymentRepository, Fence, GroupRepository, Lease, LeaseHolder, LeaseRepository,
    SessionRepository, StorageError, Unlinked,
};
pub use system::{Clock, Random};
pub use users::{Adopted, Erased, KeptCampaign, KeptGroup, UserRecord, UserRepository};
pub use webhook::{Report, UpstreamEvent, WebhookReader, WebhookRefused};
pub use workers::{Placement, Stray, StrayRepository, WorkerRepository};

use std::sync::Arc;

/// The outside, as the use cases see it.
#[derive(Clone)]
pub struct Ports {
    /// Where sessions are kept.
    pub sessions: Arc<dyn SessionRepository>,
    /// Where their leases are kept.
    pub leases: Arc<dyn LeaseRepository>,
    /// What all replicas know of workers.
    pub workers: Arc<dyn WorkerRepository>,
    /// Which sessions in WAHA no row wants.
    pub strays: Arc<dyn StrayRepository>,
    /// Where linked groups are kept.
    pub groups: Arc<dyn GroupRepository>,
    /// Where this deployment's id is kept.
    pub deployments: Arc<dyn DeploymentRepository>,
    /// Where directory snapshots are kept.
    pub snapshots: Arc<dyn SnapshotStore>,
    /// Which replica may make new ones.
    pub tasks: Arc<dyn TaskLeases>,
    /// All that is kept of one user.
    pub users: Arc<dyn UserRepository>,
    /// Where it is remembered who did what.
    pub audit: Arc<dyn AuditLog>,
    /// What tells other replicas of changes.
    pub bus: Arc<dyn EventBus>,
    /// WhatsApp.
    pub gateway: Arc<dyn WhatsAppGateway>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

#[cfg(feature = "mock")]
pub use self::{
    app_sessions::MockAppSessions,
    audit::MockAuditLog,
    bus::MockEventBus,
    gateway::MockWhatsAppGateway,
    sign_in::{MockApiKeyRepository, MockWebSessions},
    snapshots::{MockSnapshotStore, MockTaskLeases},
    storage::{
        MockCampaignRepository, MockDatabase, MockDeploymentRepository, MockGroupRepository, MockLeaseRepository,
        MockSessionRepository,
    },
    system::{MockClock, MockRandom},
    users::MockUserRepository,
    webhook::MockWebhookReader,
    workers::{MockStrayRepository, MockWorkerRepository},
};
