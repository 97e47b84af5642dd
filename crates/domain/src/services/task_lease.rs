//! One replica at a time.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::Error;
use crate::ports::{Claim, Clock, LeaseHolder, Random, TaskLeases};

/// Gives out leases on tasks.
pub(super) struct TaskDesk {
    pub(super) tasks: Arc<dyn TaskLeases>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

/// The right to do a task that other replicas do not do meanwhile.
pub(super) struct TaskLease {
    desk: Arc<TaskDesk>,
    task: String,
    holder: LeaseHolder,
}

/// Whether somebody else has a lease by now.
#[derive(Clone)]
pub(super) struct Lost(watch::Receiver<bool>);

impl Lost {
    /// For work that needs no lease.
    pub(super) fn never() -> Self {
        Self(watch::channel(false).1)
    }

    pub(super) fn is_so(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once it is so.
    pub(super) async fn wait(&self) {
        if self.0.clone().wait_for(|lost| *lost).await.is_err() {
            // Nobody will say so any more.
            std::future::pending::<()>().await;
        }
    }
}

impl TaskDesk {
    /// How long a lease outlives its holder.
    pub(super) const TTL: Duration = Duration::from_secs(6);
    /// How often a holder extends it.
    const RENEWAL: Duration = Duration::from_secs(2);
    /// How often one that is held is asked for again.
    const INTERVAL: Duration = Duration::from_millis(500);

    /// The lease on `task`, once it is to be had. Waits for as long as somebody else holds it.
    ///
    /// # Errors
    /// The database's failures.
    pub(super) async fn lease(self: &Arc<Self>, task: String) -> Result<TaskLease, Error> {
        let lease = TaskLease { desk: Arc::clone(self), task, holder: LeaseHolder(self.random.cuid()) };
        while lease.claim(Self::TTL).await? != Claim::Granted {
            self.clock.sleep(Self::INTERVAL).await;
        }
        Ok(lease)
    }

    /// The lease on `task` for `duration`, or until when somebody else has it. It runs out by itself.
    ///
    /// # Errors
    /// The database's failures.
    pub(super) async fn lease_for(
        self: &Arc<Self>,
        task: String,
        duration: Duration,
    ) -> Result<Result<TaskLease, chrono::DateTime<chrono::Utc>>, Error> {
        let lease = TaskLease { desk: Arc::clone(self), task, holder: LeaseHolder(self.random.cuid()) };
        Ok(match lease.claim(duration).await? {
            Claim::Granted => Ok(lease),
            Claim::HeldUntil(until) => Err(until),
        })
    }
}

impl TaskLease {
    /// Does `work` and extends the lease until it ends. A holder that could not extend it in time goes on.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        self.unless_lost(|_| work).await
    }

    /// Does `work` and extends the lease until it ends. `work` is told once somebody else has the lease, and has to end
    /// by itself then.
    pub(super) async fn unless_lost<T, W>(&self, work: impl FnOnce(Lost) -> W) -> T
    where
        W: Future<Output = T>,
    {
        let (lose, lost) = watch::channel(false);
        let mut work = pin!(work(Lost(lost)));
        tokio::select! {
            done = &mut work => return done,
            () = self.until_lost() => {}
        }
        lose.send_replace(true);
        work.await
    }

    /// Lets others have it.
    pub(super) async fn release(self) {
        if let Err(error) = self.desk.tasks.release(&self.task, &self.holder).await {
            tracing::warn!(%error, "a lease was not released: it will run out");
        }
    }

    async fn until_lost(&self) {
        loop {
            self.desk.clock.sleep(TaskDesk::RENEWAL).await;
            match self.claim(TaskDesk::TTL).await {
                Ok(Claim::Granted) => {}
                Ok(Claim::HeldUntil(_)) => return,
                Err(error) => tracing::warn!(%error, "a lease was not extended: trying again"),
            }
        }
    }

    async fn claim(&self, duration: Duration) -> Result<Claim, Error> {
        let now = self.desk.clock.now();
        Ok(self.desk.tasks.claim(&self.task, &self.holder, now, now + duration).await?)
    }
}
