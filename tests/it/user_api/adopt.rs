//! A T3 app's users, taken over from its own tables while WAHA runs their sessions.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use support::app::TestApp;
use support::postgres::cluster;
use support::stores::Stores;
use switchboard_domain::ports::AuditQuery;
use switchboard_domain::services::{Adoption, Fate, Skipped};
use switchboard_domain::{AuditAction, Lifecycle};
use switchboard_pg_adapter::{AppTables, AppTablesError, PgAppSessions, PgOptions};
use tokio_postgres::NoTls;

on_every_database! {
    users_of_a_t3_app_go_on_without_a_scan,
    a_worker_that_is_off_puts_off_whom_it_may_have,
}

/// A T3 app's database, if there can be one.
async fn t3_app() -> Option<String> {
    let url = cluster()?.empty_database().await;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(include_str!("../../fixtures/prisma/t3-app.sql")).await.unwrap();
    Some(url)
}

fn tables() -> AppTables {
    AppTables {
        schema: "public".parse().unwrap(),
        sessions: "WhatsAppSession".parse().unwrap(),
        groups: "WhatsAppGroup".parse().unwrap(),
        campaigns: Some("Campaign".parse().unwrap()),
        columns: [].into(),
    }
}

async fn open(url: &str, tables: &AppTables) -> Result<PgAppSessions, AppTablesError> {
    PgAppSessions::open(&SecretString::from(url), PgOptions::default(), tables).await
}

/// Takes them all over. By session, what became of each.
async fn adopt(app: &TestApp, url: &str) -> Vec<Adoption> {
    let (source, mut adoptions) = (open(url, &tables()).await.unwrap(), Vec::new());
    app.services().adopt.run(&source, false, |adoption| adoptions.push(adoption)).await.unwrap();
    app.services().audit.flush().await;
    adoptions.sort_by(|one, other| one.session.cmp(&other.session));
    adoptions
}

/// Whether it is new, how many groups and campaigns were added; `None` if it was skipped.
type Added = Option<(bool, u32, u32)>;

/// What was added, by session.
fn added(adoptions: &[Adoption]) -> Vec<(&str, Added)> {
    let of = |adoption: &Adoption| match &adoption.fate {
        Fate::Taken(taken) => Some((taken.is_new, taken.groups, taken.campaigns)),
        Fate::Skipped(_) => None,
    };
    adoptions.iter().map(|adoption| (adoption.session.as_str(), of(adoption))).collect()
}

/// Everything in the source's tables.
async fn dump(url: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut all = Vec::new();
    for table in ["WhatsAppSession", "WhatsAppGroup", "Campaign"] {
        let rows = client.query(&format!("SELECT t::text FROM \"{table}\" t ORDER BY 1"), &[]).await.unwrap();
        all.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    }
    all
}

async fn users_of_a_t3_app_go_on_without_a_scan(stores: Stores) {
    let Some(url) = t3_app().await else { return };
    let app = TestApp::with_workers(stores, &[500, 500]).await;
    app.waha.restore("ana-phone", "34600111222");
    app.wahas[1].restore("user_ben_2", "34600333444");
    app.waha.restore("user_ben_1", "34600333444");
    app.waha.fail("user_ben_1");
    app.waha.restore("somebody-elses", "34600999999");
    let before = dump(&url).await;
    app.waha.clear_calls();

    let adoptions = adopt(&app, &url).await;
    let expected = [
        ("ana-phone", Some((true, 1, 2))),
        ("carl", Some((true, 1, 0))),
        ("dora's phone", None),
        ("user_ben_1", None),
        ("user_ben_2", Some((true, 1, 1))),
    ];
    assert_eq!(added(&adoptions), expected, "{adoptions:#?}");
    assert_eq!(adoptions[2].fate, Fate::Skipped(Skipped::Name));
    assert_eq!(adoptions[3].fate, Fate::Skipped(Skipped::OtherOfUser));
    assert!(app.waha.calls().iter().all(|call| call.method == "GET"), "nothing was done to WAHA");
    assert_eq!(dump(&url).await, before, "nor to the application's tables");

    for (user, name, phone, group, campaigns) in [
        ("ana", "ana-phone", "+34600111222", "Family", json!(["camp-1"])),
        ("ben", "user_ben_2", "+34600333444", "Choir", json!(["camp-5"])),
    ] {
        let session = app.query(user, "user.getWhatsAppSession", Value::Null).await;
        let session = session.data();
        assert_eq!((&session["sessionName"], &session["phoneNumber"]), (&json!(name), &json!(phone)), "{session}");
        let groups = session["WhatsAppGroups"].as_array().unwrap();
        assert_eq!((groups.len(), &groups[0]["groupName"]), (1, &json!(group)), "{session}");
        let shown: Vec<_> = groups[0]["campaigns"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
        assert_eq!(json!(shown), campaigns);
        let input = json!({ "sessionName": name });
        assert_eq!(app.query(user, "user.getSessionStatus", input.clone()).await.data()["status"], "WORKING");
        let listed = app.query(user, "user.getWhatsAppGroups", input).await;
        assert!(listed.data()["total"].as_u64().unwrap() > 0, "{listed:?}");
    }
    assert_eq!(app.row("ana").await.id.as_str(), "clh1q2w3e4r5t6y7u8i9o0p1a", "ids that we take are kept");
    assert_eq!(app.row("ben").await.worker, TestApp::worker(1));
    let carl = app.row("carl").await;
    assert_eq!((carl.lifecycle, carl.name.as_str()), (Lifecycle::Disconnected, "carl"));
    let loads = app.stores.workers.loads().await.unwrap();
    assert_eq!(loads, [(TestApp::worker(0), 1), (TestApp::worker(1), 1)].into());
    let imports = app.stores.audit.list(&AuditQuery::all(None)).await.unwrap();
    assert_eq!(imports.iter().filter(|entry| entry.deed.action == AuditAction::Import).count(), 3);

    let again = adopt(&app, &url).await;
    let nothing = Some((false, 0, 0));
    let expected = [nothing, nothing, None, None, nothing];
    assert_eq!(added(&again).into_iter().map(|(_, added)| added).collect::<Vec<_>>(), expected);

    // Nobody is logged out by the machine, nor loses a connection for long.
    for _ in 0..20 {
        app.round_after(Duration::from_mins(1)).await;
    }
    for waha in &app.wahas {
        let calls = waha.calls();
        assert!(calls.iter().all(|call| call.method != "DELETE" && !call.path.ends_with("/logout")), "{calls:?}");
    }
    for (waha, name) in [(0, "ana-phone"), (0, "somebody-elses"), (1, "user_ben_2")] {
        assert_eq!(app.wahas[waha].session(name).unwrap().status, "WORKING", "{name}");
    }
    // carl scans once, and finds his group.
    assert_eq!(app.connect("carl").await, "carl");
    let place = usize::from(app.row("carl").await.worker == TestApp::worker(1));
    app.until("carl", "carl", "SCAN_QR_CODE").await;
    assert!(app.wahas[place].scan("carl", "491701234567"));
    app.until("carl", "carl", "WORKING").await;
    let session = app.query("carl", "user.getWhatsAppSession", Value::Null).await;
    assert_eq!(session.data()["WhatsAppGroups"][0]["groupName"], "Chess", "{session:?}");
}

async fn a_worker_that_is_off_puts_off_whom_it_may_have(stores: Stores) {
    let Some(url) = t3_app().await else { return };
    let app = TestApp::with_workers(stores, &[500, 500]).await;
    app.waha.restore("ana-phone", "34600111222");
    app.wahas[1].restore("user_ben_2", "34600333444");
    app.wahas[1].set_reachable(false).await;
    let adoptions = adopt(&app, &url).await;
    let taken: Vec<_> = added(&adoptions).into_iter().filter(|(_, added)| added.is_some()).collect();
    assert_eq!(taken, [("ana-phone", Some((true, 1, 2)))]);
    let unanswered = Fate::Skipped(Skipped::Unanswered(vec![TestApp::worker(1)]));
    assert_eq!(adoptions[1].fate, unanswered, "carl's may be there");

    app.wahas[1].set_reachable(true).await;
    app.waha_is_back().await;
    let taken: Vec<_> = added(&adopt(&app, &url).await).into_iter().map(|(_, added)| added).collect();
    assert_eq!(taken, [Some((false, 0, 0)), Some((true, 1, 0)), None, None, Some((true, 1, 1))]);
}

#[tokio::test]
async fn a_table_that_is_not_as_it_is_described_is_told_of_by_name() {
    let Some(url) = t3_app().await else { return };
    let none = AppTables { sessions: "Session".parse().unwrap(), ..tables() };
    let error = open(&url, &none).await.unwrap_err().to_string();
    assert_eq!(error, "there is no table Session in the schema public");
    let other = AppTables {
        columns: [("campaigns.groupId".to_owned(), "whatsAppGroupId".parse().unwrap())].into(),
        ..tables()
    };
    let error = open(&url, &other).await.unwrap_err().to_string();
    for expected in ["Campaign has no column whatsAppGroupId (campaigns.groupId)", "groupId, id, isDeleted"] {
        assert!(error.contains(expected), "{error}");
    }
    let unknown = AppTables { columns: [("session.id".to_owned(), "id".parse().unwrap())].into(), ..tables() };
    let error = open(&url, &unknown).await.unwrap_err().to_string();
    assert!(error.contains("session.id") && error.contains("sessions.userId"), "{error}");
}
