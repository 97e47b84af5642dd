//! `switchboard serve`: the API in front of a real WAHA.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::middleware::{Compress, Condition};
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use anyhow::Context as _;
use switchboard_domain::ports::WhatsAppGateway;
use switchboard_http::{State, routes};
use tokio::net::TcpSocket;

use super::config::{Config, ServerConfig};
use super::{migrate, telemetry, wiring};

/// How many connections may wait to be taken.
const BACKLOG: u32 = 2048;

/// How long an idle connection is kept: longer than proxies keep theirs, which would otherwise send a request into one that
/// is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Serves until told to stop.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let (filter, format) = config.log()?;
    let (server, auth, limits) = (config.server()?, config.auth()?, config.limits()?);
    let storage = wiring::storage(&config)?;
    let (gateway, webhooks) = (wiring::gateway(&config)?, wiring::webhooks(&config)?);
    telemetry::init(filter, format);

    let _lock = storage.schema.lock()?;
    let tokens = wiring::tokens(&auth);
    let state = wiring::state(&storage, Arc::clone(&gateway), webhooks, tokens, limits);
    let listener = listen(server.bind)?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let server = start(listener, &server, &state, |_| {})?;
    let schema = Arc::clone(&storage.schema);
    let migration = async move {
        migrate::when_reachable(&*schema).await?;
        tracing::info!("the database is ready");
        // Its end is no news; only its failure ends the server.
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::spawn(greet(gateway));
    let tidied = Arc::clone(&state);
    tokio::spawn(async move { tidied.services.directory.keep_tidy().await });
    let following = Arc::clone(&state);
    tokio::spawn(async move { following.services.follow().await });
    tokio::select! {
        served = until_stopped(server, &state) => served,
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

/// A port that takes connections; they wait until they are served.
pub(crate) fn listen(bind: SocketAddr) -> anyhow::Result<TcpListener> {
    let listening = || {
        let socket = if bind.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A server that was just stopped does not keep the next one out.
        socket.set_reuseaddr(true)?;
        socket.bind(bind)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listening().with_context(|| format!("server.bind: cannot listen on {bind}"))
}

/// A server on that port, with `more` routes beside the usual ones.
pub(crate) fn start(
    listener: TcpListener,
    config: &ServerConfig,
    state: &Arc<State>,
    more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> anyhow::Result<Server> {
    let (state, trpc_path, origins) = (Arc::clone(state), config.trpc_path.clone(), config.cors_origins.clone());
    let page = config.page;
    let app = move || {
        App::new()
            .wrap(Compress::default())
            .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
            .configure(routes(&state, &trpc_path, page))
            .configure(more.clone())
    };
    let server = HttpServer::new(app);
    let server = match config.workers {
        Some(workers) => server.workers(workers),
        None => server,
    };
    let server = server
        .listen(listener)?
        .keep_alive(KEEP_ALIVE)
        // A streamed line is a small packet: it must not wait for the client to acknowledge the one before.
        .tcp_nodelay(true)
        // Whoever closes their end of a stream is gone: their place is free at once, not when a sign of life fails.
        .h1_allow_half_closed(false)
        .disable_signals()
        .shutdown_timeout(config.shutdown.as_secs());
    Ok(server.run())
}

/// Serves until SIGTERM or Ctrl-C; then streams are closed and requests under way are finished.
pub(crate) async fn until_stopped(server: Server, state: &State) -> anyhow::Result<()> {
    let handle = server.handle();
    let stop = async move {
        stop_signal().await;
        tracing::info!("stopping");
        state.live.stop();
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
        .allowed_headers(["authorization", "content-type", "last-event-id", "trpc-accept"])
        .expose_headers(["retry-after"])
        .max_age(usize::try_from(REMEMBERED.as_secs()).ok());
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
