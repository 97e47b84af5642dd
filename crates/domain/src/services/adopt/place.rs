//! On which worker a session is that another application made.

use std::collections::{BTreeMap, HashMap};

use futures_util::StreamExt;
use futures_util::stream;

use super::Skipped;
use crate::ports::WhatsAppGateway;
use crate::{SessionName, SessionStatus, UpstreamSession, WorkerName, WorkerState};

/// Where a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// There, as it is.
    At(WorkerName, UpstreamSession),
    /// On no worker. The one that is named is none in particular.
    Nowhere(WorkerName),
}

/// What the workers have.
pub(super) struct Known {
    sessions: HashMap<SessionName, Vec<(WorkerName, UpstreamSession)>>,
    /// Those that were asked in vain.
    unanswered: Vec<WorkerName>,
    states: BTreeMap<WorkerName, WorkerState>,
    /// A worker that is configured.
    any: Option<WorkerName>,
}

impl Known {
    /// How many workers are asked at the same time.
    const AT_ONCE: usize = 4;

    /// Asks every configured worker.
    pub(super) async fn of(gateway: &dyn WhatsAppGateway, states: BTreeMap<WorkerName, WorkerState>) -> Self {
        let workers: Vec<WorkerName> = gateway.workers().into_iter().map(|worker| worker.name).collect();
        let any = workers.first().cloned();
        let ask = |worker: WorkerName| async move {
            let listed = gateway.sessions(&worker).await;
            (worker, listed)
        };
        let answers: Vec<_> = stream::iter(workers).map(ask).buffered(Self::AT_ONCE).collect().await;
        let (mut sessions, mut unanswered) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for (worker, listed) in answers {
            match listed {
                Ok(listed) => {
                    for session in listed {
                        sessions.entry(session.name.clone()).or_default().push((worker.clone(), session));
                    }
                }
                Err(error) => {
                    tracing::warn!(%worker, %error, "a worker does not say what it has");
                    unanswered.push(worker);
                }
            }
        }
        Self { sessions, unanswered, states, any }
    }

    /// Where the session of that name is. Workers that share a store show each other's sessions as STOPPED: the one that runs
    /// it counts.
    pub(super) fn place(&self, name: &SessionName) -> Result<Place, Skipped> {
        let all = self.sessions.get(name).map_or(&[][..], Vec::as_slice);
        let is_removed = |worker: &WorkerName| self.states.get(worker) == Some(&WorkerState::Removed);
        let open: Vec<_> = all.iter().filter(|(worker, _)| !is_removed(worker)).collect();
        // What is removed here may still run there, and must not be started a second time.
        let running: Vec<_> = all.iter().filter(|(_, found)| found.status != SessionStatus::Stopped).collect();
        let unanswered = || Skipped::Unanswered(self.unanswered.clone());
        match (&running[..], &open[..]) {
            ([(worker, _)], _) if is_removed(worker) => Err(Skipped::RemovedWorker(worker.clone())),
            ([(worker, found)], _) if found.status == SessionStatus::Working => {
                Ok(Place::At(worker.clone(), found.clone()))
            }
            // It may work on one that did not answer.
            ([] | [_], _) if !self.unanswered.is_empty() => Err(unanswered()),
            ([(worker, found)], _) | ([], [(worker, found)]) => Ok(Place::At(worker.clone(), found.clone())),
            ([], []) => match (all.first(), &self.any) {
                (Some((worker, _)), _) => Err(Skipped::RemovedWorker(worker.clone())),
                (None, Some(any)) => Ok(Place::Nowhere(any.clone())),
                (None, None) => Err(unanswered()),
            },
            _ => Err(Skipped::SeveralWorkers(all.iter().map(|(worker, _)| worker.clone()).collect())),
        }
    }
}
