//! A session's state, pushed: `GET /v1/sessions/{name}/events` and `user.onSessionStatus`.

mod access;
mod ends;
mod pairing_code;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use support::app::TestApp;
use support::events::{Door, LiveStream, Told};
use support::stores::Stores;
use switchboard_domain::ports::Clock;
use switchboard_http::{Live, Scope};
use switchboard_waha_fake::Options;

on_every_database! {
    a_stream_goes_with_a_session_from_starting_to_connected,
    what_waha_wants_of_the_user_and_why_it_failed_is_told,
    a_state_has_the_same_id_everywhere_and_a_client_that_comes_back_is_told_the_present_one,
    a_stream_without_a_word_shows_that_it_lives_every_quarter_of_a_minute,
    while_waha_is_off_the_last_state_is_told_as_such,
    qr_codes_are_fetched_for_who_watches_and_once_for_all,
    a_report_to_one_replica_is_told_by_another,
    what_a_replica_did_not_hear_it_finds_out,
}

const PHONE: &str = "34600111222";

/// The text of the code on the screen.
fn text_of_qr(state: &Value) -> String {
    let picture = STANDARD.decode(state["qr"].as_str().expect("there is a code")).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (info.width as usize, info.height as usize);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    image.detect_grids()[0].decode().expect("a phone can read it").1
}

fn code_at_waha(app: &TestApp, name: &str) -> Option<String> {
    app.waha.session(name)?.qr
}

/// For how many seconds the code is still good.
fn seconds_left(app: &TestApp, state: &Value) -> i64 {
    let expires_at: DateTime<Utc> = state["qrExpiresAt"].as_str().expect("its beginning was observed").parse().unwrap();
    (expires_at - app.clock.now()).num_seconds()
}

/// Connects the user; the session stays STARTING.
async fn starting(app: &TestApp, user: &str) -> String {
    let name = app.connect(user).await;
    turn(app, &name, "STARTING");
    app.until(user, &name, "STARTING").await;
    name
}

fn turn(app: &TestApp, name: &str, status: &str) {
    assert!(app.waha.set_status(name, status), "{name} is there");
}

/// Puts the clock forward, a step at a time, until the stream tells something else than that it lives.
async fn advance_until_told(app: &TestApp, step: Duration, stream: &mut LiveStream) -> Told {
    let started = Instant::now();
    loop {
        match stream.told_within(Duration::from_millis(100)).await {
            None => app.clock.advance(step),
            Some(Told::SignOfLife) => {}
            Some(told) => return told,
        }
        assert!(started.elapsed() < Duration::from_secs(30), "it tells nothing");
    }
}

async fn a_stream_goes_with_a_session_from_starting_to_connected(stores: Stores) {
    for (reported, door) in [(false, Door::Rest), (false, Door::Trpc), (true, Door::Rest), (true, Door::Trpc)] {
        let app = if reported {
            TestApp::reported_to(stores.clone(), Options::default()).await
        } else {
            TestApp::new(stores.clone()).await
        };
        let user = format!("ana-{reported}-{door:?}");
        let name = starting(&app, &user).await;
        let mut stream = app.watch(door, &user, &name).await;
        let mut present = stream.state().await;
        if reported && present["status"] != "STARTING" {
            // A report from before was still on its way.
            present = stream.until(|state| state["status"] == "STARTING").await;
        }
        assert_eq!(present, json!({ "status": "STARTING", "action": "wait" }), "{reported} {door:?}");

        turn(&app, &name, "SCAN_QR_CODE");
        let first = stream.until(|state| state.get("qr").is_some()).await;
        assert_eq!(Some(text_of_qr(&first)), code_at_waha(&app, &name));
        let shown = (&first["status"], &first["action"], &first["attempt"]);
        assert_eq!(shown, (&json!("SCAN_QR_CODE"), &json!("scan_qr_code"), &json!(1)), "{reported} {door:?}");
        let left = seconds_left(&app, &first);
        assert!((50..=60).contains(&left), "{reported} {door:?}: {left} s");

        app.clock.advance(Duration::from_secs(50));
        assert!(app.waha.renew_code(&name));
        if !reported {
            app.clock.advance(Duration::from_secs(10));
        }
        let second = stream.until(|state| state["qr"] != first["qr"]).await;
        assert_eq!(Some(text_of_qr(&second)), code_at_waha(&app, &name));
        assert_eq!(second["attempt"], 2, "{reported} {door:?}");
        let left = seconds_left(&app, &second);
        assert!((5..=20).contains(&left), "{reported} {door:?}: {left} s");

        assert!(app.waha.scan(&name, PHONE));
        let working = stream.until(|state| state["status"] == "WORKING").await;
        assert_eq!(working, json!({ "status": "WORKING", "phoneNumber": format!("+{PHONE}") }), "{door:?}");
    }
}

async fn what_waha_wants_of_the_user_and_why_it_failed_is_told(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let name = starting(&app, "ana").await;
    let mut streams = [app.watch(Door::Rest, "ana", &name).await, app.watch(Door::Trpc, "ana", &name).await];
    for (status, reason, action) in [
        ("PASSKEY_REQUIRED", None, "complete_passkey"),
        ("PASSKEY_CONFIRMATION_REQUIRED", None, "confirm_passkey"),
        ("HIBERNATING", None, "wait"),
        ("FAILED", Some("qr_codes_expired"), "connect"),
        ("STOPPED", None, "wait"),
    ] {
        turn(&app, &name, status);
        for stream in &mut streams {
            let state = stream.until(|state| state["status"] == status).await;
            let told = (state.get("reason").and_then(Value::as_str), &state["action"]);
            assert_eq!(told, (reason, &json!(action)), "{status}");
        }
    }
    turn(&app, &name, "SCAN_QR_CODE");
    assert!(app.waha.scan(&name, PHONE));
    for stream in &mut streams {
        stream.until(|state| state["status"] == "WORKING").await;
    }
    turn(&app, &name, "FAILED");
    for stream in &mut streams {
        let failed = stream.until(|state| state["status"] == "FAILED").await;
        assert_eq!(failed, json!({ "status": "FAILED", "reason": "connection_lost", "action": "connect" }));
    }
}

async fn a_state_has_the_same_id_everywhere_and_a_client_that_comes_back_is_told_the_present_one(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", PHONE).await;
    let (other, restarted) = (app.replica(), app.restarted().await);
    let (id, state) = app.watch(Door::Rest, "ana", &name).await.tracked().await;
    for replica in [&*app, &other, &restarted] {
        for door in Door::BOTH {
            assert_eq!(
                replica.watch(door, "ana", &name).await.tracked().await,
                (id.clone(), state.clone()),
                "{door:?}"
            );
        }
    }

    let token = app.token("ana", Duration::from_hours(1), Scope::Full);
    let again = |door, known: &str| app.stream(door, Some(&token), &name).header("last-event-id", known);
    for door in Door::BOTH {
        for known in [&*id, "another", ""] {
            let mut back = LiveStream::open(again(door, known)).await;
            assert_eq!(back.state().await, state, "{door:?} {known:?}");
            assert_eq!(back.retry, Some(3000), "{door:?}");
        }
    }

    app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await.data();
    let (last, _) = app.watch(Door::Rest, "ana", &name).await.tracked().await;
    let told = again(Door::Rest, &last).send().await.unwrap();
    assert_eq!(told.status(), 204, "EventSource comes back no more");
    assert_eq!(told.bytes().await.unwrap(), "");
    for (door, known) in [(Door::Rest, &*id), (Door::Trpc, &*id), (Door::Trpc, &*last)] {
        let mut back = LiveStream::open(again(door, known)).await;
        assert_eq!(back.tracked().await.0, last, "{door:?}");
        assert_eq!(back.told().await, Told::Over, "{door:?}");
    }
}

async fn a_stream_without_a_word_shows_that_it_lives_every_quarter_of_a_minute(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", PHONE).await;
    let mut stream = app.watch(Door::Rest, "ana", &name).await;
    stream.state().await;
    for _ in 0..3 {
        let started = app.clock.now();
        let told = loop {
            if let Some(told) = stream.told_within(Duration::from_millis(100)).await {
                break told;
            }
            app.clock.advance(Duration::from_secs(1));
        };
        assert_eq!(told, Told::SignOfLife);
        let silence = app.clock.now() - started;
        assert!((TimeDelta::seconds(13)..TimeDelta::seconds(20)).contains(&silence), "{silence}");
    }
}

async fn while_waha_is_off_the_last_state_is_told_as_such(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", PHONE).await;
    let mut before = app.watch(Door::Trpc, "ana", &name).await;
    before.state().await;
    app.waha.set_reachable(false).await;
    app.ask_anew();
    let off = json!({
        "status": "WORKING", "phoneNumber": format!("+{PHONE}"), "reason": "waha_unreachable", "action": "wait",
    });
    for door in Door::BOTH {
        let mut stream = app.watch(door, "ana", &name).await;
        stream.until(|state| *state == off).await;
    }
    let told = advance_until_told(&app, Duration::from_secs(1), &mut before).await;
    assert!(matches!(&told, Told::State { state, .. } if *state == off), "{told:?}");
    app.waha.set_reachable(true).await;
    let told = advance_until_told(&app, Duration::from_secs(1), &mut before).await;
    assert!(matches!(&told, Told::State { state, .. } if state.get("reason").is_none()), "{told:?}");
}

async fn qr_codes_are_fetched_for_who_watches_and_once_for_all(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let name = starting(&app, "ana").await;
    let fetches = || app.waha.calls().iter().filter(|call| call.path.contains("/auth/qr")).count();
    turn(&app, &name, "SCAN_QR_CODE");
    app.until("ana", &name, "SCAN_QR_CODE").await;
    app.clock.advance(Duration::from_mins(1));
    assert!(app.waha.renew_code(&name));
    app.until("ana", &name, "SCAN_QR_CODE").await;
    assert_eq!(fetches(), 0, "nobody watches");

    let mut streams = Vec::new();
    for n in 0..Live::STREAMS_PER_USER {
        streams.push(app.watch(Door::BOTH[n % 2], "ana", &name).await);
    }
    for stream in &mut streams {
        stream.until(|state| state.get("qr").is_some()).await;
    }
    assert_eq!(fetches(), 1, "all watch");

    drop(streams);
    let started = Instant::now();
    while app.open_streams() > 0 {
        assert!(started.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A fetch that was due at that moment may be under way.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = fetches();
    app.clock.advance(Duration::from_secs(90));
    assert!(app.waha.renew_code(&name));
    app.until("ana", &name, "SCAN_QR_CODE").await;
    assert_eq!(fetches(), before, "nobody watches any more");
}

async fn a_report_to_one_replica_is_told_by_another(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let other = app.replica();
    let name = app.pair("ana", PHONE).await;
    for door in Door::BOTH {
        let mut stream = other.watch(door, "ana", &name).await;
        stream.until(|state| state["status"] == "WORKING").await;
        app.waha.clear_calls();
        turn(&app, &name, "FAILED");
        // By itself it would ask in a minute.
        stream.until(|state| state["status"] == "FAILED").await;
        assert_eq!(app.waha.calls(), [], "it was told");
        turn(&app, &name, "WORKING");
        stream.until(|state| state["status"] == "WORKING").await;
    }
}

async fn what_a_replica_did_not_hear_it_finds_out(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let other = app.replica();
    other.deafen();
    let name = app.pair("ana", PHONE).await;
    let mut stream = other.watch(Door::Rest, "ana", &name).await;
    stream.until(|state| state["status"] == "WORKING").await;
    turn(&app, &name, "FAILED");
    app.until("ana", &name, "FAILED").await;
    assert_eq!(stream.told_within(Duration::from_millis(300)).await, None, "nobody told it");
    let before = app.clock.now();
    let told = advance_until_told(&app, Duration::from_secs(10), &mut stream).await;
    assert!(matches!(&told, Told::State { state, .. } if state["status"] == "FAILED"), "{told:?}");
    let took = app.clock.now() - before;
    assert!(took <= TimeDelta::seconds(80), "{took}");
}
