//! A copy of the database before the same WAHA: restored from a backup, or taken to another deployment with its rows.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use serde_json::json;
use support::app::TestApp;
use support::stores::Stores;
use switchboard_domain::Lifecycle;
use switchboard_domain::services::{Alarm, Finding};
use switchboard_waha_fake::Call;

use super::{INTERVAL, MINUTE, losses, our_id, pair_all};

on_every_database! {
    a_database_from_before_it_had_users_logs_nobody_out,
}

async fn a_database_from_before_it_had_users_logs_nobody_out(stores: Stores) {
    let app = TestApp::new(stores).await;
    let names = pair_all(&app, 3).await;
    let half_way = app.connect("half way").await;
    app.until("half way", &half_way, "SCAN_QR_CODE").await;
    // The same deployment, from before it had users.
    let copy = Stores::memory();
    copy.deployments.ensure(&our_id(&app.stores).await.parse().unwrap()).await.unwrap();
    let copied = app.beside(&copy);
    app.waha.clear_calls();

    for pause in [Duration::ZERO, 20 * MINUTE, Duration::from_hours(25), Duration::from_hours(100)] {
        app.clock.advance(pause);
        let round = app.round_by(&copied).await;
        assert_eq!(round.found(Finding::OrphanPaired), 3, "{round:?}");
        assert!(round.alarms(Alarm::PairedOrphans));
    }
    // As many restarts of WAHA as it takes to catch each of them when it names no account.
    for _ in 0..20 {
        app.waha.reboot();
        app.round_by(&copied).await;
        app.clock.advance(INTERVAL);
    }
    for (user, name) in names.iter().enumerate() {
        app.until(&format!("user{user}"), name, "WORKING").await;
        assert_eq!(app.waha.linked_devices(&format!("346001112{user:02}")), 1);
    }
    assert!(names.iter().all(|name| {
        let touched = |call: &Call| call.session.as_ref() == Some(name) && call.method != "GET";
        !app.waha.calls().iter().any(touched)
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_all_its_rows_logs_nobody_out_whatever_goes_on() {
    let app = TestApp::new(Stores::sqlite().await).await;
    let names = pair_all(&app, 8).await;
    let half_way = app.connect("half way").await;
    app.until("half way", &half_way, "SCAN_QR_CODE").await;
    let folder = tempfile::tempdir().unwrap();
    let clone = app.beside(&clone(&app.stores, folder.path()).await);
    app.waha.clear_calls();

    // On the original: one logs out, one of these connects another phone, somebody is new, somebody scans at last.
    for user in [0, 1] {
        let session = json!({ "sessionName": names[user] });
        app.mutate(&format!("user{user}"), "user.logoutSession", session).await.data();
    }
    assert_eq!(losses(&app), 2);
    app.pair("user1", "34600999001").await;
    app.pair("new", "34600999002").await;
    assert!(app.waha.scan(&half_way, "34600999003"));
    app.until("half way", &half_way, "WORKING").await;
    // Some phones log out, and a session fails.
    app.waha.unlink(&names[2]);
    app.waha.fail(&names[3]);

    for pause in [Duration::ZERO, INTERVAL, 20 * MINUTE, Duration::from_hours(25), Duration::from_hours(100)] {
        for _ in 0..5 {
            app.clock.advance(pause);
            let round = app.round_by(&clone).await;
            assert_eq!(round.found(Finding::OrphanPaired), 1, "the new user's is nobody's here: {round:?}");
            app.round_after(INTERVAL).await;
        }
    }
    assert_eq!(losses(&app), 2, "nobody but those who asked for it");
    let working = names[3..].iter().zip(3..).map(|(name, n)| (format!("user{n}"), name.clone()));
    for (user, name) in working.chain([("user1".to_owned(), names[1].clone()), ("half way".to_owned(), half_way)]) {
        app.until(&user, &name, "WORKING").await;
    }
    assert!(app.waha.session(&names[0]).is_none(), "who logged out is not connected again");
    assert_eq!(app.row("user0").await.lifecycle, Lifecycle::Disconnected);
    for phone in ["34600999001", "34600999002", "34600999003"] {
        assert_eq!(app.waha.linked_devices(phone), 1, "{phone}");
    }
}

/// The same rows in another file.
async fn clone(stores: &Stores, folder: &std::path::Path) -> Stores {
    let (from, to) = (stores.url().unwrap(), folder.join("clone.sqlite"));
    let mut connection = SqliteConnection::establish(from.strip_prefix("sqlite:").unwrap()).unwrap();
    connection.batch_execute(&format!("VACUUM INTO '{}'", to.display())).unwrap();
    Stores::at(&format!("sqlite:{}", to.display())).await
}
