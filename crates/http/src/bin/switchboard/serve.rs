//! `switchboard serve`: the API in front of a real WAHA.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::dev::{Server, ServerHandle, Service as _};
use actix_web::http::ConnectionType;
use actix_web::middleware::{Compress, Condition};
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use anyhow::Context as _;
use socket2::SockRef;
use switchboard_domain::ports::Clock as _;
use switchboard_domain::{SystemClock, SystemRandom};
use switchboard_http::{Front, State, Telemetry, routes};
use tokio::net::TcpSocket;

use super::config::{Config, ServerConfig};
use super::tls::Tls;
use super::{migrate, telemetry, wiring};

/// How many connections may wait to be taken.
const BACKLOG: u32 = 2048;

/// Threads that answer requests, at most: no server is made of more.
const MOST_WORKERS: usize = 512;

/// How long an idle connection is kept: longer than proxies keep theirs, which would otherwise send a request into one that
/// is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long what was sent may lie about that a client does not read. The kernel would go on trying for a quarter of an hour,
/// and a stream would have its place for as long.
#[cfg(target_os = "linux")]
const UNREAD: Duration = Duration::from_mins(1);

/// Serves until told to stop.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let (log, traces) = (config.log()?, config.traces()?);
    let options = config.telemetry(traces.is_some())?;
    let (server, auth, limits) = (config.server()?, config.auth()?, config.limits()?);
    let storage = wiring::storage(&config)?;
    let (gateway, webhooks) = (wiring::gateway(&config)?, wiring::webhooks(&config)?);
    let sign_in = wiring::sign_in(&auth, &storage, &server.cors_origins)?;
    let tls = server.tls.clone().map(Tls::read).transpose()?.map(Arc::new);
    let telemetry = Telemetry::new(options, &SystemClock, &SystemRandom);
    let traces = telemetry::init(log, traces)?;

    let _lock = storage.schema.lock()?;
    let state = wiring::state(&storage, gateway, webhooks, sign_in, limits, telemetry);
    let listener = listen(server.bind)?;
    tracing::info!(address = %listener.local_addr()?, scheme = server.scheme(), "listening");
    let drain = Drain { time: server.drain, port: listener.try_clone()? };
    let server = start(listener, tls.as_ref(), &server, &state, |_| {})?;
    if let Some(tls) = tls {
        tokio::spawn(async move { tls.keep_fresh().await });
    }
    let schema = Arc::clone(&storage.schema);
    let migration = async move {
        migrate::when_reachable(&*schema).await?;
        tracing::info!("the database is ready");
        // Its end is no news; only its failure ends the server.
        std::future::pending::<anyhow::Result<()>>().await
    };
    let watched = Arc::clone(&state);
    tokio::spawn(async move { watched.services.watch_workers().await });
    let kept_for = config.audit_kept_for()?;
    let audited = Arc::clone(&state);
    tokio::spawn(async move { audited.services.audit.keep_tidy(kept_for).await });
    let fresh = Arc::clone(&state);
    tokio::spawn(async move { fresh.sign_in.keep_fresh().await });
    let tidied = Arc::clone(&state);
    tokio::spawn(async move { tidied.services.directory.keep_tidy().await });
    let following = Arc::clone(&state);
    tokio::spawn(async move { following.services.follow().await });
    let reconciled = Arc::clone(&state);
    tokio::spawn(async move { reconciled.services.reconcile().await });
    let ended = tokio::select! {
        served = until_stopped(server, &state, Some(drain)) => served,
        failed = migration => failed,
    };
    state.services.audit.flush().await;
    traces.flush().await;
    ended
}

/// A port that takes connections; they wait until they are served.
pub(crate) fn listen(bind: SocketAddr) -> anyhow::Result<TcpListener> {
    let listening = || {
        let socket = if bind.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A server that was just stopped does not keep the next one out.
        socket.set_reuseaddr(true)?;
        // Handed down to every connection that is taken.
        #[cfg(target_os = "linux")]
        SockRef::from(&socket).set_tcp_user_timeout(Some(UNREAD))?;
        socket.bind(bind)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listening().with_context(|| format!("server.bind: cannot listen on {bind}"))
}

/// A server on that port, encrypted if there is a certificate, with `more` routes beside the usual ones.
pub(crate) fn start(
    listener: TcpListener,
    tls: Option<&Arc<Tls>>,
    config: &ServerConfig,
    state: &Arc<State>,
    more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> anyhow::Result<Server> {
    let (state, trpc_path, origins) = (Arc::clone(state), config.trpc_path.clone(), config.cors_origins.clone());
    let (page, cookies, front) = (config.page, config.cookies, Front::new(config.https_only));
    let app = move || {
        let stopping = Arc::clone(&state);
        App::new()
            .wrap(Compress::default())
            .wrap(Condition::new(!origins.is_empty(), cors(&origins, cookies)))
            // Around those before: what a browser asks first is answered by one of them.
            .wrap_fn(move |request, service| {
                let id = stopping.telemetry.request_id(&request);
                let (answer, state) = (service.call(request), Arc::clone(&stopping));
                async move {
                    let mut answer = answer.await?;
                    answer.headers_mut().insert(Telemetry::REQUEST_ID, id.to_header());
                    if state.live.is_stopping() {
                        // Its client sends the next request on another connection, to whoever is there then.
                        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
                    }
                    Ok(answer)
                }
            })
            // Last, and so around all others.
            .wrap(front)
            .configure(routes(&state, &trpc_path, page))
            .configure(more.clone())
    };
    let workers = config.workers.unwrap_or_else(|| available_parallelism().map_or(2, NonZero::get).min(MOST_WORKERS));
    let server = HttpServer::new(app)
        .workers(workers)
        // Of each worker; connections beyond that wait to be taken.
        .max_connections(config.connections.div_ceil(workers))
        .client_request_timeout(config.head);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls.server_config()?)?,
        None => server.listen(listener)?,
    };
    let server = server
        .keep_alive(KEEP_ALIVE)
        // A streamed line is a small packet: it must not wait for the client to acknowledge the one before.
        .tcp_nodelay(true)
        // Whoever closes their end of a stream is gone: their place is free at once, not when a sign of life fails.
        .h1_allow_half_closed(false)
        .disable_signals()
        .shutdown_timeout(config.shutdown.as_secs());
    Ok(server.run())
}

/// What comes before a port is closed, so that no request is lost.
///
/// Everything is still answered, but no connection is kept: who closes a connection that is idle may close it on a request
/// that is on its way. So whoever has a connection is told with an answer that it ends, and whoever looks at `/readyz` goes
/// elsewhere.
pub(crate) struct Drain {
    time: Duration,
    /// Another handle of the port.
    port: TcpListener,
}

impl Drain {
    /// How long connections that were taken last may take to send their request.
    const LAST: Duration = Duration::from_millis(500);

    /// Returns when the port may be closed.
    async fn run(self, server: &ServerHandle) {
        SystemClock.sleep(self.time).await;
        // Nobody new is let in; they would be reset with the port, and so they find it closed.
        if let Err(error) = SockRef::from(&self.port).listen(0) {
            tracing::warn!(%error, "connections that are made now may be reset");
        }
        drop(self.port);
        server.pause().await;
        SystemClock.sleep(Self::LAST).await;
    }
}

/// Serves until SIGTERM or Ctrl-C; then streams are closed, and the port too once it is drained, and requests under way
/// are finished. A second signal ends the wait.
pub(crate) async fn until_stopped(server: Server, state: &State, drain: Option<Drain>) -> anyhow::Result<()> {
    let handle = server.handle();
    let stop = async move {
        stop_signal().await;
        tracing::info!("stopping");
        state.live.stop();
        if let Some(drain) = drain.filter(|drain| !drain.time.is_zero()) {
            tokio::select! {
                () = drain.run(&handle) => {}
                () = stop_signal() => {}
            }
        }
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
fn cors(origins: &[String], cookies: bool) -> Cors {
    /// How long a browser may remember the answer to its preflight.
    const REMEMBERED: Duration = Duration::from_hours(1);
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            "authorization",
            "content-type",
            "last-event-id",
            "traceparent",
            "trpc-accept",
            // T3's stock link says where it is from.
            "x-trpc-source",
            "x-api-key",
            "x-request-id",
        ])
        .expose_headers(["retry-after", "ratelimit", "ratelimit-policy", "x-request-id"])
        .max_age(usize::try_from(REMEMBERED.as_secs()).ok());
    let cors = if cookies { cors.supports_credentials() } else { cors };
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use switchboard_domain::services::AuditTrail;

    use super::*;

    /// The number after `before` in a file of `docs/deploy`, in seconds.
    fn seconds(file: &str, before: &str) -> Duration {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let rest = text.split_once(before).unwrap_or_else(|| panic!("{before} in {file}")).1;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Duration::from_secs(digits.parse().unwrap())
    }

    #[test]
    fn whatever_stops_a_server_waits_until_all_is_finished_and_stored() {
        let server = Config::default().server().unwrap();
        let after_drain = Drain::LAST + server.shutdown + AuditTrail::PATIENCE + telemetry::EXPORT_DEADLINE;
        let kubernetes = "kubernetes.yaml";
        let longer_drain = seconds(kubernetes, "DRAIN_SECONDS, value: \"");
        for (drain, waits) in [
            (server.drain, seconds("compose.yaml", "stop_grace_period: ")),
            (server.drain, seconds("switchboard.service", "TimeoutStopSec=")),
            (longer_drain, seconds(kubernetes, "terminationGracePeriodSeconds: ")),
        ] {
            assert!(waits > drain + after_drain, "{waits:?} for {drain:?} and {after_drain:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_up_after_a_minute() {
        use std::net::{Ipv4Addr, TcpStream};
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (taken, _) = listener.accept().unwrap();
        assert_eq!(SockRef::from(&taken).tcp_user_timeout().unwrap(), Some(Duration::from_mins(1)));
    }
}
