//! Load: connections that each send the next request as soon as the last one is answered.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;

use crate::http::{Connection, Request};

/// Whatever is asked, it is answered by then.
const DEADLINE: Duration = Duration::from_mins(1);

/// Requests, sent in turn and from the first again after the last. Where it goes on is remembered from one load to the
/// next, so that what shall be new to the server is.
pub(crate) struct Script {
    requests: Vec<Request>,
    next: Cell<usize>,
}

/// What came of a load.
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) took: Duration,
    /// In nanoseconds.
    latencies: Histogram<u64>,
}

impl Script {
    pub(crate) fn new(requests: Vec<Request>) -> Self {
        Self { requests, next: Cell::new(0) }
    }

    /// The first one, by which the whole script is checked.
    pub(crate) fn first(&self) -> anyhow::Result<&Request> {
        self.requests.first().context("a script has a request")
    }

    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    fn next(&self) -> &Request {
        let next = self.next.get();
        self.next.set((next + 1) % self.requests.len());
        &self.requests[next]
    }
}

impl Load {
    /// The latency that this share of the requests did not exceed.
    pub(crate) fn latency(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.latencies.value_at_quantile(quantile))
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "nobody sends 2^53 requests")]
        let requests = self.requests as f64;
        requests / self.took.as_secs_f64()
    }
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After each request was sent once.
    Once,
}

/// Sends the script over that many connections.
///
/// # Errors
/// If anything but a 200 is answered.
pub(crate) async fn run(
    address: SocketAddr,
    script: &Script,
    connections: usize,
    until: Until,
) -> anyhow::Result<Load> {
    let latencies = RefCell::new(Histogram::new(3)?);
    let left = Cell::new(match until {
        Until::Elapsed(_) => usize::MAX,
        Until::Once => script.len(),
    });
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let started = Instant::now();
    let more = || match until {
        Until::Elapsed(time) => started.elapsed() < time,
        Until::Once => left.replace(left.get().saturating_sub(1)) > 0,
    };
    let one = async |mut connection: Connection| -> anyhow::Result<()> {
        while more() {
            let sent = Instant::now();
            let answer = connection.send(script.next()).await?;
            ensure!(answer.status == 200, "{}: {}", answer.status, String::from_utf8_lossy(answer.body));
            let nanos = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
            latencies.borrow_mut().record(nanos)?;
        }
        Ok(())
    };
    let all = futures_util::future::try_join_all(open.into_iter().map(one));
    tokio::select! {
        done = tokio::time::timeout(DEADLINE, all) => done.context("the load did not end in time")??,
        never = stay_awake() => match never {},
    };
    let (took, latencies) = (started.elapsed(), latencies.into_inner());
    Ok(Load { requests: latencies.len(), took, latencies })
}

/// Keeps this thread from sleeping. On one machine, whoever sends to a thread that sleeps pays for waking it: on a virtual
/// machine several times what the request costs. A server that is so fast that its clients never sleep does not pay, a
/// slower one does; in real life the clients are elsewhere, and none does.
async fn stay_awake() -> std::convert::Infallible {
    loop {
        tokio::task::yield_now().await;
    }
}
