//! A user who is erased: here, in WAHA, and on every replica.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use support::app::{Answer, Replica, TestApp};
use support::events::{Door, LiveStream, Told};
use support::stores::Stores;
use switchboard_domain::ports::{AuditQuery, Clock as _, UserRecord};
use switchboard_domain::services::Leftover;
use switchboard_domain::{
    ApiKey, AuditAction, Campaign, CampaignStatus, Error, Lifecycle, ListKind, Scope, SessionAddress, SystemRandom,
    WorkerState,
};
use switchboard_waha_fake::{Fault, FaultAction};

on_every_database! {
    an_erased_user_is_gone_everywhere,
    an_erasure_that_waha_did_not_hear_of_is_finished_by_the_next,
    whoever_connects_during_an_erasure_leaves_nothing_behind,
    what_was_left_behind_on_another_worker_is_erased_too,
    what_stays_on_a_removed_worker_is_told_of_and_stops_nobodys_erasure,
}

const PHONE: &str = "34600111222";

async fn groups(replica: &Replica, user: &str, name: &str) -> Answer {
    replica.query(user, "user.getWhatsAppGroups", json!({ "sessionName": name })).await
}

/// ana, paired, with stored lists, a linked group with a campaign, and a key; returns her session's name.
async fn have_ana(app: &TestApp) -> String {
    let name = app.pair("ana", PHONE).await;
    groups(app, "ana", &name).await.data();
    app.query("ana", "user.getWhatsAppContacts", json!({ "sessionName": name })).await.data();
    app.until_stored("ana", ListKind::Groups).await;
    app.until_stored("ana", ListKind::Contacts).await;
    let (group, _) = app.waha.groups(&name).remove(0);
    let link = json!({ "sessionName": name, "groupId": group });
    app.mutate("ana", "user.linkWhatsAppGroup", link).await.data();
    let linked = app.stores.users.record(&"ana".parse().unwrap()).await.unwrap().groups.remove(0).group;
    let (id, status) = ("spring".parse().unwrap(), CampaignStatus::Scheduled);
    let campaign = Campaign { id, group: linked.id, status, start_date: app.clock.now() };
    app.stores.campaigns.save(&campaign, app.clock.now()).await.unwrap();
    let (key, secret) =
        ApiKey::new(&SystemRandom, "ana".parse().unwrap(), "k".parse().unwrap(), Scope::Full, None, app.clock.now())
            .unwrap();
    app.stores.api_keys.insert(&key, &secret.hash()).await.unwrap();
    app.services().audit.flush().await;
    name
}

async fn erase(app: &Replica, user: &str) -> Result<Vec<Leftover>, Error> {
    let leftovers = Mutex::new(Vec::new());
    let tell = |leftover| leftovers.lock().unwrap().push(leftover);
    app.services().erase.run(&user.parse().unwrap(), &tell).await?;
    Ok(leftovers.into_inner().unwrap())
}

fn broken() -> FaultAction {
    FaultAction::Status { status: 500, body: String::new() }
}

/// That nothing is kept of ana, but that somebody was erased.
async fn is_erased(app: &TestApp, name: &str) {
    let ana = "ana".parse().unwrap();
    assert_eq!(app.stores.users.record(&ana).await.unwrap(), UserRecord::default());
    assert_eq!(app.stores.api_keys.list(Some(&ana)).await.unwrap(), []);
    assert!(app.waha.session(name).is_none(), "it is deleted in WAHA");
    assert_eq!(app.waha.linked_devices(PHONE), 0, "the phone knows");
    let left = app.stores.audit.list(&AuditQuery::all(None)).await.unwrap();
    let mut left: Vec<_> = left.iter().map(|entry| (entry.deed.action, entry.deed.user.clone().unwrap())).collect();
    left.dedup();
    assert_eq!(left, [(AuditAction::Erase, ana.pseudonym().unwrap())], "however often");
}

async fn an_erased_user_is_gone_everywhere(stores: Stores) {
    let app = TestApp::new(stores).await;
    let other = app.replica();
    let name = have_ana(&app).await;
    let bens = app.pair("ben", "34600333444").await;
    groups(&other, "ana", &name).await.data();
    let mut streams = Vec::new();
    for (replica, door) in [(&*app, Door::Rest), (&other, Door::Trpc)] {
        let mut stream: LiveStream = replica.watch(door, "ana", &name).await;
        stream.state().await;
        streams.push(stream);
    }
    app.services().audit.flush().await;
    // Whatever is about ben is not about ana.
    app.stores.audit.purge(app.clock.now() + Duration::from_hours(1), u32::MAX).await.unwrap();

    erase(&app, "ana").await.unwrap();
    is_erased(&app, &name).await;
    for stream in &mut streams {
        assert_eq!(stream.ending().await, Told::Over);
    }
    for replica in [&*app, &other] {
        assert_eq!(groups(replica, "ana", &name).await.status, 404);
        let session = replica.query("ana", "user.getWhatsAppSession", Value::Null).await;
        assert_eq!(*session.data(), Value::Null);
        groups(replica, "ben", &bens).await.data();
    }
    erase(&app, "ana").await.unwrap();
    is_erased(&app, &name).await;
}

async fn an_erasure_that_waha_did_not_hear_of_is_finished_by_the_next(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = have_ana(&app).await;
    app.waha.set_reachable(false).await;
    let failed = erase(&app, "ana").await;
    assert!(matches!(failed, Err(Error::Gateway(_))), "{failed:?}");
    let record = app.stores.users.record(&"ana".parse().unwrap()).await.unwrap();
    assert_eq!(record.session.unwrap().lifecycle, Lifecycle::LoggingOut);
    assert_eq!((record.groups.len(), record.campaigns.len()), (1, 1), "nothing else is gone");
    app.waha.set_reachable(true).await;
    app.waha_is_back().await;
    erase(&app, "ana").await.unwrap();
    is_erased(&app, &name).await;
}

async fn whoever_connects_during_an_erasure_leaves_nothing_behind(stores: Stores) {
    let app = TestApp::new(stores).await;
    let name = have_ana(&app).await;
    let connects = async {
        for _ in 0..3 {
            app.mutate("ana", "user.initiateWhatsAppSession", Value::Null).await;
        }
    };
    let (_, ()) = tokio::join!(erase(&app, "ana"), connects);
    // A connect that came last has made a session of its own.
    erase(&app, "ana").await.unwrap();
    assert_eq!(app.stores.users.record(&"ana".parse().unwrap()).await.unwrap(), UserRecord::default());
    let left: Vec<_> = app.waha.sessions().into_iter().map(|session| session.name).collect();
    assert_eq!(left, Vec::<String>::new(), "{name}");
    assert_eq!(app.stores.workers.loads().await.unwrap(), [].into());
}

async fn what_was_left_behind_on_another_worker_is_erased_too(stores: Stores) {
    let app = TestApp::with_workers(stores, &[500, 500]).await;
    let name = app.connect("ana").await;
    let old = usize::from(app.row("ana").await.worker == TestApp::worker(1));
    app.until("ana", &name, "SCAN_QR_CODE").await;
    app.set_state(old, WorkerState::Draining).await;
    app.wahas[old].fail(&name);
    app.ask_anew();
    // What is to be deleted there meets a WAHA that does not do it.
    app.wahas[old].inject(Fault::on("/api/sessions", broken()).method("DELETE"));
    app.connect("ana").await;
    assert_eq!(app.row("ana").await.worker, TestApp::worker(1 - old));
    assert!(app.wahas[old].session(&name).is_some());
    app.wahas[old].clear_faults();
    app.waha_is_back().await;
    erase(&app, "ana").await.unwrap();
    for waha in &app.wahas {
        assert!(waha.session(&name).is_none());
    }
}

async fn what_stays_on_a_removed_worker_is_told_of_and_stops_nobodys_erasure(stores: Stores) {
    let app = TestApp::with_workers(stores, &[50, 5]).await;
    let mut at = Vec::new();
    let users = [("ana", PHONE), ("ben", "34600333444"), ("eva", "34600555666"), ("leo", "34600888999")];
    for (user, phone) in users {
        let name = app.pair(user, phone).await;
        at.push(SessionAddress { worker: TestApp::worker(0), name: name.parse().unwrap() });
    }
    app.set_state(0, WorkerState::Removed).await;
    app.ask_anew();

    app.waha.inject(Fault::on("/api/sessions", broken()).method("DELETE"));
    let failed = erase(&app, "ana").await;
    assert!(matches!(failed, Err(Error::Gateway(_))), "it is there, and was not deleted: {failed:?}");
    app.waha.clear_faults();
    app.waha_is_back().await;
    assert_eq!(erase(&app, "ana").await.unwrap(), [], "it is configured, and answers");
    assert!(app.waha.session(at[0].name.as_str()).is_none());

    // Somebody else's WAHA has a session of that name.
    app.waha.remove_session(at[1].name.as_str());
    app.waha.restore(at[1].name.as_str(), "34600777888");
    assert_eq!(erase(&app, "ben").await.unwrap(), [Leftover::Unmarked(at[1].clone())]);
    assert!(app.waha.session(at[1].name.as_str()).is_some(), "and it stays");

    let without = app.replica_without(0);
    assert_eq!(erase(&without, "leo").await.unwrap(), [Leftover::Unasked(at[3].clone())], "it is not configured");
    app.waha.set_reachable(false).await;
    assert_eq!(erase(&app, "eva").await.unwrap(), [Leftover::Unasked(at[2].clone())]);
    assert_eq!(app.stores.users.record(&"eva".parse().unwrap()).await.unwrap(), UserRecord::default());
}
