//! One run: steps, what they may do, and what has to be true in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use support::clock::Steered;
use support::stores::Stores;
use support::world::{Seen, World};
use switchboard_domain::ports::{GatewayError, Report, UpstreamEvent};
use switchboard_domain::services::Services;
use switchboard_domain::{
    Error, Lifecycle, Means, Session, SessionName, SessionStatus, UserId, WorkerName, WorkerState,
};

use super::step::{Command, Event, Step, USERS, WORKERS};

/// Sessions, each on a worker.
type Places = BTreeSet<(WorkerName, SessionName)>;

/// What a user wants, as far as the answers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// No session: they never had one, or logged out.
    None,
    Session,
    /// A command failed half-way, or two of them met.
    Unclear,
}

pub(super) struct Run {
    stores: Stores,
    clock: Arc<dyn Steered>,
    world: Arc<World>,
    services: Services,
    users: [UserId; USERS],
    workers: [WorkerName; WORKERS],
    wishes: [Wish; USERS],
    names: [Option<SessionName>; USERS],
    /// Workers that were removed once: what was paired there stays, for somebody to look at.
    removed: BTreeSet<WorkerName>,
}

impl Run {
    pub(super) fn new(stores: Stores, clock: Arc<dyn Steered>) -> Self {
        let workers = std::array::from_fn(|n| format!("waha-{n}").parse().unwrap());
        // Enough for all, and for all of them on one while the other is drained.
        let capacity = u32::try_from(USERS).unwrap();
        let world = Arc::new(World::new(workers.iter().cloned().map(|name| (name, capacity)), clock.clone()));
        let services = services(&stores, &world, &clock);
        let users = std::array::from_fn(|n| format!("user-{n}").parse().unwrap());
        let (wishes, names) = ([Wish::None; USERS], std::array::from_fn(|_| None));
        Self { stores, clock, world, services, users, workers, wishes, names, removed: BTreeSet::new() }
    }

    /// Takes the steps, lets everything come right, and looks whether it did.
    pub(super) async fn play(mut self, steps: &[Step]) {
        for step in steps {
            self.take(step).await;
        }
        self.settle().await;
        self.check_the_end().await;
        self.check_that_all_can_connect().await;
    }

    async fn take(&mut self, step: &Step) {
        let (before, left_behind) = (self.rows().await, self.left_behind().await);
        match step {
            Step::Do(user, command) => {
                let outcome = self.command(*user, *command).await;
                self.wishes[*user] = wish(self.wishes[*user], *command, &outcome);
            }
            Step::Race((one, first), (other, second)) => {
                let met = one == other && first != second;
                if met {
                    self.wishes[*one] = Wish::Unclear;
                }
                let (a, b) = tokio::join!(self.command(*one, *first), self.command(*other, *second));
                for (user, command, outcome) in [(*one, *first, a), (*other, *second, b)] {
                    self.wishes[user] = if met { Wish::Unclear } else { wish(self.wishes[user], command, &outcome) };
                }
            }
            Step::Befall(user, event) => self.befall(*user, *event),
            Step::Report(user, told) => self.report(*user, *told).await,
            Step::GoWrong(fault) => self.world.go_wrong([*fault]),
            Step::Reach(worker, up) => self.world.set_reachable(&self.workers[*worker], *up),
            Step::Reboot(worker) => self.world.reboot(&self.workers[*worker]),
            Step::Drain(worker, drain) => self.drain(*worker, *drain).await,
            Step::Remove(worker) => self.remove(*worker, &before).await,
            Step::Wait(seconds) => self.wait(*seconds).await,
            Step::Reconcile => self.reconcile().await,
            Step::Restart => self.services = services(&self.stores, &self.world, &self.clock),
        }
        self.check_unlinked(Some(step), &before, &left_behind);
        self.check_rows(&before).await;
    }

    async fn command(&self, user: usize, command: Command) -> Result<(), Error> {
        let owner = &self.users[user];
        // Of a session that they do not have.
        let none = || "session_none".parse().unwrap();
        let name = self.row(user).await.map_or_else(none, |row| row.name);
        match command {
            Command::Connect => self.services.connect.run(owner, Means::Token).await.map(|_| ()),
            Command::Logout => self.services.logout.run(owner, &name, Means::Token).await,
            Command::Restart => self.services.restart.run(owner, &name, Means::Token).await,
            Command::Look => self.look(user, &name).await,
        }
    }

    /// What the user sees has to fit what they want.
    async fn look(&self, user: usize, name: &SessionName) -> Result<(), Error> {
        let owner = &self.users[user];
        let shown = self.services.get_session.run(owner).await?;
        if self.wishes[user] == Wish::None {
            assert!(shown.is_none(), "{} wants no session, and is shown one", owner.as_str());
        }
        let status = self.services.get_status.run(owner, name).await;
        match status {
            Ok(status) if self.wishes[user] == Wish::None => assert_eq!(status, SessionStatus::Stopped),
            Err(Error::NotFound) => assert!(self.row(user).await.is_none_or(|row| row.name != *name)),
            Err(Error::Gateway(GatewayError::NoSession)) => panic!("absent is STOPPED"),
            Ok(_) | Err(_) => {}
        }
        let stranger = &self.users[(user + 1) % USERS];
        let strange = self.services.get_status.run(stranger, name).await;
        let (stranger, owner) = (stranger.as_str(), owner.as_str());
        assert!(matches!(strange, Err(Error::NotFound)), "{stranger} sees {owner}'s session: {strange:?}");
        Ok(())
    }

    fn befall(&self, user: usize, event: Event) {
        let Some(name) = &self.names[user] else { return };
        match event {
            Event::Scan(other) => {
                self.world.scan(name, &format!("49170123456{}", user + if other { USERS } else { 0 }))
            }
            Event::Unlink => self.world.unlink(name),
            Event::Fail => self.world.fail(name),
            Event::Drop => self.world.drop_connection(name),
            Event::Stop => self.world.stop(name),
            Event::Lose => self.world.lose(name),
        };
    }

    async fn report(&self, user: usize, told: Option<(i64, &str)>) {
        let Some(seen) = self.names[user].as_ref().and_then(|name| self.seen(name).pop()) else { return };
        let (age, status) = told.map_or((0, seen.status), |(age, status)| (age, SessionStatus::from(status)));
        let at = self.clock.now() - TimeDelta::seconds(age);
        let report = Report::Status { at, status };
        self.services.take_report.run(UpstreamEvent { worker: seen.worker, session: seen.name, me: None, report });
        self.wait(0).await;
    }

    async fn remove(&mut self, worker: usize, rows: &BTreeMap<UserId, Session>) {
        let worker = self.workers[worker].clone();
        for state in [WorkerState::Removed, WorkerState::Active] {
            self.stores.workers.set_state(&worker, state, self.clock.now()).await.unwrap();
        }
        for (user, wish) in self.users.iter().zip(&mut self.wishes) {
            if rows.get(user).is_some_and(|row| row.worker == worker && row.lifecycle != Lifecycle::Disconnected) {
                *wish = Wish::None;
            }
        }
        self.removed.insert(worker);
        // Replicas may remember for a moment whose a session was.
        self.wait(1).await;
    }

    async fn drain(&self, worker: usize, drain: bool) {
        let state = if drain { WorkerState::Draining } else { WorkerState::Active };
        self.stores.workers.set_state(&self.workers[worker], state, self.clock.now()).await.unwrap();
    }

    async fn wait(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds)).await;
    }

    async fn reconcile(&self) {
        self.services.reconciler.round().await;
    }

    /// Nothing goes wrong any more, and enough time passes for everything to be repaired.
    async fn settle(&self) {
        self.world.go_right();
        for worker in &self.workers {
            self.world.set_reachable(worker, true);
        }
        for _ in 0..4 {
            self.wait(31).await;
            let (before, left_behind) = (self.rows().await, self.left_behind().await);
            self.reconcile().await;
            self.check_unlinked(None, &before, &left_behind);
        }
    }

    /// Nobody loses a linked device but by their own doing.
    fn check_unlinked(&self, step: Option<&Step>, before: &BTreeMap<UserId, Session>, left_behind: &Places) {
        for (worker, name) in self.world.take_unlinked() {
            let row = before.values().find(|row| row.name == name);
            let logs_out = row.is_some_and(|row| row.lifecycle == Lifecycle::LoggingOut && row.worker == worker);
            let owns = |user: &usize, command: &Command| {
                self.names[*user].as_ref() == Some(&name) && matches!(command, Command::Connect | Command::Logout)
            };
            let by_owner = match step {
                Some(Step::Do(user, command)) => owns(user, command),
                Some(Step::Race((one, first), (other, second))) => owns(one, first) || owns(other, second),
                _ => false,
            };
            let was_left = left_behind.contains(&(worker.clone(), name.clone()));
            assert!(logs_out || by_owner || was_left, "{step:?} unlinked a phone at {worker}: {row:?}");
        }
    }

    /// The sessions that their users were moved away from, and where.
    async fn left_behind(&self) -> Places {
        let mut left = Places::new();
        for worker in &self.workers {
            let strays = self.stores.strays.strays(worker).await.expect("the database answers");
            let behind = strays.into_iter().filter(|stray| stray.is_left_behind);
            left.extend(behind.map(|stray| (worker.clone(), stray.name)));
        }
        left
    }

    /// One row a user, under one name for ever.
    async fn check_rows(&mut self, before: &BTreeMap<UserId, Session>) {
        let rows = self.rows().await;
        for (user, row) in &rows {
            let n = self.users.iter().position(|other| other == user).unwrap();
            let name = self.names[n].get_or_insert_with(|| row.name.clone());
            assert_eq!(*name, row.name, "a session keeps its name");
            if let Some(before) = before.get(user) {
                assert!(before.epoch <= row.epoch && before.revision <= row.revision, "{before:?} became {row:?}");
            }
        }
        assert!(before.len() <= rows.len(), "a row is gone");
    }

    async fn check_the_end(&self) {
        let rows = self.rows().await;
        for (n, user) in self.users.iter().enumerate() {
            let (row, user) = (rows.get(user), user.as_str());
            let Some(row) = row else {
                assert_ne!(self.wishes[n], Wish::Session, "{user} has no row");
                continue;
            };
            let mut seen = self.seen(&row.name);
            seen.retain(|seen| !self.is_for_somebody_to_look_at(seen, row));
            let what = || format!("{user} wants {:?}: {row:?} in WAHA: {seen:?}", self.wishes[n]);
            match row.lifecycle {
                Lifecycle::Connected => {
                    assert_ne!(self.wishes[n], Wish::None, "{}", what());
                    assert!(seen.iter().all(|seen| seen.worker == row.worker), "{}", what());
                }
                Lifecycle::Disconnected => {
                    assert!(seen.is_empty(), "{}", what());
                    // Only a code that nobody scanned frees its place by itself.
                    assert!(self.wishes[n] != Wish::Session || row.paired_at.is_none(), "{}", what());
                }
                Lifecycle::Connecting | Lifecycle::LoggingOut => panic!("no way forward: {}", what()),
            }
        }
        for seen in self.world.sessions() {
            let owned = rows.values().any(|row| {
                row.name == seen.name && (row.worker == seen.worker || self.is_for_somebody_to_look_at(&seen, row))
            });
            assert!(owned, "nobody's: {seen:?}");
        }
    }

    /// Whether it may have been left when its worker was removed: nothing deletes it so soon, and if it is paired, ever.
    fn is_for_somebody_to_look_at(&self, seen: &Seen, row: &Session) -> bool {
        let is_wanted = row.lifecycle == Lifecycle::Connected && row.worker == seen.worker;
        self.removed.contains(&seen.worker) && !is_wanted
    }

    async fn check_that_all_can_connect(&self) {
        for worker in 0..WORKERS {
            self.drain(worker, false).await;
        }
        for user in &self.users {
            let mut seen = Vec::new();
            // A code may run out just now, and a login that was lost takes two.
            for _ in 0..3 {
                match self.services.connect.run(user, Means::Token).await {
                    Ok(_) | Err(Error::WorkerFailing) => {}
                    Err(error) => panic!("{} cannot connect: {error:?}, with {seen:?}", user.as_str()),
                }
                self.wait(5).await;
                let row = self.rows().await[user].clone();
                seen = self.seen(&row.name);
                seen.retain(|seen| !self.is_for_somebody_to_look_at(seen, &row));
                if is_up(&seen) {
                    break;
                }
            }
            let others = self.world.sessions();
            let is_refused = is_failing(&others) && matches!(&*seen, [one] if one.status == SessionStatus::Failed);
            assert!(is_up(&seen) || is_refused, "{} has connected, and {seen:?} of {others:?}", user.as_str());
        }
    }

    fn seen(&self, name: &SessionName) -> Vec<Seen> {
        self.world.sessions().into_iter().filter(|seen| seen.name == *name).collect()
    }

    async fn row(&self, user: usize) -> Option<Session> {
        let overview = self.stores.sessions.overview(&self.users[user]).await.expect("the database answers");
        overview.map(|overview| overview.session)
    }

    async fn rows(&self) -> BTreeMap<UserId, Session> {
        let mut rows = BTreeMap::new();
        for (n, user) in self.users.iter().enumerate() {
            if let Some(row) = self.row(n).await {
                rows.insert(user.clone(), row);
            }
        }
        rows
    }
}

/// Whether it works, or can be made to by a scan.
fn is_up(seen: &[Seen]) -> bool {
    matches!(seen, [one] if matches!(one.status, SessionStatus::Working | SessionStatus::ScanQrCode))
}

/// Whether so many have failed that no login is thrown away for it.
fn is_failing(all: &[Seen]) -> bool {
    all.iter().filter(|one| one.status == SessionStatus::Failed).count() > 1
}

fn wish(before: Wish, command: Command, outcome: &Result<(), Error>) -> Wish {
    match (command, outcome) {
        (Command::Connect, Ok(())) => Wish::Session,
        // What was there stays; what was not may come.
        (Command::Connect, Err(_)) if before == Wish::None => Wish::Unclear,
        // There was no session to log out of.
        (Command::Logout, Err(Error::NotFound)) => before,
        // It counts from the moment on in which the intent is stored.
        (Command::Logout, _) => Wish::None,
        _ => before,
    }
}

fn services(stores: &Stores, world: &Arc<World>, clock: &Arc<dyn Steered>) -> Services {
    let ports = stores.ports(world.clone(), clock.clone());
    Services::new(&ports, Services::DIRECTORY_MEMORY)
}
