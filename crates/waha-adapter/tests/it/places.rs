//! One worker has so many calls under way, and no more.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use switchboard_domain::ports::{GatewayError, WhatsAppGateway};
use switchboard_waha_adapter::{ClientConfig, Places, WahaGateway};

use crate::support::{Answer, Scripted, at, call, fixture, gateway};

const LISTS: usize = 3;

/// Few places, for which nobody waits long.
fn narrow() -> ClientConfig {
    let places = Places { lists: LISTS, status: 1, longest_wait: Duration::from_millis(50), ..Places::default() };
    ClientConfig { places, ..ClientConfig::default() }
}

fn is_full(result: &Result<(), GatewayError>) -> bool {
    matches!(result, Err(GatewayError::Unavailable(why)) if why.contains("too many calls"))
}

/// Lists are held; everything else is answered.
async fn slow_at_lists() -> Scripted {
    Scripted::answering(|request| {
        Some(match request.target() {
            "GET /api/user42/groups?exclude=participants" => Answer::json(200, "[]").held(),
            _ => Answer::json(200, fixture!("session-working.json")),
        })
    })
    .await
}

fn lists(gateway: &Arc<WahaGateway>, count: usize) -> Vec<tokio::task::JoinHandle<Result<(), GatewayError>>> {
    let call = || {
        let gateway = Arc::clone(gateway);
        tokio::spawn(async move { call(&gateway, "groups").await })
    };
    (0..count).map(|_| call()).collect()
}

#[tokio::test]
async fn more_lists_than_there_are_places_are_never_asked_for_at_once() {
    let waha = slow_at_lists().await;
    let gateway = Arc::new(gateway(&waha.url, &narrow()));
    let calls = lists(&gateway, 20);
    waha.asked(LISTS).await;
    let refused = tokio::time::timeout(Duration::from_secs(20), async {
        while calls.iter().filter(|call| call.is_finished()).count() < 20 - LISTS {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(refused.await.is_ok(), "they wait for too long");
    waha.release();
    let results: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), LISTS, "{results:?}");
    assert_eq!(results.iter().filter(|result| is_full(result)).count(), 20 - LISTS, "{results:?}");
    assert_eq!((waha.targets().len(), waha.most_at_once()), (LISTS, LISTS));
    call(&gateway, "groups").await.unwrap();
}

#[tokio::test]
async fn whoever_waits_for_a_place_gets_it_when_it_is_free() {
    let waha = slow_at_lists().await;
    let places = Places { lists: LISTS, ..Places::default() };
    let gateway = Arc::new(gateway(&waha.url, &ClientConfig { places, ..ClientConfig::default() }));
    let calls = lists(&gateway, 20);
    waha.asked(LISTS).await;
    waha.release();
    for result in join_all(calls).await {
        result.unwrap().unwrap();
    }
    assert_eq!((waha.targets().len(), waha.most_at_once()), (20, LISTS));
}

#[tokio::test]
async fn lists_leave_room_for_a_status() {
    let waha = slow_at_lists().await;
    let gateway = Arc::new(gateway(&waha.url, &narrow()));
    let calls = lists(&gateway, LISTS + 1);
    waha.asked(LISTS).await;
    for _ in 0..10 {
        gateway.session(&at("user42")).await.unwrap();
        assert!(call(&gateway, "restart").await.is_ok() && !calls[0].is_finished());
    }
    waha.release();
    join_all(calls).await;
}

#[tokio::test]
async fn a_pause_before_a_call_is_repeated_takes_no_place() {
    let mut failed = false;
    let waha = Scripted::answering(move |request| {
        let fails = request.target().ends_with("/first") && !std::mem::replace(&mut failed, true);
        Some(Answer::json(if fails { 500 } else { 200 }, fixture!("session-working.json")))
    })
    .await;
    let gateway = Arc::new(gateway(&waha.url, &narrow()));
    let caller = Arc::clone(&gateway);
    let first = tokio::spawn(async move { caller.session(&at("first")).await });
    waha.asked(1).await;
    gateway.session(&at("second")).await.unwrap();
    first.await.unwrap().unwrap();
    let asked = ["first", "second", "first"].map(|name| format!("GET /api/sessions/{name}"));
    assert_eq!(waha.targets(), asked);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_place() {
    let waha = slow_at_lists().await;
    let gateway = Arc::new(gateway(&waha.url, &narrow()));
    let calls = lists(&gateway, LISTS);
    waha.asked(LISTS).await;
    for call in calls {
        call.abort();
        assert!(call.await.is_err());
    }
    waha.release();
    call(&gateway, "groups").await.unwrap();
}
