//! What is remembered of workers.

use std::sync::Arc;
use std::time::Duration;

use switchboard_domain::WorkerHealth;
use switchboard_domain::ports::WhatsAppGateway;
use switchboard_waha_adapter::{ClientConfig, Places};

use crate::support::{Answer, Scripted, call, fixture, gateway, nobody, with_workers, worker};

#[tokio::test]
async fn nothing_is_known_of_a_worker_before_it_is_asked() {
    let waha = Scripted::playing([Answer::json(200, fixture!("version.json"))]).await;
    let gateway = waha.gateway();
    let before = gateway.workers().remove(0);
    assert_eq!((before.health, before.software, before.capacity), (WorkerHealth::Unknown, None, 500));
    assert_eq!(waha.targets().len(), 0, "nobody was asked");
}

#[tokio::test]
async fn engine_and_version_are_remembered_while_the_worker_is_down() {
    let waha = Scripted::playing([Answer::json(200, fixture!("version.json"))]).await;
    let gateway = waha.gateway();
    assert_eq!(gateway.probe().await, gateway.workers());
    let told = gateway.workers().remove(0);
    let software = told.software.unwrap();
    assert_eq!((told.health, &*software.engine, &*software.version), (WorkerHealth::Up, "NOWEB", "2025.12.3"));

    waha.play(Answer::json(500, "{}"));
    assert_eq!(gateway.probe().await[0].health, WorkerHealth::Up, "one lost answer is none");
    let down = gateway.probe().await.remove(0);
    assert_eq!((down.health, down.software), (WorkerHealth::Down, Some(software)));
    assert_eq!(gateway.workers()[0].health, WorkerHealth::Down);
    assert_eq!(waha.targets().len(), 3, "a probe is not repeated");

    waha.play(Answer::json(200, fixture!("version.json")));
    assert_eq!(gateway.probe().await[0].health, WorkerHealth::Up);
}

#[tokio::test]
async fn whatever_calls_itself_a_version_is_short_and_plain() {
    let version = format!(r#"{{"version":"{}\u0000\n","engine":7}}"#, "9".repeat(1000));
    let waha = Scripted::playing([Answer::json(200, &version)]).await;
    let software = waha.gateway().probe().await.remove(0).software.unwrap();
    assert_eq!((&*software.engine, &*software.version), ("UNKNOWN", &*"9".repeat(32)));
}

#[tokio::test]
async fn one_worker_that_is_gone_does_not_keep_the_others_from_being_known() {
    let waha = Scripted::playing([Answer::json(200, fixture!("version.json"))]).await;
    let gateway = with_workers([worker("a", &nobody().await), worker("b", &waha.url)], &ClientConfig::default());
    let health: Vec<_> = gateway.probe().await.into_iter().map(|worker| worker.health).collect();
    assert_eq!(health, [WorkerHealth::Down, WorkerHealth::Up]);
}

#[tokio::test]
async fn whatever_call_succeeds_shows_that_a_worker_answers() {
    let waha = Scripted::playing([Answer::json(500, "{}")]).await;
    let gateway = waha.gateway();
    assert_eq!(gateway.probe().await[0].health, WorkerHealth::Down, "it never answered");
    assert!(call(&gateway, "restart").await.is_err());
    assert_eq!(gateway.workers()[0].health, WorkerHealth::Down);
    waha.play(Answer::json(200, fixture!("session-working.json")));
    call(&gateway, "session").await.unwrap();
    assert_eq!(gateway.workers()[0].health, WorkerHealth::Up);

    // What succeeds between two probes in vain makes neither of them the second.
    waha.play(Answer::json(500, "{}"));
    gateway.probe().await;
    waha.play(Answer::json(200, fixture!("session-working.json")));
    call(&gateway, "session").await.unwrap();
    waha.play(Answer::json(500, "{}"));
    assert_eq!(gateway.probe().await[0].health, WorkerHealth::Up);
    assert_eq!(gateway.probe().await[0].health, WorkerHealth::Down);
}

#[tokio::test]
async fn a_worker_with_no_place_for_another_call_is_busy_and_not_gone() {
    let waha = Scripted::answering(|request| {
        Some(match request.target() {
            "GET /api/server/version" => Answer::json(200, fixture!("version.json")),
            _ => Answer::json(200, fixture!("session-working.json")).held(),
        })
    })
    .await;
    let places = Places { status: 1, longest_wait: Duration::from_millis(50), ..Places::default() };
    let gateway = Arc::new(gateway(&waha.url, &ClientConfig { places, ..ClientConfig::default() }));
    let caller = Arc::clone(&gateway);
    let busy = tokio::spawn(async move { call(&caller, "session").await });
    waha.asked(1).await;
    for _ in 0..3 {
        assert_eq!(gateway.probe().await[0].health, WorkerHealth::Up, "the probe has a place of its own");
    }
    waha.release();
    busy.await.unwrap().unwrap();

    // Nor is one that is asked already.
    waha.play(Answer::silence());
    let caller = Arc::clone(&gateway);
    let hanging = tokio::spawn(async move { caller.probe().await });
    waha.asked(5).await;
    for _ in 0..3 {
        assert_eq!(gateway.probe().await[0].health, WorkerHealth::Up);
    }
    hanging.abort();
    assert_eq!(waha.targets().len(), 5);
}
