//! Every method of the port against the fake WAHA, whose wire types are its own.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use switchboard_domain::ports::{Created, GatewayError, Report, WebhookReader, WhatsAppGateway};
use switchboard_domain::{Contact, DeploymentId, GroupChange, SessionStatus, WorkerHealth};
use switchboard_waha_adapter::{ClientConfig, WahaGateway, WahaWebhooks, WorkerConfig};
use switchboard_waha_fake::{Engine, FakeWaha, Fault, FaultAction, Options, start};

use crate::support::{Answer, DEPLOYMENT, Scripted, at, hurried, labels, w1, webhook, with_workers, worker};

const PHONE: &str = "34600111222";

/// A fake that is in a hurry, and the gateway on it.
async fn fake(options: Options) -> (FakeWaha, WahaGateway) {
    let waha = start(options).await.unwrap();
    let gateway = on(&waha, &ClientConfig::default());
    (waha, gateway)
}

fn on(waha: &FakeWaha, config: &ClientConfig) -> WahaGateway {
    let config_of = WorkerConfig { api_key: waha.api_key().into(), ..worker("w1", &waha.url()) };
    with_workers([config_of], config)
}

fn quick(engine: Engine) -> Options {
    Options { engine, time_scale: 20.0, ..Options::default() }
}

/// Waits for a status, 20 s at most.
async fn becomes(gateway: &WahaGateway, name: &str, status: SessionStatus) {
    let mut last = None;
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            last = gateway.session(&at(name)).await.unwrap().map(|session| session.status);
            if last.as_ref() == Some(&status) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{name} is {last:?}, not {status}");
}

/// A session that a phone has scanned.
async fn paired(waha: &FakeWaha, gateway: &WahaGateway, name: &str) {
    gateway.create(&at(name), &labels()).await.unwrap();
    becomes(gateway, name, SessionStatus::ScanQrCode).await;
    assert!(waha.scan(name, PHONE));
    becomes(gateway, name, SessionStatus::Working).await;
}

async fn the_whole_life_of_a_session(engine: Engine) {
    let (waha, gateway) = fake(quick(engine)).await;
    let at = at("user42");
    assert_eq!(gateway.session(&at).await.unwrap(), None);
    assert!(matches!(gateway.start(&at).await, Err(GatewayError::NoSession)));
    assert!(matches!(gateway.groups(&at).await, Err(GatewayError::NoSession)));

    assert_eq!(gateway.create(&at, &labels()).await.unwrap(), Created::New);
    assert_eq!(gateway.create(&at, &labels()).await.unwrap(), Created::Existed);
    becomes(&gateway, "user42", SessionStatus::ScanQrCode).await;
    let refused = gateway.groups(&at).await;
    assert!(matches!(refused, Err(GatewayError::WrongStatus(SessionStatus::ScanQrCode))), "{refused:?}");
    let png = STANDARD.decode(gateway.qr(&at).await.unwrap().png_base64).unwrap();
    assert!(png.starts_with(b"\x89PNG"));

    let code = gateway.request_pairing_code(&at, &PHONE.parse().unwrap()).await.unwrap();
    assert!(waha.scan_code(&code.0, PHONE), "{engine}: the pairing code pairs");
    becomes(&gateway, "user42", SessionStatus::Working).await;
    let session = gateway.session(&at).await.unwrap().unwrap();
    let me = session.me.clone().unwrap();
    assert_eq!(me.id.phone_digits(), Some(PHONE));
    assert!(me.lid.is_some());
    assert_eq!(session.deployment.as_ref().map(DeploymentId::as_str), Some(DEPLOYMENT));
    assert_eq!(gateway.sessions(&w1()).await.unwrap(), [session]);
    let refused = gateway.qr(&at).await;
    assert!(matches!(refused, Err(GatewayError::WrongStatus(SessionStatus::Working))), "{refused:?}");
    let refused = gateway.request_pairing_code(&at, &PHONE.parse().unwrap()).await;
    assert!(refused.is_err());

    gateway.refresh_groups(&at).await.unwrap();
    let groups = gateway.groups(&at).await.unwrap();
    let read: BTreeSet<_> = groups.into_iter().map(|group| (String::from(group.id), group.name)).collect();
    assert_eq!(read, waha.groups("user42").into_iter().collect(), "{engine}");
    assert!(!read.is_empty());

    let listed = gateway.contacts(&at).await.unwrap();
    let twins = gateway.lid_twins(&at).await.unwrap();
    assert!(!twins.is_empty());
    let people = Contact::from_listed(listed, &twins, Some(&me));
    for (phone, name) in waha.contacts("user42") {
        let person = people.iter().find(|person| person.id.phone_digits() == Some(&phone));
        let person = person.unwrap_or_else(|| panic!("{engine}: a saved contact is missing"));
        assert!(name.is_none_or(|name| name == person.name), "{engine}: a name is lost");
    }

    gateway.restart(&at).await.unwrap();
    becomes(&gateway, "user42", SessionStatus::Working).await;
    gateway.start(&at).await.unwrap();
    gateway.logout(&at).await.unwrap();
    assert_eq!(waha.linked_devices(PHONE), 0);
    becomes(&gateway, "user42", SessionStatus::ScanQrCode).await;
    gateway.delete(&at).await.unwrap();
    gateway.delete(&at).await.unwrap();
    assert_eq!(gateway.session(&at).await.unwrap(), None);
    assert_eq!(gateway.sessions(&w1()).await.unwrap(), []);
    assert!(gateway.probe().await[0].health == WorkerHealth::Up);
    assert!(waha.calls().iter().all(|call| call.authorized));
}

#[tokio::test]
async fn a_session_lives_and_dies_on_noweb() {
    the_whole_life_of_a_session(Engine::Noweb).await;
}

#[tokio::test]
async fn a_session_lives_and_dies_on_webjs() {
    the_whole_life_of_a_session(Engine::Webjs).await;
}

#[tokio::test]
async fn a_session_lives_and_dies_on_gows() {
    the_whole_life_of_a_session(Engine::Gows).await;
}

#[tokio::test]
async fn a_session_lives_and_dies_on_wpp() {
    the_whole_life_of_a_session(Engine::Wpp).await;
}

#[tokio::test]
async fn webjs_ids_are_read_without_their_serialized_form() {
    let (waha, gateway) = fake(Options { webjs_serialized: false, ..quick(Engine::Webjs) }).await;
    paired(&waha, &gateway, "user42").await;
    assert_eq!(gateway.groups(&at("user42")).await.unwrap().len(), waha.groups("user42").len());
}

#[tokio::test]
async fn of_200_creates_at_once_one_is_new() {
    let (waha, gateway) = fake(Options::default()).await;
    let creates = join_all((0..200).map(async |_| gateway.create(&at("user42"), &labels()).await.unwrap())).await;
    assert_eq!(creates.iter().filter(|created| **created == Created::New).count(), 1);
    assert_eq!(waha.sessions().len(), 1);
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_one_session() {
    let (waha, gateway) = fake(quick(Engine::Noweb)).await;
    waha.inject(Fault::on("/api/sessions", FaultAction::Lost).method("POST").times(1));
    assert_eq!(gateway.create(&at("user42"), &labels()).await.unwrap(), Created::Existed);
    assert_eq!(waha.sessions().len(), 1);
}

#[tokio::test]
async fn what_may_not_be_repeated_is_done_once_though_its_answer_is_lost() {
    let (waha, gateway) = fake(quick(Engine::Noweb)).await;
    paired(&waha, &gateway, "user42").await;
    waha.clear_calls();
    waha.inject(Fault::new(FaultAction::Lost));
    for result in [gateway.restart(&at("user42")).await, gateway.logout(&at("user42")).await] {
        assert!(result.is_err_and(|error| error.outcome_is_unknown()));
    }
    assert_eq!(waha.calls().len(), 2);
}

#[tokio::test]
async fn restarts_that_meet_a_locked_session_know_that_nothing_has_happened() {
    // On a real clock a restart takes a second, and the lock gives up after five.
    let (waha, gateway) = fake(Options::default()).await;
    gateway.create(&at("user42"), &labels()).await.unwrap();
    becomes(&gateway, "user42", SessionStatus::ScanQrCode).await;
    waha.clear_calls();
    let results = join_all((0..9).map(async |_| gateway.restart(&at("user42")).await)).await;
    assert!(results.iter().any(Result::is_ok), "{results:?}");
    let busy = |result: &Result<(), _>| matches!(result, Err(GatewayError::Unavailable(_)));
    assert!(results.iter().any(busy), "{results:?}");
    assert!(results.iter().all(|result| result.is_ok() || busy(result)), "{results:?}");
    assert_eq!(waha.calls().len(), 9);
}

#[tokio::test]
async fn a_session_that_the_phone_threw_out_needs_a_logout() {
    let (waha, gateway) = fake(quick(Engine::Noweb)).await;
    paired(&waha, &gateway, "user42").await;
    assert!(waha.unlink("user42"));
    becomes(&gateway, "user42", SessionStatus::Failed).await;
    gateway.start(&at("user42")).await.unwrap();
    becomes(&gateway, "user42", SessionStatus::Failed).await;
    gateway.logout(&at("user42")).await.unwrap();
    becomes(&gateway, "user42", SessionStatus::ScanQrCode).await;
}

#[tokio::test]
async fn whatsapps_rate_limit_reaches_the_caller() {
    let (waha, gateway) = fake(quick(Engine::Noweb)).await;
    paired(&waha, &gateway, "user42").await;
    waha.overlimit(1);
    let result = gateway.groups(&at("user42")).await;
    assert!(matches!(result, Err(GatewayError::RateLimited)), "{result:?}");
    assert!(!gateway.groups(&at("user42")).await.unwrap().is_empty());
    waha.inject(Fault::on("/groups", FaultAction::Status { status: 429, body: String::new() }));
    let result = gateway.groups(&at("user42")).await;
    assert!(matches!(result, Err(GatewayError::RateLimited)), "{result:?}");
}

#[tokio::test]
async fn a_refresh_asks_whatsapp_and_is_told_when_that_is_too_often() {
    let (waha, gateway) = fake(quick(Engine::Noweb)).await;
    gateway.create(&at("user42"), &labels()).await.unwrap();
    becomes(&gateway, "user42", SessionStatus::ScanQrCode).await;
    let refused = gateway.refresh_groups(&at("user42")).await;
    assert!(matches!(refused, Err(GatewayError::WrongStatus(SessionStatus::ScanQrCode))), "{refused:?}");
    assert!(waha.scan("user42", PHONE));
    becomes(&gateway, "user42", SessionStatus::Working).await;
    gateway.groups(&at("user42")).await.unwrap();

    waha.clear_calls();
    waha.overlimit(1);
    let result = gateway.refresh_groups(&at("user42")).await;
    assert!(matches!(result, Err(GatewayError::RateLimited)), "{result:?}");
    assert_eq!(waha.calls().len(), 1, "it is not repeated");
    gateway.refresh_groups(&at("user42")).await.unwrap();
}

#[tokio::test]
async fn a_status_that_nobody_knows_is_passed_through() {
    let (waha, gateway) = fake(quick(Engine::Noweb)).await;
    gateway.create(&at("user42"), &labels()).await.unwrap();
    becomes(&gateway, "user42", SessionStatus::ScanQrCode).await;
    assert!(waha.set_status("user42", "HIBERNATING"));
    becomes(&gateway, "user42", SessionStatus::Other("HIBERNATING".into())).await;
    let result = gateway.groups(&at("user42")).await;
    assert!(
        matches!(&result, Err(GatewayError::WrongStatus(status)) if status.as_str() == "HIBERNATING"),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_waha_that_hangs_is_left_at_the_deadline_and_one_that_is_gone_at_once() {
    let (waha, gateway) = fake(quick(Engine::Noweb)).await;
    let hasty = on(&waha, &hurried());
    waha.inject(Fault::new(FaultAction::Delay { by: Duration::from_mins(1) }));
    let result = hasty.session(&at("user42")).await;
    assert!(matches!(result, Err(GatewayError::Timeout)), "{result:?}");
    assert_eq!(hasty.probe().await[0].health, WorkerHealth::Down);
    waha.stop().await;
    let result = gateway.session(&at("user42")).await;
    assert!(matches!(result, Err(GatewayError::Unavailable(_))), "{result:?}");
}

#[tokio::test]
async fn what_becomes_of_groups_is_reported_by_every_engine() {
    for engine in [Engine::Noweb, Engine::Webjs, Engine::Gows, Engine::Wpp] {
        let waha = start(quick(engine)).await.unwrap();
        let sink = Scripted::playing([Answer::json(200, "")]).await;
        let mut config = worker("w1", &waha.url());
        config.api_key = waha.api_key().into();
        config.webhook = Some(webhook(&sink.url));
        let webhooks = WahaWebhooks::new([&config]);
        let gateway = with_workers([config], &ClientConfig::default());
        paired(&waha, &gateway, "user42").await;
        let old = waha.groups("user42");

        assert!(waha.join_group("user42", "1@g.us", "New"));
        assert!(waha.rename_group("user42", &old[0].0, "Renamed"));
        assert!(waha.leave_group("user42", &old[1].0));

        let present = |name: &str, joined| GroupChange::Present { name: Some(name.to_owned()), joined };
        let expected =
            [("1@g.us", present("New", true)), (&old[0].0, present("Renamed", false)), (&old[1].0, GroupChange::Left)];
        let told = || {
            let requests = sink.requests().into_iter();
            let events = requests.filter_map(|request| {
                let signature = request.header("x-webhook-hmac")[0];
                webhooks.read(&w1(), signature, request.body.as_bytes()).unwrap()
            });
            let groups = events.filter_map(|event| match event.report {
                Report::Group(event) => Some((String::from(event.group), event.change)),
                Report::Status { .. } => None,
            });
            groups.collect::<Vec<_>>()
        };
        let is_told = |(group, change): &(&str, GroupChange)| told().contains(&((*group).to_owned(), change.clone()));
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while !expected.iter().all(is_told) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "{engine}: {:?}", told());
    }
}

#[tokio::test]
async fn names_arrive_as_one_segment_of_the_path() {
    let (waha, gateway) = fake(quick(Engine::Noweb)).await;
    for name in ["-", "_", "a-b_C", "0", &"x".repeat(54)] {
        gateway.session(&at(name)).await.unwrap();
        let call = waha.calls().pop().unwrap();
        assert_eq!((call.path, call.query), (format!("/api/sessions/{name}"), String::new()));
    }
}
