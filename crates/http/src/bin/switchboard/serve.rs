//! `switchboard serve`: the API in front of a real WAHA.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::middleware::Compress;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use anyhow::Context as _;
use switchboard_domain::ports::WhatsAppGateway;
use switchboard_http::{State, routes};

use super::config::{Config, ServerConfig};
use super::{migrate, telemetry, wiring};

/// Serves until told to stop.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let (filter, format) = config.log()?;
    let (server, auth) = (config.server()?, config.auth()?);
    let storage = wiring::storage(&config)?;
    let gateway = wiring::gateway(&config)?;
    telemetry::init(filter, format);

    let _lock = storage.schema.lock()?;
    let state = wiring::state(&storage, Arc::clone(&gateway), wiring::tokens(&auth));
    let (address, server) = bind(&server, &state, |_| {})?;
    tracing::info!(%address, "listening");
    let schema = Arc::clone(&storage.schema);
    let migration = async move {
        migrate::when_reachable(&*schema).await?;
        tracing::info!("the database is ready");
        // Its end is no news; only its failure ends the server.
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::spawn(greet(gateway));
    tokio::select! {
        served = until_stopped(server) => served,
        failed = migration => failed,
    }
}

/// Says once whether WAHA answers; `/readyz` says it from then on.
async fn greet(gateway: Arc<dyn WhatsAppGateway>) {
    for worker in gateway.health().await {
        if worker.answers {
            tracing::info!(worker = %worker.name, "WAHA answers");
        } else {
            tracing::warn!(worker = %worker.name, "WAHA does not answer yet: /readyz stays red until it does");
        }
    }
}

/// A server that listens, with `more` routes beside the usual ones, and the address it has.
pub(crate) fn bind(
    config: &ServerConfig,
    state: &Arc<State>,
    more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> anyhow::Result<(SocketAddr, Server)> {
    let (bind, shutdown) = (config.bind, config.shutdown);
    let (state, trpc_path, origins) = (Arc::clone(state), config.trpc_path.clone(), config.cors_origins.clone());
    let app = move || {
        App::new()
            .wrap(Compress::default())
            .wrap(cors(&origins))
            .configure(routes(&state, &trpc_path))
            .configure(more.clone())
    };
    let server = HttpServer::new(app)
        .bind(bind)
        .with_context(|| format!("server.bind: cannot listen on {bind}"))?
        // A streamed line is a small packet: it must not wait for the client to acknowledge the one before.
        .tcp_nodelay(true)
        .disable_signals()
        .shutdown_timeout(shutdown.as_secs());
    let address = server.addrs().first().copied().unwrap_or(bind);
    Ok((address, server.run()))
}

/// Serves until SIGTERM or Ctrl-C; then requests under way are finished.
pub(crate) async fn until_stopped(server: Server) -> anyhow::Result<()> {
    let handle = server.handle();
    let stop = async move {
        stop_signal().await;
        tracing::info!("stopping");
        handle.stop(true).await;
    };
    let (served, ()) = tokio::join!(server, stop);
    Ok(served?)
}

/// Returns when the process is asked to stop.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let ctrl_c = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = ctrl_c => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM is not handled");
            let _ = ctrl_c.await;
        }
    }
}

/// Browsers on other origins may call, if their origin is on the list.
fn cors(origins: &[String]) -> Cors {
    /// How long a browser may remember the answer to its preflight.
    const REMEMBERED: Duration = Duration::from_hours(1);
    let cors = Cors::default()
        .allowed_methods(["GET", "POST"])
        .allowed_headers(["authorization", "content-type", "trpc-accept"])
        .expose_headers(["retry-after"])
        .max_age(usize::try_from(REMEMBERED.as_secs()).ok());
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
