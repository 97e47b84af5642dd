//! What a fake is started with.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use serde::Serialize;

/// How a fake WAHA is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub bind: SocketAddr,
    /// What `X-Api-Key` must be.
    pub api_key: String,
    /// The engine of the whole server: WAHA has one per server, not per session.
    pub engine: Engine,
    /// The version it claims, `year.month.build`. The newer shapes come with it: `worker` in the environment (2026.1.4),
    /// the key in the query (2026.4.3), `/health` (2026.6.1), `payload.data` (2026.7.0).
    pub version: String,
    /// How much faster than a real WAHA its clock runs: 100.0 makes the first QR code live 0.6 s.
    pub time_scale: f64,
    /// Groups of an account that is paired for the first time.
    pub groups: usize,
    /// Saved contacts of an account that is paired for the first time; strangers, twins and groups come on top.
    pub contacts: usize,
    /// A phone scans by itself this real (unscaled) time after the QR code appears. For demos.
    pub scan_after: Option<Duration>,
    /// With this many sessions, creating another is refused as WAHA Core did before 2026.6.1.
    pub max_sessions: Option<usize>,
    /// `WAHA_WORKER_ID`: what `assignedWorker` says of a running session.
    pub worker: String,
    /// WEBJS ids carry `_serialized`; mid-2026 WhatsApp Web renamed it away, leaving `{server, user}`.
    pub webjs_serialized: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            api_key: "fake-waha-key".to_owned(),
            engine: Engine::default(),
            version: "2026.7.1".to_owned(),
            time_scale: 1.0,
            groups: 5,
            contacts: 20,
            scan_after: None,
            max_sessions: None,
            worker: "worker-1".to_owned(),
            webjs_serialized: true,
        }
    }
}

/// What WAHA runs a session with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Engine {
    /// Baileys: a websocket, no browser.
    #[default]
    Noweb,
    /// whatsapp-web.js: a browser.
    Webjs,
    /// whatsmeow: a websocket, in Go.
    Gows,
    /// wppconnect: a browser.
    Wpp,
}

impl Engine {
    /// Its name, as WAHA writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Noweb => "NOWEB",
            Self::Webjs => "WEBJS",
            Self::Gows => "GOWS",
            Self::Wpp => "WPP",
        }
    }

    /// Whether a browser runs behind it: slower to stop, and a failure restarts by itself.
    pub(crate) const fn has_browser(self) -> bool {
        matches!(self, Self::Webjs | Self::Wpp)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Noweb, Self::Webjs, Self::Gows, Self::Wpp]
            .into_iter()
            .find(|engine| engine.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("{text} is no engine; there are NOWEB, WEBJS, GOWS and WPP"))
    }
}
