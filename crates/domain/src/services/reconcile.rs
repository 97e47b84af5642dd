//! The reconciler: brings rows and WAHA together again, where nobody else does.
//!
//! Our rows are the truth about what users want, WAHA about what is. Whatever a crash, an outage or a reboot left between
//! the two is finished, undone or brought back here, round by round:
//!
//! - [`survey`]: what is there. One list of WAHA's a worker and round, and pages of rows.
//! - [`plan`]: what is so with a session, and whether anything is done about it. The only place that decides.
//! - [`pace`]: how much of that in one round.
//! - [`work`]: one after the other, with pauses.
//! - [`act`]: does it, under the session's lease, if it is still so.
//!
//! A round needs nothing of the one before but patience: see [`notes`].

mod act;
mod finding;
mod ledger;
mod notes;
mod others;
mod pace;
mod plan;
mod report;
mod survey;
#[cfg(test)]
mod tests;
mod work;

pub use finding::Finding;
pub use ledger::Reconciled;
pub use report::{Alarm, Round};

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use tokio::sync::Semaphore;

use self::ledger::Ledger;
use self::notes::Notes;
use self::pace::pace;
use self::survey::Survey;
use super::audit::AuditTrail;
use super::deployment::Deployment;
use super::lease::SessionLeases;
use super::logout::{Logout, LogoutFinisher};
use super::news::News;
use super::status::StatusReader;
use super::task_lease::{Lost, TaskDesk};
use crate::ports::Ports;
use crate::{Error, WorkerHealth, WorkerInfo, WorkerName, WorkerState};

/// Brings rows and WAHA together again.
pub struct Reconciler {
    parts: Parts,
    desk: Arc<TaskDesk>,
    /// How many workers are looked at at the same time: that bounds the memory.
    looks: Semaphore,
    ledger: Ledger,
}

struct Parts {
    ports: Ports,
    reader: Arc<StatusReader>,
    news: Arc<News>,
    leases: Arc<SessionLeases>,
    finisher: Arc<LogoutFinisher>,
    notes: Notes,
    deployment: Arc<Deployment>,
    audit: Arc<AuditTrail>,
}

impl Reconciler {
    /// The task of which one replica at a time has the lease.
    const TASK: &str = "reconcile";
    /// From the end of a worker's round to its next.
    const INTERVAL: Duration = Duration::from_secs(30);
    /// The same, if a logout or a connect could not be finished because somebody else was at it or too many were before,
    /// or if nobody could be asked because the worker is known to be down.
    const URGENT: Duration = Duration::from_secs(2);
    /// How often a lease that somebody else has is asked for, if it is not about to run out.
    const ASK: Duration = Duration::from_secs(2);
    const ASK_AGAIN: Duration = Duration::from_millis(100);
    /// How often that may fail before it is said, once.
    const SILENT_FAILURES: u32 = 5;
    const LOOKS: usize = 4;

    pub(super) fn new(
        ports: &Ports,
        reader: Arc<StatusReader>,
        news: Arc<News>,
        leases: Arc<SessionLeases>,
        logout: &Logout,
        deployment: Arc<Deployment>,
        audit: Arc<AuditTrail>,
    ) -> Self {
        let Ports { tasks, clock, random, .. } = ports.clone();
        let (finisher, notes) = (logout.finisher(), Notes::default());
        let parts = Parts { ports: ports.clone(), reader, news, leases, finisher, notes, deployment, audit };
        let desk = Arc::new(TaskDesk { tasks, clock, random });
        Self { parts, desk, looks: Semaphore::new(Self::LOOKS), ledger: Ledger::default() }
    }

    /// Reconciles for ever, whenever no other replica does.
    pub async fn run(&self) {
        let mut failures = 0;
        loop {
            let mut pause = Self::ASK;
            match self.desk.lease_for(Self::TASK.to_owned(), TaskDesk::TTL).await {
                Ok(Ok(lease)) => {
                    failures = 0;
                    tracing::info!("this replica reconciles");
                    self.ledger.lead(true);
                    lease.unless_lost(|lost| self.lead(lost)).await;
                    self.ledger.lead(false);
                    tracing::info!("another replica reconciles");
                }
                Ok(Err(until)) => {
                    failures = 0;
                    // One that is not extended is to be had at once.
                    let left = (until - self.parts.ports.clock.now()).to_std().unwrap_or_default();
                    pause = left.clamp(Self::ASK_AGAIN, Self::ASK);
                }
                Err(error) => {
                    failures += 1;
                    // A database that is being set up is no news.
                    if failures == Self::SILENT_FAILURES {
                        tracing::warn!(%error, "nobody is known to reconcile: trying again");
                    }
                }
            }
            self.parts.ports.clock.sleep(pause).await;
        }
    }

    /// Whether this replica reconciles for all of them.
    pub fn leads(&self) -> bool {
        self.ledger.leads()
    }

    /// What this replica's rounds came to, by worker.
    pub fn reconciled(&self) -> BTreeMap<WorkerName, Reconciled> {
        self.ledger.workers()
    }

    /// One round over every worker, whoever has the lease. Two at the same time do no harm but to the pace.
    pub async fn round(&self) -> Round {
        let (mut round, never, workers) = (Round::default(), Lost::never(), self.workers());
        for worker in join_all(workers.iter().map(|worker| self.round_of(worker, &never))).await {
            round.add(worker);
        }
        for other in self.others(&workers).await.unwrap_or_default() {
            round.add(Self::unconfigured(&other));
        }
        round
    }

    /// Each worker in a loop of its own, so that none waits for another.
    async fn lead(&self, lost: Lost) {
        let workers = self.workers();
        for worker in &workers {
            self.parts.notes.begin(worker);
        }
        let all = join_all(workers.iter().map(|worker| self.keep_reconciling(worker, &lost)));
        join(all, self.watch_others(&workers, &lost)).await;
    }

    async fn keep_reconciling(&self, worker: &WorkerName, lost: &Lost) {
        while !lost.is_so() {
            let round = self.round_of(worker, lost).await;
            let pause = if round.is_urgent { Self::URGENT } else { Self::INTERVAL };
            tokio::select! {
                () = self.parts.ports.clock.sleep(pause) => {}
                () = lost.wait() => {}
            }
        }
    }

    /// The workers that are configured here.
    fn workers(&self) -> Vec<WorkerName> {
        self.parts.ports.gateway.workers().into_iter().map(|worker| worker.name).collect()
    }

    /// One round over one worker. Whatever goes wrong with it is its own affair.
    async fn round_of(&self, worker: &WorkerName, lost: &Lost) -> Round {
        let work = AssertUnwindSafe(self.reconcile(worker, lost)).catch_unwind().await;
        let (round, cause) = match work.unwrap_or(Err(Error::Internal)) {
            Ok(round) => (round, None),
            Err(error) => (Round::unreached(worker), Some(error.to_string())),
        };
        self.tell(worker, &round, cause.as_deref());
        round
    }

    async fn reconcile(&self, worker: &WorkerName, lost: &Lost) -> Result<Round, Error> {
        if self.is_down(worker) {
            // Whoever watches over workers finds out when it is back.
            return Ok(Round { is_urgent: true, ..Round::unreached(worker) });
        }
        let states = self.parts.ports.workers.states().await?;
        if states.get(worker) == Some(&WorkerState::Removed) {
            return Ok(Round::default());
        }
        let Survey { mut round, found, condition } = {
            let _look = self.looks.acquire().await.map_err(|_| Error::Internal)?;
            self.parts.survey(worker).await?
        };
        let paced = pace(found, condition);
        let mut alarms = BTreeSet::new();
        for (is_so, alarm) in [
            (condition.is_failing, Alarm::Failing),
            (condition.is_renewal_in_vain, Alarm::WebhooksNotKept),
            (paced.is_too_much, Alarm::TooManyOrphans),
            (round.found(Finding::OrphanPaired) > 0, Alarm::PairedOrphans),
        ] {
            if is_so {
                alarms.insert(alarm);
            }
        }
        if !alarms.is_empty() {
            round.alarms.insert(worker.clone(), alarms);
        }
        for found in &paced.later {
            round.put_off(found.finding);
        }
        self.parts.work(worker, &paced.now, lost, &mut round).await;
        self.parts.notes.rest(worker, self.parts.ports.clock.now());
        Ok(round)
    }

    fn is_down(&self, worker: &WorkerName) -> bool {
        let is_so = |info: &WorkerInfo| info.name == *worker && info.health == WorkerHealth::Down;
        self.parts.ports.gateway.workers().iter().any(is_so)
    }

    fn tell(&self, worker: &WorkerName, round: &Round, cause: Option<&str>) {
        self.ledger.enter(worker, round);
        let alarms = round.alarms.get(worker).cloned().unwrap_or_default();
        let (new, over) = self.parts.notes.alarm(worker, alarms);
        for alarm in new {
            let found = report::line(&round.found);
            tracing::warn!(%worker, alarm = alarm.as_str(), cause, found, "a worker needs a look");
        }
        for alarm in over {
            tracing::info!(%worker, alarm = alarm.as_str(), "a worker's alarm is over");
        }
        if !round.done.is_empty() || !round.failed.is_empty() {
            let (done, failed) = (report::line(&round.done), report::line(&round.failed));
            tracing::info!(%worker, done, failed, put_off = round.put_off, "a worker was reconciled");
        }
    }
}
