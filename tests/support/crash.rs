//! Ports at which a process dies, as by `kill -9`: before or after any call of theirs.
//!
//! Whatever a use case awaits is a call of a port, so that these are all the points at which a crash leaves anything
//! half done; none can be forgotten. But for the clock: while somebody sleeps, all is as it was before and will be after.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use switchboard_domain::placement::Candidate;
use switchboard_domain::ports::{
    Claim, Created, DeploymentRepository, Fence, GatewayError, Generation, Lease, LeaseHolder, LeaseRepository,
    Placement, Ports, SessionRepository, SnapshotHead, SnapshotStore, StorageError, StoredSnapshot, Stray,
    StrayRepository, TaskLeases, WhatsAppGateway, WorkerRepository,
};
use switchboard_domain::{
    ChatId, DeploymentId, Group, LidTwin, Lifecycle, ListKind, ListedContact, Observation, PairingCode, PhoneNumber,
    QrCode, Revision, Session, SessionAddress, SessionId, SessionLabels, SessionName, SessionOverview, UpstreamSession,
    UserId, WorkerInfo, WorkerName, WorkerState,
};

/// A moment in the life of a process: `gateway.create after 1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrashPoint {
    /// The port and its method.
    pub call: String,
    /// On which side of it.
    pub side: Side,
    /// Which of these calls, from 1.
    pub nth: usize,
}

/// Before a call, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// It has not been made.
    Before,
    /// It has been made, and its answer is lost.
    After,
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
        };
        write!(f, "{} {side} {}", self.call, self.nth)
    }
}

impl FromStr for CrashPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no point like `gateway.create after 1`");
        let mut words = text.split(' ');
        let (call, side, nth) = (words.next(), words.next(), words.next());
        let side = match side {
            Some("before") => Side::Before,
            Some("after") => Side::After,
            _ => return Err(wrong()),
        };
        let nth = nth.and_then(|nth| nth.parse().ok()).ok_or_else(wrong)?;
        Ok(Self { call: call.unwrap_or_default().to_owned(), side, nth })
    }
}

/// What waits for a point to be reached.
#[derive(Default)]
pub struct Trap(Mutex<Set>);

#[derive(Default)]
struct Set {
    is_armed: bool,
    at: Option<CrashPoint>,
    passed: BTreeMap<(&'static str, Side), usize>,
    points: Vec<CrashPoint>,
}

impl Trap {
    /// From now on points are counted, and at `at` the process dies.
    pub fn arm(&self, at: Option<CrashPoint>) {
        *self.set() = Set { is_armed: true, at, ..Set::default() };
    }

    /// The points that were passed since, in order.
    pub fn points(&self) -> Vec<CrashPoint> {
        self.set().points.clone()
    }

    fn set(&self) -> std::sync::MutexGuard<'_, Set> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, call: &'static str, side: Side) {
        let mut set = self.set();
        if !set.is_armed {
            return;
        }
        let nth = set.passed.entry((call, side)).or_default();
        *nth += 1;
        let point = CrashPoint { call: call.to_owned(), side, nth: *nth };
        if set.at.as_ref() == Some(&point) {
            // Nothing is unwound, dropped or flushed.
            std::process::abort();
        }
        set.points.push(point);
    }
}

/// These ports, with a trap at each of their calls.
pub fn trapped(ports: Ports, trap: &Arc<Trap>) -> Ports {
    let trap = || Arc::clone(trap);
    Ports {
        sessions: Arc::new(Trapped { port: ports.sessions, trap: trap() }),
        leases: Arc::new(Trapped { port: ports.leases, trap: trap() }),
        workers: Arc::new(Trapped { port: ports.workers, trap: trap() }),
        strays: Arc::new(Trapped { port: ports.strays, trap: trap() }),
        deployments: Arc::new(Trapped { port: ports.deployments, trap: trap() }),
        snapshots: Arc::new(Trapped { port: ports.snapshots, trap: trap() }),
        tasks: Arc::new(Trapped { port: ports.tasks, trap: trap() }),
        gateway: Arc::new(Trapped { port: ports.gateway, trap: trap() }),
        ..ports
    }
}

struct Trapped<P: ?Sized> {
    trap: Arc<Trap>,
    port: Arc<P>,
}

/// The methods of a port that are awaited, each with the trap on both sides; others are handed through.
macro_rules! trapped {
    ($port:ident as $name:literal {
        $(async fn $method:ident $(<$lifetime:lifetime>)? (&self $(, $argument:ident: $type:ty)*) $(-> $answer:ty)?;)*
        $(fn $through:ident(&self) -> $known:ty;)*
    }) => {
        #[async_trait]
        impl $port for Trapped<dyn $port> {
            $(async fn $method $(<$lifetime>)? (&self $(, $argument: $type)*) $(-> $answer)? {
                self.trap.pass(concat!($name, ".", stringify!($method)), Side::Before);
                let answer = self.port.$method($($argument),*).await;
                self.trap.pass(concat!($name, ".", stringify!($method)), Side::After);
                answer
            })*

            $(fn $through(&self) -> $known {
                self.port.$through()
            })*
        }
    };
}

trapped!(SessionRepository as "sessions" {
    async fn ensure(&self, candidate: &Session) -> Result<Session, StorageError>;
    async fn get(&self, id: &SessionId) -> Result<Option<Session>, StorageError>;
    async fn find(&self, owner: &UserId, name: &SessionName) -> Result<Option<Session>, StorageError>;
    async fn find_all(&self, wanted: &[(UserId, SessionName)]) -> Result<Vec<Session>, StorageError>;
    async fn named(&self, name: &SessionName) -> Result<Option<Session>, StorageError>;
    async fn overview(&self, owner: &UserId) -> Result<Option<SessionOverview>, StorageError>;
    async fn all_named(&self, names: &[SessionName]) -> Result<Vec<Session>, StorageError>;
    async fn on_worker<'a>(
        &self, worker: &WorkerName, after: Option<&'a SessionId>, limit: u32
    ) -> Result<Vec<Session>, StorageError>;
    async fn is_paired(&self, account: &ChatId) -> Result<bool, StorageError>;
    async fn transition(
        &self, id: &SessionId, from: &[Lifecycle], to: Lifecycle, fence: Option<Fence>, now: DateTime<Utc>
    ) -> Result<bool, StorageError>;
    async fn finish_logout(&self, id: &SessionId, fence: Fence, now: DateTime<Utc>) -> Result<bool, StorageError>;
    async fn forget_pairing(&self, id: &SessionId, fence: Fence, now: DateTime<Utc>) -> Result<bool, StorageError>;
    async fn record(
        &self, id: &SessionId, revision: Revision, seen: &Observation, now: DateTime<Utc>
    ) -> Result<bool, StorageError>;
    async fn set_revived(&self, id: &SessionId, fence: Fence, revived_at: DateTime<Utc>) -> Result<bool, StorageError>;
    async fn set_phone(
        &self, owner: &UserId, id: &SessionId, phone: &PhoneNumber, now: DateTime<Utc>
    ) -> Result<bool, StorageError>;
});

trapped!(LeaseRepository as "leases" {
    async fn acquire(
        &self, session: &SessionId, holder: &LeaseHolder, now: DateTime<Utc>, until: DateTime<Utc>
    ) -> Result<Option<Lease>, StorageError>;
    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<bool, StorageError>;
    async fn release(&self, lease: &Lease) -> Result<(), StorageError>;
});

trapped!(WorkerRepository as "workers" {
    async fn states(&self) -> Result<BTreeMap<WorkerName, WorkerState>, StorageError>;
    async fn set_state(
        &self, worker: &WorkerName, state: WorkerState, now: DateTime<Utc>
    ) -> Result<u32, StorageError>;
    async fn loads(&self) -> Result<BTreeMap<WorkerName, u32>, StorageError>;
    async fn place(
        &self, id: &SessionId, fence: Fence, candidates: &[Candidate], now: DateTime<Utc>
    ) -> Result<Placement, StorageError>;
});

trapped!(StrayRepository as "strays" {
    async fn strays(&self, worker: &WorkerName) -> Result<Vec<Stray>, StorageError>;
    async fn sight(
        &self, worker: &WorkerName, names: &[SessionName], now: DateTime<Utc>
    ) -> Result<Vec<Stray>, StorageError>;
});

trapped!(DeploymentRepository as "deployments" {
    async fn ensure(&self, candidate: &DeploymentId) -> Result<DeploymentId, StorageError>;
});

trapped!(SnapshotStore as "snapshots" {
    async fn head(&self, session: &SessionId, kind: ListKind) -> Result<Option<SnapshotHead>, StorageError>;
    async fn load(&self, session: &SessionId, kind: ListKind) -> Result<Option<StoredSnapshot>, StorageError>;
    async fn save<'a>(
        &self, session: &SessionId, kind: ListKind, replaces: Option<Generation>, head: &SnapshotHead,
        data: Option<&'a [u8]>
    ) -> Result<bool, StorageError>;
    async fn purge(&self, before: DateTime<Utc>) -> Result<u64, StorageError>;
});

trapped!(TaskLeases as "tasks" {
    async fn claim(
        &self, task: &str, holder: &LeaseHolder, now: DateTime<Utc>, until: DateTime<Utc>
    ) -> Result<Claim, StorageError>;
    async fn release(&self, task: &str, holder: &LeaseHolder) -> Result<(), StorageError>;
});

trapped!(WhatsAppGateway as "gateway" {
    async fn session(&self, at: &SessionAddress) -> Result<Option<UpstreamSession>, GatewayError>;
    async fn sessions(&self, worker: &WorkerName) -> Result<Vec<UpstreamSession>, GatewayError>;
    async fn create(&self, at: &SessionAddress, labels: &SessionLabels) -> Result<Created, GatewayError>;
    async fn start(&self, at: &SessionAddress) -> Result<(), GatewayError>;
    async fn restart(&self, at: &SessionAddress) -> Result<(), GatewayError>;
    async fn logout(&self, at: &SessionAddress) -> Result<(), GatewayError>;
    async fn delete(&self, at: &SessionAddress) -> Result<(), GatewayError>;
    async fn qr(&self, at: &SessionAddress) -> Result<QrCode, GatewayError>;
    async fn request_pairing_code(
        &self, at: &SessionAddress, phone: &PhoneNumber
    ) -> Result<PairingCode, GatewayError>;
    async fn refresh_groups(&self, at: &SessionAddress) -> Result<(), GatewayError>;
    async fn groups(&self, at: &SessionAddress) -> Result<Vec<Group>, GatewayError>;
    async fn contacts(&self, at: &SessionAddress) -> Result<Vec<ListedContact>, GatewayError>;
    async fn lid_twins(&self, at: &SessionAddress) -> Result<Vec<LidTwin>, GatewayError>;
    async fn renew_webhook(&self, at: &SessionAddress) -> Result<(), GatewayError>;
    async fn probe(&self) -> Vec<WorkerInfo>;
    fn workers(&self) -> Vec<WorkerInfo>;
});
