//! What the tests of connects share.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Connected;
use crate::ports::{MockSessionRepository, MockWhatsAppGateway, MockWorkerRepository, Ports};
use crate::services::Services;
use crate::services::testing::ports;
use crate::{Error, Means, Session, WorkerHealth, WorkerInfo};

/// A row that takes in whatever WAHA says.
pub(super) fn row(session: Session) -> MockSessionRepository {
    let mut sessions = MockSessionRepository::new();
    let (ensured, got) = (session.clone(), session);
    sessions.expect_ensure().returning(move |_| Ok(ensured.clone()));
    sessions.expect_get().returning(move |_| Ok(Some(got.clone())));
    sessions.expect_record().returning(|_, _, _, _| Ok(true));
    sessions
}

/// Workers that all take sessions; nothing is placed.
pub(super) fn active() -> MockWorkerRepository {
    let mut workers = MockWorkerRepository::new();
    workers.expect_states().returning(|| Ok(BTreeMap::new()));
    workers
}

pub(super) fn worker(name: &str, health: WorkerHealth) -> WorkerInfo {
    WorkerInfo { name: name.parse().unwrap(), capacity: 5, health, is_left_alone: false, software: None }
}

/// Connects alice; of the configured workers one answers, one has not been asked, and one is down.
pub(super) async fn connect_with(
    sessions: MockSessionRepository,
    mut gateway: MockWhatsAppGateway,
    workers: MockWorkerRepository,
) -> Result<Connected, Error> {
    let configured = [("default", WorkerHealth::Up), ("new", WorkerHealth::Unknown), ("sick", WorkerHealth::Down)];
    gateway.expect_workers().returning(move || configured.map(|(name, health)| worker(name, health)).into());
    let ports = Ports { workers: Arc::new(workers), ..ports(sessions, gateway) };
    Services::new(&ports, 1 << 20).connect.run(&"alice".parse().unwrap(), Means::Token).await
}
