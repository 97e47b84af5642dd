//! A server that is stopped under load loses no request.

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use support::events::Told;
use support::postgres;
use switchboard_waha_fake::{Fault, FaultAction, Options};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::server::Server;
use super::wire::Wire;

const CLIENTS: usize = 64;
const USERS: usize = 8;
/// How long there is load before the stop.
const BEFORE: Duration = Duration::from_millis(1500);

/// How long it takes to tell clients that the server is not ready any more.
const NOTICED: Duration = Duration::from_millis(500);

/// What came of the requests.
#[derive(Debug, Default)]
struct Figures {
    /// By the server that is stopped, before it was told to.
    before: AtomicUsize,
    /// By it, after.
    after: AtomicUsize,
    /// By the other one.
    elsewhere: AtomicUsize,
    /// Connections that were refused: nothing was sent.
    refused: AtomicUsize,
    /// Connections that were closed while nobody used them.
    closed_idle: AtomicUsize,
    /// Answers that were none of the expected.
    wrong: AtomicUsize,
    /// Requests that were sent and not answered, on a connection that had carried others.
    lost: AtomicUsize,
    /// Connections that waited to be taken when the port was closed: reset where others were refused.
    never_taken: AtomicUsize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        write!(
            f,
            "{} requests answered before the stop, {} during it, {} by the other server; {} connections refused \
             and {} reset before they were taken, {} closed while idle; {} wrong answers, {} requests lost",
            n(&self.before),
            n(&self.after),
            n(&self.elsewhere),
            n(&self.refused),
            n(&self.never_taken),
            n(&self.closed_idle),
            n(&self.wrong),
            n(&self.lost),
        )
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::SeqCst);
}

/// One of them: sends requests, one after the other, to the first server for as long as that takes connections, or until
/// it is told to go elsewhere.
struct Client {
    servers: [String; 2],
    /// Whether the first server's `/readyz` is red, if that is looked at.
    red: Option<Arc<AtomicBool>>,
    requests: Vec<Vec<u8>>,
    pause: Duration,
    figures: Arc<Figures>,
    stopping: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
}

impl Client {
    async fn run(self) {
        let (mut wire, mut at): (Option<Wire>, usize) = (None, 0);
        for request in self.requests.iter().cycle() {
            if self.done.load(Ordering::SeqCst) {
                return;
            }
            sleep(self.pause).await;
            if at == 0 && self.red.as_ref().is_some_and(|red| red.load(Ordering::SeqCst)) {
                (wire, at) = (None, 1);
            }
            if wire.take_if(|wire| wire.is_closed()).is_some() {
                count(&self.figures.closed_idle);
            }
            let mut open = match wire.take() {
                Some(open) => open,
                None => match Wire::to(&self.servers[at]).await {
                    Ok(open) => open,
                    Err(error) => {
                        assert_eq!((error.kind(), at), (ErrorKind::ConnectionRefused, 0), "{error}");
                        count(&self.figures.refused);
                        at = 1;
                        Wire::to(&self.servers[at]).await.unwrap()
                    }
                },
            };
            let was_stopping = self.stopping.load(Ordering::SeqCst);
            match open.exchange(request).await {
                Ok(reply) => {
                    count(match (at, was_stopping) {
                        (0, false) => &self.figures.before,
                        (0, true) => &self.figures.after,
                        _ => &self.figures.elsewhere,
                    });
                    if !matches!(reply.status, 200 | 207) {
                        count(&self.figures.wrong);
                        println!("{}: {}", reply.status, String::from_utf8_lossy(&reply.body));
                    }
                    if !reply.closes {
                        wire = Some(open);
                    }
                }
                // No byte came, on a connection that nobody had taken: as good as refused.
                Err(error) if error.kind() == ErrorKind::ConnectionReset && open.carried == 1 && self.red.is_none() => {
                    count(&self.figures.never_taken);
                }
                Err(error) => {
                    println!("{error} after {} requests, server {at}", open.carried - 1);
                    count(&self.figures.lost);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_under_load_answers_every_request_it_was_sent() {
    let Some(cluster) = postgres::cluster() else { return };
    let database = cluster.database().await;
    let waha = switchboard_waha_fake::start(Options { time_scale: 50.0, ..Options::default() }).await.unwrap();
    let mut first = Server::start(&database, &waha, None).await;
    let second = Server::start(&database, &waha, Some(&first)).await;
    let mut users = Vec::new();
    for n in 0..USERS {
        let user = format!("user{n}");
        let name = first.pair(&waha, &user, &format!("3460011122{n}")).await;
        users.push((user, name));
    }
    let mut streams = Vec::new();
    for (user, name) in &users {
        let mut both = [first.watch(user, name).await, first.subscribe(user, name).await];
        for stream in &mut both {
            stream.until(|state| state["status"] == "WORKING").await;
        }
        streams.extend(both);
    }
    // Each second question takes as long as WAHA may.
    waha.inject(Fault::on("/api/sessions/session_", FaultAction::Delay { by: Duration::from_millis(300) }));

    let (figures, stopping, done) = (Arc::<Figures>::default(), Arc::<AtomicBool>::default(), Arc::default());
    let red = Arc::<AtomicBool>::default();
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let (user, name) = &users[n % USERS];
        let client = Client {
            servers: [&first, &second].map(|server| server.authority().to_owned()),
            red: (n % 2 == 0).then(|| Arc::clone(&red)),
            requests: first.mixture(user, name),
            pause: Duration::from_millis([0, 5, 40, 400][n / 2 % 4]),
            figures: Arc::clone(&figures),
            stopping: Arc::clone(&stopping),
            done: Arc::clone(&done),
        };
        clients.spawn(client.run());
    }
    sleep(BEFORE).await;
    stopping.store(true, Ordering::SeqCst);
    first.terminate();
    while first.status("/readyz").await == 200 {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(NOTICED).await;
    red.store(true, Ordering::SeqCst);
    let took = first.until_ended().await;
    sleep(Duration::from_millis(500)).await;
    done.store(true, Ordering::SeqCst);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    println!("{CLIENTS} clients: {figures}; the stop took {took:?}");

    waha.clear_faults();
    for stream in &mut streams {
        assert_eq!(stream.ending().await, Told::Closed, "clients come back");
    }
    for (user, name) in &users {
        for mut stream in [second.watch(user, name).await, second.subscribe(user, name).await] {
            assert_eq!(stream.state().await["status"], "WORKING");
        }
    }
    let failed = [&figures.wrong, &figures.lost].map(|count| count.load(Ordering::SeqCst));
    assert_eq!(failed, [0; 2], "{figures}");
    // One may wait where nobody is let in any more.
    assert!(figures.never_taken.load(Ordering::SeqCst) <= 2, "{figures}");
    let answered = [&figures.before, &figures.after, &figures.elsewhere].map(|count| count.load(Ordering::SeqCst));
    assert!(answered.iter().all(|count| *count > CLIENTS / 8), "{figures}");
}
