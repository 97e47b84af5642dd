//! One WAHA: each call of the port that is about a session of its.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use reqwest::Method;
use serde_json::Value;
use switchboard_domain::ports::{Clock, Created, GatewayError};
use switchboard_domain::{
    Group, LidTwin, ListedContact, PairingCode, PhoneNumber, QrCode, SessionLabels, SessionName, SessionStatus,
    UpstreamSession, WorkerHealth, WorkerInfo, WorkerName, WorkerSoftware,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::call::{Bounds, Call, Kind};
use crate::client::Client;
use crate::config::{ClientConfig, WorkerConfig};
use crate::failure::Failure;
use crate::gateway::SetupError;
use crate::loose::Entries;
use crate::normalise::{self, ListedTwin, ShownSession, UNSAID};
use crate::refusal::Refusal;
use crate::subscription::{SessionConfig, Subscription};
use crate::{body, qr, wire};

/// A page of hidden ids. Never 0: WAHA answers that with everything or nothing, depending on the engine.
const TWINS_A_PAGE: usize = 1000;

/// After so many pages, something is wrong with the paging.
const MAX_TWIN_PAGES: usize = 200;

/// One WAHA.
pub(crate) struct Worker {
    name: WorkerName,
    client: Client,
    capacity: u32,
    /// Taken by whoever tries whether it answers again.
    trying: Arc<Semaphore>,
    subscription: Option<Subscription>,
    probe: Bounds,
    status: Bounds,
    code: Bounds,
    lifecycle: Bounds,
    sessions: Bounds,
    lists: Bounds,
}

impl Worker {
    pub(crate) fn new(worker: WorkerConfig, config: &ClientConfig, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let client = Client::new(&worker, config, clock)?;
        let ClientConfig { deadlines, limits, .. } = config;
        let bounds = |kind, deadline, limit| Bounds { kind, deadline, limit };
        Ok(Self {
            name: worker.name.clone(),
            client,
            capacity: worker.capacity,
            trying: Arc::new(Semaphore::new(1)),
            subscription: worker.webhook.map(|webhook| Subscription::new(&worker.name, webhook)),
            probe: bounds(Kind::Probe, deadlines.status, limits.status),
            status: bounds(Kind::Status, deadlines.status, limits.status),
            code: bounds(Kind::Qr, deadlines.qr, limits.qr),
            lifecycle: bounds(Kind::Lifecycle, deadlines.lifecycle, limits.status),
            sessions: bounds(Kind::Lifecycle, deadlines.lifecycle, limits.lists),
            lists: bounds(Kind::Lists, deadlines.lists, limits.lists),
        })
    }

    pub(crate) async fn session(&self, name: &SessionName) -> Result<Option<UpstreamSession>, GatewayError> {
        let path = ["sessions", name.as_str()];
        let call = Call::new("session", Method::GET, &path, self.status).of(name);
        match self.client.fetch(call, session).await {
            Ok(wire) => Ok(Some(ShownSession::new(name.clone(), wire).beside(self.subscription.as_ref()))),
            Err(failure) if failure.refusal() == Some(&Refusal::NoSession) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(crate) async fn sessions(&self) -> Result<Vec<UpstreamSession>, GatewayError> {
        // Without `all`, stopped ones are hidden.
        let call = Call::new("sessions", Method::GET, &["sessions"], self.sessions).query(&[("all", "true")]);
        let sessions = self.client.fetch_list(call, |Entries::<ShownSession>(sessions)| sessions).await?;
        Ok(sessions.into_iter().map(|session| session.beside(self.subscription.as_ref())).collect())
    }

    pub(crate) async fn create(&self, name: &SessionName, labels: &SessionLabels) -> Result<Created, GatewayError> {
        let new = wire::NewSession {
            name: name.as_str(),
            start: true,
            config: wire::NewConfig {
                metadata: BTreeMap::from([
                    ("user.id", labels.owner.as_str()),
                    ("switchboard", labels.deployment.as_str()),
                    ("switchboard.worker", self.name.as_str()),
                ]),
                noweb: wire::Noweb { mark_online: false, store: wire::NowebStore { enabled: true, full_sync: true } },
                webhooks: self.subscription.as_ref().map(|subscription| [subscription.wire()]),
            },
        };
        let call = Call::new("create", Method::POST, &["sessions"], self.lifecycle).of(name).json(&new);
        match self.client.fetch(call, session).await {
            Ok(created) if created.status.as_deref() == Some(SessionStatus::Stopped.as_str()) => {
                // The session is there, so that no failure from here on means that nothing has happened.
                self.begin(name).await.map_err(Failure::after_an_unknown_outcome)?;
                Ok(Created::New)
            }
            Ok(_) => Ok(Created::New),
            Err(failure) if failure.refusal() == Some(&Refusal::Exists) => Ok(Created::Existed),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(crate) async fn start(&self, name: &SessionName) -> Result<(), GatewayError> {
        Ok(self.begin(name).await?)
    }

    pub(crate) async fn restart(&self, name: &SessionName) -> Result<(), GatewayError> {
        Ok(self.act("restart", name).await?)
    }

    pub(crate) async fn logout(&self, name: &SessionName) -> Result<(), GatewayError> {
        Ok(self.act("logout", name).await?)
    }

    pub(crate) async fn delete(&self, name: &SessionName) -> Result<(), GatewayError> {
        let path = ["sessions", name.as_str()];
        let call = Call::new("delete", Method::DELETE, &path, self.lifecycle).of(name);
        match self.client.fetch(call, anything).await {
            Err(failure) if failure.refusal() == Some(&Refusal::NoSession) => Ok(()),
            done => Ok(done?),
        }
    }

    pub(crate) async fn qr(&self, name: &SessionName) -> Result<QrCode, GatewayError> {
        let path = [name.as_str(), "auth", "qr"];
        Ok(self.client.fetch(Call::new("qr", Method::GET, &path, self.code), qr::decode).await?)
    }

    pub(crate) async fn request_pairing_code(
        &self,
        name: &SessionName,
        phone: &PhoneNumber,
    ) -> Result<PairingCode, GatewayError> {
        let path = [name.as_str(), "auth", "request-code"];
        let call = Call::new("pairing code", Method::POST, &path, self.code)
            .json(&wire::PairingRequest { phone_number: phone.digits() });
        match self.client.fetch(call, pairing_code).await {
            Ok(code) => Ok(code),
            // WAHA says the same of a session that it does not have and of one that is stopped.
            Err(failure) if failure.refusal() == Some(&Refusal::NoSession) => {
                let session = self.session(name).await?.ok_or(GatewayError::NoSession)?;
                Err(GatewayError::WrongStatus(session.status))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    pub(crate) async fn refresh_groups(&self, name: &SessionName) -> Result<(), GatewayError> {
        let path = [name.as_str(), "groups", "refresh"];
        // WhatsApp is asked before WAHA answers, which takes as long as a list.
        let bounds = Bounds { limit: self.status.limit, ..self.lists };
        Ok(self.client.fetch(Call::new("refresh groups", Method::POST, &path, bounds), anything).await?)
    }

    pub(crate) async fn groups(&self, name: &SessionName) -> Result<Vec<Group>, GatewayError> {
        // Participants are most of the bytes. Nothing is paged: engines make the whole list for each page.
        let path = [name.as_str(), "groups"];
        let call = Call::new("groups", Method::GET, &path, self.lists).query(&[("exclude", "participants")]);
        Ok(self.client.fetch_list(call, |Entries(groups)| normalise::distinct(groups)).await?)
    }

    pub(crate) async fn contacts(&self, name: &SessionName) -> Result<Vec<ListedContact>, GatewayError> {
        let query = [("session", name.as_str())];
        let call = Call::new("contacts", Method::GET, &["contacts", "all"], self.lists).query(&query);
        Ok(self.client.fetch_list(call, |Entries(contacts)| contacts).await?)
    }

    pub(crate) async fn lid_twins(&self, name: &SessionName) -> Result<Vec<LidTwin>, GatewayError> {
        let until = Instant::now() + self.lists.deadline;
        let mut twins = Vec::new();
        let mut seen = HashSet::new();
        let mut offset = 0;
        for _ in 0..MAX_TWIN_PAGES {
            let bounds = Bounds { deadline: until.saturating_duration_since(Instant::now()), ..self.lists };
            let page = match self.twin_page(name, offset, bounds).await {
                Ok(page) => page,
                Err(failure) if failure.refusal().is_some_and(Refusal::is_inability) => return Ok(twins),
                Err(failure) => return Err(failure.into()),
            };
            offset += page.len();
            let known = seen.len();
            for ListedTwin { lid, phone } in page {
                if let Some(lid) = lid
                    && seen.insert(lid.clone())
                {
                    twins.extend(phone.map(|phone| LidTwin { lid, phone }));
                }
            }
            // A server with a page size of its own sends short pages; one that does not page repeats itself.
            if seen.len() == known {
                break;
            }
        }
        Ok(twins)
    }

    /// Asks whether it answers, with our key and like a WAHA, and what it runs.
    pub(crate) async fn probe(&self) {
        let call = Call::new("version", Method::GET, &["server", "version"], self.probe).once();
        match self.client.fetch(call, software).await {
            Ok(software) => self.client.heard.runs(software),
            // It was not asked, which says nothing of it.
            Err(Failure::NotMade(_)) => {}
            Err(_logged) => self.client.heard.failed(),
        }
    }

    /// Probes it if a pause is over in which it was left alone, in a task of its own: nobody's call is risked for that.
    pub(crate) fn try_again(self: &Arc<Self>) {
        if self.client.awaits_a_try()
            && let Ok(trying) = Arc::clone(&self.trying).try_acquire_owned()
        {
            let worker = Arc::clone(self);
            tokio::spawn(async move {
                worker.probe().await;
                drop(trying);
            });
        }
    }

    /// What is known of it.
    pub(crate) fn info(&self) -> WorkerInfo {
        let is_left_alone = self.client.is_shut();
        WorkerInfo {
            name: self.name.clone(),
            capacity: self.capacity,
            health: if is_left_alone { WorkerHealth::Down } else { self.client.heard.health() },
            is_left_alone,
            software: self.client.heard.software(),
        }
    }

    pub(crate) async fn renew_webhook(&self, name: &SessionName) -> Result<(), GatewayError> {
        let Some(subscription) = &self.subscription else {
            return Err(GatewayError::Refused("no webhook is configured for its worker".to_owned()));
        };
        let path = ["sessions", name.as_str()];
        let call = Call::new("configuration", Method::GET, &path, self.status).of(name);
        let mut config = self.client.fetch(call, configured).await?;
        match subscription.renew(&mut config) {
            None => Err(GatewayError::Broken("its webhooks are no list".to_owned())),
            Some(false) => Ok(()),
            Some(true) => {
                // WAHA takes it for the whole: what is left out is gone.
                let update = wire::Update { config: &config.0 };
                let call = Call::new("update", Method::PUT, &path, self.lifecycle).of(name).json(&update);
                Ok(self.client.fetch(call, anything).await?)
            }
        }
    }

    async fn begin(&self, name: &SessionName) -> Result<(), Failure> {
        self.act("start", name).await
    }

    async fn act(&self, verb: &'static str, name: &SessionName) -> Result<(), Failure> {
        let path = ["sessions", name.as_str(), verb];
        self.client.fetch(Call::new(verb, Method::POST, &path, self.lifecycle).of(name), anything).await
    }

    async fn twin_page(&self, name: &SessionName, offset: usize, bounds: Bounds) -> Result<Vec<ListedTwin>, Failure> {
        let (limit, offset) = (TWINS_A_PAGE.to_string(), offset.to_string());
        let path = [name.as_str(), "lids"];
        let query = [("limit", limit.as_str()), ("offset", offset.as_str())];
        let call = Call::new("lids", Method::GET, &path, bounds).query(&query);
        self.client.fetch_list(call, |Entries(twins)| twins).await
    }
}

/// That it was done is said by the status; the body repeats the session, or is empty.
#[expect(clippy::unnecessary_wraps, reason = "one of the decoders")]
fn anything(_body: &[u8]) -> Result<(), Failure> {
    Ok(())
}

fn session(body: &[u8]) -> Result<wire::Session, Failure> {
    let session: wire::Session = body::decode_object(body)?;
    if session.name.is_some() && session.status.is_some() {
        Ok(session)
    } else {
        Err(Failure::broken("there is no session in it"))
    }
}

fn pairing_code(body: &[u8]) -> Result<PairingCode, Failure> {
    let code = body::decode_object::<wire::Code>(body)?.code.0;
    let is_code = |code: &String| (1..=32).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic());
    code.filter(is_code).map(PairingCode).ok_or_else(|| Failure::broken("there is no pairing code in it"))
}

fn software(body: &[u8]) -> Result<WorkerSoftware, Failure> {
    let told: wire::Version = body::decode_object(body)?;
    let version = told.version.0.ok_or_else(|| Failure::broken("there is no version in it"))?;
    let engine = told.engine.0.unwrap_or_else(|| UNSAID.to_owned());
    Ok(WorkerSoftware { engine: word(engine), version: word(version) })
}

/// What WAHA calls something, for people to read: no longer than any real one.
fn word(mut text: String) -> Box<str> {
    text.retain(|c| !c.is_control());
    text.chars().take(32).collect()
}

fn configured(body: &[u8]) -> Result<SessionConfig, Failure> {
    match body::decode_object::<wire::Configured>(body)?.config {
        Some(Value::Object(config)) => Ok(SessionConfig(config)),
        // To put one there could take away what is not shown.
        _ => Err(Failure::broken("there is no configuration in it")),
    }
}

#[cfg(test)]
mod fuzzed;
