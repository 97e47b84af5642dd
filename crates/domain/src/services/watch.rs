//! A session's state, told to whoever watches: the present one first, then each other one.

mod codes;
mod hub;
mod keeper;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use tokio::sync::watch;

pub(super) use self::hub::Hub;
use self::keeper::Keeper;
use super::news::News;
use super::qr::QrCodes;
use super::status::StatusReader;
use crate::ports::{Clock, Ports, SessionRepository};
use crate::{Error, PhoneNumber, QrCode, SessionName, SessionStatus, UserId};

/// All that a user has to know of a session at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveStatus {
    /// WAHA's word.
    pub status: SessionStatus,
    /// With `SCAN_QR_CODE`: the code to scan, once it has been fetched.
    pub code: Option<ShownCode>,
    /// With `WORKING`: the number of the connected account.
    pub phone: Option<PhoneNumber>,
    /// Why the session is not working, where that needs saying.
    pub reason: Option<Reason>,
    /// What the user can do.
    pub action: Option<Action>,
    /// Whether this is the last state: the user has logged out.
    pub is_last: bool,
}

/// A QR code on a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCode {
    /// The code.
    pub code: QrCode,
    /// When WhatsApp takes it no longer, if its beginning was observed.
    pub expires_at: Option<DateTime<Utc>>,
    /// Which one it is since the session began to wait for a scan, from 1, if that beginning was observed.
    pub attempt: Option<u32>,
}

/// Why a session is not working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user logged out.
    LoggedOut,
    /// Nobody scanned a QR code in time.
    QrCodesExpired,
    /// It was paired and is not any more: unlinked on the phone, or given up by the engine.
    ConnectionLost,
    /// WAHA cannot be asked: the status is the last one it gave.
    WahaUnreachable,
}

/// What a user can do about a session that is not working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Scan the QR code, or ask for a pairing code.
    ScanQrCode,
    /// Nothing but wait.
    Wait,
    /// Connect anew.
    Connect,
    /// Complete what WhatsApp asks for: a passkey, on WhatsApp's own pages.
    CompletePasskey,
    /// Confirm the passkey's code.
    ConfirmPasskey,
}

/// Watches users' sessions.
///
/// Each watched session has one keeper on each replica, however many watch it: it looks at the row when it is told of a
/// change, asks WAHA at times in case it was not told, and fetches QR codes. While nobody watches, nobody fetches them.
pub struct WatchSession {
    parts: Arc<Parts>,
    runtime: Handle,
}

/// What keepers work with.
struct Parts {
    sessions: Arc<dyn SessionRepository>,
    clock: Arc<dyn Clock>,
    reader: Arc<StatusReader>,
    codes: Arc<QrCodes>,
    news: Arc<News>,
}

/// What one watcher sees.
pub struct Watcher {
    states: watch::Receiver<Option<Arc<LiveStatus>>>,
    has_begun: bool,
    is_over: bool,
}

impl WatchSession {
    /// The use case; keepers run on the present runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(ports: &Ports, reader: Arc<StatusReader>, codes: Arc<QrCodes>, news: Arc<News>) -> Self {
        let Ports { sessions, clock, .. } = ports.clone();
        Self { parts: Arc::new(Parts { sessions, clock, reader, codes, news }), runtime: Handle::current() }
    }

    /// Watches the owner's session of that name, from its present state on.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the database's failures.
    pub async fn run(&self, owner: &UserId, name: &SessionName) -> Result<Watcher, Error> {
        let session = self.parts.news.roster.owned(owner, name).await?;
        let states = self.parts.news.hub.watch(&session.id, session.lifecycle.is_wanted(), |states, bell| {
            let keeper = Keeper::new(Arc::clone(&self.parts), Arc::clone(&session), states, bell);
            self.runtime.spawn(keeper.run());
        });
        Ok(Watcher { states, has_begun: false, is_over: false })
    }
}

impl Watcher {
    /// Whether the last state has been told.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The present state the first time, then the next other one; states in between that came and went are left out.
    /// `None` after the last.
    pub async fn next(&mut self) -> Option<Arc<LiveStatus>> {
        if self.is_over {
            return None;
        }
        if self.has_begun {
            self.states.changed().await.ok()?;
        }
        let state = self.states.wait_for(Option::is_some).await.ok()?.clone()?;
        (self.has_begun, self.is_over) = (true, state.is_last);
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use chrono::TimeDelta;

    use super::*;
    use crate::ports::{GatewayError, MockWhatsAppGateway, Report, UpstreamEvent};
    use crate::services::Services;
    use crate::services::testing::{Row, ports, session, upstream};
    use crate::{Lifecycle, Session};

    /// WAHA as these tests see it: a status and a code that they set, and how often each was asked for.
    #[derive(Clone)]
    struct Waha {
        status: Arc<Mutex<Result<SessionStatus, GatewayError>>>,
        code: Arc<Mutex<String>>,
        status_calls: Arc<AtomicUsize>,
        code_calls: Arc<AtomicUsize>,
    }

    impl Waha {
        fn new(status: SessionStatus) -> Self {
            Self {
                status: Arc::new(Mutex::new(Ok(status))),
                code: Arc::new(Mutex::new("one".to_owned())),
                status_calls: Arc::default(),
                code_calls: Arc::default(),
            }
        }

        fn gateway(&self) -> MockWhatsAppGateway {
            let (mut gateway, waha) = (MockWhatsAppGateway::new(), self.clone());
            gateway.expect_session().returning(move |_| {
                waha.status_calls.fetch_add(1, Ordering::SeqCst);
                waha.status.lock().unwrap().clone().map(|status| Some(upstream(status)))
            });
            let waha = self.clone();
            gateway.expect_qr().returning(move |_| {
                waha.code_calls.fetch_add(1, Ordering::SeqCst);
                Ok(QrCode { png_base64: waha.code.lock().unwrap().clone() })
            });
            gateway
        }

        fn turns(&self, status: SessionStatus) {
            *self.status.lock().unwrap() = Ok(status);
        }
    }

    fn app(status: SessionStatus) -> (Services, Waha, Row) {
        let (waha, row) = (Waha::new(status), Row::of(session(Lifecycle::Connected)));
        let ports = ports(row.repository(), waha.gateway());
        (Services::new(&ports, 1 << 20), waha, row)
    }

    async fn watch(services: &Services) -> Watcher {
        services.watch.run(&"alice".parse().unwrap(), &"session_1".parse().unwrap()).await.unwrap()
    }

    async fn next(watcher: &mut Watcher) -> Arc<LiveStatus> {
        tokio::time::timeout(Duration::from_mins(10), watcher.next()).await.unwrap().unwrap()
    }

    fn code(state: &LiveStatus) -> Option<(&str, Option<u32>)> {
        state.code.as_ref().map(|shown| (shown.code.png_base64.as_str(), shown.attempt))
    }

    /// Until there is a code. That there will be one may be told before.
    async fn with_code(watcher: &mut Watcher) -> Arc<LiveStatus> {
        loop {
            let state = next(watcher).await;
            assert_eq!(state.status, SessionStatus::ScanQrCode);
            if state.code.is_some() {
                return state;
            }
        }
    }

    fn report(seconds: i64, status: SessionStatus) -> UpstreamEvent {
        let at = session(Lifecycle::Connected).created_at + TimeDelta::seconds(seconds);
        let session = "session_1".parse().unwrap();
        UpstreamEvent {
            worker: "default".parse().unwrap(),
            session,
            me: upstream(SessionStatus::Working).me,
            report: Report::Status { at, status },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_present_state_comes_first_and_then_each_other_one() {
        let (services, waha, _) = app(SessionStatus::Starting);
        let mut watcher = watch(&services).await;
        assert_eq!(next(&mut watcher).await.status, SessionStatus::Starting);
        waha.turns(SessionStatus::ScanQrCode);
        let shown = with_code(&mut watcher).await;
        assert_eq!((code(&shown), shown.action), (Some(("one", Some(1))), Some(Action::ScanQrCode)));
        waha.turns(SessionStatus::Working);
        let working = next(&mut watcher).await;
        assert_eq!((&working.status, working.action, code(&working)), (&SessionStatus::Working, None, None));
        assert_eq!(working.phone.as_ref().unwrap().as_str(), "+34600111222");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_code_takes_the_place_of_one_that_has_run_out() {
        let (services, waha, _) = app(SessionStatus::Starting);
        let mut watcher = watch(&services).await;
        next(&mut watcher).await;
        waha.turns(SessionStatus::ScanQrCode);
        let begun = tokio::time::Instant::now();
        assert_eq!(code(&*with_code(&mut watcher).await), Some(("one", Some(1))));
        tokio::time::sleep(Duration::from_secs(50)).await;
        *waha.code.lock().unwrap() = "two".to_owned();
        assert_eq!(code(&*next(&mut watcher).await), Some(("two", Some(2))));
        assert!((59..63).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waha_reports_is_told_without_asking() {
        let (services, waha, _) = app(SessionStatus::Starting);
        let mut watcher = watch(&services).await;
        next(&mut watcher).await;
        services.take_report.run(report(1, SessionStatus::ScanQrCode));
        waha.turns(SessionStatus::ScanQrCode);
        let asked = waha.status_calls.load(Ordering::SeqCst);
        assert_eq!(code(&*with_code(&mut watcher).await), Some(("one", Some(1))));
        assert_eq!(waha.status_calls.load(Ordering::SeqCst), asked);
        tokio::time::sleep(Duration::from_secs(30)).await;
        *waha.code.lock().unwrap() = "two".to_owned();
        services.take_report.run(report(31, SessionStatus::ScanQrCode));
        assert_eq!(code(&*next(&mut watcher).await), Some(("two", Some(2))));
        services.take_report.run(report(32, SessionStatus::Working));
        assert_eq!(next(&mut watcher).await.status, SessionStatus::Working);
        services.take_report.run(report(20, SessionStatus::Failed));
        services.take_report.run(report(40, SessionStatus::Failed));
        let failed = next(&mut watcher).await;
        assert_eq!((failed.reason, failed.action), (Some(Reason::ConnectionLost), Some(Action::Connect)));
    }

    #[tokio::test(start_paused = true)]
    async fn many_watchers_are_one_question_and_none_is_none() {
        let (services, waha, _) = app(SessionStatus::ScanQrCode);
        let mut watchers = Vec::new();
        for _ in 0..100 {
            watchers.push(watch(&services).await);
        }
        for watcher in &mut watchers {
            with_code(watcher).await;
        }
        assert_eq!(waha.code_calls.load(Ordering::SeqCst), 1);
        drop(watchers);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let calls = [&waha.status_calls, &waha.code_calls].map(|calls| calls.load(Ordering::SeqCst));
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!([&waha.status_calls, &waha.code_calls].map(|calls| calls.load(Ordering::SeqCst)), calls);
        with_code(&mut watch(&services).await).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_state_is_that_the_user_has_logged_out() {
        let (services, _, row) = app(SessionStatus::Working);
        let mut watcher = watch(&services).await;
        next(&mut watcher).await;
        row.change(|session| session.lifecycle = Lifecycle::LoggingOut);
        services.news.changed(&session(Lifecycle::LoggingOut));
        let last = next(&mut watcher).await;
        assert_eq!((&last.status, last.reason), (&SessionStatus::Stopped, Some(Reason::LoggedOut)));
        assert!(watcher.next().await.is_none());
        assert!(watcher.next().await.is_none());
        let mut late = watch(&services).await;
        assert!(next(&mut late).await.is_last);
    }

    #[tokio::test(start_paused = true)]
    async fn while_waha_is_off_the_last_state_is_shown_as_such() {
        let (services, waha, row) = app(SessionStatus::Working);
        row.change(|session| session.status = Some(SessionStatus::Working));
        *waha.status.lock().unwrap() = Err(GatewayError::Timeout);
        let mut watcher = watch(&services).await;
        let off = next(&mut watcher).await;
        assert_eq!((&off.status, off.reason), (&SessionStatus::Working, Some(Reason::WahaUnreachable)));
        tokio::time::sleep(Duration::from_mins(10)).await;
        let calls = waha.status_calls.load(Ordering::SeqCst);
        assert!((20..30).contains(&calls), "ever more slowly: {calls}");
        waha.turns(SessionStatus::Working);
        assert_eq!(next(&mut watcher).await.reason, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_proves_that_waha_is_there() {
        let (services, waha, row) = app(SessionStatus::Working);
        row.change(|session| session.status = Some(SessionStatus::Working));
        *waha.status.lock().unwrap() = Err(GatewayError::Timeout);
        let mut watcher = watch(&services).await;
        assert_eq!(next(&mut watcher).await.reason, Some(Reason::WahaUnreachable));
        services.take_report.run(report(1, SessionStatus::Starting));
        let told = next(&mut watcher).await;
        assert_eq!((&told.status, told.reason, told.action), (&SessionStatus::Starting, None, Some(Action::Wait)));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_after_the_next_connect_is_not_told_of_the_logout_before_it() {
        let (services, _, row) = app(SessionStatus::Working);
        let mut slow = watch(&services).await;
        next(&mut slow).await;
        row.change(|session| session.lifecycle = Lifecycle::LoggingOut);
        services.news.changed(&session(Lifecycle::LoggingOut));
        tokio::time::sleep(Duration::from_millis(200)).await;
        row.change(|session| session.lifecycle = Lifecycle::Connected);
        let mut fresh = watch(&services).await;
        let told = next(&mut fresh).await;
        assert_eq!((&told.status, told.is_last), (&SessionStatus::Working, false));
        assert!(next(&mut slow).await.is_last, "it has not read that yet");
        assert!(slow.next().await.is_none());
        drop(slow);
        tokio::time::sleep(Duration::from_millis(1)).await;
        services.take_report.run(report(1, SessionStatus::Failed));
        assert_eq!(next(&mut fresh).await.status, SessionStatus::Failed, "the old keeper took nothing with it");
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_finds_the_latest_state_only() {
        let (services, _, _) = app(SessionStatus::Starting);
        let mut watcher = watch(&services).await;
        next(&mut watcher).await;
        for (second, status) in [(1, SessionStatus::Failed), (2, SessionStatus::Starting), (3, SessionStatus::Working)]
        {
            services.take_report.run(report(second, status));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(next(&mut watcher).await.status, SessionStatus::Working);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_session_is_waited_for_until_it_is_lost() {
        let (services, _, _) = app(SessionStatus::Stopped);
        let mut watcher = watch(&services).await;
        let begun = tokio::time::Instant::now();
        assert_eq!(next(&mut watcher).await.action, Some(Action::Wait));
        assert_eq!(next(&mut watcher).await.action, Some(Action::Connect));
        assert_eq!(begun.elapsed().as_secs(), u64::try_from(Session::DOWN_GRACE.num_seconds()).unwrap());
    }
}
