//! The bus between replicas, by PostgreSQL's LISTEN and NOTIFY.

mod outbox;
mod wire;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::stream::BoxStream;
use secrecy::{ExposeSecret, SecretString};
use switchboard_domain::LocalBus;
use switchboard_domain::ports::{EventBus, Heard, Notice};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Connection, Socket};

use self::outbox::Outbox;
use crate::connect::{Server, described};
use crate::options::{PgOptions, PgUrlError};
use crate::tls;

/// Carries notices between the processes on one PostgreSQL database.
///
/// It has one connection of its own, beside a pool's, and listens on the channel `switchboard`. A channel belongs to its
/// database, as the schema does that this deployment has in it. The connection has to be one to PostgreSQL itself, or
/// through a pooler that leaves sessions whole: behind one that shares them by transaction, LISTEN hears nothing.
///
/// A lost connection is opened again for as long as the bus lives, and each new one begins with a [`Heard::Gap`]. What was
/// to be told meanwhile is told then.
pub struct PgEventBus {
    line: Arc<Line>,
    speaker: AbortHandle,
}

/// What the bus and its task share.
#[derive(Default)]
struct Line {
    here: LocalBus,
    outbox: Outbox,
    /// Somebody listens, or there is something to send.
    work: Notify,
}

/// The task that keeps the connection.
struct Speaker {
    line: Arc<Line>,
    server: Server,
    options: PgOptions,
    /// Taken out of the outbox, and perhaps not sent.
    under_way: Option<String>,
    /// Whether the log knows that there is no connection.
    is_down: bool,
}

/// Why there is no connection any more.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the server did not answer in time")]
    Silent,
    #[error("the server closed the connection")]
    Closed,
    #[error("{}", described(.0))]
    Failed(#[from] tokio_postgres::Error),
}

impl PgEventBus {
    /// A bus on the database at `url`, whose task runs on the present runtime until the bus is dropped. Connects only when
    /// somebody listens or has something to tell.
    ///
    /// # Errors
    /// [`PgUrlError`] if `url` is not one of a database we can talk to.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(url: &SecretString, options: PgOptions) -> Result<Self, PgUrlError> {
        let server = options.server(url.expose_secret())?;
        let line = Arc::<Line>::default();
        let speaker = Speaker { line: Arc::clone(&line), server, options, under_way: None, is_down: false };
        let speaker = Handle::current().spawn(speaker.run()).abort_handle();
        Ok(Self { line, speaker })
    }
}

impl EventBus for PgEventBus {
    fn publish(&self, notice: Notice) {
        self.line.outbox.add(notice);
        self.line.work.notify_one();
    }

    fn listen(&self) -> BoxStream<'static, Heard> {
        let heard = self.line.here.listen();
        self.line.work.notify_one();
        heard
    }
}

impl Drop for PgEventBus {
    fn drop(&mut self) {
        self.speaker.abort();
    }
}

impl std::fmt::Debug for PgEventBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgEventBus").finish_non_exhaustive()
    }
}

impl Speaker {
    const LISTEN: &str = "LISTEN switchboard";
    const NOTIFY: &str = "SELECT pg_notify('switchboard', $1)";
    /// A connection that lasted as long was a good one: when it is lost, the next one is tried for without much patience.
    const STEADY: Duration = Duration::from_secs(30);

    async fn run(mut self) {
        self.line.work.notified().await;
        let mut pauses = Self::pauses();
        loop {
            let began = Instant::now();
            let Err(lost) = self.converse().await;
            if !self.is_down {
                tracing::warn!(error = %lost, "replicas do not hear of one another's changes: connecting again");
                self.is_down = true;
            }
            if began.elapsed() > Self::STEADY {
                pauses = Self::pauses();
            }
            if let Some(pause) = pauses.next() {
                sleep(pause).await;
            }
        }
    }

    fn pauses() -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(5))
            .without_max_times()
            .with_jitter()
            .build()
    }

    /// Opens a connection, hears and speaks on it, and returns when it is lost.
    async fn converse(&mut self) -> Result<Infallible, Lost> {
        let (client, connection) = within(self.options.acquire_timeout, self.server.open()).await?;
        let line = Arc::clone(&self.line);
        tokio::select! {
            lost = hear(connection, &line.here) => lost,
            lost = self.speak(&client) => lost,
        }
    }

    async fn speak(&mut self, client: &Client) -> Result<Infallible, Lost> {
        let patience = self.options.statement_timeout;
        within(patience, client.batch_execute(Self::LISTEN)).await?;
        if self.is_down {
            tracing::info!("replicas hear of one another's changes again");
            self.is_down = false;
        }
        self.line.here.tell(Heard::Gap);
        loop {
            if self.under_way.is_none() {
                self.under_way = self.line.outbox.take();
            }
            if let Some(payload) = &self.under_way {
                // PostgreSQL commits notifications one after the other, whoever makes them: so what gathered while the
                // last one was sent goes together.
                within(patience, client.execute_typed(Self::NOTIFY, &[(payload, Type::TEXT)])).await?;
                self.under_way = None;
            } else if timeout(patience * 2, self.line.work.notified()).await.is_err() {
                // A connection that nothing comes through may be none any more.
                within(patience, client.check_connection()).await?;
            }
        }
    }
}

/// Tells `here` what comes, until nothing comes any more.
async fn hear(mut connection: Connection<Socket, tls::Stream>, here: &LocalBus) -> Result<Infallible, Lost> {
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(notification))) => match wire::read(notification.payload()) {
                Some(notices) => notices.into_iter().for_each(|notice| here.tell(Heard::Notice(notice))),
                None => here.tell(Heard::Gap),
            },
            // A remark of the server's.
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err(Lost::Closed),
        }
    }
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Lost> {
    Ok(timeout(patience, work).await.map_err(|_elapsed| Lost::Silent)??)
}
