//! What is done about a session: under its lease, and only if what was found is still so.

use std::sync::Arc;

use super::Parts;
use super::finding::{Finding, Remedy};
use super::pace::Found;
use super::plan::{Case, plan};
use crate::ports::{Fence, GatewayError, WhatsAppGateway};
use crate::services::roster::Roster;
use crate::{
    AuditAction, Deed, Error, Lifecycle, Means, Session, SessionAddress, SessionStatus, UpstreamSession, WorkerName,
};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was done.
    Done,
    /// Somebody else is at it.
    Held,
    /// It is not so any more.
    Different,
}

/// A session as it is now.
struct Fresh {
    row: Option<Arc<Session>>,
    upstream: Option<UpstreamSession>,
}

impl Parts {
    /// Does what is to be done about it, unless somebody holds its lease or it is not so any more.
    pub(super) async fn act(&self, worker: &WorkerName, found: &Found) -> Result<Outcome, Error> {
        let Some(id) = &found.row else {
            // Without a row there is nobody to be in the way of.
            return self.act_freshly(worker, found, None).await;
        };
        let work = |fence| self.act_freshly(worker, found, Some(fence));
        Ok(self.leases.try_run(id, work).await?.unwrap_or(Outcome::Held))
    }

    async fn act_freshly(&self, worker: &WorkerName, found: &Found, fence: Option<Fence>) -> Result<Outcome, Error> {
        let at = SessionAddress { worker: worker.clone(), name: found.name.clone() };
        let fresh = self.fresh(&at, found).await?;
        if fresh.row.is_some() && fence.is_none() {
            // There is a row by now: next time under its lease.
            return Ok(Outcome::Different);
        }
        if self.judge(&at, found, &fresh).await? != found.finding {
            return Ok(Outcome::Different);
        }
        match (found.remedy, fresh.row, fence) {
            (Remedy::Delete, row, _) => {
                if let Some(row) = &row
                    && self.is_in_use(&at, row).await?
                {
                    return Ok(Outcome::Different);
                }
                let done = self.ports.gateway.delete(&at).await.map(|()| Outcome::Done).map_err(Error::from);
                self.write_down(found.remedy, &at, row.as_deref(), &done);
                if let Some(row) = row {
                    self.news.changed(&row);
                }
                done
            }
            (remedy, Some(row), Some(fence)) => {
                let done = self.apply(remedy, &row, fresh.upstream.as_ref(), fence).await;
                self.write_down(remedy, &at, Some(&row), &done);
                // Whatever came of it, nothing is as it was.
                self.news.changed(&row);
                done
            }
            _ => Ok(Outcome::Different),
        }
    }

    /// What users would notice is for the audit log, once it is done: what fails is tried again, and told of by the round.
    fn write_down(&self, remedy: Remedy, at: &SessionAddress, row: Option<&Session>, done: &Result<Outcome, Error>) {
        let action = match remedy {
            Remedy::FinishLogout => AuditAction::Logout,
            Remedy::Restart => AuditAction::Restart,
            Remedy::Start => AuditAction::Start,
            Remedy::Discard | Remedy::Delete => AuditAction::Delete,
            Remedy::Adopt | Remedy::Undo | Remedy::RenewWebhook => return,
        };
        if !matches!(done, Ok(Outcome::Done)) {
            return;
        }
        let deed = Deed::new(action, Means::Reconciler).on(&at.name).at(&at.worker);
        self.audit.record(row.iter().fold(deed, |deed, row| deed.of(&row.owner)), done);
    }

    async fn fresh(&self, at: &SessionAddress, found: &Found) -> Result<Fresh, Error> {
        let row = match &found.row {
            Some(id) => self.ports.sessions.get(id).await?,
            None => self.ports.sessions.named(&at.name).await?,
        };
        match row {
            Some(row) if row.lifecycle.is_wanted() && row.worker == at.worker => {
                let reading = self.reader.read_anew(row).await?;
                Ok(Fresh { row: Some(Arc::clone(&reading.session)), upstream: reading.upstream.clone() })
            }
            // Nobody needs to know what WAHA says of it: whoever finishes it asks by himself.
            Some(row) if row.lifecycle == Lifecycle::LoggingOut && row.worker == at.worker => {
                Ok(Fresh { row: Some(Arc::new(row)), upstream: None })
            }
            row => Ok(Fresh { row: row.map(Arc::new), upstream: self.ports.gateway.session(at).await? }),
        }
    }

    /// Whether what is to be deleted on one worker may be what its row uses on another: two names of one worker show the
    /// same session under both, and one that was already there when its row came keeps the home it had.
    async fn is_in_use(&self, at: &SessionAddress, row: &Session) -> Result<bool, Error> {
        if row.worker == at.worker || row.lifecycle == Lifecycle::Disconnected {
            return Ok(false);
        }
        let used = self.ports.gateway.session(&row.address()).await?;
        Ok(used.is_some_and(|used| used.home.as_ref() != Some(&row.worker)))
    }

    async fn judge(&self, at: &SessionAddress, found: &Found, fresh: &Fresh) -> Result<Finding, Error> {
        let deployment = self.deployment.id().await?;
        let account = fresh.upstream.as_ref().and_then(|upstream| upstream.me.as_ref()).map(|me| &me.id);
        let has_twin = match account {
            Some(account) if found.has_twin => self.ports.sessions.is_paired(account).await?,
            _ => false,
        };
        Ok(plan(&Case {
            worker: &at.worker,
            deployment,
            row: fresh.row.as_deref(),
            upstream: fresh.upstream.as_ref(),
            note: self.notes.get(&at.worker, &at.name),
            stray: found.stray.as_ref(),
            has_twin,
            now: self.ports.clock.now(),
        }))
    }

    async fn apply(
        &self,
        remedy: Remedy,
        row: &Session,
        upstream: Option<&UpstreamSession>,
        fence: Fence,
    ) -> Result<Outcome, Error> {
        let (at, gateway) = (row.address(), &*self.ports.gateway);
        match remedy {
            Remedy::FinishLogout => self.finisher.finish(&row.id, fence).await.map(|()| Outcome::Done),
            Remedy::Adopt => {
                // FAILED is for the next rounds, which know how long it has been so.
                if upstream.is_some_and(|upstream| upstream.status == SessionStatus::Stopped) {
                    gateway.start(&at).await?;
                }
                self.turn(row, Lifecycle::Connected, fence).await
            }
            Remedy::Undo => self.turn(row, Lifecycle::Disconnected, fence).await,
            Remedy::Restart => {
                self.attempt(&at);
                gateway.restart(&at).await?;
                Ok(Outcome::Done)
            }
            Remedy::Start => {
                self.attempt(&at);
                gateway.start(&at).await?;
                Ok(Outcome::Done)
            }
            Remedy::Discard => {
                if upstream.is_some() {
                    gateway.delete(&at).await?;
                }
                self.turn(row, Lifecycle::Disconnected, fence).await
            }
            Remedy::RenewWebhook => self.renew_webhook(gateway, &at).await,
            // Not a session that a row wants.
            Remedy::Delete => Ok(Outcome::Different),
        }
    }

    async fn renew_webhook(&self, gateway: &dyn WhatsAppGateway, at: &SessionAddress) -> Result<Outcome, Error> {
        match gateway.renew_webhook(at).await {
            Ok(()) => {
                self.notes.renewed(&at.worker, &at.name, self.ports.clock.now());
                Ok(Outcome::Done)
            }
            Err(GatewayError::NoSession) => Ok(Outcome::Different),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a row that its user still wants.
    async fn turn(&self, row: &Session, to: Lifecycle, fence: Fence) -> Result<Outcome, Error> {
        let (sessions, now) = (&self.ports.sessions, self.ports.clock.now());
        let moved = sessions.transition(&row.id, &[row.lifecycle], to, Some(fence), now).await?;
        if to == Lifecycle::Disconnected {
            // Until nobody remembers it as wanted.
            self.ports.clock.sleep(Roster::MEMORY).await;
        }
        Ok(if moved { Outcome::Done } else { Outcome::Different })
    }

    /// Before it is made, so that one that fails has its pause, too.
    fn attempt(&self, at: &SessionAddress) {
        self.notes.attempted(&at.worker, &at.name, self.ports.clock.now(), self.ports.random.bits());
    }
}
