//! A database and two WAHAs, which outlive the processes that use them.

use std::time::{Duration, Instant};

use support::crash::CrashPoint;
use support::stores::Stores;
use switchboard_domain::{Lifecycle, SystemClock, WorkerState, ports::Clock as _};
use switchboard_waha_fake::{FakeWaha, Options};

use super::REPAIRED_WITHIN;
use super::process::{Died, Process};
use super::scenario::Scenario;

/// Alice's phone number.
pub(super) const ALICE: &str = "34600111222";
const USERS: [&str; 3] = ["alice", "ben", "eva"];
const WORKERS: [&str; 2] = ["a", "b"];

/// What outlives a process.
pub(super) struct Stage {
    stores: Stores,
    pub(super) wahas: Vec<FakeWaha>,
}

impl Stage {
    pub(super) async fn new(stores: Stores) -> Self {
        let mut wahas = Vec::new();
        for _ in WORKERS {
            let options = Options { time_scale: 50.0, ..Options::default() };
            wahas.push(switchboard_waha_fake::start(options).await.expect("it starts"));
        }
        Self { stores, wahas }
    }

    /// The points that a process passes that is not killed.
    pub(super) async fn points(&self, scenario: Scenario) -> Vec<CrashPoint> {
        let mut process = scenario.prepare(self).await;
        process.arm(None).await;
        scenario.act(&mut process).await.expect("nothing kills it");
        let points = process.points().await;
        process.bury().await;
        points
    }

    /// Kills a process at that point, and starts another one. Returns how long after its start everything is in order;
    /// `None` if this time the point was not reached, since WAHA was quicker.
    ///
    /// # Errors
    /// What is not in order.
    pub(super) async fn killed_at(&self, scenario: Scenario, point: &CrashPoint) -> Result<Option<Duration>, String> {
        let mut process = scenario.prepare(self).await;
        process.arm(Some(point)).await;
        let died = scenario.act(&mut process).await;
        process.bury().await;
        let Err(Died) = died else { return Ok(None) };

        let started = Instant::now();
        let mut process = self.start(scenario.ahead().as_secs());
        process.done("live").await;
        while let Err(left) = self.repaired(scenario).await {
            if started.elapsed() > REPAIRED_WITHIN {
                return Err(left);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let took = started.elapsed();

        process.done(scenario.again()).await;
        self.in_order().await?;
        if scenario.again() == "connect alice" {
            self.until_up(&mut process).await?;
        } else {
            self.is_gone().await?;
        }
        if scenario.keeps_the_phone() && self.wahas[0].linked_devices(ALICE) != 1 {
            return Err("alice's phone lost its linked device".to_owned());
        }
        process.bury().await;
        Ok(Some(took))
    }

    pub(super) fn start(&self, ahead: u64) -> Process {
        let worker = |(name, waha): (&&str, &FakeWaha)| format!("{name}={}={}", waha.url(), waha.api_key());
        let workers: Vec<_> = WORKERS.iter().zip(&self.wahas).map(worker).collect();
        Process::start(&self.stores.url().expect("a database that others reach"), ahead, &workers)
    }

    /// Connects the user on the first worker and scans the code; returns the session's name once it works.
    pub(super) async fn pair(&self, process: &mut Process, user: &str, phone: &str) -> String {
        // Both are empty, or the second is.
        self.set_other(WorkerState::Draining).await;
        let name = process.done(&format!("connect {user}")).await;
        self.set_other(WorkerState::Active).await;
        self.until(&name, "SCAN_QR_CODE").await;
        assert!(self.wahas[0].scan(&name, phone));
        self.until(&name, "WORKING").await;
        // Seen, so that it is known to be paired.
        let started = Instant::now();
        while process.done(&format!("status {user}")).await != "WORKING" {
            assert!(started.elapsed() < Duration::from_secs(20), "{user} is not seen to work");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        name
    }

    /// The first worker's state.
    pub(super) async fn set_state(&self, state: WorkerState) {
        let (worker, now) = (WORKERS[0].parse().unwrap(), SystemClock.now());
        self.stores.workers.set_state(&worker, state, now).await.expect("the database answers");
    }

    async fn set_other(&self, state: WorkerState) {
        let (worker, now) = (WORKERS[1].parse().unwrap(), SystemClock.now());
        self.stores.workers.set_state(&worker, state, now).await.expect("the database answers");
    }

    /// Waits until WAHA says so.
    pub(super) async fn until(&self, name: &str, status: &str) {
        let started = Instant::now();
        loop {
            let seen = self.wahas.iter().find_map(|waha| waha.session(name)).map(|session| session.status);
            if seen.as_deref() == Some(status) {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{name} is {seen:?}, not {status}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether everything is in order, and what was begun is finished that has to be.
    async fn repaired(&self, scenario: Scenario) -> Result<(), String> {
        if scenario.has_to_be_finished() {
            self.is_disconnected().await?;
        }
        self.in_order().await
    }

    /// Whether every row says what WAHA has, or what does not fit.
    async fn in_order(&self) -> Result<(), String> {
        let mut wanted = Vec::new();
        for user in USERS {
            let overview = self.stores.sessions.overview(&user.parse().unwrap()).await.map_err(|e| e.to_string())?;
            let Some(row) = overview.map(|overview| overview.session) else { continue };
            match row.lifecycle {
                Lifecycle::Connected => wanted.push((row.worker.to_string(), row.name.to_string())),
                Lifecycle::Disconnected => {}
                lifecycle => return Err(format!("{user} is {lifecycle:?}")),
            }
        }
        let worker = |(name, waha): (&&str, &FakeWaha)| {
            let name = (*name).to_owned();
            waha.sessions().into_iter().map(move |session| (name.clone(), session.name)).collect::<Vec<_>>()
        };
        let mut there: Vec<_> = WORKERS.iter().zip(&self.wahas).flat_map(worker).collect();
        there.sort();
        wanted.sort();
        if there == wanted { Ok(()) } else { Err(format!("rows want {wanted:?}, WAHA has {there:?}")) }
    }

    /// Alice's session shows a code or works.
    async fn until_up(&self, process: &mut Process) -> Result<(), String> {
        let started = Instant::now();
        loop {
            let status = process.done("status alice").await;
            if matches!(status.as_str(), "SCAN_QR_CODE" | "WORKING") {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(10) {
                return Err(format!("alice's session is {status}"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            if status == "FAILED" {
                process.done("connect alice").await;
            }
        }
    }

    async fn is_disconnected(&self) -> Result<(), String> {
        let overview = self.stores.sessions.overview(&"alice".parse().unwrap()).await.map_err(|e| e.to_string())?;
        let lifecycle = overview.map(|overview| overview.session.lifecycle);
        if lifecycle == Some(Lifecycle::Disconnected) { Ok(()) } else { Err(format!("alice is {lifecycle:?}")) }
    }

    async fn is_gone(&self) -> Result<(), String> {
        self.is_disconnected().await?;
        let devices = self.wahas[0].linked_devices(ALICE);
        if devices == 0 {
            Ok(())
        } else {
            Err(format!("alice logged out, and her phone shows {devices} linked devices"))
        }
    }
}
