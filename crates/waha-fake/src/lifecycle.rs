//! The life of a session: start, stop, restart, logout, delete, and what happens between.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    config::Config,
    error::{self, Exception},
    http::Reply,
    options::Engine,
    phone::number_for,
    qr,
    server::{Server, State, lock},
    session::{FAILED, Me, SCAN_QR_CODE, STARTING, STOPPED, Session, WORKING},
};

/// NOWEB, measured: start of a session without a login until the first QR code.
const TO_QR: Duration = Duration::from_millis(400);
/// NOWEB, measured: start with a stored login until WORKING, or FAILED if the phone threw it out.
const TO_WORKING: Duration = Duration::from_millis(300);
/// NOWEB, measured: a closed connection shows this long, then comes STARTING. The same after a scan, 2.2 s in all.
pub(crate) const TO_RECONNECT: Duration = Duration::from_millis(1900);
/// Told to WhatsApp at logout and delete; then this wait.
const UNPAIR: Duration = Duration::from_secs(1);
/// How long a lifecycle call waits behind another one of its session.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// NOWEB without a network: this many starts, this far apart, then FAILED. A browser tries for ever.
const TRIES: u32 = 60;
const BETWEEN_TRIES: Duration = Duration::from_secs(2);
const BROWSER_FLAPS: Duration = Duration::from_secs(3);

/// WAHA's sleep after a stop (2026.6.1, read; NOWEB and WEBJS measured).
const fn after_stop(engine: Engine) -> Duration {
    match engine {
        Engine::Noweb => Duration::from_secs(1),
        Engine::Webjs | Engine::Wpp => Duration::from_secs(3),
        Engine::Gows => Duration::from_millis(10),
    }
}

impl Server {
    /// Waits for the turn of a lifecycle call.
    ///
    /// # Errors
    /// After 5 s: WAHA's lock gives up.
    pub(crate) async fn exclusively(&self, name: &str) -> Result<OwnedMutexGuard<()>, Exception> {
        let queue = {
            let mut locks = lock(&self.locks);
            if locks.len() > 10_000 {
                locks.retain(|_, queue| Arc::strong_count(queue) > 1);
            }
            Arc::clone(locks.entry(name.to_owned()).or_default())
        };
        timeout(self.clock.scaled(LOCK_WAIT), queue.lock_owned()).await.map_err(|_| Exception::lock_timed_out())
    }

    /// Waits for a status, as WAHA does before whatever needs one: 5 s for a session that is unknown or STOPPED, 10 s
    /// for any other status (WAHA 2025.12.3, recorded).
    ///
    /// # Errors
    /// The 422 that the client gets.
    pub(crate) async fn wait_for(&self, name: &str, expected: &str) -> Result<(), Reply> {
        let started = Instant::now();
        let mut changed = self.changed.subscribe();
        loop {
            let status = self.state().sessions.get(name).map(|session| session.status.clone());
            if status.as_deref() == Some(expected) {
                return Ok(());
            }
            let seconds = if status.as_deref().is_none_or(|status| status == STOPPED) { 5 } else { 10 };
            let deadline = started + self.clock.scaled(Duration::from_secs(seconds));
            if Instant::now() >= deadline {
                return Err(match status {
                    None => error::still_unknown(name),
                    Some(status) => error::wrong_status(name, &status, expected),
                });
            }
            // Either way the status is looked at again.
            let _ = timeout_at(deadline, changed.changed()).await;
        }
    }

    /// Starts a session that is not running.
    pub(crate) fn begin(self: &Arc<Self>, state: &mut State, name: &str) {
        let run = state.next_run();
        let Some(session) = state.sessions.get_mut(name) else {
            return;
        };
        session.run = run;
        session.running = true;
        session.me = None;
        session.qr = None;
        // A new object in WAHA: its history begins with a STOPPED that no event tells (2025.12.3, recorded).
        session.history.clear();
        session.note(STOPPED);
        self.turn(session, STARTING);
        let (server, name) = (Arc::clone(self), name.to_owned());
        self.spawn(async move { server.connect(&name, run).await });
    }

    /// Stops a running session and sleeps as WAHA does.
    pub(crate) async fn halt(self: &Arc<Self>, name: &str) {
        {
            let mut state = self.state();
            let run = state.next_run();
            let Some(session) = state.sessions.get_mut(name) else {
                return;
            };
            session.run = run;
            session.running = false;
            session.qr = None;
            if let Some(me) = session.me.take() {
                session.stored_me = Some(me);
            }
            self.turn(session, STOPPED);
        }
        self.clock.sleep(after_stop(self.options.engine)).await;
    }

    /// Unpairs and stops a running session; a connected one disappears from the phone's list of linked devices.
    async fn unpair(self: &Arc<Self>, name: &str) {
        {
            let mut state = self.state();
            let Some(session) = state.sessions.get_mut(name) else {
                return;
            };
            if session.status == WORKING && session.has_live_link() {
                let login = session.login.take();
                session.me = None;
                if let Some(login) = login {
                    state.unlink_device(&login.phone);
                }
            }
        }
        self.clock.sleep(UNPAIR).await;
        self.halt(name).await;
    }

    pub(crate) async fn stop_session(self: &Arc<Self>, name: &str) {
        if !self.is_running(name) {
            return;
        }
        self.halt(name).await;
        if self.options.engine.has_browser() {
            // WEBJS, recorded: restart 3.0 s, but stop 4.0 s.
            self.clock.sleep(UNPAIR).await;
        }
    }

    /// Stop and start; a STOPPED one is started too.
    pub(crate) async fn restart_session(self: &Arc<Self>, name: &str) {
        if self.is_running(name) {
            self.halt(name).await;
        }
        self.begin(&mut self.state(), name);
    }

    /// Replaces the config; a running session is restarted.
    pub(crate) async fn update_session(self: &Arc<Self>, name: &str, config: Config) {
        let running = match self.state().sessions.get_mut(name) {
            Some(session) => {
                session.config = config;
                session.running
            }
            None => false,
        };
        if running {
            self.restart_session(name).await;
        }
    }

    /// Forgets the login; what ran starts again, with a new QR code, and FAILED counts as running.
    pub(crate) async fn logout_session(self: &Arc<Self>, name: &str) {
        let ran = self.is_running(name);
        if ran {
            self.unpair(name).await;
        }
        let mut state = self.state();
        if let Some(session) = state.sessions.get_mut(name) {
            session.forget_login();
        }
        if ran {
            self.begin(&mut state, name);
        }
    }

    /// No event tells of it but the STOPPED of what ran.
    pub(crate) async fn delete_session(self: &Arc<Self>, name: &str) {
        if self.is_running(name) {
            self.unpair(name).await;
        }
        self.state().sessions.remove(name);
        self.changed.send_replace(());
    }

    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.state().sessions.get(name).is_some_and(|session| session.running)
    }

    /// What a start leads to, unless a later one makes it void.
    pub(crate) async fn connect(self: &Arc<Self>, name: &str, run: u64) {
        if !self.reach_whatsapp(name, run).await {
            return;
        }
        let login = self.state().sessions.get(name).and_then(|session| session.login.clone());
        let Some(login) = login else {
            self.clock.sleep(TO_QR).await;
            return self.show_codes(name, run).await;
        };
        self.clock.sleep(TO_WORKING).await;
        let account = Arc::clone(self.state().account(&login.phone, &self.options));
        self.in_run(name, run, |server, session| {
            if session.has_live_link() {
                session.me = Some(Me::of(&account, server.options.engine));
                session.stored_me.clone_from(&session.me);
                server.turn(session, WORKING);
            } else {
                server.turn(session, FAILED);
            }
        });
    }

    /// Whether WhatsApp was reached before the engine gave up.
    async fn reach_whatsapp(self: &Arc<Self>, name: &str, run: u64) -> bool {
        let browser = self.options.engine.has_browser();
        let mut tries = 0;
        while !self.state().network {
            if browser {
                self.clock.sleep(BROWSER_FLAPS).await;
                self.in_run(name, run, |server, session| server.turn(session, FAILED));
                self.clock.sleep(BROWSER_FLAPS).await;
            } else {
                self.clock.sleep(BETWEEN_TRIES).await;
                tries += 1;
            }
            let next = if tries == TRIES { FAILED } else { STARTING };
            if self.in_run(name, run, |server, session| server.turn(session, next)).is_none() || next == FAILED {
                return false;
            }
        }
        true
    }

    async fn show_codes(self: &Arc<Self>, name: &str, run: u64) {
        for number in 0..qr::CODES {
            let shown = self.in_run(name, run, |server, session| {
                session.qr = Some(qr::text());
                server.turn(session, SCAN_QR_CODE);
            });
            if shown.is_none() {
                return;
            }
            if let (0, Some(after)) = (number, self.options.scan_after) {
                let (server, name) = (Arc::clone(self), name.to_owned());
                self.spawn(async move {
                    tokio::time::sleep(after).await;
                    server.scan(&name, &number_for(&name));
                });
            }
            self.clock.sleep(qr::life(number)).await;
        }
        self.in_run(name, run, |server, session| {
            session.qr = None;
            server.turn(session, FAILED);
        });
    }

    /// Does something to a session, unless it was stopped, started again or deleted since.
    pub(crate) fn in_run<T>(
        self: &Arc<Self>,
        name: &str,
        run: u64,
        act: impl FnOnce(&Arc<Self>, &mut Session) -> T,
    ) -> Option<T> {
        let mut state = self.state();
        let session = state.sessions.get_mut(name).filter(|session| session.run == run)?;
        Some(act(self, session))
    }
}

impl State {
    /// The phone shows one linked device less.
    pub(crate) fn unlink_device(&mut self, phone: &str) {
        if let Some(count) = self.devices.get_mut(phone) {
            *count = count.saturating_sub(1);
        }
    }
}
