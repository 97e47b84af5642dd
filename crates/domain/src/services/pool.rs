//! Whether the workers answer, asked again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::ports::{Clock, WhatsAppGateway};
use crate::{WorkerHealth, WorkerInfo, WorkerName};

/// Keeps what is known of workers up to date.
pub struct WorkerWatch {
    gateway: Arc<dyn WhatsAppGateway>,
    clock: Arc<dyn Clock>,
}

/// What was last said in the log of each worker.
type Told = BTreeMap<WorkerName, WorkerHealth>;

impl WorkerWatch {
    /// From one round of questions to the next. For so long a new session may still be given a worker that is gone.
    pub const PERIOD: Duration = Duration::from_secs(10);

    pub(super) fn new(gateway: Arc<dyn WhatsAppGateway>, clock: Arc<dyn Clock>) -> Self {
        Self { gateway, clock }
    }

    /// Asks all workers at once, and again after each pause, for ever.
    pub async fn run(&self) {
        let mut told = Told::new();
        loop {
            for worker in self.gateway.probe().await {
                tell(&mut told, &worker);
            }
            self.clock.sleep(Self::PERIOD).await;
        }
    }
}

/// Says how a worker is, if that is news. Returns whether it is.
fn tell(told: &mut Told, worker: &WorkerInfo) -> bool {
    let before = told.insert(worker.name.clone(), worker.health);
    let name = worker.name.as_str();
    match (worker.health, before) {
        (health, Some(before)) if health == before => return false,
        (WorkerHealth::Up, _) => {
            let (engine, version) = worker.software.as_ref().map(|it| (&*it.engine, &*it.version)).unzip();
            tracing::info!(worker = name, engine, version, "WAHA answers");
        }
        (WorkerHealth::Down, Some(WorkerHealth::Up)) => tracing::warn!(worker = name, "WAHA does not answer any more"),
        (WorkerHealth::Down, _) => tracing::warn!(worker = name, "WAHA does not answer yet"),
        (WorkerHealth::Unknown, _) => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;
    use crate::ports::MockWhatsAppGateway;
    use crate::services::testing::PausedClock;

    fn worker(health: WorkerHealth) -> WorkerInfo {
        WorkerInfo { name: "w1".parse().unwrap(), capacity: 1, health, is_left_alone: false, software: None }
    }

    #[test]
    fn a_change_is_said_once() {
        use WorkerHealth::{Down, Unknown, Up};
        let mut told = Told::new();
        let health = [Unknown, Down, Down, Up, Up, Up, Down, Down, Up];
        let said = health.map(|health| tell(&mut told, &worker(health)));
        assert_eq!(said, [false, true, false, true, false, false, true, false, true]);
        assert!(tell(&mut told, &WorkerInfo { name: "w2".parse().unwrap(), ..worker(Up) }), "each has its own");
    }

    #[tokio::test(start_paused = true)]
    async fn all_workers_are_asked_at_once_and_then_every_ten_seconds() {
        let (mut gateway, asked, began) =
            (MockWhatsAppGateway::new(), Arc::new(Mutex::new(Vec::new())), Instant::now());
        let asking = Arc::clone(&asked);
        gateway.expect_probe().returning(move || {
            asking.lock().unwrap().push(began.elapsed().as_secs());
            vec![worker(WorkerHealth::Down)]
        });
        let watch = WorkerWatch::new(Arc::new(gateway), PausedClock::new());
        assert!(tokio::time::timeout(Duration::from_secs(25), watch.run()).await.is_err(), "it goes on for ever");
        assert_eq!(*asked.lock().unwrap(), [0, 10, 20]);
    }
}
