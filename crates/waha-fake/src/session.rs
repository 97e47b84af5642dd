//! A session: what WAHA knows of it, and how it tells.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    account::Account,
    clock::now_ms,
    config::Config,
    options::{Engine, Options},
};

pub(crate) const STOPPED: &str = "STOPPED";
pub(crate) const STARTING: &str = "STARTING";
pub(crate) const SCAN_QR_CODE: &str = "SCAN_QR_CODE";
pub(crate) const WORKING: &str = "WORKING";
pub(crate) const FAILED: &str = "FAILED";

/// Whose account a session is linked to, in WAHA's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Me {
    /// `…@c.us`
    pub id: String,
    /// The name the account calls itself; `~` before it is known.
    #[serde(rename = "pushName")]
    pub push_name: String,
    /// `…@lid`, or empty.
    pub lid: String,
    /// With the device number: GOWS only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jid: Option<String>,
}

impl Me {
    pub(crate) fn of(account: &Account, engine: Engine) -> Self {
        Self {
            id: format!("{}@c.us", account.phone),
            push_name: account.push_name.clone(),
            lid: format!("{}@lid", account.lid),
            jid: (engine == Engine::Gows).then(|| format!("{}:12@s.whatsapp.net", account.phone)),
        }
    }

    /// After a pairing code was asked for, before anybody entered it (WAHA 2025.12.3, recorded).
    pub(crate) fn expected(phone: &str) -> Self {
        Self { id: format!("{phone}@c.us"), push_name: "~".to_owned(), lid: String::new(), jid: None }
    }
}

/// A stored login: it survives stop, not logout.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// Digits only.
    pub(crate) phone: String,
    /// The phone has thrown the device out, and WAHA has not noticed or not been told to forget.
    pub(crate) revoked: bool,
}

/// A session in the fake.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) status: String,
    /// In memory, in WAHA's words: started and not stopped, whatever the status.
    pub(crate) running: bool,
    /// What `/me` says of a running session.
    pub(crate) me: Option<Me>,
    /// What was last stored of it: shown while STOPPED.
    pub(crate) stored_me: Option<Me>,
    pub(crate) login: Option<Login>,
    /// The QR code on show.
    pub(crate) qr: Option<String>,
    pub(crate) pairing_code: Option<String>,
    /// Counts the starts: what an older one had planned is void.
    pub(crate) run: u64,
    pub(crate) history: VecDeque<StatusPoint>,
    /// NOWEB's store holds the groups; otherwise the next read asks WhatsApp.
    pub(crate) groups_stored: bool,
    /// WhatsApp has sent only so many groups and people yet.
    pub(crate) synced: Option<usize>,
    /// One fetch of the groups at a time.
    pub(crate) fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatusPoint {
    pub(crate) status: String,
    pub(crate) timestamp: i64,
}

impl Session {
    pub(crate) fn new(name: String, config: Config) -> Self {
        Self {
            name,
            config,
            status: STOPPED.to_owned(),
            running: false,
            me: None,
            stored_me: None,
            login: None,
            qr: None,
            pairing_code: None,
            run: 0,
            history: VecDeque::new(),
            groups_stored: false,
            synced: None,
            fetching: Arc::default(),
        }
    }

    /// Notes a status; an event carries the last three.
    pub(crate) fn note(&mut self, status: &str) {
        status.clone_into(&mut self.status);
        self.history.push_back(StatusPoint { status: status.to_owned(), timestamp: now_ms() });
        if self.history.len() > 3 {
            self.history.pop_front();
        }
    }

    /// The `me` WAHA shows with the session.
    pub(crate) fn shown_me(&self) -> Option<&Me> {
        if self.running { self.me.as_ref() } else { self.stored_me.as_ref() }
    }

    /// A logout: the config stays.
    pub(crate) fn forget_login(&mut self) {
        self.login = None;
        self.me = None;
        self.stored_me = None;
        self.pairing_code = None;
        self.groups_stored = false;
    }

    pub(crate) fn has_live_link(&self) -> bool {
        self.login.as_ref().is_some_and(|login| !login.revoked)
    }

    /// As GET and the actions answer it (WAHA 2025.12.3, recorded).
    pub(crate) fn body(&self, options: &Options) -> SessionBody<'_> {
        let engine = if self.running { json!({"engine": options.engine}) } else { json!({}) };
        SessionBody { engine: Some(engine), assigned_worker: None, ..self.listed(options) }
    }

    /// As the list shows it: no engine, but the worker while it runs.
    pub(crate) fn listed(&self, options: &Options) -> SessionBody<'_> {
        SessionBody {
            name: &self.name,
            status: &self.status,
            config: &self.config,
            me: self.shown_me(),
            presence: None,
            timestamps: if self.running { json!({}) } else { json!({"activity": null}) },
            assigned_worker: self.running.then(|| options.worker.clone()),
            engine: None,
        }
    }

    pub(crate) fn view(&self) -> SessionView {
        SessionView {
            name: self.name.clone(),
            status: self.status.clone(),
            statuses: self.history.iter().map(|point| point.status.clone()).collect(),
            me: self.shown_me().cloned(),
            config: serde_json::to_value(&self.config).expect("a config has string keys"),
            metadata: self.config.metadata.clone().unwrap_or_default(),
            account: self.login.as_ref().map(|login| login.phone.clone()),
            running: self.running,
            qr: self.qr.clone(),
            pairing_code: self.pairing_code.clone(),
        }
    }
}

/// A session as WAHA's JSON.
#[derive(Debug, Serialize)]
pub(crate) struct SessionBody<'a> {
    name: &'a str,
    status: &'a str,
    config: &'a Config,
    me: Option<&'a Me>,
    presence: Option<&'a str>,
    timestamps: Value,
    #[serde(rename = "assignedWorker", skip_serializing_if = "Option::is_none")]
    assigned_worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<Value>,
}

/// What a test may look at in a session.
#[derive(Clone, Debug, Serialize)]
pub struct SessionView {
    /// Its name.
    pub name: String,
    /// Its status, in WAHA's words.
    pub status: String,
    /// The last three statuses, the oldest first.
    pub statuses: Vec<String>,
    /// What WAHA would show as `me`.
    pub me: Option<Me>,
    /// Its config, as WAHA keeps it.
    pub config: Value,
    /// `config.metadata`.
    pub metadata: BTreeMap<String, Value>,
    /// The phone number (digits) of the stored login, valid or not.
    pub account: Option<String>,
    /// Started and not stopped: what `GET /api/sessions` shows without `?all=true`.
    pub running: bool,
    /// The text of the QR code on show.
    pub qr: Option<String>,
    /// The pairing code that was asked for last.
    pub pairing_code: Option<String>,
}
