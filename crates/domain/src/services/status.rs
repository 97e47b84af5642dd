//! What WAHA says of a session.

mod memory;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

pub(super) use self::memory::{Began, StatusMemory};
use super::hits::{HitCounter, Hits};
use super::news::News;
use super::roster::Roster;
use crate::flight::SingleFlight;
use crate::ports::{Clock, Ports, SessionRepository, WhatsAppGateway};
use crate::{Error, Observation, Session, SessionId, SessionName, SessionStatus, UpstreamSession, UserId, WorkerName};

/// Knows what WAHA says of sessions, and keeps it on their rows: from what it reports by itself, and by asking.
///
/// Reports count in the order of WAHA's clock. An answer counts if nothing has been heard of the session since the
/// question, neither a report nor a change of our own making, on this replica or, by the row's revision, on another; and it
/// counts for more than a report that had arrived before the question and waited for its turn.
pub struct StatusReader {
    asker: Arc<Asker>,
    flights: SingleFlight<SessionId, Arc<Reading>>,
    hits: HitCounter,
}

struct Asker {
    sessions: Arc<dyn SessionRepository>,
    gateway: Arc<dyn WhatsAppGateway>,
    clock: Arc<dyn Clock>,
    news: Arc<News>,
}

/// What WAHA answered.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The session, with what was learnt of it.
    pub session: Arc<Session>,
    /// WAHA's session; `None` if it has none of that name.
    pub upstream: Option<UpstreamSession>,
}

impl Reading {
    /// The status; absent in WAHA is STOPPED.
    pub fn status(&self) -> SessionStatus {
        self.upstream.as_ref().map_or(SessionStatus::Stopped, |session| session.status.clone())
    }
}

impl StatusReader {
    /// A reader whose answers are remembered on the rows; its shared work runs on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(ports: &Ports, news: Arc<News>) -> Self {
        let Ports { sessions, gateway, clock, .. } = ports.clone();
        let asker = Arc::new(Asker { sessions, gateway, clock, news });
        Self { asker, flights: SingleFlight::new(), hits: HitCounter::default() }
    }

    /// What WAHA says of the session, or said less than a second ago; whoever asks while an answer is under way shares
    /// that one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the row is gone; WAHA's and the database's failures.
    pub async fn read(&self, session: &Session) -> Result<Arc<Reading>, Error> {
        if let Some(known) = self.hits.count(self.asker.news.statuses.fresh(session, self.asker.clock.now())) {
            return Ok(known);
        }
        // In a box: most callers find an answer, and need no room for what it takes to ask.
        Box::pin(self.ask(session)).await
    }

    async fn ask(&self, session: &Session) -> Result<Arc<Reading>, Error> {
        let ask = async || {
            let (asker, session) = (Arc::clone(&self.asker), session.clone());
            self.flights.run(session.id.clone(), || async move { asker.ask(session).await }).await
        };
        let reading = ask().await?;
        // A flight that was under way may have begun with an older row than this caller knows.
        if reading.session.revision < session.revision { ask().await } else { Ok(reading) }
    }

    /// What WAHA says of the session from now on: for a lifecycle operation, to which an answer that was asked for
    /// before it began may be a lie.
    ///
    /// # Errors
    /// As [`StatusReader::read`].
    pub async fn read_anew(&self, session: Session) -> Result<Arc<Reading>, Error> {
        self.asker.ask(session).await
    }

    /// How often an answer was remembered.
    pub(super) fn hits(&self) -> Hits {
        self.hits.so_far()
    }

    /// A question to WAHA about many sessions begins, or a report arrives: see [`StatusReader::heed`] and
    /// [`StatusReader::take`].
    pub(super) fn begin(&self) -> Began {
        self.asker.news.statuses.begin(self.asker.clock.now())
    }

    /// Takes in what WAHA answered of `session`, which was read from the database before the question began. Returns it
    /// with what was learnt and whether that was anything, or `None` if the answer comes too late.
    ///
    /// # Errors
    /// The database's failures.
    pub(super) async fn heed(
        &self,
        session: Session,
        upstream: Option<&UpstreamSession>,
        began: Began,
    ) -> Result<Option<(Arc<Session>, bool)>, Error> {
        if session.observe(upstream, self.asker.clock.now()).is_none() {
            // The most frequent case by far costs nothing.
            return Ok(Some((Arc::new(session), false)));
        }
        let reading = self.asker.accept(&session, upstream.cloned(), began).await?;
        Ok(reading.map(|reading| (Arc::clone(&reading.session), true)))
    }

    /// Something else says that the session is not as it was said to be: the next caller asks WAHA.
    pub(super) fn doubt(&self, session: &Session) {
        self.asker.news.statuses.forget(&session.id);
    }

    /// Takes in what `worker` reported of a session `at` that time by its clock, unless the session is not on that worker.
    /// A report that is old, late, told already, or older than an answer, since it had `arrived` before the question, is
    /// only a reason for whoever watches the session to look again.
    ///
    /// # Errors
    /// The database's failures.
    pub(super) async fn take(
        &self,
        worker: &WorkerName,
        upstream: UpstreamSession,
        at: DateTime<Utc>,
        arrived: Began,
    ) -> Result<(), Error> {
        self.asker.take(worker, upstream, at, arrived).await
    }
}

impl Asker {
    /// How often WAHA is asked again because its answer was overtaken.
    const ATTEMPTS: usize = 3;
    /// WAHA sends a report at once, and again after 2 s if it was not taken.
    const LATE: TimeDelta = TimeDelta::seconds(2);

    async fn ask(&self, mut session: Session) -> Result<Arc<Reading>, Error> {
        let mut attempt = 1;
        loop {
            let began = self.news.statuses.begin(self.clock.now());
            let upstream = self.gateway.session(&session.address()).await?;
            if let Some(reading) = self.accept(&session, upstream.clone(), began).await? {
                return Ok(reading);
            }
            // What was answered is not so any more.
            session = self.sessions.get(&session.id).await?.ok_or(Error::NotFound)?;
            if let Some(told) = self.news.statuses.fresh(&session, self.clock.now()) {
                return Ok(told);
            }
            if attempt == Self::ATTEMPTS || !session.lifecycle.is_wanted() {
                return Ok(Arc::new(Reading { session: Arc::new(session), upstream }));
            }
            attempt += 1;
        }
    }

    /// Remembers an answer; `None` if it comes too late.
    async fn accept(
        &self,
        session: &Session,
        upstream: Option<UpstreamSession>,
        began: Began,
    ) -> Result<Option<Arc<Reading>>, Error> {
        if self.news.statuses.is_overtaken(&session.id, began) {
            return Ok(None);
        }
        let now = self.clock.now();
        let seen = session.observe(upstream.as_ref(), now);
        let is_new = seen.is_some();
        let Some(session) = self.record(session, seen, now).await? else { return Ok(None) };
        let reading = Arc::new(Reading { session: Arc::new(session), upstream });
        let remembered = self.news.statuses.remember(&reading, began);
        if is_new {
            self.news.observed(&reading.session);
        }
        Ok(remembered.then_some(reading))
    }

    async fn take(
        &self,
        worker: &WorkerName,
        upstream: UpstreamSession,
        at: DateTime<Utc>,
        arrived: Began,
    ) -> Result<(), Error> {
        for _ in 0..Self::ATTEMPTS {
            let is_of_worker = |session: &Session| session.worker == *worker && session.lifecycle.is_wanted();
            let Some(session) = self.sessions.named(&upstream.name).await?.filter(is_of_worker) else {
                return Ok(());
            };
            let now = self.clock.now();
            let seen = session.observe_report(&upstream, at, now);
            let seen = seen.filter(|_| !self.news.statuses.is_answered_since(&session.id, arrived));
            let seen = match seen {
                Some(seen) if now - at < Self::LATE => seen,
                // What was so then may have changed since: only WAHA knows, and every replica has to ask.
                Some(seen) if session.status.as_ref() != Some(&seen.status) => {
                    self.news.changed(&session);
                    return Ok(());
                }
                _ => {
                    self.news.hub.wake(&session.id);
                    return Ok(());
                }
            };
            if let Some(session) = self.record(&session, Some(seen), now).await? {
                let reading = Arc::new(Reading { session: Arc::new(session), upstream: Some(upstream) });
                self.news.statuses.told(&reading, now);
                self.news.observed(&reading.session);
                return Ok(());
            }
        }
        // Whoever came in the way so often has asked WAHA since.
        Ok(())
    }

    /// The session with what was seen of it on its row; `None` if the row has moved on.
    async fn record(
        &self,
        session: &Session,
        seen: Option<Observation>,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, Error> {
        let Some(seen) = seen else { return Ok(Some(session.clone())) };
        if !self.sessions.record(&session.id, session.revision, &seen, now).await? {
            return Ok(None);
        }
        if seen.epoch != session.epoch {
            // Another account: once this is said, nobody may still be shown the old one's lists.
            self.clock.sleep(Roster::MEMORY).await;
        }
        Ok(Some(session.clone().with(seen)))
    }
}

/// The status of a user's session.
pub struct GetStatus {
    roster: Arc<Roster>,
    reader: Arc<StatusReader>,
}

impl GetStatus {
    pub(super) fn new(roster: Arc<Roster>, reader: Arc<StatusReader>) -> Self {
        Self { roster, reader }
    }

    /// WAHA's word; STOPPED for a session that the user logged out or that WAHA does not have.
    ///
    /// # Errors
    /// [`Error::NotFound`]; WAHA's and the database's failures.
    pub async fn run(&self, owner: &UserId, name: &SessionName) -> Result<SessionStatus, Error> {
        let session = self.roster.owned(owner, name).await?;
        if !session.lifecycle.is_wanted() {
            return Ok(SessionStatus::Stopped);
        }
        Ok(self.reader.read(&session).await?.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lifecycle;
    use crate::ports::MockWhatsAppGateway;
    use crate::services::testing::{Row, ports, session, upstream};

    #[tokio::test(start_paused = true)]
    async fn a_report_that_waited_for_its_turn_does_not_undo_a_later_answer() {
        let row = Row::of(session(Lifecycle::Connected));
        let mut waha = MockWhatsAppGateway::new();
        waha.expect_session().returning(|_| Ok(Some(upstream(SessionStatus::Working))));
        let ports = ports(row.repository(), waha);
        let roster = Arc::new(Roster::new(ports.sessions.clone(), ports.clock.clone()));
        let reader = StatusReader::new(&ports, Arc::new(News::new(&ports, roster)));

        let arrived = reader.begin();
        let reading = reader.read(&session(Lifecycle::Connected)).await.unwrap();
        assert_eq!(reading.status(), SessionStatus::Working);
        let scan = async |arrived| {
            let at = ports.clock.now() + TimeDelta::seconds(1);
            reader.take(&"default".parse().unwrap(), upstream(SessionStatus::ScanQrCode), at, arrived).await.unwrap();
            row.now()
        };
        let known = scan(arrived).await;
        assert_eq!(known.status, Some(SessionStatus::Working));
        assert!(known.paired_at.is_some());
        let known = scan(reader.begin()).await;
        assert_eq!(known.status, Some(SessionStatus::ScanQrCode), "one that arrived after it counts");
    }
}
