//! A worker that fails again and again is left alone, and nobody else notices.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use switchboard_domain::WorkerHealth;
use switchboard_domain::ports::{GatewayError, WhatsAppGateway};
use switchboard_waha_adapter::{BreakerConfig, ClientConfig, WahaGateway};

use crate::support::{
    Answer, CALLS, Scripted, StillClock, at, call, fixture, gateway, hurried, nobody, with_workers, worker,
};

/// The documented number.
const FAILURES: usize = 5;

/// The longest that the first pause can be.
const PAUSE: Duration = Duration::from_secs(5);

fn working() -> Answer {
    Answer::json(200, fixture!("session-working.json"))
}

fn is_left_alone(result: &Result<(), GatewayError>) -> bool {
    matches!(result, Err(GatewayError::Unavailable(why)) if why.contains("left alone"))
}

/// A gateway on one worker that hung until it was left alone. Its clock stands still.
async fn left_alone() -> (Scripted, WahaGateway, Arc<StillClock>) {
    let waha = Scripted::playing([Answer::silence()]).await;
    let clock = Arc::new(StillClock::default());
    let gateway = WahaGateway::new([worker("w1", &waha.url)], &hurried(), clock.clone()).unwrap();
    for result in join_all((0..FAILURES).map(|_| call(&gateway, "sessions"))).await {
        assert!(matches!(result, Err(GatewayError::Timeout)), "{result:?}");
    }
    (waha, gateway, clock)
}

#[tokio::test]
async fn a_worker_that_hangs_is_left_alone_after_five_requests_and_the_others_are_not() {
    assert_eq!(usize::try_from(BreakerConfig::default().failures).unwrap(), FAILURES);
    let (sick, well) = (Scripted::playing([Answer::silence()]).await, Scripted::playing([working()]).await);
    let gateway = with_workers([worker("w1", &sick.url), worker("w2", &well.url)], &hurried());
    for _ in 0..FAILURES {
        let result = call(&gateway, "sessions").await;
        assert!(matches!(result, Err(GatewayError::Timeout)), "{result:?}");
    }
    for name in CALLS {
        let result = call(&gateway, name).await;
        assert!(is_left_alone(&result), "{name}: {result:?}");
    }
    assert_eq!(sick.targets().len(), FAILURES, "nothing more was sent");

    let mut elsewhere = at("user42");
    elsewhere.worker = "w2".parse().unwrap();
    for _ in 0..100 {
        gateway.session(&elsewhere).await.unwrap();
    }
    assert_eq!(well.targets().len(), 100);
    let health: Vec<_> = gateway.workers().into_iter().map(|worker| worker.health).collect();
    assert_eq!(health, [WorkerHealth::Down, WorkerHealth::Up]);
}

#[tokio::test]
async fn a_worker_that_is_gone_is_left_alone_too() {
    let gateway = gateway(&nobody().await, &ClientConfig::default());
    // Each of these is tried three times.
    for _ in 0..2 {
        assert!(call(&gateway, "session").await.is_err());
    }
    let result = call(&gateway, "restart").await;
    assert!(is_left_alone(&result), "{result:?}");
}

/// Waits until that is so, 20 s at most.
async fn until(is_so: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "it does not come to that");
}

fn health(gateway: &WahaGateway) -> WorkerHealth {
    gateway.workers()[0].health
}

/// How often it was asked what it runs, and nothing else since it was left alone.
fn probes(waha: &Scripted) -> usize {
    let targets = waha.targets().split_off(FAILURES);
    assert!(targets.iter().all(|target| target == "GET /api/server/version"), "{targets:?}");
    targets.len()
}

#[tokio::test]
async fn after_the_pause_one_probe_tries_whoever_calls_and_then_all_are_served_again() {
    let (waha, gateway, clock) = left_alone().await;
    clock.advance(PAUSE / 2);
    assert!(is_left_alone(&call(&gateway, "session").await), "not yet");
    assert_eq!(probes(&waha), 0);

    waha.play(Answer::json(200, fixture!("version.json")).held());
    clock.advance(PAUSE / 2);
    let gateway = Arc::new(gateway);
    let callers: Vec<_> = (0..100)
        .map(|n| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { call(&gateway, CALLS[n % CALLS.len()]).await })
        })
        .collect();
    for result in join_all(callers).await {
        assert!(is_left_alone(&result.unwrap()), "no caller's session is what is tried");
    }
    waha.asked(FAILURES + 1).await;
    assert!(is_left_alone(&call(&gateway, "session").await), "while the probe is under way");
    assert_eq!((probes(&waha), health(&gateway)), (1, WorkerHealth::Down));
    waha.release();
    until(|| health(&gateway) == WorkerHealth::Up).await;

    waha.play(working());
    for name in ["session", "restart", "sessions"] {
        let _ = call(&gateway, name).await;
    }
    assert_eq!(waha.targets().len(), FAILURES + 1 + 3, "it is called again");
}

#[tokio::test]
async fn a_try_that_fails_makes_the_next_pause_longer() {
    let (waha, gateway, clock) = left_alone().await;
    waha.play(Answer::reset());
    clock.advance(PAUSE);
    gateway.probe().await;
    assert_eq!(probes(&waha), 1);
    // The second pause is 7.5 to 10 s long.
    clock.advance(PAUSE);
    assert!(is_left_alone(&call(&gateway, "session").await));
    gateway.probe().await;
    assert_eq!(probes(&waha), 1);
    waha.play(Answer::json(200, fixture!("version.json")));
    clock.advance(PAUSE);
    assert_eq!(gateway.probe().await[0].health, WorkerHealth::Up);
}

#[tokio::test]
async fn a_try_that_is_broken_off_leaves_the_next_one_to_another() {
    let (waha, gateway, clock) = left_alone().await;
    let gateway = Arc::new(gateway);
    waha.play(working().held());
    clock.advance(PAUSE);
    let caller = Arc::clone(&gateway);
    let trying = tokio::spawn(async move { caller.probe().await });
    waha.asked(FAILURES + 1).await;
    assert!(is_left_alone(&call(&gateway, "session").await));
    trying.abort();
    assert!(trying.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(probes(&waha), 1);

    waha.play(Answer::json(200, fixture!("version.json")));
    assert!(is_left_alone(&call(&gateway, "session").await));
    until(|| health(&gateway) == WorkerHealth::Up).await;
    waha.play(working());
    call(&gateway, "session").await.unwrap();
}

#[tokio::test]
async fn one_session_that_hangs_is_nobody_elses_trouble_and_a_second_one_is() {
    let waha = Scripted::answering(|request| {
        Some(if request.target().contains("/hangs") { Answer::silence() } else { working() })
    })
    .await;
    let gateway = gateway(&waha.url, &hurried());
    let ask = async |name: &str| gateway.session(&at(name)).await.map(drop);
    let hang = async |name: &str| {
        for result in join_all((0..2 * FAILURES).map(|_| ask(name))).await {
            assert!(matches!(result, Err(GatewayError::Timeout)), "{result:?}");
        }
    };
    hang("hangs").await;
    let restarted = gateway.restart(&at("hangs")).await;
    assert!(matches!(restarted, Err(GatewayError::Timeout)), "{restarted:?}");
    ask("well").await.unwrap();

    hang("hangs").await;
    assert!(matches!(ask("hangs-too").await, Err(GatewayError::Timeout)));
    assert!(is_left_alone(&ask("well").await));
}

#[tokio::test]
async fn a_probe_tries_again_whom_nobody_else_asks() {
    let (waha, gateway, clock) = left_alone().await;
    waha.play(Answer::json(200, fixture!("version.json")));
    assert_eq!(gateway.probe().await[0].health, WorkerHealth::Down, "it keeps the pause");
    assert_eq!(probes(&waha), 0);
    clock.advance(PAUSE);
    assert_eq!(gateway.probe().await[0].health, WorkerHealth::Up);
    waha.play(Answer::json(201, "{}"));
    call(&gateway, "restart").await.unwrap();
}

#[tokio::test]
async fn what_waha_answers_about_sessions_never_counts() {
    for status in [400, 404, 422, 429, 500, 501] {
        for name in ["session", "restart", "groups", "qr"] {
            let waha = Scripted::playing([Answer::json(status, "{}")]).await;
            let gateway = waha.gateway();
            for _ in 0..3 * FAILURES {
                let result = call(&gateway, name).await;
                assert!(!is_left_alone(&result), "{name} {status}: {result:?}");
            }
            assert!(waha.targets().len() >= 3 * FAILURES);
        }
    }
}

#[tokio::test]
async fn waiting_for_a_phone_or_for_whatsapp_never_counts_and_waiting_for_waha_does() {
    for (name, counts) in
        [("qr", false), ("pairing", false), ("groups", false), ("contacts", false), ("sessions", true)]
    {
        let waha = Scripted::playing([Answer::silence()]).await;
        let gateway = gateway(&waha.url, &hurried());
        join_all((0..FAILURES).map(|_| call(&gateway, name))).await;
        waha.play(working());
        let result = call(&gateway, "session").await;
        assert_eq!(is_left_alone(&result), counts, "{name}: {result:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_finds_no_waha_behind_it_counts_and_any_answer_between_starts_anew() {
    for status in [502, 503] {
        let sick = Answer::json(status, "<html>");
        let answers = (0..FAILURES - 1).map(|_| sick.clone()).chain([Answer::json(500, "{}"), sick.clone()]);
        let waha = Scripted::playing(answers).await;
        let gateway = waha.gateway();
        for _ in 0..3 * FAILURES {
            assert!(call(&gateway, "restart").await.is_err());
        }
        assert_eq!(waha.targets().len(), FAILURES - 1 + 1 + FAILURES, "{status}");
    }
}
