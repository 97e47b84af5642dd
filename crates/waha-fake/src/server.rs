//! The state of a fake, shared by its sockets, its planned events and its scenario handle.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{Semaphore, watch},
};

use crate::{
    account::{Account, Accounts},
    call::{Call, REMEMBERED},
    clock::{Clock, now_ms},
    fault::{self, Fault},
    http::{self, Delivery, Reply, Request},
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
    /// The fake can be reached.
    pub(crate) reachable: bool,
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
                reachable: true,
                overlimit: 0,
                runs: 0,
            }),
            calls: Mutex::default(),
            faults: Mutex::default(),
            locks: Mutex::default(),
            changed: watch::Sender::new(()),
            stopped: watch::Sender::new(false),
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

    /// Takes sockets until the fake stops.
    pub(crate) async fn listen(self: Arc<Self>, listener: TcpListener) {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Most likely out of file descriptors: do not spin on it.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            };
            if !self.state().reachable {
                continue;
            }
            let server = Arc::clone(&self);
            self.spawn(async move {
                let answer = |request| {
                    let server = Arc::clone(&server);
                    async move { server.answer(request).await }
                };
                if let Err(error) = http::serve(stream, answer).await {
                    tracing::debug!(%error, "a connection broke");
                }
            });
        }
    }

    async fn answer(self: Arc<Self>, request: Request) -> Reply {
        if request.path.starts_with("/fake/") {
            return route::route(&self, &request).await;
        }
        if request.path.starts_with("/api/") {
            self.remember(route::call(&self, &request));
        }
        if !self.state().reachable {
            return Reply::reset();
        }
        let mishap = fault::strike(&mut lock(&self.faults), &request);
        if !mishap.delay.is_zero() {
            tokio::time::sleep(mishap.delay).await;
        }
        let reply = match &mishap.action {
            None => route::route(&self, &request).await,
            Some(action) => match action.instead() {
                Some(reply) => reply,
                None => action.spoil(route::route(&self, &request).await),
            },
        };
        // The fake may have become unreachable while the call was under way.
        if self.state().reachable { reply } else { Reply { delivery: Delivery::Lost, ..reply } }
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

/// A poisoned lock still holds what a test wants to see.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
