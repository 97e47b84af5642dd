//! A server before several WAHA servers, and what their users see of it.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde_json::Value;
use switchboard_domain::UserId;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::database::Database;
use crate::http::{Connection, Request};
use crate::server::{Server, Setup, built, token};
use crate::waha::Waha;

/// A server, and the WAHA servers behind it, which are as fast as in life.
pub(crate) struct Fleet {
    // Before the folder that it runs in.
    pub(crate) server: Server,
    pub(crate) wahas: Vec<Waha>,
    _folder: TempDir,
}

/// A user, and the request that connects them.
pub(crate) struct Newcomer {
    pub(crate) token: String,
    pub(crate) connect: Request,
}

/// What some users were answered, and how fast.
pub(crate) struct Seen {
    latencies: RefCell<Histogram<u64>>,
    refused: RefCell<u64>,
}

impl Fleet {
    pub(crate) async fn start(workers: usize, database: &Database, folder: TempDir) -> anyhow::Result<Self> {
        let program = built("switchboard-waha-fake")?;
        let wahas = (0..workers).map(|n| Waha::start_at_pace(&program, 1, folder.path(), n, "1"));
        let wahas = wahas.collect::<anyhow::Result<Vec<_>>>()?;
        let setup = Setup {
            program: built("switchboard")?,
            folder: folder.path().to_owned(),
            database_url: database.url.clone(),
            waha_urls: wahas.iter().map(Waha::url).collect(),
            believes_webhooks: false,
            directory_memory: None,
        };
        Ok(Self { server: setup.serve().await?, wahas, _folder: folder })
    }
}

impl Newcomer {
    pub(crate) fn of(number: usize) -> anyhow::Result<Self> {
        let user: UserId = format!("user-{number}").parse()?;
        let token = token(&user)?;
        let connect = Request::post("/api/trpc/user.initiateWhatsAppSession", Some(&token), "");
        Ok(Self { token, connect })
    }

    /// Asks once for a session: its name, unless that was refused.
    pub(crate) async fn connect(&self, connection: &mut Connection) -> anyhow::Result<Option<String>> {
        let answer = connection.send(&self.connect).await?;
        if answer.status != 200 {
            return Ok(None);
        }
        let body: Value = serde_json::from_slice(answer.body)?;
        Ok(Some(body["result"]["data"]["sessionName"].as_str().context("a session has a name")?.to_owned()))
    }
}

impl Seen {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { latencies: RefCell::new(Histogram::new(3)?), refused: RefCell::new(0) })
    }

    /// Something was answered that was due then: who is kept waiting asks late.
    pub(crate) fn answered(&self, due: Instant) -> anyhow::Result<()> {
        self.latencies.borrow_mut().record(u64::try_from(due.elapsed().as_micros())?)?;
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.latencies.borrow().is_empty()
    }

    pub(crate) fn refused(&self) {
        *self.refused.borrow_mut() += 1;
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latencies = self.latencies.borrow();
        let latency = |quantile| Duration::from_micros(latencies.value_at_quantile(quantile));
        let (asked, refused) = (latencies.len(), self.refused.borrow());
        write!(f, "p50 {:.1?}, p99 {:.1?} of {asked} requests, {refused} refused", latency(0.5), latency(0.99))
    }
}
