//! What `SessionRepository` promises whoever looks after a worker: `on_worker`, `all_named`, `is_paired`.

use support::stores::Stores;
use switchboard_domain::{Lifecycle, Session, SessionId};

use super::fixtures::{account, have, paired_session, session, worker};

contract! {
    the_sessions_of_a_worker_follow_on_by_id,
    a_disconnected_session_is_on_no_worker,
    sessions_are_found_by_their_names_alone,
    an_account_is_paired_as_long_as_a_wanted_session_is_paired_with_it,
}

fn ids(sessions: &[Session]) -> Vec<&SessionId> {
    sessions.iter().map(|session| &session.id).collect()
}

async fn the_sessions_of_a_worker_follow_on_by_id(stores: &Stores) {
    let ours: Vec<Session> = [3, 1, 5, 2, 4].map(session).into();
    for session in &ours {
        have(stores, session).await;
    }
    have(stores, &Session { worker: worker("other"), ..session(6) }).await;
    let page = async |after: Option<u32>, limit| {
        let after = after.map(|n| session(n).id);
        stores.sessions.on_worker(&worker("default"), after.as_ref(), limit).await.unwrap()
    };
    assert_eq!(page(None, 2).await, [session(1), session(2)]);
    assert_eq!(page(Some(2), 2).await, [session(3), session(4)]);
    assert_eq!(page(Some(4), 2).await, [session(5)]);
    assert_eq!(page(Some(5), 2).await, []);
    assert_eq!(page(None, 100).await, [1, 2, 3, 4, 5].map(session));
    assert_eq!(stores.sessions.on_worker(&worker("Default"), None, 9).await.unwrap(), []);
}

async fn a_disconnected_session_is_on_no_worker(stores: &Stores) {
    let all = [Lifecycle::Connecting, Lifecycle::Connected, Lifecycle::LoggingOut, Lifecycle::Disconnected];
    for (n, lifecycle) in (1..).zip(all) {
        have(stores, &Session { lifecycle, ..paired_session(n) }).await;
    }
    let placed = stores.sessions.on_worker(&worker("default"), None, 9).await.unwrap();
    assert_eq!(ids(&placed), [&session(1).id, &session(2).id, &session(3).id]);
}

async fn sessions_are_found_by_their_names_alone(stores: &Stores) {
    let all = [session(1), paired_session(2), session(20_000)];
    for session in &all {
        have(stores, session).await;
    }
    assert_eq!(stores.sessions.all_named(&[]).await.unwrap(), []);
    let some = [session(2).name, session(3).name, session(2).name, "Session_1".parse().unwrap()];
    assert_eq!(stores.sessions.all_named(&some).await.unwrap(), [paired_session(2)]);
    // More than one statement can name.
    let names: Vec<_> = (1..=40_000).map(|n| session(n).name).collect();
    let mut found = stores.sessions.all_named(&names).await.unwrap();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(found, all);
}

async fn an_account_is_paired_as_long_as_a_wanted_session_is_paired_with_it(stores: &Stores) {
    let is_paired = async |n| stores.sessions.is_paired(&account(n)).await.unwrap();
    assert!(!is_paired(1).await);
    // It was paired once, and is offering a QR code by now.
    have(stores, &Session { paired_at: None, ..paired_session(1) }).await;
    for (n, lifecycle) in [(2, Lifecycle::LoggingOut), (3, Lifecycle::Disconnected)] {
        have(stores, &Session { lifecycle, ..paired_session(n) }).await;
    }
    assert!(!is_paired(1).await);
    have(stores, &Session { lifecycle: Lifecycle::Connecting, ..paired_session(4) }).await;
    assert!(is_paired(1).await);
    have(stores, &Session { account: Some(account(2)), ..paired_session(5) }).await;
    assert!(is_paired(2).await);
    assert!(!is_paired(3).await);
}
