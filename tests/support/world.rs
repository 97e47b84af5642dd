//! WAHA servers in memory, as far as sessions go: for tests that make many of them, or take many steps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use switchboard_domain::ports::{Clock, Created, GatewayError, WhatsAppGateway};
use switchboard_domain::{
    DeploymentId, Group, LidTwin, ListedContact, Me, PairingCode, PhoneNumber, QrCode, SessionAddress, SessionLabels,
    SessionName, SessionStatus, UpstreamSession, WorkerHealth, WorkerInfo, WorkerName,
};

/// All workers of a deployment, and the phones that are paired there.
pub struct World {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    workers: BTreeMap<WorkerName, Worker>,
    faults: VecDeque<Fault>,
    unlinked: Vec<(WorkerName, SessionName)>,
    calls: BTreeMap<&'static str, u64>,
}

struct Worker {
    capacity: u32,
    is_reachable: bool,
    sessions: BTreeMap<SessionName, Live>,
}

/// A session that a worker has.
#[derive(Clone, Debug)]
struct Live {
    status: SessionStatus,
    /// When it becomes another, by itself.
    until: Option<DateTime<Utc>>,
    /// The phone that was paired, whether it still is or not.
    phone: Option<String>,
    /// Whether that phone still has the linked device.
    is_linked: bool,
    deployment: Option<DeploymentId>,
    /// The worker it was created on.
    home: WorkerName,
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection: nothing happens.
    Unreachable,
    /// No answer, and nothing has happened.
    LostQuestion,
    /// No answer, and yet it has happened.
    LostAnswer,
}

/// A session, as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it is.
    pub worker: WorkerName,
    /// Its name.
    pub name: SessionName,
    /// WAHA's word.
    pub status: SessionStatus,
    /// Whether a phone has it as a linked device.
    pub is_linked: bool,
}

/// How long a session starts.
const STARTING: TimeDelta = TimeDelta::seconds(2);
/// How long a code can be scanned, until the last one expires.
const SCANNABLE: TimeDelta = TimeDelta::seconds(160);

impl World {
    /// Workers of that name and capacity, without sessions.
    pub fn new(workers: impl IntoIterator<Item = (WorkerName, u32)>, clock: Arc<dyn Clock>) -> Self {
        let worker = |capacity| Worker { capacity, is_reachable: true, sessions: BTreeMap::new() };
        let workers = workers.into_iter().map(|(name, capacity)| (name, worker(capacity))).collect();
        Self { clock, state: Mutex::new(State { workers, ..State::default() }) }
    }

    /// All sessions of all workers.
    pub fn sessions(&self) -> Vec<Seen> {
        let (now, mut state) = (self.clock.now(), self.state());
        let mut seen = Vec::new();
        for (worker, Worker { sessions, .. }) in &mut state.workers {
            for (name, live) in sessions {
                live.live_on(now);
                seen.push(Seen {
                    worker: worker.clone(),
                    name: name.clone(),
                    status: live.status.clone(),
                    is_linked: live.is_linked,
                });
            }
        }
        seen
    }

    /// The sessions that lost their linked device by a call, since this was asked last.
    pub fn take_unlinked(&self) -> Vec<(WorkerName, SessionName)> {
        std::mem::take(&mut self.state().unlinked)
    }

    /// How many calls there were, by name.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.state().calls.clone()
    }

    /// The next calls go wrong like this, one each.
    pub fn go_wrong(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// Nothing goes wrong any more.
    pub fn go_right(&self) {
        self.state().faults.clear();
    }

    /// The worker is cut off, or back. Its sessions live on.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn set_reachable(&self, worker: &WorkerName, is_reachable: bool) {
        self.state().workers.get_mut(worker).expect("a worker").is_reachable = is_reachable;
    }

    /// Whether the worker can be reached.
    pub fn is_reachable(&self, worker: &WorkerName) -> bool {
        self.state().workers.get(worker).is_some_and(|worker| worker.is_reachable)
    }

    /// The worker's process starts again: all its sessions read STOPPED, and what is linked starts after a while.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn reboot(&self, worker: &WorkerName) {
        let now = self.clock.now();
        for live in self.state().workers.get_mut(worker).expect("a worker").sessions.values_mut() {
            live.live_on(now);
            live.status = SessionStatus::Stopped;
            live.until = live.is_linked.then(|| now + STARTING);
        }
    }

    /// A phone scans the code. `false` if there is none to scan.
    pub fn scan(&self, name: &SessionName, phone: &str) -> bool {
        self.change(name, |live, now| {
            let is_scannable = live.status == SessionStatus::ScanQrCode;
            if is_scannable {
                live.phone = Some(phone.to_owned());
                live.is_linked = true;
                live.start(now);
            }
            is_scannable
        })
    }

    /// The user removes the linked device on the phone. `false` if there is none.
    pub fn unlink(&self, name: &SessionName) -> bool {
        self.change(name, |live, _| {
            let was_linked = std::mem::take(&mut live.is_linked);
            if was_linked && live.status != SessionStatus::Stopped {
                live.become_now(SessionStatus::Failed);
            }
            was_linked
        })
    }

    /// The session fails, its login still good. `false` if it does not run.
    pub fn fail(&self, name: &SessionName) -> bool {
        self.change(name, |live, _| {
            let runs = live.status != SessionStatus::Stopped;
            if runs {
                live.become_now(SessionStatus::Failed);
            }
            runs
        })
    }

    /// The connection to WhatsApp breaks, and is made again. `false` if there was none.
    pub fn drop_connection(&self, name: &SessionName) -> bool {
        self.change(name, |live, now| {
            let works = live.status == SessionStatus::Working;
            if works {
                live.start(now);
            }
            works
        })
    }

    /// An operator stops it. `false` if there is no such session.
    pub fn stop(&self, name: &SessionName) -> bool {
        self.change(name, |live, _| {
            live.become_now(SessionStatus::Stopped);
            true
        })
    }

    /// The session vanishes, like a lost volume; the phone still has its linked device. `false` if there was none.
    pub fn lose(&self, name: &SessionName) -> bool {
        self.state().workers.values_mut().any(|worker| worker.sessions.remove(name).is_some())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the session where that can be done. A worker that is cut off may have another one of that name, and comes
    /// last.
    fn change(&self, name: &SessionName, change: impl Fn(&mut Live, DateTime<Utc>) -> bool) -> bool {
        let (now, mut state) = (self.clock.now(), self.state());
        let mut workers: Vec<_> = state.workers.values_mut().collect();
        workers.sort_by_key(|worker| !worker.is_reachable);
        workers.into_iter().filter_map(|worker| worker.sessions.get_mut(name)).any(|live| {
            live.live_on(now);
            change(live, now)
        })
    }

    /// A call of a worker: counted, and perhaps going wrong.
    fn call<T>(
        &self,
        call: &'static str,
        worker: &WorkerName,
        act: impl FnOnce(&mut Worker, &mut Vec<(WorkerName, SessionName)>, DateTime<Utc>) -> Result<T, GatewayError>,
    ) -> Result<T, GatewayError> {
        let (now, mut state) = (self.clock.now(), self.state());
        *state.calls.entry(call).or_default() += 1;
        let fault = state.faults.pop_front();
        let State { workers, unlinked, .. } = &mut *state;
        let unreachable = || GatewayError::Unavailable("on purpose".to_owned());
        let worker = workers.get_mut(worker).filter(|worker| worker.is_reachable).ok_or_else(unreachable)?;
        match fault {
            Some(Fault::Unreachable) => Err(unreachable()),
            Some(Fault::LostQuestion) => Err(GatewayError::Timeout),
            Some(Fault::LostAnswer) => act(worker, unlinked, now).and(Err(GatewayError::Timeout)),
            None => act(worker, unlinked, now),
        }
    }

    fn on_session<T>(
        &self,
        call: &'static str,
        at: &SessionAddress,
        act: impl FnOnce(&mut Live, &mut Vec<(WorkerName, SessionName)>, DateTime<Utc>) -> Result<T, GatewayError>,
    ) -> Result<T, GatewayError> {
        self.call(call, &at.worker, |worker, unlinked, now| {
            let live = worker.sessions.get_mut(&at.name).ok_or(GatewayError::NoSession)?;
            live.live_on(now);
            act(live, unlinked, now)
        })
    }
}

impl Live {
    fn become_now(&mut self, status: SessionStatus) {
        self.status = status;
        self.until = None;
    }

    fn start(&mut self, now: DateTime<Utc>) {
        self.status = SessionStatus::Starting;
        self.until = Some(now + STARTING);
    }

    /// What has come of it by itself by now.
    fn live_on(&mut self, now: DateTime<Utc>) {
        while let Some(since) = self.until.filter(|until| *until <= now) {
            match self.status {
                SessionStatus::Stopped => {
                    self.status = SessionStatus::Starting;
                    self.until = Some(since + STARTING);
                }
                SessionStatus::Starting if self.is_linked => self.become_now(SessionStatus::Working),
                SessionStatus::Starting if self.phone.is_some() => self.become_now(SessionStatus::Failed),
                SessionStatus::Starting => {
                    self.status = SessionStatus::ScanQrCode;
                    self.until = Some(since + SCANNABLE);
                }
                _ => self.become_now(SessionStatus::Failed),
            }
        }
    }

    fn view(&self, name: &SessionName) -> UpstreamSession {
        let me = |phone: &String| Me { id: format!("{phone}@c.us").parse().expect("digits are an id"), lid: None };
        UpstreamSession {
            name: name.clone(),
            status: self.status.clone(),
            me: self.phone.as_ref().map(me),
            deployment: self.deployment.clone(),
            home: Some(self.home.clone()),
            is_webhook_outdated: false,
        }
    }
}

#[async_trait]
impl WhatsAppGateway for World {
    async fn session(&self, at: &SessionAddress) -> Result<Option<UpstreamSession>, GatewayError> {
        self.call("session", &at.worker, |worker, _, now| {
            Ok(worker.sessions.get_mut(&at.name).map(|live| {
                live.live_on(now);
                live.view(&at.name)
            }))
        })
    }

    async fn sessions(&self, worker: &WorkerName) -> Result<Vec<UpstreamSession>, GatewayError> {
        self.call("sessions", worker, |worker, _, now| {
            let view = |(name, live): (&SessionName, &mut Live)| {
                live.live_on(now);
                live.view(name)
            };
            Ok(worker.sessions.iter_mut().map(view).collect())
        })
    }

    async fn create(&self, at: &SessionAddress, labels: &SessionLabels) -> Result<Created, GatewayError> {
        self.call("create", &at.worker, |worker, _, now| {
            if worker.sessions.contains_key(&at.name) {
                return Ok(Created::Existed);
            }
            let (status, until) = (SessionStatus::Starting, Some(now + STARTING));
            let deployment = Some(labels.deployment.clone());
            let live = Live { status, until, phone: None, is_linked: false, deployment, home: at.worker.clone() };
            worker.sessions.insert(at.name.clone(), live);
            Ok(Created::New)
        })
    }

    async fn start(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.on_session("start", at, |live, _, now| {
            if live.status == SessionStatus::Stopped {
                live.start(now);
            }
            Ok(())
        })
    }

    async fn restart(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.on_session("restart", at, |live, _, now| {
            live.start(now);
            Ok(())
        })
    }

    async fn logout(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.on_session("logout", at, |live, unlinked, now| {
            if std::mem::take(&mut live.is_linked) {
                unlinked.push((at.worker.clone(), at.name.clone()));
            }
            live.phone = None;
            if live.status != SessionStatus::Stopped {
                live.start(now);
            }
            Ok(())
        })
    }

    async fn delete(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.call("delete", &at.worker, |worker, unlinked, _| {
            if worker.sessions.remove(&at.name).is_some_and(|live| live.is_linked) {
                unlinked.push((at.worker.clone(), at.name.clone()));
            }
            Ok(())
        })
    }

    async fn qr(&self, at: &SessionAddress) -> Result<QrCode, GatewayError> {
        self.on_session("qr", at, |live, _, _| match &live.status {
            SessionStatus::ScanQrCode => Ok(QrCode { png_base64: "QQ==".to_owned() }),
            status => Err(GatewayError::WrongStatus(status.clone())),
        })
    }

    async fn request_pairing_code(
        &self,
        at: &SessionAddress,
        _phone: &PhoneNumber,
    ) -> Result<PairingCode, GatewayError> {
        self.on_session("pairing code", at, |live, _, _| match &live.status {
            SessionStatus::ScanQrCode => Ok(PairingCode("ABCD-ABCD".to_owned())),
            status => Err(GatewayError::WrongStatus(status.clone())),
        })
    }

    async fn refresh_groups(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.on_session("refresh groups", at, |_, _, _| Ok(()))
    }

    async fn groups(&self, at: &SessionAddress) -> Result<Vec<Group>, GatewayError> {
        self.on_session("groups", at, |_, _, _| Ok(Vec::new()))
    }

    async fn contacts(&self, at: &SessionAddress) -> Result<Vec<ListedContact>, GatewayError> {
        self.on_session("contacts", at, |_, _, _| Ok(Vec::new()))
    }

    async fn lid_twins(&self, at: &SessionAddress) -> Result<Vec<LidTwin>, GatewayError> {
        self.on_session("lids", at, |_, _, _| Ok(Vec::new()))
    }

    async fn renew_webhook(&self, at: &SessionAddress) -> Result<(), GatewayError> {
        self.on_session("renew webhook", at, |_, _, _| Ok(()))
    }

    fn workers(&self) -> Vec<WorkerInfo> {
        let state = self.state();
        let info = |(name, worker): (&WorkerName, &Worker)| WorkerInfo {
            name: name.clone(),
            capacity: worker.capacity,
            health: if worker.is_reachable { WorkerHealth::Up } else { WorkerHealth::Down },
            is_left_alone: false,
            software: None,
        };
        state.workers.iter().map(info).collect()
    }

    async fn probe(&self) -> Vec<WorkerInfo> {
        self.workers()
    }
}
