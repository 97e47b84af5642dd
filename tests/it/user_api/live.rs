//! A session's state, pushed: `GET /v1/sessions/{name}/events` and `user.onSessionStatus`.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use support::app::{Replica, TestApp};
use support::events::{Door, LiveStream, Told};
use support::stores::Stores;
use switchboard_domain::ports::Clock;
use switchboard_http::trpc::{Kind, user};
use switchboard_http::{Live, Scope};
use switchboard_waha_fake::{Fault, FaultAction, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_every_database! {
    a_stream_goes_with_a_session_from_starting_to_connected,
    what_waha_wants_of_the_user_and_why_it_failed_is_told,
    a_state_has_the_same_id_everywhere_and_a_client_that_comes_back_is_told_the_present_one,
    a_stream_without_a_word_shows_that_it_lives_every_quarter_of_a_minute,
    a_logout_ends_every_stream_on_every_replica,
    a_token_that_expires_takes_its_streams_with_it,
    one_stream_too_many_ends_the_oldest_of_that_user,
    who_hangs_up_makes_room,
    a_server_that_stops_closes_its_streams_so_that_clients_come_back,
    while_waha_is_off_the_last_state_is_told_as_such,
    qr_codes_are_fetched_for_who_watches_and_once_for_all,
    a_report_to_one_replica_is_told_by_another,
    what_a_replica_did_not_hear_it_finds_out,
    a_scope_opens_what_it_is_for,
    a_pairing_code_pairs,
    a_pairing_code_is_refused_in_words_that_help_and_never_asked_for_twice,
    nothing_but_a_name_is_taken_for_one,
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

async fn a_logout_ends_every_stream_on_every_replica(stores: Stores) {
    // Where WAHA reports, a replica asks by itself once a minute only.
    let app = TestApp::reported_to(stores, Options::default()).await;
    let other = app.replica();
    let name = app.pair("ana", PHONE).await;
    let mut streams = Vec::new();
    for replica in [&*app, &other] {
        for door in Door::BOTH {
            let mut stream = replica.watch(door, "ana", &name).await;
            assert_eq!(stream.state().await["status"], "WORKING");
            streams.push(stream);
        }
    }
    app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await.data();
    for replica in [&*app, &other] {
        for door in Door::BOTH {
            streams.push(replica.watch(door, "ana", &name).await);
        }
    }
    for stream in &mut streams {
        let last = stream.until(|state| state["reason"] == "logged_out").await;
        assert_eq!(last, json!({ "status": "STOPPED", "reason": "logged_out", "action": "connect" }));
        assert_eq!(stream.told().await, Told::Over);
        assert_eq!(stream.told().await, Told::Closed, "nothing follows");
    }
    assert_eq!(app.connect("ana").await, name);
    for replica in [&*app, &other] {
        for door in Door::BOTH {
            let again = replica.watch(door, "ana", &name).await.state().await;
            assert!(again.get("reason").is_none(), "{again}");
        }
    }
}

async fn a_token_that_expires_takes_its_streams_with_it(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", PHONE).await;
    let short = app.token("ana", Duration::from_mins(2), Scope::Connect);
    let mut lasting = app.watch(Door::Rest, "ana", &name).await;
    lasting.state().await;
    let mut streams = Vec::new();
    for door in Door::BOTH {
        let mut stream = LiveStream::open(app.stream(door, Some(&short), &name)).await;
        stream.state().await;
        streams.push(stream);
    }
    app.clock.advance(Duration::from_mins(2));
    for stream in &mut streams {
        let told = stream.told_within(Duration::from_millis(50)).await;
        assert!(matches!(told, None | Some(Told::SignOfLife)), "clocks may be half a minute apart: {told:?}");
    }
    app.clock.advance(Duration::from_secs(30));
    for stream in &mut streams {
        assert_eq!(stream.ending().await, Told::Refused(401));
        assert_eq!(stream.told().await, Told::Closed);
    }
    assert_eq!(app.stream(Door::Rest, Some(&short), &name).send().await.unwrap().status(), 401);
    let mut refused = LiveStream::open(app.stream(Door::Trpc, Some(&short), &name)).await;
    assert_eq!(refused.told().await, Told::Refused(401));

    turn(&app, &name, "FAILED");
    let told = advance_until_told(&app, Duration::from_secs(5), &mut lasting).await;
    assert!(matches!(&told, Told::State { state, .. } if state["status"] == "FAILED"), "{told:?}");
}

async fn one_stream_too_many_ends_the_oldest_of_that_user(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let (name, bens) = (app.pair("ana", PHONE).await, app.pair("ben", "491701234567").await);
    let mut ben = app.watch(Door::Rest, "ben", &bens).await;
    ben.state().await;
    let mut streams = Vec::new();
    for n in 0..Live::STREAMS_PER_USER {
        let mut stream = app.watch(Door::BOTH[n % 2], "ana", &name).await;
        stream.state().await;
        streams.push(stream);
    }
    for stream in &mut streams {
        assert_eq!(stream.told_within(Duration::from_millis(10)).await, None, "there is room for these");
    }
    // Whose session it is does not matter before that is known.
    let stranger = app.stream(Door::Rest, Some(&app.token("ana", Duration::from_mins(1), Scope::Full)), &bens);
    assert_eq!(stranger.send().await.unwrap().status(), 404);

    for oldest in 0..2 {
        streams.push(app.watch(Door::Rest, "ana", &name).await);
        assert_eq!(streams[oldest].told().await, Told::Refused(429));
        // Whoever came back at once would only displace the next one; tRPC's clients do not after such an error.
        assert_eq!(streams[oldest].retry, [Some(60_000), Some(3000)][oldest]);
        assert_eq!(streams[oldest].told().await, Told::Closed);
    }
    turn(&app, &name, "FAILED");
    turn(&app, &bens, "FAILED");
    for stream in streams[2..].iter_mut().chain([&mut ben]) {
        stream.until(|state| state["status"] == "FAILED").await;
    }
}

async fn who_hangs_up_makes_room(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let name = app.pair("ana", PHONE).await;
    let mut streams = Vec::new();
    for n in 0..Live::STREAMS_PER_USER {
        let mut stream = app.watch(Door::BOTH[n % 2], "ana", &name).await;
        stream.state().await;
        streams.push(stream);
    }
    assert_eq!(app.open_streams(), Live::STREAMS_PER_USER);
    let started = Instant::now();
    streams.drain(1..5);
    // Nobody has to write to them to find out.
    while app.open_streams() > Live::STREAMS_PER_USER - 4 {
        assert!(started.elapsed() < Duration::from_secs(10), "{} are open", app.open_streams());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("places were free {:?} after their clients hung up", started.elapsed());
    for n in 0..4 {
        streams.push(app.watch(Door::BOTH[n % 2], "ana", &name).await);
    }
    turn(&app, &name, "FAILED");
    for stream in &mut streams {
        stream.until(|state| state["status"] == "FAILED").await;
    }
    drop(streams);
    while app.open_streams() > 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "{} are open", app.open_streams());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn a_server_that_stops_closes_its_streams_so_that_clients_come_back(stores: Stores) {
    let app = TestApp::new(stores).await;
    let other = app.replica();
    let name = app.pair("ana", PHONE).await;
    let mut streams = Vec::new();
    for door in Door::BOTH {
        let mut stream = app.watch(door, "ana", &name).await;
        streams.push((door, stream.tracked().await, stream));
    }
    app.stop_streams();
    for (door, before, stream) in &mut streams {
        assert_eq!(stream.told().await, Told::Closed, "{door:?}");
        assert_eq!(app.watch(*door, "ana", &name).await.told().await, Told::Closed, "{door:?}");
        assert_eq!(other.watch(*door, "ana", &name).await.tracked().await, *before, "{door:?}");
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

async fn a_scope_opens_what_it_is_for(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.connect("ana").await;
    let token = |scope| app.token("ana", Duration::from_mins(5), scope);
    let input = json!({ "sessionName": name, "id": "x", "phoneNumber": "+34600111222", "groupId": "1@g.us" });
    let mut allowed = Vec::new();
    for call in user::router().procedures() {
        if call.kind == Kind::Subscription {
            let stream = app.stream(Door::Trpc, Some(&token(Scope::Connect)), &name);
            if matches!(LiveStream::open(stream).await.told().await, Told::State { .. }) {
                allowed.push(call.path);
            }
            continue;
        }
        let request = match call.kind {
            Kind::Mutation => app.post(None, call.path, &input),
            _ => app.get(None, call.path, &input),
        };
        let answer = Replica::answer(request.bearer_auth(token(Scope::Connect))).await;
        if answer.status == 403 {
            assert_eq!(answer.error(), ("FORBIDDEN", "scope"), "{}", call.path);
        } else {
            allowed.push(call.path);
        }
    }
    allowed.sort_unstable();
    let five = ["getSessionQR", "getSessionStatus", "initiateWhatsAppSession", "onSessionStatus", "requestPairingCode"];
    assert_eq!(allowed, five.map(|procedure| format!("user.{procedure}")));

    LiveStream::open(app.stream(Door::Rest, Some(&token(Scope::Connect)), &name)).await.state().await;
    let refused = app.stream(Door::Rest, Some(&token(Scope::Read)), &name).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("scope"), &json!(403)), "it carries QR codes");
    let refused = LiveStream::open(app.stream(Door::Trpc, Some(&token(Scope::Read)), &name)).await.told().await;
    assert_eq!(refused, Told::Refused(403));
}

async fn a_pairing_code_pairs(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = starting(&app, "ana").await;
    let mut stream = app.watch(Door::Trpc, "ana", &name).await;
    turn(&app, &name, "SCAN_QR_CODE");
    stream.until(|state| state["status"] == "SCAN_QR_CODE").await;
    let ask = json!({ "sessionName": name, "phoneNumber": "0034 (600) 111-222" });
    let answer = app.mutate("ana", "user.requestPairingCode", ask).await;
    let code = answer.data()["code"].as_str().unwrap().to_owned();
    assert_eq!(app.waha.session(&name).unwrap().me.unwrap().id, format!("{PHONE}@c.us"), "the number was repaired");
    assert!(app.waha.scan_code(&code, PHONE), "{code}");
    let working = stream.until(|state| state["status"] == "WORKING").await;
    assert_eq!(working["phoneNumber"], format!("+{PHONE}"));
}

async fn a_pairing_code_is_refused_in_words_that_help_and_never_asked_for_twice(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = starting(&app, "ana").await;
    turn(&app, &name, "SCAN_QR_CODE");
    app.until("ana", &name, "SCAN_QR_CODE").await;
    let ask = async |phone: Value| {
        let input = json!({ "sessionName": name, "phoneNumber": phone });
        app.mutate("ana", "user.requestPairingCode", input).await
    };
    app.waha.clear_calls();
    for phone in [json!("call me"), json!(""), json!("+0600111222"), json!(34_600_111_222_i64), Value::Null] {
        let refused = ask(phone.clone()).await;
        assert_eq!((refused.status, refused.error().0), (400, "BAD_REQUEST"), "{phone}");
        let fields = refused.body["error"]["data"]["zodError"]["fieldErrors"].as_object().unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["phoneNumber"], "{phone}");
    }
    assert_eq!(app.waha.calls(), [], "what cannot be a number is WAHA's business no more");

    let requests = || app.waha.calls().iter().filter(|call| call.path.ends_with("/auth/request-code")).count();
    for fault in [FaultAction::Status { status: 500, body: String::new() }, FaultAction::Lost, FaultAction::Reset] {
        app.waha.clear_calls();
        app.waha.inject(Fault::on("/auth/request-code", fault.clone()));
        let failed = ask(json!("+34600111222")).await;
        assert!((500..600).contains(&failed.status), "{fault:?}: {failed:?}");
        assert!(requests() <= 1, "{fault:?}: each new code makes the one before it useless");
        app.waha.clear_faults();
    }

    assert!(app.waha.scan(&name, PHONE));
    app.until("ana", &name, "WORKING").await;
    let refused = ask(json!("+34600111222")).await;
    assert_eq!((refused.status, refused.error()), (412, ("PRECONDITION_FAILED", "already_connected")));
    turn(&app, &name, "STOPPED");
    app.ask_anew();
    let refused = ask(json!("+34600111222")).await;
    assert_eq!((refused.status, refused.error()), (412, ("PRECONDITION_FAILED", "not_connected")));
}

async fn nothing_but_a_name_is_taken_for_one(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.connect("ana").await;
    app.waha.clear_calls();
    let token = app.token("ana", Duration::from_mins(5), Scope::Full);
    let long = "x".repeat(4096);
    let mut names =
        vec![long, format!("{name}%00"), format!("{name}%2F"), format!("{name}/.."), format!("x%2F..%2F{name}")];
    names.extend(
        [
            "..", "%2e%2e", "..%2fapi", "a/b", "a%2Fb", "%2F", "", "@", "%40", "a%3Fb", "a?b", "%23", "%00", "%C3%A9",
            "%FF",
        ]
        .map(str::to_owned),
    );
    for name in names {
        // Not through a client, which would tidy the path up.
        let mut socket = TcpStream::connect(app.authority()).await.unwrap();
        let request = format!(
            "GET /v1/sessions/{name}/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), socket.read_to_string(&mut answer));
        read.await.expect("it is answered").unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{name:.40}: {answer}");
    }
    assert_eq!(app.waha.calls(), [], "none of it reached WAHA");
}
