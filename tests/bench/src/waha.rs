//! The fake WAHA, in a process of its own, and the phone that scans its codes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::json;

use crate::http::Request;
use crate::process::Process;

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
        let entries = entries.to_string();
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1:0", "--api-key", Self::API_KEY, "--time-scale", TIME_SCALE]);
        command.args(["--groups", &entries, "--contacts", &entries]);
        let (process, line) = Process::start_and_listen("waha", &mut command, folder)?;
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

    pub(crate) async fn forget_calls(&self) -> anyhow::Result<()> {
        Request::delete("/fake/calls").send(self.address).await?;
        Ok(())
    }

    pub(crate) async fn calls(&self) -> anyhow::Result<Calls> {
        let calls = Request::get("/fake/calls", None).send(self.address).await?;
        let calls = calls.as_array().context("calls are a list")?;
        let is_list = |path: &str| ["/groups", "/contacts", "/lids"].iter().any(|part| path.contains(part));
        let lists = calls.iter().filter_map(|call| call["path"].as_str()).filter(|path| is_list(path)).count();
        Ok(Calls { all: calls.len(), lists })
    }
}
