//! A look at a worker: its rows, one list of WAHA's, and what is so with each session.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Parts;
use super::notes::{Note, Page};
use super::pace::{Condition, Found};
use super::plan::{self, Case, plan};
use super::report::Round;
use crate::ports::{GatewayError, Stray};
use crate::services::failing::is_failing;
use crate::services::status::Began;
use crate::{ChatId, DeploymentId, Error, Lifecycle, Session, SessionName, SessionStatus, UpstreamSession, WorkerName};

/// How many rows one query brings.
const ROWS: u32 = 500;
/// How long WAHA may take for its list: others wait meanwhile.
const LISTED_WITHIN: Duration = Duration::from_secs(10);
/// How long one that was left behind may be absent before it is taken to be gone: a volume that was mounted wrongly comes
/// back.
const ABSENT_FOR: TimeDelta = TimeDelta::hours(24);

/// What a look at a worker found.
pub(super) struct Survey {
    pub(super) round: Round,
    pub(super) found: Vec<Found>,
    pub(super) condition: Condition,
}

/// A look that is under way.
struct Look<'a> {
    worker: &'a WorkerName,
    deployment: &'a DeploymentId,
    /// When it began: before the rows were read.
    began: DateTime<Utc>,
    now: DateTime<Utc>,
    notes: Page,
    round: Round,
    found: Vec<Found>,
    /// The accounts that work in a session of ours.
    working: HashSet<ChatId>,
}

impl Parts {
    /// Looks at a worker's sessions, and takes in what WAHA says of their status.
    pub(super) async fn survey(&self, worker: &WorkerName) -> Result<Survey, Error> {
        let deployment = self.deployment.id().await?;
        let began = self.ports.clock.now();
        // The rows come first: what is written on one of them meanwhile is newer than WAHA's answer, and a session that is
        // made meanwhile has a row that is found when it is looked for by name.
        let rows = self.rows(worker).await?;
        let question = self.reader.begin();
        let listed = self.in_time(self.ports.gateway.sessions(worker)).await?;
        let mut condition =
            Condition { sessions: listed.len(), is_failing: is_worker_failing(&listed), is_renewal_in_vain: false };

        let now = self.ports.clock.now();
        let notes = self.notes.open(worker, now);
        let (round, found, working) = (Round { workers: 1, ..Round::default() }, Vec::new(), HashSet::new());
        let mut look = Look { worker, deployment, began, now, notes, round, found, working };
        let (mut here, others) = split(&rows, listed);
        let in_question: HashSet<_> = others.iter().filter_map(|other| Some(&other.me.as_ref()?.id)).collect();
        for row in rows {
            let upstream = here.remove(&row.name);
            let note = look.notes.see(&row.name, upstream.as_ref(), false);
            look.round.rows += 1;
            let Some(row) = self.observe(row, upstream.as_ref(), question, &mut look.round).await? else { continue };
            if let Some(upstream) = &upstream
                && row.lifecycle == Lifecycle::Connected
            {
                look.round.unconfirmed += u32::from(plan::is_unconfirmed(&row, upstream));
                if let Some(me) = upstream.me.as_ref().filter(|me| in_question.contains(&me.id))
                    && upstream.status == SessionStatus::Working
                {
                    look.working.insert(me.id.clone());
                }
            }
            let case = look.case(Some(&row), upstream.as_ref(), note, None);
            look.take(&case, &row.name);
        }
        self.strays(&mut look, &others).await?;

        condition.is_renewal_in_vain = look.notes.is_renewal_in_vain;
        self.notes.close(worker, look.notes);
        Ok(Survey { round: look.round, found: look.found, condition })
    }

    /// WAHA's list. One that is slow is as good as none.
    pub(super) async fn in_time<T>(&self, list: impl Future<Output = Result<T, GatewayError>>) -> Result<T, Error> {
        tokio::select! {
            list = list => Ok(list?),
            () = self.ports.clock.sleep(LISTED_WITHIN) => Err(GatewayError::Timeout.into()),
        }
    }

    /// The worker's rows, page by page.
    async fn rows(&self, worker: &WorkerName) -> Result<Vec<Session>, Error> {
        let mut rows = Vec::new();
        loop {
            let after = rows.last().map(|last: &Session| last.id.clone());
            let page = self.ports.sessions.on_worker(worker, after.as_ref(), ROWS).await?;
            let is_last = page.len() < ROWS as usize;
            rows.extend(page);
            if is_last {
                return Ok(rows);
            }
        }
    }

    /// Takes in what WAHA said of a session; `None` if it is not so any more.
    async fn observe(
        &self,
        row: Session,
        upstream: Option<&UpstreamSession>,
        question: Began,
        round: &mut Round,
    ) -> Result<Option<Arc<Session>>, Error> {
        // A connect may be about to make it.
        let is_being_made = row.lifecycle == Lifecycle::Connecting && upstream.is_none();
        if !row.lifecycle.is_wanted() || is_being_made {
            return Ok(Some(Arc::new(row)));
        }
        let heard = self.reader.heed(row, upstream, question).await?;
        Ok(heard.map(|(row, is_news)| {
            round.observed += u32::from(is_news);
            row
        }))
    }

    /// Looks at what the worker has and none of its rows wants.
    async fn strays(&self, look: &mut Look<'_>, others: &[UpstreamSession]) -> Result<(), Error> {
        let rows = self.rows_named(others).await?;
        // Asked last: what a user who was moved meanwhile left behind is among them.
        let known = self.ports.strays.strays(look.worker).await?;
        let left_behind: HashMap<_, _> =
            known.iter().filter(|stray| stray.is_left_behind).map(|stray| (&stray.name, stray)).collect();
        let is_stray = |other: &&UpstreamSession| {
            let is_left_behind = left_behind.contains_key(&other.name);
            plan::is_stray(rows.get(&other.name), other, look.worker, look.deployment, is_left_behind)
        };
        let strays: Vec<_> = others.iter().filter(is_stray).collect();
        // Of what is not ours, nothing has to be known.
        let ours = strays.iter().filter(|stray| plan::is_ours(stray, look.deployment)).map(|stray| &stray.name);
        let kept = left_behind.values().filter(|stray| look.now - stray.since < ABSENT_FOR).map(|stray| &stray.name);
        let names: BTreeSet<_> = ours.chain(kept).collect();
        let sighted = if names.iter().copied().eq(known.iter().map(|stray| &stray.name)) {
            known
        } else {
            let names: Vec<_> = names.into_iter().cloned().collect();
            // Whatever became one after this look began is none of its business.
            self.ports.strays.sight(look.worker, &names, look.began).await?
        };
        let sighted: HashMap<_, _> = sighted.iter().map(|stray| (&stray.name, stray)).collect();
        for upstream in strays {
            let is_ours = plan::is_ours(upstream, look.deployment);
            let note = if is_ours { look.notes.see(&upstream.name, Some(upstream), true) } else { Note::default() };
            let stray = sighted.get(&upstream.name).copied();
            let case = look.case(rows.get(&upstream.name), Some(upstream), note, stray);
            look.take(&case, &upstream.name);
        }
        Ok(())
    }

    async fn rows_named(&self, sessions: &[UpstreamSession]) -> Result<HashMap<SessionName, Session>, Error> {
        let mut rows = HashMap::new();
        for chunk in sessions.chunks(ROWS as usize) {
            let names: Vec<_> = chunk.iter().map(|session| session.name.clone()).collect();
            let found = self.ports.sessions.all_named(&names).await?;
            rows.extend(found.into_iter().map(|row| (row.name.clone(), row)));
        }
        Ok(rows)
    }
}

impl<'a> Look<'a> {
    fn case<'c>(
        &self,
        row: Option<&'c Session>,
        upstream: Option<&'c UpstreamSession>,
        note: Note,
        stray: Option<&'c Stray>,
    ) -> Case<'c>
    where
        'a: 'c,
    {
        let me = upstream.and_then(|upstream| upstream.me.as_ref());
        Case {
            worker: self.worker,
            deployment: self.deployment,
            row,
            upstream,
            note,
            stray,
            has_twin: stray.is_some() && me.is_some_and(|me| self.working.contains(&me.id)),
            now: self.now,
        }
    }

    fn take(&mut self, case: &Case<'_>, name: &SessionName) {
        let finding = plan(case);
        self.round.find(finding);
        if let Some(remedy) = finding.remedy() {
            self.found.push(Found {
                finding,
                remedy,
                name: name.clone(),
                row: case.row.map(|row| row.id.clone()),
                status: case.upstream.map(|upstream| upstream.status.clone()),
                stray: case.stray.cloned(),
                has_twin: case.has_twin,
                failures: case.note.failures,
                attempts: case.note.attempts,
            });
        }
    }
}

/// Whether half or more of the paired sessions are FAILED, and more than one.
fn is_worker_failing(listed: &[UpstreamSession]) -> bool {
    let failed = listed.iter().find(|session| session.status == SessionStatus::Failed && session.me.is_some());
    is_failing(listed, failed.map(|failed| &failed.name))
}

/// The sessions that rows of the worker name, and the others.
fn split(
    rows: &[Session],
    listed: Vec<UpstreamSession>,
) -> (HashMap<SessionName, UpstreamSession>, Vec<UpstreamSession>) {
    let names: HashSet<_> = rows.iter().map(|row| &row.name).collect();
    let (here, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(|session| names.contains(&session.name));
    (here.into_iter().map(|session| (session.name.clone(), session)).collect(), others)
}
