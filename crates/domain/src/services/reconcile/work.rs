//! Does what a round has to do, one after the other.

use std::collections::HashSet;
use std::time::Duration;

use super::Parts;
use super::act::Outcome;
use super::finding::Remedy;
use super::pace::Found;
use super::report::Round;
use crate::services::task_lease::Lost;
use crate::{Error, SessionName, WorkerName};

/// From one to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// After so many failures in a row, a worker is left alone until the next round.
const PATIENCE: u32 = 3;
/// How often, and after which time, WAHA is asked again before it is told to restart anything.
const SECOND_LOOKS: [Duration; 2] = [Duration::from_secs(2); 2];

impl Parts {
    /// Does these things. Whoever has lost the lease, or to whom WAHA fails again and again, leaves the others.
    pub(super) async fn work(&self, worker: &WorkerName, todo: &[Found], lost: &Lost, round: &mut Round) {
        let (mut failures, mut is_first, mut steady) = (0, true, None);
        for found in todo {
            if lost.is_so() || failures >= PATIENCE {
                round.put_off(found.finding);
                continue;
            }
            if found.remedy == Remedy::Restart {
                if steady.is_none() {
                    steady = Some(self.steady(worker, todo).await.unwrap_or_default());
                }
                if !steady.as_ref().is_some_and(|steady| steady.contains(&found.name)) {
                    round.put_off(found.finding);
                    continue;
                }
            }
            if !std::mem::take(&mut is_first) {
                self.ports.clock.sleep(PAUSE).await;
            }
            let outcome = self.act(worker, found).await;
            self.notes.tried(worker, &found.name, outcome.is_err());
            match outcome {
                Ok(Outcome::Done) => {
                    failures = 0;
                    *round.done.entry(found.finding).or_default() += 1;
                }
                Ok(Outcome::Held) => {
                    // Perhaps by somebody who died: their lease runs out in a moment.
                    round.is_urgent = true;
                    round.put_off(found.finding);
                }
                Ok(Outcome::Different) => round.put_off(found.finding),
                Err(error) => {
                    failures += 1;
                    *round.failed.entry(found.finding).or_default() += 1;
                    tracing::debug!(%worker, finding = found.finding.as_str(), %error, "a session was not reconciled");
                }
            }
        }
    }

    /// Those to restart that stay as they are while WAHA is asked for all of its sessions again, and again: what changes by
    /// itself is left alone.
    async fn steady(&self, worker: &WorkerName, todo: &[Found]) -> Result<HashSet<SessionName>, Error> {
        let restarts = todo.iter().filter(|found| found.remedy == Remedy::Restart);
        let mut steady: Vec<_> = restarts.collect();
        for pause in SECOND_LOOKS {
            self.ports.clock.sleep(pause).await;
            let listed = self.ports.gateway.sessions(worker).await?;
            steady.retain(|found| {
                let now = listed.iter().find(|session| session.name == found.name);
                now.map(|session| &session.status) == found.status.as_ref()
            });
        }
        Ok(steady.into_iter().map(|found| found.name.clone()).collect())
    }
}
