//! Whether the process is alive, and whether it is ready to serve.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use switchboard_domain::WorkerHealth;
use switchboard_domain::ports::Database;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::State;
use crate::error::Chain;

/// `/healthz` and `/readyz`, for GET and HEAD.
pub(crate) fn routes(server: &mut web::ServiceConfig) {
    server
        .service(web::resource("/healthz").route(web::get().to(healthz)).route(web::head().to(healthz)))
        .service(web::resource("/readyz").route(web::get().to(readyz)).route(web::head().to(readyz)));
}

/// Alive: the process answers.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Alive { status: "ok" })
}

/// Ready: the database answers and is migrated, at least one WAHA worker did when it was last asked, and the process is not
/// about to stop. WAHA is not asked for this: anybody may come here, as often as they like.
async fn readyz(state: web::Data<State>) -> HttpResponse {
    let (database, workers) = (state.database.is_in_order().await, state.gateway.workers());
    let answering = workers.iter().filter(|worker| worker.health == WorkerHealth::Up).count();
    let stopping = state.live.is_stopping();
    let ready = database && answering > 0 && !stopping;
    let report = Readiness {
        status: match ready {
            true => "ok",
            false if stopping => "stopping",
            false => "unavailable",
        },
        database: if database { "ok" } else { "unavailable" },
        workers: Workers { answering, configured: workers.len() },
    };
    if ready { HttpResponse::Ok().json(report) } else { HttpResponse::ServiceUnavailable().json(report) }
}

/// Whether the database is in order, for as many as ask: it is looked at once a second at most, and by nobody twice at a
/// time, so that a crowd at `/readyz` takes no connection from those who work.
pub struct DatabaseHealth {
    database: Arc<dyn Database>,
    last: Mutex<LastCheck>,
}

#[derive(Default)]
struct LastCheck {
    /// In a task of its own: whoever asked may be gone, and the next one waits for the same.
    under_way: Option<JoinHandle<Checked>>,
    known: Option<Checked>,
}

/// What came of a check.
#[derive(Clone, Copy)]
struct Checked {
    is_in_order: bool,
    at: Instant,
}

impl DatabaseHealth {
    /// How long the outcome of a check is told again.
    const MEMORY: Duration = Duration::from_secs(1);

    /// Knows nothing yet of `database`.
    #[must_use]
    pub fn new(database: Arc<dyn Database>) -> Self {
        Self { database, last: Mutex::default() }
    }

    async fn is_in_order(&self) -> bool {
        let mut last = self.last.lock().await;
        loop {
            let known = last.known;
            match (last.under_way.as_mut(), known) {
                (None, Some(known)) if known.at.elapsed() < Self::MEMORY => return known.is_in_order,
                (None, _) => last.under_way = Some(tokio::spawn(check(self.database.clone()))),
                (Some(under_way), _) => {
                    // It panicked, or its web worker ended: nobody knows.
                    let unknown = |_| Checked { is_in_order: false, at: Instant::now() };
                    let checked = under_way.await.unwrap_or_else(unknown);
                    *last = LastCheck { under_way: None, known: Some(checked) };
                }
            }
        }
    }
}

async fn check(database: Arc<dyn Database>) -> Checked {
    let result = database.check().await;
    if let Err(error) = &result {
        tracing::warn!(error = %Chain(error), "not ready: database");
    }
    Checked { is_in_order: result.is_ok(), at: Instant::now() }
}

#[derive(Serialize)]
struct Alive {
    status: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    database: &'static str,
    workers: Workers,
}

#[derive(Serialize)]
struct Workers {
    answering: usize,
    configured: usize,
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::future::join_all;
    use switchboard_domain::ports::StorageError;

    use super::*;

    /// Takes three seconds for each check, and fails every other one.
    #[derive(Default)]
    struct Slow(AtomicUsize);

    #[async_trait]
    impl Database for Slow {
        async fn check(&self) -> Result<(), StorageError> {
            let before = self.0.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(3)).await;
            if before.is_multiple_of(2) { Err(StorageError::Conflict) } else { Ok(()) }
        }
    }

    fn slow() -> (Arc<Slow>, Arc<DatabaseHealth>) {
        let database = Arc::new(Slow::default());
        (Arc::clone(&database), Arc::new(DatabaseHealth::new(database)))
    }

    fn checks(database: &Slow) -> usize {
        database.0.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_shares_one_check_and_remembers_it_for_a_second() {
        let (database, health) = slow();
        let answers = join_all((0..100).map(|_| health.is_in_order())).await;
        assert_eq!((answers, checks(&database)), (vec![false; 100], 1));
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert!(!health.is_in_order().await);
        assert_eq!(checks(&database), 1);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(health.is_in_order().await);
        assert_eq!(checks(&database), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_hangs_up_leaves_one_check_behind() {
        let (database, health) = slow();
        let hasty = (0..100).map(|_| tokio::time::timeout(Duration::from_secs(1), health.is_in_order()));
        assert!(join_all(hasty).await.iter().all(Result::is_err));
        assert!(!health.is_in_order().await);
        assert_eq!(checks(&database), 1);

        // What nobody has waited for is old news when somebody does.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(tokio::time::timeout(Duration::from_secs(1), health.is_in_order()).await.is_err());
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(!health.is_in_order().await);
        assert_eq!(checks(&database), 3);
    }
}
