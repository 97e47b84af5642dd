//! The fake WAHA, in a process of its own, and the phone that scans its codes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use crate::database::Streamed;
use crate::http::Request;
use crate::process::Process;
use crate::server::{WEBHOOK_SECRET, WEBHOOK_URL};

/// How much faster than life it is.
const TIME_SCALE: &str = "50";

/// A WAHA server whose accounts all have as many groups and as many contacts.
pub(crate) struct Waha {
    _process: Process,
    address: SocketAddr,
}

/// What it was asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) all: usize,
    /// For groups, contacts or hidden ids: a directory was fetched.
    pub(crate) lists: usize,
}

impl Waha {
    /// What `X-Api-Key` must be.
    pub(crate) const API_KEY: &str = "a key of the benchmarks";

    pub(crate) fn start(program: &Path, entries: usize, folder: &Path) -> anyhow::Result<Self> {
        Self::start_at_pace(program, entries, folder, 0, TIME_SCALE)
    }

    /// One of several, that much faster than life.
    pub(crate) fn start_at_pace(
        program: &Path,
        entries: usize,
        folder: &Path,
        number: usize,
        time_scale: &str,
    ) -> anyhow::Result<Self> {
        let entries = entries.to_string();
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1:0", "--api-key", Self::API_KEY, "--time-scale", time_scale]);
        command.args(["--groups", &entries, "--contacts", &entries]);
        let (process, line) = Process::start_and_listen(&format!("waha-{number}"), &mut command, folder)?;
        let address = line.rsplit_once("http://").context("the fake says where it listens")?.1.parse()?;
        Ok(Self { _process: process, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The phone scans the session's QR code.
    pub(crate) async fn scan(&self, session: &str, phone: &str) -> anyhow::Result<()> {
        let body = json!({ "phone": phone }).to_string();
        Request::post(&format!("/fake/sessions/{session}/scan"), None, &body).send(self.address).await?;
        Ok(())
    }

    /// These sessions work, and report where a server that believes them wants them to.
    pub(crate) async fn restore(&self, sessions: &[Streamed]) -> anyhow::Result<()> {
        let events = ["*"];
        let webhook =
            json!({ "url": format!("{WEBHOOK_URL}/default"), "events": events, "hmac": { "key": WEBHOOK_SECRET } });
        let config = json!({ "webhooks": [webhook] });
        let one = |streamed: &Streamed| json!({ "name": streamed.session, "phone": streamed.phone, "config": config });
        let body = sessions.iter().map(one).collect::<serde_json::Value>().to_string();
        Request::put("/fake/sessions", &body).send(self.address).await?;
        Ok(())
    }

    /// From now on it takes so long for every answer; without a time, it is as it was.
    pub(crate) async fn slow_down(&self, by: Option<Duration>) -> anyhow::Result<()> {
        Request::delete("/fake/faults").send(self.address).await?;
        if let Some(by) = by {
            let fault = json!({ "path": "/api/", "action": "delay", "ms": by.as_millis() }).to_string();
            Request::post("/fake/faults", None, &fault).send(self.address).await?;
        }
        Ok(())
    }

    /// The names of its sessions.
    pub(crate) async fn sessions(&self) -> anyhow::Result<Vec<String>> {
        let sessions = Request::get("/fake/sessions", None).send(self.address).await?;
        let sessions = sessions.as_array().context("sessions are a list")?.iter();
        sessions.map(|session| Ok(session["name"].as_str().context("a session has a name")?.to_owned())).collect()
    }

    pub(crate) async fn forget_calls(&self) -> anyhow::Result<()> {
        Request::delete("/fake/calls").send(self.address).await?;
        Ok(())
    }

    pub(crate) async fn calls(&self) -> anyhow::Result<Calls> {
        let paths = self.called_paths().await?;
        let is_list = |path: &&String| ["/groups", "/contacts", "/lids"].iter().any(|part| path.contains(part));
        Ok(Calls { all: paths.len(), lists: paths.iter().filter(is_list).count() })
    }

    /// How often it was asked for that session's status.
    pub(crate) async fn status_calls(&self, session: &str) -> anyhow::Result<usize> {
        let path = format!("/api/sessions/{session}");
        Ok(self.called_paths().await?.iter().filter(|called| **called == path).count())
    }

    async fn called_paths(&self) -> anyhow::Result<Vec<String>> {
        let calls = Request::get("/fake/calls", None).send(self.address).await?;
        let calls = calls.as_array().context("calls are a list")?;
        calls.iter().map(|call| Ok(call["path"].as_str().context("a call has a path")?.to_owned())).collect()
    }
}
