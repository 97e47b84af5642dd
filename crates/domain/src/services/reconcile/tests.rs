use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};

use super::*;
use crate::ports::{
    Claim, GatewayError, MockDeploymentRepository, MockLeaseRepository, MockSessionRepository, MockStrayRepository,
    MockTaskLeases, MockWhatsAppGateway, MockWorkerRepository, StorageError, Stray, StrayRepository,
};
use crate::services::Services;
use crate::services::testing::{ports, session, upstream};
use crate::{Lifecycle, Session, SessionName, SessionStatus, UpstreamSession};

fn info(name: &str, health: WorkerHealth) -> WorkerInfo {
    WorkerInfo { name: name.parse().unwrap(), capacity: 10, health, is_left_alone: false, software: None }
}

/// A gateway with these workers.
fn gateway(names: &'static [&'static str]) -> MockWhatsAppGateway {
    let mut gateway = MockWhatsAppGateway::new();
    gateway.expect_workers().returning(|| names.iter().map(|name| info(name, WorkerHealth::Up)).collect());
    gateway
}

/// Sessions with these rows on every worker.
fn rows(rows: Vec<Session>) -> MockSessionRepository {
    let mut sessions = MockSessionRepository::new();
    sessions.expect_on_worker().returning(move |_, _, _| Ok(rows.clone()));
    sessions
}

fn with(sessions: MockSessionRepository, gateway: MockWhatsAppGateway) -> Ports {
    let (mut workers, mut strays, mut tasks) =
        (MockWorkerRepository::new(), MockStrayRepository::new(), MockTaskLeases::new());
    workers.expect_states().returning(|| Ok(BTreeMap::new()));
    workers.expect_loads().returning(|| Ok(BTreeMap::new()));
    strays.expect_strays().returning(|_| Ok(Vec::new()));
    tasks.expect_claim().returning(|_, _, _, _| Ok(Claim::Granted));
    Ports { workers: Arc::new(workers), strays: Arc::new(strays), tasks: Arc::new(tasks), ..ports(sessions, gateway) }
}

fn services(ports: &Ports) -> Services {
    Services::new(ports, Services::DIRECTORY_MEMORY)
}

/// A row that has heard all that `upstream` says of a paired session.
fn working() -> Session {
    let row = session(Lifecycle::Connected);
    let now = row.created_at;
    match row.observe(Some(&upstream(SessionStatus::Working)), now) {
        Some(seen) => row.with(seen),
        None => row,
    }
}

async fn reconcile_for(services: &Services, time: Duration) {
    tokio::select! {
        () = services.reconcile() => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// A database that never answers about one worker, and not well about another.
struct BadStrays(Mutex<BTreeMap<WorkerName, u32>>);

#[async_trait::async_trait]
impl StrayRepository for BadStrays {
    async fn strays(&self, worker: &WorkerName) -> Result<Vec<Stray>, StorageError> {
        *self.0.lock().unwrap().entry(worker.clone()).or_default() += 1;
        match worker.as_str() {
            "hangs" => std::future::pending().await,
            "panics" => panic!("on purpose"),
            _ => Ok(Vec::new()),
        }
    }

    async fn sight(
        &self,
        _worker: &WorkerName,
        _names: &[SessionName],
        _now: DateTime<Utc>,
    ) -> Result<Vec<Stray>, StorageError> {
        Ok(Vec::new())
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_hangs_and_those_that_fail_delay_nobody() {
    let mut gateway = gateway(&["fails", "fine", "hangs", "panics"]);
    gateway.expect_sessions().returning(|worker| match worker.as_str() {
        "fails" => Err(GatewayError::Timeout),
        _ => Ok(Vec::new()),
    });
    let strays = Arc::new(BadStrays(Mutex::default()));
    let ports = Ports { strays: strays.clone(), ..with(rows(Vec::new()), gateway) };
    reconcile_for(&services(&ports), Duration::from_secs(299)).await;
    let asked =
        strays.0.lock().unwrap().iter().map(|(worker, rounds)| (worker.to_string(), *rounds)).collect::<Vec<_>>();
    assert_eq!(asked, [("fine".to_owned(), 10), ("hangs".to_owned(), 1), ("panics".to_owned(), 10)]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_slow_to_list_its_sessions_counts_as_unreached_after_ten_seconds() {
    let services = services(&with(rows(Vec::new()), gateway(&["default"])));
    let (began, parts) = (tokio::time::Instant::now(), &services.reconciler.parts);
    let never = parts.in_time(std::future::pending::<Result<(), GatewayError>>()).await;
    assert!(matches!(never, Err(Error::Gateway(GatewayError::Timeout))), "{never:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    assert_eq!(parts.in_time(async { Ok(7) }).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn rows_are_read_page_by_page_before_waha_is_asked_once() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let all: Vec<_> = (0..1200)
        .map(|number| {
            let name = format!("session_{number}").parse().unwrap();
            let id = format!("a{number:023}").parse().unwrap();
            Session { id, name, ..working() }
        })
        .collect();
    let listed: Vec<_> =
        all.iter().map(|row| UpstreamSession { name: row.name.clone(), ..upstream(SessionStatus::Working) }).collect();
    let mut sessions = MockSessionRepository::new();
    let log = Arc::clone(&order);
    sessions.expect_on_worker().returning(move |_, after, limit| {
        log.lock().unwrap().push("rows");
        let past = after.map_or(0, |after| all.iter().position(|row| row.id == *after).unwrap() + 1);
        Ok(all.iter().skip(past).take(limit as usize).cloned().collect())
    });
    let mut gateway = gateway(&["default"]);
    let log = Arc::clone(&order);
    gateway.expect_sessions().returning(move |_| {
        log.lock().unwrap().push("list");
        Ok(listed.clone())
    });
    let round = services(&with(sessions, gateway)).reconciler.round().await;
    assert_eq!(round, Round { workers: 1, rows: 1200, ..Round::default() });
    assert_eq!(*order.lock().unwrap(), ["rows", "rows", "rows", "list"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_while_waha_was_asked_is_newer_than_its_answer() {
    let mut sessions = rows(vec![working()]);
    sessions.expect_record().times(1).returning(|_, _, _, _| Ok(false));
    let mut gateway = gateway(&["default"]);
    gateway.expect_sessions().returning(|_| Ok(Vec::new()));
    let round = services(&with(sessions, gateway)).reconciler.round().await;
    assert_eq!(round, Round { workers: 1, rows: 1, ..Round::default() });
}

fn half_connected() -> (MockSessionRepository, MockWhatsAppGateway) {
    let row = Session { lifecycle: Lifecycle::Connecting, ..working() };
    let mut gateway = gateway(&["default"]);
    gateway.expect_sessions().returning(|_| Ok(vec![upstream(SessionStatus::Working)]));
    (rows(vec![row]), gateway)
}

#[tokio::test(start_paused = true)]
async fn a_session_that_somebody_is_at_is_left_to_them_and_looked_at_again_soon() {
    let (sessions, gateway) = half_connected();
    let mut held = MockLeaseRepository::new();
    held.expect_acquire().times(1).returning(|_, _, _, _| Ok(None));
    let round = services(&Ports { leases: Arc::new(held), ..with(sessions, gateway) }).reconciler.round().await;
    assert_eq!((round.put_off, round.is_urgent, round.done.len()), (1, true, 0), "{round:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_different_under_the_lease_is_left_alone() {
    let (mut sessions, mut gateway) = half_connected();
    // The connect has ended meanwhile. Any write panics.
    sessions.expect_get().times(1).returning(|_| Ok(Some(working())));
    gateway.expect_session().times(1).returning(|_| Ok(Some(upstream(SessionStatus::Working))));
    let round = services(&with(sessions, gateway)).reconciler.round().await;
    assert_eq!((round.put_off, round.done.len(), round.failed.len()), (1, 0, 0), "{round:?}");
}

/// A round of the worker `default`, which shows what a user left behind who moved to `new`, where WAHA has this.
async fn round_of_one_left_behind(there: Option<UpstreamSession>) -> (Round, usize) {
    let deployment: crate::DeploymentId = "tz4a98xxat96iws9zmbrgj3a".parse().unwrap();
    let left = UpstreamSession {
        deployment: Some(deployment.clone()),
        home: Some("default".parse().unwrap()),
        ..upstream(SessionStatus::Working)
    };
    let row = Session { worker: "new".parse().unwrap(), ..working() };
    let stray = Stray { name: row.name.clone(), since: row.created_at, is_left_behind: true };
    let (mut sessions, mut strays) = (rows(Vec::new()), MockStrayRepository::new());
    let named = row.clone();
    sessions.expect_all_named().returning(move |_| Ok(vec![named.clone()]));
    sessions.expect_get().returning(move |_| Ok(Some(row.clone())));
    strays.expect_strays().returning(move |_| Ok(vec![stray.clone()]));
    let deletes = Arc::new(AtomicUsize::new(0));
    let (counted, listed) = (Arc::clone(&deletes), left.clone());
    let mut gateway = gateway(&["default"]);
    gateway.expect_sessions().returning(move |_| Ok(vec![listed.clone()]));
    gateway
        .expect_session()
        .returning(move |at| Ok(if at.worker.as_str() == "new" { there.clone() } else { Some(left.clone()) }));
    gateway.expect_delete().withf(|at| at.worker.as_str() == "default").returning(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let mut ports = Ports { strays: Arc::new(strays), ..with(sessions, gateway) };
    let mut deployments = MockDeploymentRepository::new();
    deployments.expect_ensure().returning(move |_| Ok(deployment.clone()));
    ports.deployments = Arc::new(deployments);
    let round = services(&ports).reconciler.round().await;
    (round, deletes.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn what_was_left_behind_goes_unless_its_user_has_just_that_session_on_another_worker() {
    let there = |home: &str| UpstreamSession { home: Some(home.parse().unwrap()), ..upstream(SessionStatus::Working) };
    for (elsewhere, deleted) in [
        (None, 1),
        (Some(there("new")), 1),
        // Two names of one worker.
        (Some(there("default")), 0),
        (Some(UpstreamSession { home: None, ..there("new") }), 0),
    ] {
        let (round, deletes) = round_of_one_left_behind(elsewhere.clone()).await;
        assert_eq!((round.found(Finding::LeftBehind), deletes), (1, deleted), "{elsewhere:?}: {round:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_removed_or_is_down_is_not_asked() {
    let mut gateway = MockWhatsAppGateway::new();
    gateway.expect_workers().returning(|| vec![info("down", WorkerHealth::Down), info("gone", WorkerHealth::Up)]);
    let mut ports = with(MockSessionRepository::new(), gateway);
    let mut workers = MockWorkerRepository::new();
    let states = || Ok(BTreeMap::from([("gone".parse().unwrap(), WorkerState::Removed)]));
    workers.expect_states().returning(states);
    workers.expect_loads().returning(|| Ok(BTreeMap::new()));
    ports.workers = Arc::new(workers);
    let round = services(&ports).reconciler.round().await;
    assert_eq!((round.workers, round.unreached), (0, 1), "{round:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_has_sessions_and_is_configured_elsewhere_only_is_told_of() {
    let mut gateway = gateway(&["here"]);
    gateway.expect_sessions().returning(|_| Ok(Vec::new()));
    let mut workers = MockWorkerRepository::new();
    workers.expect_states().returning(|| Ok(BTreeMap::new()));
    let loads = || Ok(["here", "there"].map(|name| (name.parse().unwrap(), 1)).into());
    workers.expect_loads().returning(loads);
    let ports = Ports { workers: Arc::new(workers), ..with(rows(Vec::new()), gateway) };
    let services = services(&ports);
    let round = services.reconciler.round().await;
    let there: WorkerName = "there".parse().unwrap();
    assert_eq!(round.alarms, [(there.clone(), [Alarm::Unconfigured].into())].into());

    reconcile_for(&services, Duration::from_secs(61)).await;
    let (new, over) = services.reconciler.parts.notes.alarm(&there, BTreeSet::new());
    assert_eq!((new, over), (vec![], vec![Alarm::Unconfigured]), "it was told, once");
}

#[tokio::test(start_paused = true)]
async fn who_lost_the_lease_stops_and_goes_on_once_it_is_to_be_had_again() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let mut gateway = gateway(&["default"]);
    let counted = Arc::clone(&rounds);
    gateway.expect_sessions().returning(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(Vec::new())
    });
    let mut ports = with(rows(Vec::new()), gateway);
    let (mut tasks, clock) = (MockTaskLeases::new(), ports.clock.clone());
    let began = clock.now();
    tasks.expect_claim().returning(move |_, _, now, until| {
        let is_held = (100..200).contains(&(now - began).num_seconds());
        Ok(if is_held { Claim::HeldUntil(until) } else { Claim::Granted })
    });
    ports.tasks = Arc::new(tasks);
    let services = services(&ports);
    let count = async {
        let mut counts = Vec::new();
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(99)).await;
            counts.push(rounds.swap(0, Ordering::SeqCst));
        }
        counts
    };
    tokio::select! {
        () = services.reconcile() => {}
        counts = count => assert_eq!(counts, [4, 0, 4]),
    }
}
