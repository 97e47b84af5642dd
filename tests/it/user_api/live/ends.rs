//! What ends a stream, and how many a user may have open.

use std::time::{Duration, Instant};

use serde_json::json;
use support::app::TestApp;
use support::events::{Door, LiveStream, Told};
use support::stores::Stores;
use switchboard_http::{Live, Scope};
use switchboard_waha_fake::Options;

use super::{PHONE, advance_until_told, turn};

on_every_database! {
    a_logout_ends_every_stream_on_every_replica,
    a_token_that_expires_takes_its_streams_with_it,
    one_stream_too_many_ends_the_oldest_of_that_user,
    who_hangs_up_makes_room,
    a_server_that_stops_closes_its_streams_so_that_clients_come_back,
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
