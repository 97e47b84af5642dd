use std::collections::BTreeMap;

use chrono::DateTime;

use super::*;
use crate::ports::{
    GatewayError, MockAppSessions, MockSessionRepository, MockUserRepository, MockWhatsAppGateway, MockWorkerRepository,
};
use crate::services::Services;
use crate::services::testing::{ports, upstream};
use crate::{Me, UpstreamSession, WorkerHealth, WorkerInfo, WorkerState};

/// A row of bob's, of the name `bob-1`, with a phone number.
fn row() -> AppSession {
    let at = |seconds: i64| DateTime::from_timestamp(1_700_000_000 + seconds, 0);
    AppSession {
        id: "cl9ebqhxk00003b600tymydho".to_owned(),
        name: "bob-1".to_owned(),
        user: "bob".to_owned(),
        phone: Some("34 600 111 222".to_owned()),
        created_at: at(0),
        updated_at: at(1),
    }
}

fn found(status: SessionStatus, is_paired: bool) -> UpstreamSession {
    let me = is_paired.then(|| Me { id: "34600999888@c.us".parse().unwrap(), lid: None });
    UpstreamSession { name: "bob-1".parse().unwrap(), me, ..upstream(status) }
}

type Lists = Vec<(&'static str, Result<Vec<UpstreamSession>, GatewayError>)>;

/// What becomes of these rows with these workers, and what is stored of them.
async fn adopt(rows: Vec<AppSession>, lists: Lists, removed: &[&str]) -> (Vec<Fate>, Vec<SessionOverview>) {
    let mut source = MockAppSessions::new();
    source.expect_sessions().returning(move || Ok(rows.clone()));
    source.expect_groups().returning(|sessions| {
        let group = |id: &str, group: &str| AppGroup {
            id: id.to_owned(),
            session: sessions[0].clone(),
            group: group.to_owned(),
            name: "Family".to_owned(),
            created_at: None,
            updated_at: None,
        };
        Ok(vec![group("g1", "120363000000000001@g.us"), group("g2", "no group")])
    });
    source.expect_campaigns().returning(|_| {
        let campaign = |id: &str, group: &str, status: &str| AppCampaign {
            id: id.to_owned(),
            group: group.to_owned(),
            status: status.to_owned(),
            start_date: DateTime::UNIX_EPOCH,
        };
        Ok(vec![campaign("c1", "g1", "scheduled"), campaign("c2", "g1", "PAUSED"), campaign("c3", "g2", "DRAFT")])
    });
    let mut gateway = MockWhatsAppGateway::new();
    let names: Vec<_> = lists.iter().map(|(name, _)| *name).collect();
    gateway.expect_workers().returning(move || {
        let worker = |name: &&str| WorkerInfo {
            name: name.parse().unwrap(),
            capacity: 5,
            health: WorkerHealth::Up,
            is_left_alone: false,
            software: None,
        };
        names.iter().map(worker).collect()
    });
    gateway.expect_sessions().returning(move |worker| {
        let (_, listed) = lists.iter().find(|(name, _)| *name == worker.as_str()).unwrap();
        listed.clone()
    });
    let mut workers = MockWorkerRepository::new();
    let states: BTreeMap<_, _> = removed.iter().map(|name| (name.parse().unwrap(), WorkerState::Removed)).collect();
    workers.expect_states().returning(move || Ok(states.clone()));
    let stored = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (mut users, all) = (MockUserRepository::new(), Arc::clone(&stored));
    users.expect_adopt().returning(move |overview, _| {
        if overview.session.owner.as_str() == "erased" {
            return Ok(Adopted::Erased);
        }
        all.lock().unwrap().push(overview.clone());
        Ok(Adopted::Done { is_new: true, groups: 1, campaigns: 1 })
    });
    let ports =
        Ports { users: Arc::new(users), workers: Arc::new(workers), ..ports(MockSessionRepository::new(), gateway) };
    let mut fates = Vec::new();
    let services = Services::new(&ports, 1 << 20);
    services.adopt.run(&source, false, |adoption| fates.push(adoption.fate)).await.unwrap();
    let stored = stored.lock().unwrap().clone();
    (fates, stored)
}

fn names(names: &[&str]) -> Vec<WorkerName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_session_that_works_is_connected_where_it_is_under_its_own_account() {
    let lists = vec![("a", Ok(vec![])), ("b", Ok(vec![found(SessionStatus::Working, true)]))];
    let (fates, stored) = adopt(vec![row()], lists, &[]).await;
    let Fate::Taken(taken) = &fates[0] else { panic!("{fates:?}") };
    assert_eq!(taken.at, Some(("b".parse().unwrap(), SessionStatus::Working)));
    assert_eq!(taken.left_out, LeftOut { without_account: 0, without_id: 1, campaigns: 2 });
    let [SessionOverview { session, groups }] = &stored[..] else { panic!("{stored:?}") };
    assert_eq!((session.lifecycle, session.id.as_str()), (Lifecycle::Connected, "cl9ebqhxk00003b600tymydho"));
    assert_eq!(session.account.as_ref().unwrap().as_str(), "34600999888@c.us", "WAHA knows better");
    assert_eq!(session.phone.as_ref().unwrap().as_str(), "+34600111222", "what the user wrote");
    assert_eq!(session.paired_at, row().created_at);
    let [GroupCampaigns { group, campaigns }] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!((&group.account, campaigns.len()), (session.account.as_ref().unwrap(), 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_known_as_paired_is_so_here_whatever_its_status() {
    for (status, me, phone, expected) in [
        (SessionStatus::Failed, true, false, Lifecycle::Connected),
        (SessionStatus::Stopped, false, true, Lifecycle::Connected),
        (SessionStatus::Starting, false, false, Lifecycle::Connected),
        (SessionStatus::Failed, false, false, Lifecycle::Disconnected),
        (SessionStatus::Stopped, false, false, Lifecycle::Disconnected),
    ] {
        let lists = vec![("a", Ok(vec![found(status.clone(), me)]))];
        let row = AppSession { phone: row().phone.filter(|_| phone), ..row() };
        let (_, stored) = adopt(vec![row], lists, &[]).await;
        let session = &stored[0].session;
        // One on its way up may have a login that WAHA has not read yet.
        let is_paired = me || phone || status == SessionStatus::Starting;
        assert_eq!((session.lifecycle, session.paired_at.is_some()), (expected, is_paired), "{status:?}");
        assert_eq!(session.account.is_some(), me || phone, "{status:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_waits_for_a_scan_is_not_paired_whoever_is_named() {
    let lists = vec![("a", Ok(vec![found(SessionStatus::ScanQrCode, true)]))];
    let (_, stored) = adopt(vec![row()], lists, &[]).await;
    let session = &stored[0].session;
    assert_eq!((session.lifecycle, &session.account, session.paired_at), (Lifecycle::Connected, &None, None));
    let group = &stored[0].groups[0].group;
    assert_eq!(group.account.as_str(), "34600111222@c.us", "under which it was linked, as far as anybody knows");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_no_worker_has_is_disconnected_and_keeps_its_groups() {
    let (fates, stored) = adopt(vec![row()], vec![("a", Ok(vec![]))], &[]).await;
    assert!(matches!(&fates[0], Fate::Taken(Taken { at: None, .. })), "{fates:?}");
    let SessionOverview { session, groups } = &stored[0];
    assert_eq!((session.lifecycle, &session.account, groups.len()), (Lifecycle::Disconnected, &None, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_concluded_from_a_worker_that_does_not_answer() {
    let silent = || ("b", Err(GatewayError::Timeout));
    let stopped = || Ok(vec![found(SessionStatus::Stopped, true)]);
    for list in [Ok(vec![]), stopped()] {
        let (fates, stored) = adopt(vec![row()], vec![("a", list), silent()], &[]).await;
        assert_eq!((fates, stored), (vec![Fate::Skipped(Skipped::Unanswered(names(&["b"])))], vec![]));
    }
    let working = || Ok(vec![found(SessionStatus::Working, true)]);
    let (_, stored) = adopt(vec![row()], vec![("a", working()), silent()], &[]).await;
    assert_eq!(stored.len(), 1, "one that works is where it works");
    let failed = Ok(vec![found(SessionStatus::Failed, true)]);
    let (fates, stored) = adopt(vec![row()], vec![("a", failed), silent()], &[]).await;
    assert_eq!((fates, stored), (vec![Fate::Skipped(Skipped::Unanswered(names(&["b"])))], vec![]));

    let other = AppSession { id: "other".to_owned(), name: "bob-2".to_owned(), updated_at: None, ..row() };
    let failed = Ok(vec![found(SessionStatus::Failed, false)]);
    let (fates, stored) = adopt(vec![row(), other], vec![("a", failed), silent()], &[]).await;
    assert!(fates.contains(&Fate::Skipped(Skipped::Unanswered(names(&["b"])))), "{fates:?}");
    assert_eq!(stored, [], "the other one may be the one that works");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_several_users_have_is_nobodys() {
    let other = AppSession { id: "other".to_owned(), user: "zoe".to_owned(), ..row() };
    let (fates, stored) =
        adopt(vec![row(), other], vec![("a", Ok(vec![found(SessionStatus::Working, true)]))], &[]).await;
    assert_eq!((fates, stored), (vec![Fate::Skipped(Skipped::SharedName), Fate::Skipped(Skipped::SharedName)], vec![]));
}

#[tokio::test(start_paused = true)]
async fn of_workers_that_share_a_store_the_one_that_runs_it_has_it() {
    let stopped = || Ok(vec![found(SessionStatus::Stopped, true)]);
    let working = || Ok(vec![found(SessionStatus::Working, true)]);
    let (_, stored) = adopt(vec![row()], vec![("a", stopped()), ("b", working()), ("c", stopped())], &[]).await;
    assert_eq!(stored[0].session.worker.as_str(), "b");
    for lists in [vec![("a", stopped()), ("b", stopped())], vec![("a", working()), ("b", working())]] {
        let (fates, _) = adopt(vec![row()], lists, &[]).await;
        assert_eq!(fates, [Fate::Skipped(Skipped::SeveralWorkers(names(&["a", "b"])))]);
    }
    let (fates, _) = adopt(vec![row()], vec![("a", working())], &["a"]).await;
    assert_eq!(fates, [Fate::Skipped(Skipped::RemovedWorker("a".parse().unwrap()))]);
    let (fates, _) = adopt(vec![row()], vec![("a", working()), ("b", stopped())], &["a"]).await;
    assert_eq!(fates, [Fate::Skipped(Skipped::RemovedWorker("a".parse().unwrap()))], "it runs there");
}

#[tokio::test(start_paused = true)]
async fn of_a_users_sessions_the_one_that_works_is_taken_and_odd_ones_are_told_of() {
    let other = AppSession { id: "other".to_owned(), name: "bob-2".to_owned(), updated_at: None, ..row() };
    let odd_name = AppSession { name: "bob's phone".to_owned(), ..row() };
    let odd_user = AppSession { user: String::new(), ..row() };
    let lists = vec![(
        "a",
        Ok(vec![
            found(SessionStatus::Failed, true),
            UpstreamSession { name: "bob-2".parse().unwrap(), ..found(SessionStatus::Working, true) },
        ]),
    )];
    let (fates, stored) = adopt(vec![row(), other, odd_name, odd_user], lists, &[]).await;
    assert_eq!(fates[0], Fate::Skipped(Skipped::Name));
    assert_eq!(fates[1], Fate::Skipped(Skipped::User));
    assert_eq!(fates[2], Fate::Skipped(Skipped::OtherOfUser));
    assert_eq!(stored[0].session.name.as_str(), "bob-2");
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_erased_meanwhile_is_told_of_and_keeps_nobody_else_back() {
    let (gone, other) =
        (AppSession { user: "erased".to_owned(), ..row() }, AppSession { name: "z".to_owned(), ..row() });
    let (fates, stored) = adopt(vec![gone, other], vec![("a", Ok(vec![]))], &[]).await;
    assert!(fates.contains(&Fate::Skipped(Skipped::Erased)), "{fates:?}");
    assert_eq!(stored.len(), 1);
}
