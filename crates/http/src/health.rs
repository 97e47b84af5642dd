//! Whether the process is alive, and whether it is ready to serve.

use actix_web::{HttpResponse, web};
use serde::Serialize;

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

/// Ready: the database answers and is migrated, and at least one WAHA worker answers.
async fn readyz(state: web::Data<State>) -> HttpResponse {
    let (database, workers) = tokio::join!(state.database.check(), state.gateway.health());
    if let Err(error) = &database {
        tracing::warn!(error = %Chain(error), "not ready: database");
    }
    let answering = workers.iter().filter(|worker| worker.answers).count();
    let ready = database.is_ok() && answering > 0;
    let report = Readiness {
        status: if ready { "ok" } else { "unavailable" },
        database: if database.is_ok() { "ok" } else { "unavailable" },
        workers: Workers { answering, configured: workers.len() },
    };
    if ready { HttpResponse::Ok().json(report) } else { HttpResponse::ServiceUnavailable().json(report) }
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
