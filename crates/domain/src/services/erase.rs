//! Erasing a user: from WAHA first, then from the database, all in one step.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::deployment::Deployment;
use super::lease::SessionLeases;
use super::logout::LogoutFinisher;
use super::news::News;
use crate::ports::{Erased, Fence, GatewayError, Ports, StorageError, UserRepository};
use crate::{
    AuditAction, AuditEntry, AuditOutcome, Deed, Error, Means, Session, SessionAddress, SessionId, UserId, WorkerName,
    WorkerState,
};

/// Erases all that is kept of a user, here and in WAHA.
///
/// It may be broken off anywhere and asked for again: the logout is stored before WAHA is told of it, so that it is finished
/// whatever happens, and the rows go last and at once.
///
/// A connect of the same user at the same time waits for the session's lease or is waited for. One that comes first is logged
/// out with the rest; one that comes last finds no row and makes a new one, which is looked for and erased in its turn.
/// Whoever can still sign in can begin anew later: that is for the identity provider to end.
pub struct Erase {
    ports: Ports,
    leases: Arc<SessionLeases>,
    finisher: Arc<LogoutFinisher>,
    deployment: Arc<Deployment>,
    news: Arc<News>,
}

/// What was erased of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erasure {
    /// How much.
    pub erased: Erased,
    /// The sessions' rows: other replicas are told of them.
    pub sessions: Vec<SessionId>,
}

/// A session that may still be in WAHA after its user was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// The worker was removed, and does not answer or is not configured any more: whether the session is there is not known.
    Unasked(SessionAddress),
    /// There is a session of that name without this deployment's mark: perhaps another application's.
    Unmarked(SessionAddress),
}

impl Erase {
    /// How often one begins anew for somebody who connects meanwhile.
    const ROUNDS: usize = 3;
    /// How often the rows are deleted again because something was added to them.
    const ATTEMPTS: usize = 5;

    pub(super) fn new(
        ports: &Ports,
        leases: Arc<SessionLeases>,
        finisher: Arc<LogoutFinisher>,
        deployment: Arc<Deployment>,
        news: Arc<News>,
    ) -> Self {
        Self { ports: ports.clone(), leases, finisher, deployment, news }
    }

    /// Erases the user. One of whom nothing is kept is erased already. What may still be in WAHA is told at once, whatever
    /// comes of the rest: afterwards nobody here knows of it.
    ///
    /// # Errors
    /// WAHA's failures, but for a worker that was removed and does not answer: the session is logging out, which is finished
    /// by the next attempt or by the reconciler, and nothing else was erased; [`Error::Busy`] if the user goes on connecting,
    /// or another operation does not end; the database's failures.
    pub async fn run(&self, user: &UserId, tell: &(dyn Fn(Leftover) + Send + Sync)) -> Result<Erasure, Error> {
        let mut erasure = Erasure::default();
        for _ in 0..Self::ROUNDS {
            let record = self.ports.users.record(user).await?;
            let Some(session) = record.session else {
                match self.erase(user, None).await {
                    // There is one since.
                    Err(Error::Busy) => continue,
                    erased => erasure.erased.add(erased?),
                }
                return Ok(erasure);
            };
            erasure.erased.add(self.erase_session(user, &session, &record.left_behind, tell).await?);
            self.news.erased(&session);
            erasure.sessions.push(session.id);
        }
        Err(Error::Busy)
    }

    async fn erase_session(
        &self,
        user: &UserId,
        session: &Session,
        left_behind: &[WorkerName],
        tell: &(dyn Fn(Leftover) + Send + Sync),
    ) -> Result<Erased, Error> {
        // Before the lease: a connect that has it fails instead of bringing the session up.
        self.finisher.intend(session).await?;
        let work = |fence: Fence| async move {
            // A connect that had the lease before this one may have begun anew.
            self.finisher.intend(session).await?;
            self.finisher.finish(&session.id, fence).await?;
            self.clear(session, left_behind, tell).await?;
            self.erase(user, Some((session.id.clone(), fence))).await
        };
        self.leases.run(&session.id, work).await
    }

    /// Deletes what is left of the session in WAHA: on workers it was moved away from, and on its own, if that was removed
    /// and is there again. Tells of what it had to leave.
    async fn clear(
        &self,
        session: &Session,
        left_behind: &[WorkerName],
        tell: &(dyn Fn(Leftover) + Send + Sync),
    ) -> Result<(), Error> {
        let (gateway, ours) = (&self.ports.gateway, self.deployment.id().await?);
        let configured: BTreeSet<_> = gateway.workers().into_iter().map(|worker| worker.name).collect();
        let states = self.ports.workers.states().await?;
        let is_removed = |worker: &WorkerName| states.get(worker) == Some(&WorkerState::Removed);
        let mut workers: BTreeSet<_> = left_behind.iter().collect();
        // Sessions that were there when a worker was removed are nobody's row any more.
        workers.extend(configured.iter().filter(|worker| is_removed(worker)));
        if configured.contains(&session.worker) || is_removed(&session.worker) {
            workers.insert(&session.worker);
        }
        for worker in workers {
            let at = SessionAddress { worker: worker.clone(), name: session.name.clone() };
            let upstream = match gateway.session(&at).await {
                // Its server may be gone for good, and nobody could be erased until it is back.
                Err(error @ (GatewayError::Unavailable(_) | GatewayError::Timeout)) if is_removed(worker) => {
                    tracing::warn!(%worker, %error, "a removed worker could not be asked about an erased user");
                    tell(Leftover::Unasked(at));
                    continue;
                }
                upstream => upstream?,
            };
            let Some(upstream) = upstream else { continue };
            // Another application's may have the same name by now.
            if left_behind.contains(worker) || upstream.deployment.as_ref() == Some(ours) {
                gateway.delete(&at).await?;
            } else {
                tell(Leftover::Unmarked(at));
            }
        }
        Ok(())
    }

    async fn erase(&self, user: &UserId, session: Option<(SessionId, Fence)>) -> Result<Erased, Error> {
        let users: &dyn UserRepository = &*self.ports.users;
        for _ in 0..Self::ATTEMPTS {
            match users.erase(user, session.clone(), &self.tombstone(user)?).await {
                Ok(erased) => return erased.ok_or(Error::Busy),
                // A group or a campaign was added between two statements.
                Err(StorageError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// What stays: that somebody was erased, and when.
    fn tombstone(&self, user: &UserId) -> Result<AuditEntry, Error> {
        let who = user.pseudonym().map_err(|_| Error::Internal)?;
        let deed = Deed::new(AuditAction::Erase, Means::Cli).of(&who);
        let (random, now) = (&*self.ports.random, self.ports.clock.now());
        AuditEntry::new(deed, AuditOutcome::done(), random, now).map_err(|_| Error::Internal)
    }
}

impl Erased {
    fn add(&mut self, more: Self) {
        self.sessions += more.sessions;
        self.groups += more.groups;
        self.campaigns += more.campaigns;
        self.lists += more.lists;
        self.keys += more.keys;
        self.entries += more.entries;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{MockSessionRepository, MockUserRepository, MockWhatsAppGateway, UserRecord};
    use crate::services::Services;
    use crate::services::testing::ports;

    #[tokio::test(start_paused = true)]
    async fn who_has_a_session_only_after_it_was_looked_for_is_looked_at_again() {
        let mut users = MockUserRepository::new();
        users.expect_record().times(2).returning(|_| Ok(UserRecord::default()));
        let mut answers = [None, Some(Erased { keys: 1, ..Erased::default() })].into_iter();
        users.expect_erase().times(2).returning(move |_, _, _| Ok(answers.next().unwrap()));
        let ports = ports(MockSessionRepository::new(), MockWhatsAppGateway::new());
        let services = Services::new(&Ports { users: Arc::new(users), ..ports }, 1 << 20);
        let erasure = services.erase.run(&"alice".parse().unwrap(), &|_| {}).await.unwrap();
        assert_eq!(erasure.erased.keys, 1);
    }
}
