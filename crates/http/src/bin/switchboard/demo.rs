//! `switchboard demo`: everything in one process, to try without a phone, a WAHA or a database.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use anyhow::Context as _;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use switchboard_domain::ports::{CampaignRepository, Clock as _, Random as _};
use switchboard_domain::services::{PageRequest, Services};
use switchboard_domain::{
    Campaign, CampaignStatus, Group, Limit, LinkedGroup, LocalBus, Means, SessionName, SystemClock, SystemRandom,
    UserId,
};
use switchboard_http::{
    Limits, Live, Page, Quotas, Secret, SignIn, State, Telemetry, TelemetryOptions, TokenKey, TokenRules, Tokens,
    WEBHOOKS_PATH,
};
use switchboard_sqlite_adapter::{SqliteOptions, SqliteStore};
use switchboard_waha_adapter::{ClientConfig, WahaGateway, WahaWebhooks, WebhookConfig, WorkerConfig};
use switchboard_waha_fake::{FakeWaha, Options};
use tracing_subscriber::EnvFilter;

use super::cli::DemoOptions;
use super::config::ServerConfig;
use super::telemetry::{Log, LogFormat};
use super::wiring::ServiceLimits;
use super::{commands, serve, telemetry, wiring};

/// How long a token of the demo is good for.
const TOKEN_TTL: Duration = Duration::from_hours(24);

/// Runs the demo. It looks at no configuration.
pub(crate) async fn run(options: DemoOptions) -> anyhow::Result<()> {
    telemetry::init(Log { filter: EnvFilter::new(telemetry::FILTER), format: LogFormat::Pretty }, None)?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let store = SqliteStore::at(&folder.path().join("demo.sqlite"), SqliteOptions::default())?;
    store.migrate().await.context("the demo's database")?;
    let storage = wiring::stored_in(store, LocalBus::default());

    // The fake WAHA has to be told where to report to before there is anything to serve.
    let listener = serve::listen(options.bind)?;
    let address = listener.local_addr()?;
    let waha = Arc::new(start_waha(&options).await?);
    let worker = WorkerConfig {
        name: wiring::worker_name(),
        url: waha.url().parse().context("the fake WAHA's address")?,
        api_key: SecretString::from(waha.api_key()),
        capacity: WorkerConfig::CAPACITY,
        webhook: Some(webhook(address)?),
    };
    let webhooks = Arc::new(WahaWebhooks::new([&worker]));
    let gateway = Arc::new(WahaGateway::new([worker], &ClientConfig::default(), Arc::new(SystemClock))?);
    let secret = Secret::new(random_text().into())?;
    let (rules, clock) = (TokenRules::default(), Arc::new(SystemClock));
    let tokens = Tokens::new(rules.clone(), clock.clone()).with_secret(&secret);
    let sign_in = SignIn::new(clock.clone()).with_tokens(tokens);
    let door = web::Data::new(TokenKey::new(&secret, rules, clock));
    let limits = ServiceLimits {
        directory_memory: Services::DIRECTORY_MEMORY,
        streams_per_user: Live::STREAMS_PER_USER,
        // Nobody is to be protected from anybody.
        quotas: Quotas::NONE,
        deadline: Limits::DEADLINE,
    };
    let telemetry = Telemetry::new(TelemetryOptions::default(), &SystemClock, &SystemRandom);
    let state = wiring::state(&storage, gateway, webhooks, sign_in, limits, telemetry);

    let samples = Samples { waha: Arc::clone(&waha), state: Arc::clone(&state), campaigns: storage.campaigns.clone() };
    let samples = tokio::spawn(samples.keep_adding());
    let watched = Arc::clone(&state);
    tokio::spawn(async move { watched.services.watch_workers().await });
    let reconciled = Arc::clone(&state);
    tokio::spawn(async move { reconciled.services.reconcile().await });
    let phones = web::Data::from(Arc::clone(&waha));
    let more = move |server: &mut ServiceConfig| {
        server.app_data(phones.clone()).app_data(door.clone()).service(commands_page).service(let_in).service(scan);
    };
    let server = ServerConfig {
        bind: address,
        workers: None,
        trpc_path: "/api/trpc".to_owned(),
        cors_origins: Vec::new(),
        cookies: false,
        https_only: false,
        connections: ServerConfig::CONNECTIONS,
        head: ServerConfig::HEAD,
        drain: Duration::ZERO,
        shutdown: Duration::from_secs(5),
        page: Page::Demo,
        tls: None,
    };
    let server = serve::start(listener, None, &server, &state, more)?;
    announce(address, &waha.url());
    let served = serve::until_stopped(server, &state, None).await;
    samples.abort();
    served
}

async fn start_waha(options: &DemoOptions) -> anyhow::Result<FakeWaha> {
    let waha = Options {
        api_key: random_text(),
        engine: options.engine,
        groups: options.groups,
        contacts: options.contacts,
        scan_after: options.scan_after.0,
        ..Options::default()
    };
    switchboard_waha_fake::start(waha).await.context("the fake WAHA did not start")
}

/// Where the fake WAHA reports to, on the same machine.
fn webhook(mut listening: SocketAddr) -> anyhow::Result<WebhookConfig> {
    if listening.ip().is_unspecified() {
        listening.set_ip(match listening {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    let url = format!("http://{listening}{WEBHOOKS_PATH}").parse().context("the address of webhooks")?;
    Ok(WebhookConfig { url, secret: SecretString::from(random_text()), previous_secret: None })
}

/// 256 random bits.
fn random_text() -> String {
    format!("{:032x}{:032x}", SystemRandom.bits(), SystemRandom.bits())
}

fn announce(bind: SocketAddr, waha: &str) {
    if !bind.ip().is_loopback() {
        tracing::warn!("the demo signs anybody in as anybody, and listens beyond this machine");
    }
    println!("Switchboard demo: open http://{bind}/ (the fake WAHA is at {waha})");
}

/// The whole flow for whoever likes a terminal better.
#[get("/demo/commands")]
async fn commands_page(request: actix_web::HttpRequest, waha: web::Data<FakeWaha>) -> HttpResponse {
    let connection = request.connection_info();
    let here = format!("{}://{}", connection.scheme(), connection.host());
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, commands::POLICY))
        .body(commands::page(&here, &waha.url()))
}

#[derive(Deserialize)]
struct Visitor {
    user: UserId,
}

#[derive(Serialize)]
struct SignedIn {
    token: String,
}

/// Signs anybody in as anybody. Exists in the demo only.
#[post("/demo/sign-in")]
async fn let_in(key: web::Data<TokenKey>, visitor: web::Json<Visitor>) -> actix_web::Result<web::Json<SignedIn>> {
    let token = key.sign(&visitor.user, TOKEN_TTL).map_err(actix_web::error::ErrorInternalServerError)?;
    Ok(web::Json(SignedIn { token }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scan {
    session_name: String,
}

#[derive(Serialize)]
struct Scanned {
    success: bool,
}

/// A pretended phone scans the code of a session, if it shows one.
#[post("/demo/scan")]
async fn scan(waha: web::Data<FakeWaha>, form: web::Json<Scan>) -> web::Json<Scanned> {
    web::Json(Scanned { success: waha.scan(&form.session_name, &phone_of(&form.session_name)) })
}

/// The number of the phone that scans for a session, always the same: its account has been here before.
fn phone_of(session: &str) -> String {
    let digits: String = session.chars().filter(char::is_ascii_digit).take(6).collect();
    format!("34600{digits:0>6}")
}

/// Plays the user and the sibling service: gives each newly paired account two linked groups with campaigns.
struct Samples {
    waha: Arc<FakeWaha>,
    state: Arc<State>,
    campaigns: Arc<dyn CampaignRepository>,
}

impl Samples {
    async fn keep_adding(self) {
        let mut done: Vec<(String, Option<String>)> = Vec::new();
        loop {
            for session in self.waha.sessions() {
                let pairing = (session.name.clone(), session.me.as_ref().map(|me| me.id.clone()));
                if session.status != "WORKING" || done.contains(&pairing) {
                    continue;
                }
                match self
                    .add(
                        session.metadata.get("user.id").and_then(serde_json::Value::as_str).unwrap_or_default(),
                        &session.name,
                    )
                    .await
                {
                    Ok(()) => done.push(pairing),
                    Err(error) => tracing::debug!(error = format!("{error:#}"), "no sample data yet"),
                }
            }
            SystemClock.sleep(Duration::from_millis(500)).await;
        }
    }

    async fn add(&self, user: &str, session: &str) -> anyhow::Result<()> {
        let (user, session): (UserId, SessionName) = (user.parse()?, session.parse()?);
        let services = &self.state.services;
        let limit = Limit::clamped(2).context("two is a limit")?;
        let first = PageRequest { limit, cursor: 0, search: None, version: None };
        let listing = services.directory.groups(&user, &session, first).await?;
        let groups: Vec<Group> = listing.entries().filter_map(|entry| entry.to_group()).collect();
        let statuses = [CampaignStatus::Scheduled, CampaignStatus::InProgress];
        for (group, status) in groups.into_iter().zip(statuses) {
            let linked = services.link_group.run(&user, &session, &group.id, Means::Token).await?;
            if linked.campaigns.is_empty() {
                self.start_campaign(&linked.group, status).await?;
            }
        }
        Ok(())
    }

    async fn start_campaign(&self, group: &LinkedGroup, status: CampaignStatus) -> anyhow::Result<()> {
        let now = SystemClock.now();
        let id = SystemRandom.cuid().parse()?;
        let campaign = Campaign { id, group: group.id.clone(), status, start_date: now };
        Ok(self.campaigns.save(&campaign, now).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_phone_scans_for_a_session_and_another_for_the_next() {
        assert_eq!(phone_of("session_273702265796"), "34600273702");
        assert_eq!(phone_of("session_7"), "34600000007");
    }

    #[test]
    fn the_fake_reports_to_this_machine_wherever_the_demo_listens() {
        for (listening, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/webhooks/waha"),
            ("0.0.0.0:80", "http://127.0.0.1/webhooks/waha"),
            ("192.0.2.7:8080", "http://192.0.2.7:8080/webhooks/waha"),
            ("[::]:8080", "http://[::1]:8080/webhooks/waha"),
            ("[2001:db8::7]:8080", "http://[2001:db8::7]:8080/webhooks/waha"),
        ] {
            assert_eq!(webhook(listening.parse().unwrap()).unwrap().url.as_str(), url);
        }
    }
}
