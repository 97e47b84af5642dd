//! Many sessions on many workers, and what goes wrong with them: how evenly they are placed, how long repairs take, and
//! what both cost. The use cases and the database are the real ones; WAHA is in memory, and time passes at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::{StreamExt, stream};
use support::clock::{Steered, TokioClock};
use support::stores::Stores;
use support::world::{Seen, World};
use switchboard_domain::ports::Clock;
use switchboard_domain::services::{Round, Services};
use switchboard_domain::{Means, SessionStatus, UserId, WorkerName, WorkerState};

/// What is simulated.
#[derive(Parser)]
struct Options {
    /// How many users connect.
    #[arg(long, default_value_t = 100_000)]
    sessions: u32,
    /// On how many workers.
    #[arg(long, default_value_t = 500)]
    workers: u32,
    /// How many sessions each may have.
    #[arg(long, default_value_t = 250)]
    capacity: u32,
    /// How many users connect at the same time.
    #[arg(long, default_value_t = 64)]
    at_once: usize,
}

struct Simulation {
    options: Options,
    clock: Arc<TokioClock>,
    world: Arc<World>,
    stores: Stores,
    services: Services,
}

/// Time that passes for those who are simulated, and for us.
struct Stopwatch {
    simulated: chrono::DateTime<chrono::Utc>,
    real: Instant,
    calls: u64,
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let simulation = Simulation::new(Options::parse()).await;
    let Options { sessions, workers, capacity, .. } = simulation.options;
    println!("{sessions} sessions on {workers} workers for {capacity} each; SQLite\n");
    println!("{:<58} {:>12} {:>10} {:>12}", "", "simulated", "real", "WAHA calls");

    simulation.connect_everybody().await;
    simulation.pair_everybody().await;
    simulation.rest().await;
    simulation.fail_some(20).await;
    simulation.reboot_some(20).await;
    simulation.lose_workers(5).await;
    simulation.drain_some(5).await;
    simulation.report_balance();
}

impl Simulation {
    async fn new(options: Options) -> Self {
        let clock = Arc::new(TokioClock::new());
        let workers = (0..options.workers).map(|n| (worker(n), options.capacity));
        let world = Arc::new(World::new(workers, clock.clone()));
        let stores = Stores::sqlite().await;
        let services = Services::new(&stores.ports(world.clone(), clock.clone()), Services::DIRECTORY_MEMORY);
        Self { options, clock, world, stores, services }
    }

    async fn connect_everybody(&self) {
        let watch = self.start();
        self.connect(0..self.options.sessions).await;
        self.tell("everybody connects", &watch);
        let placed = self.by_worker();
        let (least, most) = placed.values().fold((u32::MAX, 0), |(least, most), n| (least.min(*n), most.max(*n)));
        println!("  placed on {} workers, {least} to {most} on each", placed.len());
    }

    async fn pair_everybody(&self) {
        let watch = self.start();
        self.clock.pass(Duration::from_secs(3)).await;
        for (n, seen) in self.world.sessions().into_iter().enumerate() {
            assert!(self.world.scan(&seen.name, &format!("49{n:010}")), "{seen:?}");
        }
        self.clock.pass(Duration::from_secs(3)).await;
        let round = self.services.reconciler.round().await;
        assert_eq!(round.observed, self.options.sessions, "everybody was seen to be paired");
        self.tell("everybody scans, and a round of the reconciler sees it", &watch);
    }

    async fn rest(&self) {
        let watch = self.start();
        let round = self.services.reconciler.round().await;
        assert!(round.done.is_empty(), "{round:?}");
        self.tell("a round in which nothing is to be done", &watch);
    }

    /// One in so many sessions fails, all over.
    async fn fail_some(&self, one_in: usize) {
        let failing: Vec<_> = self.world.sessions().into_iter().step_by(one_in).map(|seen| seen.name).collect();
        for name in &failing {
            self.world.fail(name);
        }
        let watch = self.start();
        self.reconcile_until_all_work().await;
        self.tell(&format!("{} sessions FAILED, until all work", failing.len()), &watch);
    }

    /// So many workers start again at the same moment.
    async fn reboot_some(&self, workers: u32) {
        for n in 0..workers {
            self.world.reboot(&worker(n));
        }
        let watch = self.start();
        self.reconcile_until_all_work().await;
        self.tell(&format!("{workers} workers reboot, until all sessions work"), &watch);
    }

    /// So many workers are gone for good, are removed by the operator, and their users come back.
    async fn lose_workers(&self, workers: u32) {
        let watch = self.start();
        let mut lost = 0;
        for n in 0..workers {
            let worker = worker(n);
            self.world.set_reachable(&worker, false);
            let removed = self.stores.workers.set_state(&worker, WorkerState::Removed, self.clock.now()).await;
            lost += removed.expect("the database answers");
        }
        // Whoever they are: everybody opens the app again.
        self.connect(0..self.options.sessions).await;
        self.tell(&format!("{workers} workers are lost, {lost} users connect elsewhere"), &watch);
        self.clock.pass(Duration::from_secs(3)).await;
        let unpaired: Vec<_> =
            self.running().into_iter().filter(|seen| seen.status == SessionStatus::ScanQrCode).collect();
        assert_eq!(unpaired.len(), lost as usize, "each of them has a code");
        for (n, seen) in unpaired.iter().enumerate() {
            assert!(self.world.scan(&seen.name, &format!("48{n:010}")));
        }
        self.clock.pass(Duration::from_secs(3)).await;
        self.services.reconciler.round().await;
    }

    /// So many workers are drained while half of their sessions are logged out on the phone.
    async fn drain_some(&self, workers: u32) {
        let drained: Vec<_> = (10..10 + workers).map(worker).collect();
        for worker in &drained {
            let drained = self.stores.workers.set_state(worker, WorkerState::Draining, self.clock.now()).await;
            drained.expect("the database answers");
        }
        let here: Vec<_> = self.running().into_iter().filter(|seen| drained.contains(&seen.worker)).collect();
        // Fewer than half of each, or the worker would be taken to be at fault.
        let leaving: Vec<_> = here.iter().step_by(3).map(|seen| seen.name.clone()).collect();
        for name in &leaving {
            self.world.unlink(name);
        }
        let watch = self.start();
        for _ in 0..2 {
            self.connect(0..self.options.sessions).await;
            self.clock.pass(Duration::from_secs(5)).await;
        }
        let moved = self.running().into_iter().filter(|seen| {
            leaving.contains(&seen.name) && !drained.contains(&seen.worker) && seen.status == SessionStatus::ScanQrCode
        });
        let (moved, stay) = (moved.count(), here.len() - leaving.len());
        self.tell(&format!("{workers} workers drain: {moved} of {} move, {stay} stay", leaving.len()), &watch);
    }

    fn report_balance(&self) {
        let unlinked = self.world.take_unlinked().len();
        println!("\nphones unlinked by a call of ours that were still linked: {unlinked}");
        println!("calls of WAHA by kind: {:?}", self.world.calls());
    }

    async fn connect(&self, users: impl Iterator<Item = u32>) {
        let connects = stream::iter(users.map(user)).map(|user| async move {
            let connected = self.services.connect.run(&user, Means::Token).await;
            connected.unwrap_or_else(|error| panic!("{}: {error:?}", user.as_str()));
        });
        connects.buffer_unordered(self.options.at_once).collect::<Vec<()>>().await;
    }

    async fn reconcile_until_all_work(&self) {
        let all_work = || self.running().iter().all(|seen| seen.status == SessionStatus::Working);
        let mut rounds: Vec<Round> = Vec::new();
        while !all_work() {
            assert!(rounds.len() < 200, "after {} rounds: {:?}", rounds.len(), rounds.last());
            rounds.push(self.services.reconciler.round().await);
            self.clock.pass(Duration::from_secs(30)).await;
        }
    }

    /// The sessions of workers that are there.
    fn running(&self) -> Vec<Seen> {
        self.world.sessions().into_iter().filter(|seen| self.world.is_reachable(&seen.worker)).collect()
    }

    fn by_worker(&self) -> BTreeMap<WorkerName, u32> {
        let mut placed = BTreeMap::new();
        for seen in self.world.sessions() {
            *placed.entry(seen.worker).or_default() += 1;
        }
        placed
    }

    fn start(&self) -> Stopwatch {
        Stopwatch { simulated: self.clock.now(), real: Instant::now(), calls: self.calls() }
    }

    fn calls(&self) -> u64 {
        self.world.calls().values().sum()
    }

    fn tell(&self, what: &str, since: &Stopwatch) {
        let simulated = (self.clock.now() - since.simulated).num_seconds();
        let calls = self.calls() - since.calls;
        println!("{what:<58} {:>12} {:>10.1?} {calls:>12}", format!("{simulated} s"), since.real.elapsed());
    }
}

fn worker(n: u32) -> WorkerName {
    format!("waha-{n:03}").parse().expect("a worker's name")
}

fn user(n: u32) -> UserId {
    format!("user-{n}").parse().expect("a user id")
}
