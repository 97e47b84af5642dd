//! The state of a fake, shared by its sockets, its planned events and its scenario handle.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Handle,
    sync::{Semaphore, watch},
};

use crate::{
    account::{Account, Accounts},
    call::{Call, REMEMBERED},
    clock::{Clock, now_ms},
    fault::{self, Fault},
    http::{self, Reply, Request},
    options::Options,
    phone::number_for,
    route,
    session::Session,
    version::{Environment, Version},
};

/// Webhooks on the wire at a time; WAHA itself has no bound.
const DELIVERIES: usize = 256;

pub(crate) struct Server {
    pub(crate) options: Options,
    pub(crate) version: Version,
    pub(crate) environment: Environment,
    pub(crate) clock: Clock,
    pub(crate) started_ms: i64,
    state: Mutex<State>,
    calls: Mutex<VecDeque<Call>>,
    pub(crate) faults: Mutex<Vec<Fault>>,
    /// One lifecycle call at a time, by session name.
    pub(crate) locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Something about a session changed.
    pub(crate) changed: watch::Sender<()>,
    stopped: watch::Sender<bool>,
    /// Whether the fake is to be reachable.
    reachable: watch::Sender<bool>,
    /// Whether its port takes connections.
    listens: watch::Sender<bool>,
    runtime: Handle,
    pub(crate) client: OnceLock<Option<reqwest::Client>>,
    pub(crate) deliveries: Semaphore,
}

/// What changes.
pub(crate) struct State {
    pub(crate) sessions: BTreeMap<String, Session>,
    accounts: Accounts,
    /// Linked devices by phone number: what the phone itself shows.
    pub(crate) devices: HashMap<String, usize>,
    /// WhatsApp can be reached.
    pub(crate) network: bool,
    /// How many of the next questions WhatsApp refuses.
    pub(crate) overlimit: usize,
    runs: u64,
}

impl State {
    /// A number for a new run of a session.
    pub(crate) fn next_run(&mut self) -> u64 {
        self.runs += 1;
        self.runs
    }

    /// The phone number a session is linked to.
    pub(crate) fn phone_of(&self, name: &str) -> Option<String> {
        Some(self.sessions.get(name)?.login.as_ref()?.phone.clone())
    }

    pub(crate) fn account(&mut self, phone: &str, options: &Options) -> &mut Arc<Account> {
        self.accounts.get(phone, options)
    }
}

impl Server {
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            version: Version::parse(&options.version),
            environment: Environment::of(&options),
            clock: Clock::new(options.time_scale),
            started_ms: now_ms(),
            state: Mutex::new(State {
                sessions: BTreeMap::new(),
                accounts: Accounts::default(),
                devices: HashMap::new(),
                network: true,
                overlimit: 0,
                runs: 0,
            }),
            calls: Mutex::default(),
            faults: Mutex::default(),
            locks: Mutex::default(),
            changed: watch::Sender::new(()),
            stopped: watch::Sender::new(false),
            reachable: watch::Sender::new(true),
            listens: watch::Sender::new(true),
            runtime: Handle::current(),
            client: OnceLock::new(),
            deliveries: Semaphore::new(DELIVERIES),
            options,
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The account a session is linked to; one made of the session's name if it is linked to none.
    pub(crate) fn account_of(&self, name: &str) -> Arc<Account> {
        let mut state = self.state();
        let phone = state.phone_of(name).unwrap_or_else(|| number_for(name));
        Arc::clone(state.account(&phone, &self.options))
    }

    /// What WAHA knows of that account: all of it, unless WhatsApp is still sending it.
    pub(crate) fn synced_account_of(&self, name: &str) -> Arc<Account> {
        let account = self.account_of(name);
        match self.state().sessions.get(name).and_then(|session| session.synced) {
            Some(at_most) => Arc::new(account.cut(at_most)),
            None => account,
        }
    }

    /// Runs a task until it ends or the fake stops.
    pub(crate) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let mut stopped = self.stopped.subscribe();
        self.runtime.spawn(async move {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = task => {}
            }
        });
    }

    /// Ends every task and closes every socket.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Takes sockets until the fake stops. While it cannot be reached, the port is kept but refuses connections.
    pub(crate) async fn listen(self: Arc<Self>, mut listener: TcpListener) -> std::io::Result<()> {
        let address = listener.local_addr()?;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.reaches(false) => {
                    drop(listener);
                    let kept = bound(address)?;
                    self.listens.send_replace(false);
                    self.reaches(true).await;
                    listener = kept.listen(BACKLOG)?;
                    self.listens.send_replace(true);
                    continue;
                }
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Most likely out of file descriptors: do not spin on it.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            };
            let server = Arc::clone(&self);
            self.spawn(async move {
                let answer = |request| {
                    let server = Arc::clone(&server);
                    async move { server.answer(request).await }
                };
                tokio::select! {
                    // Closes the socket, whatever is under way on it.
                    () = server.reaches(false) => {}
                    served = http::serve(stream, answer) => {
                        if let Err(error) = served {
                            tracing::debug!(%error, "a connection broke");
                        }
                    }
                }
            });
        }
    }

    /// Whether the fake can be reached, from the moment this returns.
    pub(crate) async fn set_reachable(&self, reachable: bool) {
        self.reachable.send_replace(reachable);
        // The sender lives as long as we do.
        let _ = self.listens.subscribe().wait_for(|listens| *listens == reachable).await;
    }

    /// Returns once the fake can be reached, or cannot.
    async fn reaches(&self, wanted: bool) {
        // The sender lives as long as we do.
        let _ = self.reachable.subscribe().wait_for(|reachable| *reachable == wanted).await;
    }

    async fn answer(self: Arc<Self>, request: Request) -> Reply {
        if request.path.starts_with("/fake/") {
            return route::route(&self, &request).await;
        }
        if request.path.starts_with("/api/") {
            self.remember(route::call(&self, &request));
        }
        let mishap = fault::strike(&mut lock(&self.faults), &request);
        if !mishap.delay.is_zero() {
            tokio::time::sleep(mishap.delay).await;
        }
        match &mishap.action {
            None => route::route(&self, &request).await,
            Some(action) => match action.instead() {
                Some(reply) => reply,
                None => action.spoil(route::route(&self, &request).await),
            },
        }
    }

    fn remember(&self, call: Call) {
        let mut calls = lock(&self.calls);
        if calls.len() == REMEMBERED {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).iter().cloned().collect()
    }

    pub(crate) fn clear_calls(&self) {
        lock(&self.calls).clear();
    }
}

/// How many sockets may wait to be taken.
const BACKLOG: u32 = 1024;

/// A port that is ours, and refuses connections until it listens. Reusable at once after a stop: a test restarts a fake
/// on the same port.
fn bound(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A port that listens.
pub(crate) fn listening(address: SocketAddr) -> std::io::Result<TcpListener> {
    bound(address)?.listen(BACKLOG)
}

/// A poisoned lock still holds what a test wants to see.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
