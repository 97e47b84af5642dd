//! What the tests of use cases share.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use crate::ports::{
    Clock, Fence, Lease, MockAuditLog, MockDeploymentRepository, MockGroupRepository, MockLeaseRepository, MockRandom,
    MockSessionRepository, MockSnapshotStore, MockStrayRepository, MockTaskLeases, MockUserRepository,
    MockWhatsAppGateway, MockWorkerRepository, Ports,
};
use crate::{Lifecycle, LocalBus, Me, Session, SessionOverview, SessionStatus, UpstreamSession};

/// tokio's clock: in a test with paused time, waiting takes none.
pub(super) struct PausedClock(Instant);

impl PausedClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

#[async_trait]
impl Clock for PausedClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.0.elapsed()).unwrap();
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + elapsed
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

pub(super) fn session(lifecycle: Lifecycle) -> Session {
    let mut session = Session::new(
        "tz4a98xxat96iws9zmbrgj3a".parse().unwrap(),
        "session_1".parse().unwrap(),
        "alice".parse().unwrap(),
        "default".parse().unwrap(),
        DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
    );
    session.lifecycle = lifecycle;
    session
}

pub(super) fn upstream(status: SessionStatus) -> UpstreamSession {
    let me = Some(Me { id: "34600111222@c.us".parse().unwrap(), lid: None });
    UpstreamSession {
        name: "session_1".parse().unwrap(),
        status,
        me,
        deployment: None,
        home: None,
        is_webhook_outdated: false,
    }
}

/// One row, kept as a database does.
#[derive(Clone)]
pub(super) struct Row(Arc<Mutex<Session>>);

impl Row {
    pub(super) fn of(session: Session) -> Self {
        Self(Arc::new(Mutex::new(session)))
    }

    pub(super) fn now(&self) -> Session {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Session)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(super) fn repository(&self) -> MockSessionRepository {
        let read = Self::now;
        let (mut sessions, row) = (MockSessionRepository::new(), self.clone());
        sessions.expect_get().returning(move |_| Ok(Some(read(&row))));
        let row = self.clone();
        sessions.expect_named().returning(move |_| Ok(Some(read(&row))));
        let row = self.clone();
        sessions.expect_find_all().returning(move |_| Ok(vec![read(&row)]));
        let row = self.clone();
        sessions
            .expect_overview()
            .returning(move |_| Ok(Some(SessionOverview { session: read(&row), groups: Vec::new() })));
        let row = self.clone();
        sessions.expect_record().returning(move |_, revision, seen, _| {
            let mut session = row.0.lock().unwrap();
            let is_current = session.revision == revision && session.lifecycle.is_wanted();
            if is_current {
                *session = session.clone().with(seen.clone());
            }
            Ok(is_current)
        });
        sessions
    }
}

/// Leases that are always to be had.
pub(super) fn free_leases() -> MockLeaseRepository {
    let mut leases = MockLeaseRepository::new();
    leases.expect_acquire().returning(|session, holder, _, _| {
        Ok(Some(Lease { session: session.clone(), holder: holder.clone(), fence: Fence(1) }))
    });
    leases.expect_renew().returning(|_, _| Ok(true));
    leases.expect_release().returning(|_| Ok(()));
    leases
}

pub(super) fn random() -> MockRandom {
    let mut random = MockRandom::new();
    random.expect_cuid().returning(|| "tz4a98xxat96iws9zmbrgj3a".to_owned());
    random.expect_bits().returning(|| 1);
    random
}

/// Ports on these mocks; any call of the others panics.
pub(super) fn ports(sessions: MockSessionRepository, gateway: MockWhatsAppGateway) -> Ports {
    let mut deployments = MockDeploymentRepository::new();
    deployments.expect_ensure().returning(|candidate| Ok(candidate.clone()));
    let mut audit = MockAuditLog::new();
    audit.expect_append().returning(|_| Ok(()));
    Ports {
        sessions: Arc::new(sessions),
        leases: Arc::new(free_leases()),
        workers: Arc::new(MockWorkerRepository::new()),
        strays: Arc::new(MockStrayRepository::new()),
        groups: Arc::new(MockGroupRepository::new()),
        deployments: Arc::new(deployments),
        snapshots: Arc::new(MockSnapshotStore::new()),
        tasks: Arc::new(MockTaskLeases::new()),
        users: Arc::new(MockUserRepository::new()),
        audit: Arc::new(audit),
        bus: Arc::new(LocalBus::default()),
        gateway: Arc::new(gateway),
        clock: PausedClock::new(),
        random: Arc::new(random()),
    }
}
