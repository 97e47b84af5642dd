//! Workers that nobody here can reconcile.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Reconciler;
use super::report::{Alarm, Round};
use crate::services::task_lease::Lost;
use crate::{Error, WorkerName};

/// How often they are looked for.
const INTERVAL: Duration = Duration::from_mins(1);

impl Reconciler {
    /// Tells of workers that have sessions of users and are not configured here, for as long as the lease is held. The one
    /// replica that has it reconciles for all, so that nobody reconciles those.
    pub(super) async fn watch_others(&self, configured: &[WorkerName], lost: &Lost) {
        let mut known = BTreeSet::new();
        while !lost.is_so() {
            // A database that does not answer is what every worker's round tells of.
            if let Ok(others) = self.others(configured).await {
                for worker in known.union(&others) {
                    let round = if others.contains(worker) { Self::unconfigured(worker) } else { Round::default() };
                    self.tell(worker, &round, None);
                }
                known = others;
            }
            tokio::select! {
                () = self.parts.ports.clock.sleep(INTERVAL) => {}
                () = lost.wait() => {}
            }
        }
    }

    /// The workers that have a session and are not among these.
    pub(super) async fn others(&self, configured: &[WorkerName]) -> Result<BTreeSet<WorkerName>, Error> {
        let loads = self.parts.ports.workers.loads().await?;
        Ok(loads.into_keys().filter(|worker| !configured.contains(worker)).collect())
    }

    /// The round of a worker that is not configured here.
    pub(super) fn unconfigured(worker: &WorkerName) -> Round {
        Round { alarms: [(worker.clone(), [Alarm::Unconfigured].into())].into(), ..Round::default() }
    }
}
