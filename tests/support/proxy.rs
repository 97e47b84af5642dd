//! A way to a PostgreSQL server on which packets can get lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_postgres::config::Host;
use url::Url;

/// Forwards connections to a server, or keeps them open and forwards nothing.
pub struct Proxy {
    url: Url,
    silent: watch::Sender<bool>,
    cuts: watch::Sender<()>,
    forwarded: Arc<AtomicUsize>,
    abandoned: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl Proxy {
    /// A proxy before the server of that URL.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let server: tokio_postgres::Config = url.parse().expect("a database's URL");
        let mut url: Url = url.parse().expect("a URL");
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(listener.local_addr().expect("an address").port())).expect("a port");
        let (silent, abandoned) = (watch::Sender::new(false), Arc::<AtomicUsize>::default());
        let (silence, counted) = (silent.clone(), abandoned.clone());
        let (cuts, forwarded) = (watch::Sender::new(()), Arc::<AtomicUsize>::default());
        let (cutting, counting) = (cuts.clone(), forwarded.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let port = server.get_ports().first().copied().unwrap_or(5432);
                let (silence, counted) = (silence.subscribe(), counted.clone());
                let (cut, open) = (cutting.subscribe(), Open::one_of(&counting));
                match &server.get_hosts()[0] {
                    Host::Unix(folder) => {
                        let server = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await;
                        let forwarding = forward(client, server.expect("the server is there"), silence, counted);
                        tokio::spawn(until_cut(forwarding, cut, open));
                    }
                    Host::Tcp(host) => {
                        let server = TcpStream::connect((host.as_str(), port)).await;
                        let forwarding = forward(client, server.expect("the server is there"), silence, counted);
                        tokio::spawn(until_cut(forwarding, cut, open));
                    }
                }
            }
        });
        Self { url, silent, cuts, forwarded, abandoned, accepting: accepting.abort_handle() }
    }

    /// Where it listens, as a URL of the same database.
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// From now on nothing goes through, on old connections and on new ones, and nobody is told.
    pub fn fall_silent(&self) {
        self.abandoned.store(0, Ordering::SeqCst);
        self.silent.send_replace(true);
    }

    /// New connections are forwarded again; the others stay dead.
    pub fn speak_again(&self) {
        self.silent.send_replace(false);
    }

    /// Resets all connections, in the middle of whatever they carry. Returns how many there were.
    pub fn cut(&self) -> usize {
        let open = self.forwarded.load(Ordering::SeqCst);
        self.cuts.send_replace(());
        open
    }

    /// Waits until the client gives up a connection that has fallen silent.
    ///
    /// # Panics
    /// If it has not within 20 s.
    pub async fn until_abandoned(&self) {
        let started = Instant::now();
        while self.abandoned.load(Ordering::SeqCst) == 0 {
            assert!(started.elapsed() < Duration::from_secs(20), "the client believes in its connection");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A connection that is counted for as long as this lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn one_of(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(all))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn until_cut(forwarding: impl Future<Output = ()>, mut cut: watch::Receiver<()>, _open: Open) {
    tokio::select! {
        () = forwarding => {}
        _ = cut.changed() => {}
    }
}

async fn forward(
    mut client: TcpStream,
    mut server: impl AsyncRead + AsyncWrite + Unpin,
    mut silent: watch::Receiver<bool>,
    abandoned: Arc<AtomicUsize>,
) {
    // Whatever ends it, its client finds it reset.
    client.set_zero_linger().expect("the socket is open");
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        _ = silent.wait_for(|silent| *silent) => {}
    }
    // Swallows what comes until the client closes; the server's end stays open as long.
    let mut swallowed = [0; 1024];
    while client.read(&mut swallowed).await.is_ok_and(|bytes| bytes > 0) {}
    abandoned.fetch_add(1, Ordering::SeqCst);
}
