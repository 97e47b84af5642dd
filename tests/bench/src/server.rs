//! `switchboard serve`, as it is deployed, with one worker thread.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use switchboard_domain::ports::Clock as _;
use switchboard_domain::{SystemClock, UserId};

use crate::http::Connection;
use crate::http::Request;
use crate::process::Process;
use crate::waha::Waha;

/// How long it may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// What tokens are signed with.
const SECRET: &str = "a secret of the benchmarks, long enough";

/// Where WAHA reports to, where it is believed. Nobody listens there: its reports are sent by us.
pub(crate) const WEBHOOK_URL: &str = "http://127.0.0.1:9/webhooks/waha";

/// What WAHA signs its reports with, where they are believed.
pub(crate) const WEBHOOK_SECRET: &str = "another secret of the benchmarks";

/// How a server is run: everything but the process.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) program: PathBuf,
    /// Where it runs and logs.
    pub(crate) folder: PathBuf,
    pub(crate) database_url: String,
    /// The WAHA servers.
    pub(crate) waha_urls: Vec<String>,
    /// Whether WAHA's reports are believed.
    pub(crate) believes_webhooks: bool,
    /// How many bytes of lists are kept in memory, if not as many as usual.
    pub(crate) directory_memory: Option<u64>,
}

/// A server that is ready.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// From the start of the process to its first 200 at `/readyz`.
    pub(crate) ready_after: Duration,
}

impl Setup {
    pub(crate) async fn serve(&self) -> anyhow::Result<Server> {
        // Freed before the server takes it; nobody else is given it so soon.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = self.command();
        command.arg("serve").env("SWITCHBOARD__SERVER__BIND", address.to_string());
        if self.believes_webhooks {
            command.env("SWITCHBOARD__WAHA__WEBHOOK_URL", WEBHOOK_URL);
            command.env("SWITCHBOARD__WAHA__WEBHOOK_SECRET", WEBHOOK_SECRET);
        }
        if let Some(bytes) = self.directory_memory {
            command.env("SWITCHBOARD__DIRECTORY__MEMORY_BYTES", bytes.to_string());
        }
        let started = Instant::now();
        let process = Process::start("serve", &mut command, &self.folder)?;
        let request = Request::get("/readyz", None);
        while !is_ready(address, &request).await {
            ensure!(started.elapsed() < PATIENCE, "not ready in time: {}", process.logged());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Server { process, address, ready_after: started.elapsed() })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).env_clear();
        for (key, value) in [
            ("SERVER__WORKERS", "1"),
            ("DATABASE__URL", &self.database_url),
            ("WAHA__API_KEY", Waha::API_KEY),
            ("AUTH__HS256_SECRET", SECRET),
            // Counted, as ever, but never used up.
            ("LIMITS__READS_PER_MINUTE", "1000000000"),
            ("LIMITS__MUTATIONS_PER_MINUTE", "1000000000"),
            ("LIMITS__CONNECTS_PER_MINUTE", "1000000000"),
            ("LIMITS__STREAMS_PER_MINUTE", "1000000000"),
        ] {
            command.env(format!("SWITCHBOARD__{key}"), value);
        }
        for (number, url) in self.waha_urls.iter().enumerate() {
            let worker = format!("SWITCHBOARD__WAHA__WORKERS__{number}");
            // The first one is called what one server alone would be.
            let name = if number == 0 { "default".to_owned() } else { format!("w{number}") };
            command.env(format!("{worker}__NAME"), name).env(format!("{worker}__URL"), url);
        }
        command
    }
}

/// A token for a user, good for longer than we run. It is signed here: a process for each would take most of the time.
pub(crate) fn token(user: &UserId) -> anyhow::Result<String> {
    let expires_at = SystemClock.now().timestamp() + 12 * 60 * 60;
    let claims = json!({ "sub": user.as_str(), "exp": expires_at });
    Ok(jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))?)
}

async fn is_ready(address: SocketAddr, request: &Request) -> bool {
    let Ok(mut connection) = Connection::open(address).await else { return false };
    connection.send(request).await.is_ok_and(|answer| answer.status == 200)
}

/// The folder of the programs that were built with this one.
pub(crate) fn built(program: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().context("a program is in a folder")?.join(Path::new(program)))
}
