//! One watched session.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture};

use super::codes::Codes;
use super::hub::{Bell, States};
use super::{Action, LiveStatus, Parts, Reason};
use crate::services::status::Reading;
use crate::{Error, Lifecycle, QrCode, Session, SessionStatus};

/// Looks after one session as long as somebody watches it.
///
/// It waits for the bell, the database, WAHA and the time at once, so that a WAHA that is slow to answer keeps nobody from
/// hearing what is on the row already.
pub(super) struct Keeper {
    parts: Arc<Parts>,
    states: States,
    bell: Arc<Bell>,
    session: Arc<Session>,
    /// Under way: a look at the row, a question to WAHA, a QR code.
    looking: Option<Work<Option<Session>>>,
    asking: Option<Work<Arc<Reading>>>,
    fetching: Option<Work<Option<QrCode>>>,
    /// What follows the look.
    then: Then,
    /// While the session waits for a scan.
    codes: Option<Codes>,
    /// When the status was last heard, from whomever.
    heard_at: Option<DateTime<Utc>>,
    /// When WAHA was last asked.
    asked_at: Option<DateTime<Utc>>,
    /// When it is asked next, whether or not it reports.
    due_at: DateTime<Utc>,
    /// Whether there is something to tell: what is on the row may be old until WAHA has been asked once.
    is_known: bool,
    /// Whether WAHA has reported the session's changes lately.
    is_reported: bool,
    is_waha_unreachable: bool,
    /// How often in a row the status could not be had.
    failures: u32,
}

type Work<T> = BoxFuture<'static, Result<T, Error>>;

/// What follows a look at the row.
#[derive(Clone, Copy, Default)]
struct Then {
    /// WAHA is asked.
    ask: bool,
    /// WAHA is asked if the row showed nothing new: then only WAHA can tell what has changed.
    ask_if_same: bool,
    /// The bell rang meanwhile.
    look_again: bool,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.parts.news.hub.remove(&self.session.id, &self.states);
    }
}

impl Keeper {
    /// Two looks that are no further apart see when a status begins, closely enough for a countdown.
    const OBSERVED: TimeDelta = TimeDelta::seconds(2);
    /// However much news there is, WAHA is not asked more often about one session.
    const ASKED_APART: TimeDelta = TimeDelta::seconds(1);
    const LONGEST_BACKOFF: TimeDelta = TimeDelta::seconds(30);
    /// Nothing is due later than this: what seems to be was so before the clock was put back.
    const LATEST: TimeDelta = TimeDelta::minutes(2);
    /// A bound, whatever is due.
    const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

    pub(super) fn new(parts: Arc<Parts>, session: Arc<Session>, states: States, bell: Arc<Bell>) -> Self {
        let is_reported = session.reported_at.is_some();
        Self {
            parts,
            states,
            bell,
            session,
            looking: None,
            asking: None,
            fetching: None,
            then: Then::default(),
            codes: None,
            heard_at: None,
            asked_at: None,
            due_at: DateTime::default(),
            is_known: false,
            is_reported,
            is_waha_unreachable: false,
            failures: 0,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.begin_what_is_due();
            self.tell();
            let pause = self.pause();
            tokio::select! {
                ask = self.bell.rung() => {
                    self.then.ask_if_same |= ask;
                    self.look();
                }
                Some(row) = OptionFuture::from(self.looking.as_mut()) => self.looked(row),
                Some(reading) = OptionFuture::from(self.asking.as_mut()) => self.answered(reading),
                Some(code) = OptionFuture::from(self.fetching.as_mut()) => self.fetched(code),
                () = self.parts.clock.sleep(pause) => {}
                () = self.states.closed() => {
                    if self.parts.news.hub.end(&self.session.id, &self.states) {
                        return;
                    }
                }
            }
        }
    }

    fn begin_what_is_due(&mut self) {
        if !self.is_asking() && self.is_due(self.due_at) {
            // The row first: what was missed of it is found now.
            self.then.ask = true;
            self.look();
        }
        if !self.is_asking() && self.code_due_at().is_some_and(|due_at| self.is_due(due_at)) {
            let now = self.parts.clock.now();
            // Asked for a code in any other status, WAHA would wait 10 s before it says no.
            if self.heard_at.is_some_and(|heard_at| now - heard_at <= Self::ASKED_APART) {
                let (codes, at) = (Arc::clone(&self.parts.codes), self.session.address());
                self.fetching = Some(async move { codes.fetch(at).await }.boxed());
            } else {
                self.ask_soon();
            }
        }
    }

    fn is_asking(&self) -> bool {
        self.looking.is_some() || self.asking.is_some()
    }

    /// When the next code is to be fetched, unless one is under way. From a WAHA that cannot be asked, none is.
    fn code_due_at(&self) -> Option<DateTime<Utc>> {
        let codes = self.codes.as_ref().filter(|_| self.fetching.is_none() && self.failures == 0)?;
        Some(codes.due_at())
    }

    fn is_due(&self, at: DateTime<Utc>) -> bool {
        let now = self.parts.clock.now();
        self.session.lifecycle.is_wanted() && (at <= now || at > now + Self::LATEST)
    }

    fn look(&mut self) {
        if self.looking.is_some() {
            self.then.look_again = true;
            return;
        }
        let (sessions, id) = (Arc::clone(&self.parts.sessions), self.session.id.clone());
        self.looking = Some(async move { Ok(sessions.get(&id).await?) }.boxed());
    }

    fn looked(&mut self, row: Result<Option<Session>, Error>) {
        self.looking = None;
        let then = std::mem::take(&mut self.then);
        match row {
            Ok(Some(row)) => {
                let is_news = row.revision != self.session.revision;
                self.take(Arc::new(row), is_news, false);
                if then.ask || then.ask_if_same && !is_news {
                    self.ask();
                }
            }
            Ok(None) => self.leave(),
            Err(error) => self.fail(&error),
        }
        if then.look_again {
            self.then.ask_if_same |= then.ask_if_same;
            self.look();
        }
    }

    fn ask(&mut self) {
        let now = self.parts.clock.now();
        let may_ask = self.asked_at.is_none_or(|asked_at| asked_at > now || now - asked_at >= Self::ASKED_APART);
        if !self.session.lifecycle.is_wanted() || self.asking.is_some() {
            return;
        }
        if !may_ask {
            return self.ask_soon();
        }
        self.asked_at = Some(now);
        let (reader, session) = (Arc::clone(&self.parts.reader), Arc::clone(&self.session));
        self.asking = Some(async move { reader.read(&session).await }.boxed());
    }

    /// Has WAHA asked as soon as it may be.
    fn ask_soon(&mut self) {
        let soon = self.asked_at.map_or_else(DateTime::default, |asked_at| asked_at + Self::ASKED_APART);
        self.due_at = self.due_at.min(soon);
    }

    fn answered(&mut self, reading: Result<Arc<Reading>, Error>) {
        self.asking = None;
        match reading {
            Ok(reading) => {
                (self.failures, self.is_waha_unreachable, self.is_known) = (0, false, true);
                self.take(Arc::clone(&reading.session), true, true);
            }
            Err(Error::NotFound) => self.leave(),
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &Error) {
        tracing::debug!(%error, "a watched session's status could not be had");
        self.failures = self.failures.saturating_add(1);
        self.is_waha_unreachable = matches!(error, Error::Gateway(_));
        self.is_known = true;
        self.due_at = self.parts.clock.now() + self.interval();
    }

    /// The row is gone.
    fn leave(&mut self) {
        let gone = Session { lifecycle: Lifecycle::Disconnected, ..(*self.session).clone() };
        self.take(Arc::new(gone), true, false);
    }

    fn fetched(&mut self, fetched: Result<Option<QrCode>, Error>) {
        self.fetching = None;
        let now = self.parts.clock.now();
        let Some(codes) = &mut self.codes else { return };
        match fetched {
            Ok(Some(code)) => codes.fetched(code, now),
            Ok(None) => {
                // The session has moved on.
                codes.failed(now);
                self.parts.reader.doubt(&self.session);
                self.ask_soon();
            }
            Err(error) => {
                tracing::debug!(%error, "a watched session's QR code could not be had");
                codes.failed(now);
            }
        }
    }

    /// Takes the session as it is on its row, or after WAHA was asked. `is_news`: the status was heard, too.
    fn take(&mut self, session: Arc<Session>, is_news: bool, was_asked: bool) {
        if session.revision < self.session.revision {
            // An answer that was overtaken on its way.
            return;
        }
        let now = self.parts.clock.now();
        let is_reported = session.reported_at != self.session.reported_at;
        if is_reported {
            // Whoever reports can be reached, or will be asked in a moment.
            (self.is_reported, self.is_waha_unreachable, self.failures) = (true, false, 0);
        } else if was_asked && self.heard_at.is_some() && session.status != self.session.status {
            // A change that no report told.
            self.is_reported = false;
        }
        let is_observed = self.heard_at.is_some_and(|heard_at| is_reported || now - heard_at <= Self::OBSERVED);
        self.session = session;
        let scan = self.session.status == Some(SessionStatus::ScanQrCode);
        self.codes = match self.codes.take() {
            _ if !scan => None,
            Some(mut codes) => {
                if is_reported {
                    codes.announced(now);
                }
                Some(codes)
            }
            None if is_observed => Some(Codes::observed(now)),
            None => Some(Codes::default()),
        };
        if !scan {
            self.fetching = None;
        }
        if is_news {
            self.heard_at = Some(now);
            self.due_at = now + self.interval();
        }
    }

    /// How long until WAHA is asked again. Where it reports, that only repairs what was missed.
    fn interval(&self) -> TimeDelta {
        if let Some(failures) = self.failures.checked_sub(1) {
            return TimeDelta::seconds(1 << failures.min(10)).min(Self::LONGEST_BACKOFF);
        }
        let is_settled = match self.session.status {
            Some(SessionStatus::Working) => self.session.paired_at.is_some() && self.session.account.is_some(),
            Some(SessionStatus::Stopped | SessionStatus::Failed) => true,
            _ => false,
        };
        TimeDelta::seconds(match (is_settled, self.is_reported) {
            (true, true) => 60,
            (true, false) => 10,
            (false, true) => 5,
            (false, false) => 1,
        })
    }

    fn pause(&self) -> Duration {
        if !self.session.lifecycle.is_wanted() {
            return Duration::from_hours(1);
        }
        let now = self.parts.clock.now();
        // A session that is down is called lost from some time on.
        let lost_at = self.session.down_since.map(|since| since + Session::DOWN_GRACE).filter(|lost_at| *lost_at > now);
        let question =
            [Some(self.due_at), self.code_due_at()].into_iter().flatten().min().filter(|_| !self.is_asking());
        let next = [question, lost_at].into_iter().flatten().fold(now + Self::LATEST, DateTime::min);
        (next - now).to_std().unwrap_or_default().max(Self::SHORTEST_PAUSE)
    }

    fn tell(&self) {
        if !self.is_known && self.session.lifecycle.is_wanted() {
            return;
        }
        let state = self.state();
        self.states.send_if_modified(|told| {
            let is_news = told.as_deref() != Some(&state);
            if is_news {
                *told = Some(Arc::new(state));
            }
            is_news
        });
    }

    fn state(&self) -> LiveStatus {
        let session = &self.session;
        if !session.lifecycle.is_wanted() {
            return LiveStatus {
                status: SessionStatus::Stopped,
                code: None,
                phone: None,
                reason: Some(Reason::LoggedOut),
                action: Some(Action::Connect),
                is_last: true,
            };
        }
        // Until WAHA has been asked about it for the first time, it is on its way.
        let status = session.status.clone().unwrap_or(SessionStatus::Starting);
        let is_unreachable = self.is_waha_unreachable;
        let action = if is_unreachable { Some(Action::Wait) } else { self.action(&status) };
        let is_failed = status == SessionStatus::Failed;
        let reason = match session.paired_at {
            _ if is_unreachable => Some(Reason::WahaUnreachable),
            Some(_) if is_failed => Some(Reason::ConnectionLost),
            None if is_failed => Some(Reason::QrCodesExpired),
            _ => None,
        };
        LiveStatus {
            code: self.codes.as_ref().and_then(Codes::shown).cloned(),
            phone: session.phone.clone().filter(|_| status == SessionStatus::Working),
            reason,
            action,
            is_last: false,
            status,
        }
    }

    fn action(&self, status: &SessionStatus) -> Option<Action> {
        match status {
            SessionStatus::Working => None,
            SessionStatus::ScanQrCode => Some(Action::ScanQrCode),
            SessionStatus::PasskeyRequired => Some(Action::CompletePasskey),
            SessionStatus::PasskeyConfirmationRequired => Some(Action::ConfirmPasskey),
            SessionStatus::Failed => Some(Action::Connect),
            // A reboot of WAHA reads STOPPED for a while.
            SessionStatus::Stopped if self.session.is_lost(self.parts.clock.now()) => Some(Action::Connect),
            SessionStatus::Stopped | SessionStatus::Starting | SessionStatus::Other(_) => Some(Action::Wait),
        }
    }
}
