//! Open streams: what each takes in memory, what all of them cost while nothing happens, and who hears of a change.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::Sha512;
use switchboard_domain::SystemClock;
use switchboard_domain::ports::Clock as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::database::Streamed;
use crate::http::{Connection, Request};
use crate::process::open_files;
use crate::report::Fact;
use crate::server::{WEBHOOK_SECRET, token};
use crate::stage::Stage;

/// How many are open, each of another user's session.
pub(crate) const STREAMS: usize = 10_000;
/// Files that a process opens beside its streams.
const OTHER_FILES: usize = 500;
/// How many are being opened at a time.
const AT_A_TIME: usize = 64;
/// How many sessions change, one after the other.
const CHANGES: usize = 100;
/// How long a state may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which of the two kinds of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Rest,
    Trpc,
}

impl Form {
    pub(crate) const ALL: [Self; 2] = [Self::Rest, Self::Trpc];

    fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "REST",
            Self::Trpc => "tRPC",
        }
    }

    fn request(self, streamed: &Streamed) -> anyhow::Result<Request> {
        let target = match self {
            Self::Rest => format!("/v1/sessions/{}/events", streamed.session),
            Self::Trpc => {
                let input = json!({ "sessionName": streamed.session }).to_string();
                format!("/api/trpc/user.onSessionStatus?input={}", utf8_percent_encode(&input, NON_ALPHANUMERIC))
            }
        };
        Ok(Request::get(&target, Some(&token(&streamed.user)?)))
    }
}

/// Why so many streams cannot be opened here, if so.
pub(crate) fn hindrance() -> anyhow::Result<Option<String>> {
    let (most, needed) = (open_files()?, STREAMS + OTHER_FILES);
    Ok((most < needed)
        .then(|| format!("because a process may open {most} files here and needs {needed}: see `ulimit -n`")))
}

/// What a stream did.
enum Heard {
    /// It told a state.
    State { stream: usize, at: Instant },
    /// It ended.
    End { stream: usize },
}

/// Streams that are open.
struct Open {
    heard: mpsc::UnboundedReceiver<Heard>,
    /// Ended when dropped.
    _following: JoinSet<()>,
}

/// Measures streams of that form.
///
/// For the time of `silence` nothing happens but what keeps the streams alive: a sign of life each 15 s, and a call of WAHA
/// for each session each 60 s.
pub(crate) async fn measure(stage: &Stage, form: Form, silence: Duration) -> anyhow::Result<Vec<Fact>> {
    let process = &stage.server.process;
    let before = process.resident()?;
    let mut open = Open::all(stage.server.address, form).await?;
    let after = process.resident()?;
    let cpu = process.cpu()?;
    tokio::time::sleep(silence).await;
    let idle = process.cpu()?.saturating_sub(cpu);
    open.expect_silence()?;
    let (mut latencies, strangers) = open.changes(stage.server.address).await?;
    latencies.sort_unstable();
    let millis = |quantile: usize| latencies[(CHANGES - 1) * quantile / 100].as_secs_f64() * 1000.0;

    let fact = |what: &str, found: f64, unit: &'static str, at_most: Option<f64>| Fact {
        what: format!("{STREAMS} {} streams open: {what}", form.as_str()),
        found,
        unit,
        at_most,
    };
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 bytes of memory")]
    let kilobytes = after.saturating_sub(before) as f64 / 1024.0 / STREAMS as f64;
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    let strangers = strangers as f64;
    Ok(vec![
        fact("resident memory of each, with its session", kilobytes, "KB", Some(20.0)),
        fact(
            &format!("CPU while nothing happens for {silence:?}"),
            idle.as_secs_f64() / silence.as_secs_f64() * 100.0,
            "% of a core",
            None,
        ),
        fact("from a webhook to its stream, median", millis(50), "ms", None),
        fact("from a webhook to its stream, 99 of 100", millis(99), "ms", None),
        fact(&format!("states on other streams after {CHANGES} webhooks"), strangers, "states", Some(0.0)),
    ])
}

impl Open {
    /// Opens all streams, and waits until each has told the present state.
    async fn all(address: SocketAddr, form: Form) -> anyhow::Result<Self> {
        let (sender, heard) = mpsc::unbounded_channel();
        let mut following = JoinSet::new();
        let mut opening = stream::iter(0..STREAMS)
            .map(async |number| anyhow::Ok((number, begin(address, &form.request(&Streamed::of(number)?)?).await?)))
            .buffer_unordered(AT_A_TIME);
        while let Some((number, socket)) = opening.try_next().await? {
            following.spawn(follow(socket, number, sender.clone()));
        }
        drop(opening);
        Ok(Self { heard, _following: following })
    }

    fn expect_silence(&mut self) -> anyhow::Result<()> {
        match self.heard.try_recv() {
            Ok(Heard::State { stream, .. }) => bail!("stream {stream} told a state, and there was none to tell"),
            Ok(Heard::End { stream }) => bail!("stream {stream} ended"),
            Err(_) => Ok(()),
        }
    }

    /// WAHA reports changes of some sessions. How long each took to arrive on the session's stream, and how many states
    /// came on streams of sessions that did not change.
    async fn changes(&mut self, address: SocketAddr) -> anyhow::Result<(Vec<Duration>, usize)> {
        let mut webhooks = Connection::open(address).await?;
        let (mut changed, mut latencies, mut strangers) = (HashSet::new(), Vec::new(), 0);
        for number in (0..STREAMS).step_by(STREAMS / CHANGES) {
            let report = report(&Streamed::of(number)?)?;
            changed.insert(number);
            let sent = Instant::now();
            let answer = webhooks.send(&report).await?;
            ensure!(answer.status == 204, "a webhook was answered with {}", answer.status);
            loop {
                let heard = tokio::time::timeout(PATIENCE, self.heard.recv()).await.context("no state in time")?;
                match heard.context("the streams are gone")? {
                    Heard::State { stream, at } if stream == number => {
                        latencies.push(at - sent);
                        break;
                    }
                    Heard::State { stream, .. } => strangers += usize::from(!changed.contains(&stream)),
                    Heard::End { stream } => bail!("stream {stream} ended"),
                }
            }
        }
        // Whoever else was told is so by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
        while let Ok(heard) = self.heard.try_recv() {
            match heard {
                Heard::State { stream, .. } => strangers += usize::from(!changed.contains(&stream)),
                Heard::End { stream } => bail!("stream {stream} ended"),
            }
        }
        Ok((latencies, strangers))
    }
}

/// Opens a stream, and reads up to its first state.
pub(crate) async fn begin(address: SocketAddr, request: &Request) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    let first = async {
        while !has_state(&read) {
            ensure!(socket.read_buf(&mut read).await? > 0, "the stream ended: {}", String::from_utf8_lossy(&read));
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, first).await.context("no state in time")??;
    ensure!(read.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&read));
    Ok(socket)
}

async fn follow(mut socket: TcpStream, stream: usize, heard: mpsc::UnboundedSender<Heard>) {
    let mut buffer = [0; 512];
    // Nobody listens any more once all is measured.
    while let Ok(bytes @ 1..) = socket.read(&mut buffer).await {
        if has_state(&buffer[..bytes]) {
            let _ = heard.send(Heard::State { stream, at: Instant::now() });
        }
    }
    let _ = heard.send(Heard::End { stream });
}

/// Whether there is a state in what was read. It is short, and written at once.
fn has_state(read: &[u8]) -> bool {
    let word = b"\"status\":";
    read.windows(word.len()).any(|bytes| bytes == word)
}

/// WAHA says that a session which works has to connect again.
fn report(streamed: &Streamed) -> anyhow::Result<Request> {
    let event = json!({
        "event": "session.status",
        "session": streamed.session,
        "timestamp": SystemClock.now().timestamp_millis(),
        "me": { "id": format!("{}@c.us", streamed.phone) },
        "payload": { "name": streamed.session, "status": "STARTING" },
    });
    signed(&event)
}

/// A report with its signature.
pub(crate) fn signed(event: &Value) -> anyhow::Result<Request> {
    let event = event.to_string();
    let key = Hmac::<Sha512>::new_from_slice(WEBHOOK_SECRET.as_bytes())?;
    let signature = hex::encode(key.chain_update(&event).finalize().into_bytes());
    Ok(Request::signed("/webhooks/waha/default", &signature, &event))
}
