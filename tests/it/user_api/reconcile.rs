//! What a crash, an outage or a reboot leaves behind, and what the reconciler makes of it.

mod copied;

use std::time::Duration;

use serde_json::{Value, json};
use support::app::TestApp;
use support::stores::Stores;
use switchboard_domain::Lifecycle;
use switchboard_domain::ports::Clock as _;
use switchboard_domain::services::{Alarm, Finding, Round};
use switchboard_waha_fake::{Engine, Options};

on_every_database! {
    a_logout_asked_for_while_waha_is_off_is_completed_once_it_is_back,
    a_connect_that_was_cut_off_is_adopted_or_undone,
    a_paired_session_that_failed_comes_back_by_itself,
    a_session_that_its_phone_logged_out_is_restarted_ever_more_rarely_and_kept,
    a_paired_session_that_stays_stopped_is_started,
    while_a_worker_is_at_fault_one_session_a_round_is_restarted_and_nobody_logged_out,
    a_worker_that_flaps_is_not_fought,
    a_qr_code_that_nobody_scans_frees_its_place,
    an_unpaired_orphan_of_ours_goes_and_what_is_not_ours_stays,
    a_paired_orphan_goes_after_a_day_if_its_account_works_in_another_session,
    too_many_orphans_are_all_left_alone,
    webhooks_that_moved_are_renewed_one_a_round,
    polling_keeps_every_row_up_to_date_without_webhooks,
    at_rest_a_round_is_one_call,
    one_replica_reconciles_and_another_takes_over_when_it_dies,
}

const MINUTE: Duration = Duration::from_mins(1);
/// From one round to the next.
const INTERVAL: Duration = Duration::from_secs(30);

/// So many minutes, with a round in each.
async fn minutes_of_rounds(app: &TestApp, minutes: usize) {
    for _ in 0..minutes {
        app.round_after(MINUTE).await;
    }
}

/// Calls that WAHA was sent since they were forgotten last.
fn calls(app: &TestApp, method: &str, ending: &str) -> usize {
    app.waha.calls().iter().filter(|call| call.method == method && call.path.ends_with(ending)).count()
}

fn restarts(app: &TestApp) -> usize {
    calls(app, "POST", "/restart")
}

/// Calls by which somebody loses a login.
fn losses(app: &TestApp) -> usize {
    calls(app, "POST", "/logout") + app.waha.calls().iter().filter(|call| call.method == "DELETE").count()
}

/// As many users with a paired phone each, and their sessions' names.
async fn pair_all(app: &TestApp, users: usize) -> Vec<String> {
    let mut names = Vec::new();
    for user in 0..users {
        names.push(app.pair(&format!("user{user}"), &format!("346001112{user:02}")).await);
    }
    names
}

async fn lifecycle(app: &TestApp, user: &str) -> Lifecycle {
    app.row(user).await.lifecycle
}

/// A session that WAHA has without a row, with this deployment's id, another's or none.
async fn orphan(app: &TestApp, name: &str, deployment: Option<&str>) {
    let metadata = deployment.map_or(json!({}), |id| json!({ "switchboard": id }));
    let created = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{}/api/sessions", app.waha.url()))
        .header("x-api-key", app.waha.api_key())
        .header("content-type", "application/json")
        .body(json!({ "name": name, "start": true, "config": { "metadata": metadata } }).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), 201);
    until_offered(app, name).await;
}

async fn until_offered(app: &TestApp, name: &str) {
    until(|| app.waha.session(name).is_some_and(|session| session.status == "SCAN_QR_CODE")).await;
}

async fn until(so: impl Fn() -> bool) {
    for _ in 0..2000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not come to that");
}

/// WAHA can be reached again, and is known to be.
async fn back(app: &TestApp) {
    app.waha.set_reachable(true).await;
    app.probe().await;
}

async fn our_id(stores: &Stores) -> String {
    let candidate = "tz4a98xxat96iws9zmbrgj3a".parse().unwrap();
    stores.deployments.ensure(&candidate).await.unwrap().to_string()
}

async fn a_logout_asked_for_while_waha_is_off_is_completed_once_it_is_back(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.waha.set_reachable(false).await;
    let refused = app.mutate("ana", "user.logoutSession", json!({ "sessionName": name })).await;
    assert_eq!(refused.status, 503);

    let round = app.round().await;
    assert_eq!((round.unreached, round.done(Finding::LogoutUnfinished)), (1, 0), "{round:?}");
    assert!(round.alarms(Alarm::Unreached));
    assert_eq!(lifecycle(&app, "ana").await, Lifecycle::LoggingOut);

    back(&app).await;
    let round = app.round().await;
    assert_eq!((round.done(Finding::LogoutUnfinished), round.alarms.len()), (1, 0), "{round:?}");
    assert_eq!(lifecycle(&app, "ana").await, Lifecycle::Disconnected);
    assert!(app.waha.session(&name).is_none(), "WAHA has it no more");
    assert_eq!(app.waha.linked_devices("34600111222"), 0, "nor has the phone");
}

async fn a_connect_that_was_cut_off_is_adopted_or_undone(stores: Stores) {
    let app = TestApp::new(stores).await;
    let (made, unmade) = (app.connect("ana").await, app.connect("ben").await);
    for user in ["ana", "ben"] {
        let (id, now) = (app.row(user).await.id, app.clock.now());
        let cut_off = app.stores.sessions.transition(&id, &[Lifecycle::Connected], Lifecycle::Connecting, None, now);
        assert!(cut_off.await.unwrap());
    }
    assert!(app.waha.remove_session(&unmade));

    app.waha.set_reachable(false).await;
    app.round().await;
    for user in ["ana", "ben"] {
        assert_eq!(lifecycle(&app, user).await, Lifecycle::Connecting, "nobody knows what came of it");
    }
    back(&app).await;
    let round = app.round().await;
    assert_eq!((round.done(Finding::ConnectCutOff), round.done(Finding::ConnectUndone)), (1, 1), "{round:?}");
    assert_eq!(lifecycle(&app, "ana").await, Lifecycle::Connected);
    assert_eq!(lifecycle(&app, "ben").await, Lifecycle::Disconnected);
    assert!(app.waha.session(&made).is_some());
    assert_eq!(app.connect("ben").await, unmade, "there is a way forward");
}

async fn a_paired_session_that_failed_comes_back_by_itself(stores: Stores) {
    let app = TestApp::new(stores).await;
    let names = pair_all(&app, 3).await;
    app.round().await;
    app.waha.clear_calls();
    assert!(app.waha.fail(&names[0]));

    let seen = app.round_after(INTERVAL).await;
    assert_eq!((seen.observed, seen.found(Finding::Waiting), restarts(&app)), (1, 1, 0), "{seen:?}");
    let done = app.round_after(INTERVAL).await;
    assert_eq!((done.done(Finding::Failed), restarts(&app), done.alarms.len()), (1, 1, 0), "{done:?}");
    app.until("user0", &names[0], "WORKING").await;
    assert_eq!(losses(&app), 0);
    assert_eq!(app.waha.linked_devices("34600111200"), 1);
}

async fn a_session_that_its_phone_logged_out_is_restarted_ever_more_rarely_and_kept(stores: Stores) {
    let app = TestApp::new(stores).await;
    let names = pair_all(&app, 3).await;
    assert!(app.waha.unlink(&names[0]));
    app.waha.clear_calls();
    let mut restarted_at = Vec::new();
    for round in 0..40 {
        if app.round_after(INTERVAL).await.done(Finding::Failed) > 0 {
            restarted_at.push(round);
        }
        // FAILED again, as after every restart.
        until(|| app.waha.session(&names[0]).is_some_and(|session| session.status == "FAILED")).await;
    }
    assert!((3..=6).contains(&restarted_at.len()), "{restarted_at:?}");
    let pauses: Vec<_> = restarted_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{restarted_at:?}");
    assert_eq!((restarts(&app), losses(&app)), (restarted_at.len(), 0));
    let row = app.row("user0").await;
    assert_eq!((row.lifecycle, row.account.is_some()), (Lifecycle::Connected, true));
}

async fn a_paired_session_that_stays_stopped_is_started(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.pair("ana", "34600111222").await;
    app.waha.clear_calls();
    assert!(app.waha.set_status(&name, "STOPPED"));
    for _ in 0..4 {
        app.round_after(Duration::from_secs(29)).await;
        assert_eq!(calls(&app, "POST", "/start"), 0, "a WAHA that boots starts its sessions itself");
    }
    app.round_after(MINUTE).await;
    assert_eq!((calls(&app, "POST", "/start"), losses(&app)), (1, 0));
}

async fn while_a_worker_is_at_fault_one_session_a_round_is_restarted_and_nobody_logged_out(stores: Stores) {
    let app = TestApp::new(stores).await;
    let names = pair_all(&app, 6).await;
    app.round().await;
    app.waha.clear_calls();
    for name in &names {
        app.waha.unlink(name);
    }
    app.round_after(INTERVAL).await;
    for _ in 0..5 {
        let before = restarts(&app);
        let round = app.round_after(INTERVAL).await;
        assert!(round.alarms(Alarm::Failing), "{round:?}");
        assert!(restarts(&app) - before <= 1, "{round:?}");
        let failed = || names.iter().all(|name| app.waha.session(name).unwrap().status == "FAILED");
        until(failed).await;
    }
    assert!(restarts(&app) >= 3, "some are tried");
    app.round_after(Duration::from_hours(48)).await;
    assert_eq!((losses(&app), app.waha.sessions().len()), (0, 6));
}

async fn a_worker_that_flaps_is_not_fought(stores: Stores) {
    let app = TestApp::with_engine(stores, Engine::Webjs).await;
    let names = pair_all(&app, 4).await;
    app.round().await;
    app.waha.clear_calls();
    app.waha.set_network(false);
    for _ in 0..30 {
        app.round_after(INTERVAL).await;
        // Seldom in step with it.
        tokio::time::sleep(Duration::from_millis(37)).await;
    }
    assert!(restarts(&app) <= 8, "{} restarts of 4 sessions in a quarter of an hour", restarts(&app));
    assert_eq!(losses(&app), 0);
    app.waha.set_network(true);
    for (user, name) in names.iter().enumerate() {
        app.until(&format!("user{user}"), name, "WORKING").await;
        assert_eq!(app.waha.linked_devices(&format!("346001112{user:02}")), 1);
    }
}

async fn a_qr_code_that_nobody_scans_frees_its_place(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.connect("ana").await;
    app.until("ana", &name, "SCAN_QR_CODE").await;
    assert!(app.waha.fail(&name));
    app.round().await;
    let early = app.round_after(14 * MINUTE).await;
    assert_eq!((early.done(Finding::Abandoned), restarts(&app)), (0, 0), "{early:?}");
    let late = app.round_after(MINUTE).await;
    assert_eq!(late.done(Finding::Abandoned), 1, "{late:?}");
    assert!(app.waha.session(&name).is_none());
    assert_eq!(lifecycle(&app, "ana").await, Lifecycle::Disconnected);
    assert_eq!(app.connect("ana").await, name, "there is a way forward");
    app.until("ana", &name, "SCAN_QR_CODE").await;
}

async fn an_unpaired_orphan_of_ours_goes_and_what_is_not_ours_stays(stores: Stores) {
    let app = TestApp::new(stores).await;
    let ours = our_id(&app.stores).await;
    orphan(&app, "orphan", Some(&ours)).await;
    orphan(&app, "of_another", Some("aaaaaaaaaaaaaaaaaaaaaaaa")).await;
    orphan(&app, "of_nobody", None).await;
    orphan(&app, "strange", Some("what is this?")).await;
    app.waha.restore("linked_by_hand", "34600111222");

    let first = app.round().await;
    assert_eq!((first.found(Finding::OrphanUndecided), first.found(Finding::Foreign)), (1, 4), "{first:?}");
    minutes_of_rounds(&app, 14).await;
    assert!(app.waha.session("orphan").is_some());
    let round = app.round_after(MINUTE).await;
    assert_eq!(round.done(Finding::Orphan), 1, "{round:?}");
    assert!(app.waha.session("orphan").is_none());
    for _ in 0..3 {
        app.round_after(Duration::from_hours(48)).await;
    }
    assert_eq!(app.waha.sessions().len(), 4, "for ever");
}

async fn a_paired_orphan_goes_after_a_day_if_its_account_works_in_another_session(stores: Stores) {
    let app = TestApp::new(stores).await;
    let ours = our_id(&app.stores).await;
    let name = app.pair("ana", "34600111222").await;
    for (orphan_name, phone) in [("twin", "34600111222"), ("alone", "34600111333")] {
        orphan(&app, orphan_name, Some(&ours)).await;
        assert!(app.waha.scan(orphan_name, phone));
        until(|| app.waha.session(orphan_name).is_some_and(|session| session.status == "WORKING")).await;
    }
    app.round().await;
    let early = app.round_after(Duration::from_hours(23)).await;
    assert_eq!(early.found(Finding::OrphanPaired), 2, "{early:?}");
    let late = app.round_after(Duration::from_hours(2)).await;
    assert_eq!(late.done(Finding::OrphanWithTwin), 1, "{late:?}");
    assert!(app.waha.session("twin").is_none());
    assert!(app.waha.session("alone").is_some() && app.waha.session(&name).is_some());
    assert_eq!(app.waha.linked_devices("34600111222"), 1);
}

async fn too_many_orphans_are_all_left_alone(stores: Stores) {
    let app = TestApp::new(stores).await;
    let ours = our_id(&app.stores).await;
    for number in 0..6 {
        orphan(&app, &format!("orphan{number}"), Some(&ours)).await;
    }
    app.round().await;
    minutes_of_rounds(&app, 19).await;
    for _ in 0..3 {
        let round = app.round_after(MINUTE).await;
        assert_eq!((round.found(Finding::Orphan), round.done(Finding::Orphan)), (6, 0), "{round:?}");
        assert!(round.alarms(Alarm::TooManyOrphans));
    }
    assert_eq!(app.waha.sessions().len(), 6);
    assert!(app.waha.remove_session("orphan0"));
    let round = app.round().await;
    assert_eq!((round.done(Finding::Orphan), round.alarms.len()), (5, 0), "{round:?}");
    assert_eq!(app.waha.sessions().len(), 0);
}

async fn webhooks_that_moved_are_renewed_one_a_round(stores: Stores) {
    let app = TestApp::reported_to(stores, Options::default()).await;
    let names = pair_all(&app, 3).await;
    let unpaired = app.connect("unpaired").await;
    app.until("unpaired", &unpaired, "SCAN_QR_CODE").await;
    let moved = app.replica_reported_to();
    app.waha.clear_calls();
    let renewals = || app.waha.calls().iter().filter(|call| call.method == "PUT").count();

    let round = app.round_by(&moved).await;
    assert_eq!((round.done(Finding::WebhookOutdated), renewals()), (0, 0), "paired a moment ago: {round:?}");
    for done in 1..=3 {
        app.clock.advance(2 * MINUTE);
        let round = app.round_by(&moved).await;
        assert_eq!((round.done(Finding::WebhookOutdated), renewals()), (1, done), "{round:?}");
        let all_work = || names.iter().all(|name| app.waha.session(name).unwrap().status == "WORKING");
        until(all_work).await;
    }
    app.clock.advance(2 * MINUTE);
    let round = app.round_by(&moved).await;
    assert_eq!((round.found(Finding::WebhookOutdated), renewals(), losses(&app)), (0, 3, 0), "{round:?}");
    for name in &names {
        let url = app.waha.session(name).unwrap().config["webhooks"][0]["url"].to_string();
        assert!(url.contains(moved.authority()), "{url}");
    }
}

async fn polling_keeps_every_row_up_to_date_without_webhooks(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = app.connect("ana").await;
    until_offered(&app, &name).await;
    let round = app.round().await;
    assert_eq!(round.observed, 1, "{round:?}");
    assert!(app.waha.scan(&name, "34600111222"));
    until(|| app.waha.session(&name).unwrap().status == "WORKING").await;
    assert_eq!(app.round().await.observed, 1);
    let row = app.row("ana").await;
    assert_eq!((row.phone.unwrap().as_str(), row.paired_at.is_some()), ("+34600111222", true));
    assert_eq!(app.round().await.observed, 0, "nothing new costs nothing");
    let overview = app.query("ana", "user.getWhatsAppSession", Value::Null).await;
    assert_eq!(overview.data()["phoneNumber"], "+34600111222");
}

async fn at_rest_a_round_is_one_call(stores: Stores) {
    let app = TestApp::new(stores).await;
    pair_all(&app, 5).await;
    app.waha.restore("linked_by_hand", "34600111222");
    app.round().await;
    app.waha.clear_calls();
    for _ in 0..3 {
        let round = app.round_after(INTERVAL).await;
        let expected = Round { workers: 1, rows: 5, found: [(Finding::Foreign, 1)].into(), ..Round::default() };
        assert_eq!(round, expected);
    }
    assert_eq!(app.waha.calls().len(), 3);
}

async fn one_replica_reconciles_and_another_takes_over_when_it_dies(stores: Stores) {
    let app = TestApp::new(stores).await;
    let other = app.replica();
    let rounds = || app.waha.calls().iter().filter(|call| call.method == "GET" && call.path == "/api/sessions").count();
    app.waha.clear_calls();
    let first = app.reconcile();
    until(|| rounds() == 1).await;
    let second = other.reconcile();
    for _ in 0..60 {
        app.clock.advance(Duration::from_secs(1));
        // Both get their turn.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let by_one = rounds();
    // Two would make six; on a busy machine, one may lose its lease to the other once.
    assert!((2..=4).contains(&by_one), "{by_one} rounds in a minute");

    first.abort();
    app.advance_until(Duration::from_secs(2), || rounds() > by_one).await;
    second.abort();
}
