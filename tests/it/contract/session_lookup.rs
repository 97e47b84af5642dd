//! What `SessionRepository::find_all` and `named` promise.

use support::stores::Stores;
use switchboard_domain::{Session, SessionName, UserId};

use super::fixtures::{have, paired_session, session, user};

contract! {
    only_pairs_that_match_are_found,
    nobody_asked_for_is_nobody_found,
    a_pair_asked_for_often_is_found_once,
    a_thousand_pairs_are_found_at_once,
    more_pairs_than_one_statement_can_name_are_found,
    a_session_is_found_by_its_name_alone,
}

fn pair(session: &Session) -> (UserId, SessionName) {
    (session.owner.clone(), session.name.clone())
}

/// What is found, by user.
async fn found(stores: &Stores, wanted: &[(UserId, SessionName)]) -> Vec<Session> {
    let mut found = stores.sessions.find_all(wanted).await.unwrap();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

async fn only_pairs_that_match_are_found(stores: &Stores) {
    for session in [session(1), paired_session(2), session(3), session(4)] {
        have(stores, &session).await;
    }
    let wanted = [
        pair(&session(1)),
        pair(&session(2)),
        // Somebody else's, both ways round; then one that is nobody's.
        (user(3), session(4).name),
        (user(4), session(1).name),
        (user(5), session(3).name),
        pair(&session(6)),
    ];
    assert_eq!(found(stores, &wanted).await, [session(1), paired_session(2)]);
    assert_eq!(found(stores, &wanted[2..]).await, []);
    assert_eq!(found(stores, &[(user(1), "Session_1".parse().unwrap())]).await, []);
}

async fn nobody_asked_for_is_nobody_found(stores: &Stores) {
    have(stores, &session(1)).await;
    assert_eq!(found(stores, &[]).await, []);
}

async fn a_pair_asked_for_often_is_found_once(stores: &Stores) {
    have(stores, &session(1)).await;
    let wanted = vec![pair(&session(1)); 25_000];
    assert_eq!(found(stores, &wanted).await, [session(1)]);
    let with_others = [(user(2), session(1).name), pair(&session(1)), pair(&session(1))];
    assert_eq!(found(stores, &with_others).await, [session(1)]);
}

async fn a_thousand_pairs_are_found_at_once(stores: &Stores) {
    let all: Vec<_> = (1..=1_000).map(session).collect();
    for session in &all {
        have(stores, session).await;
    }
    let wanted: Vec<_> = all.iter().rev().map(pair).collect();
    assert_eq!(found(stores, &wanted).await, all);
    assert_eq!(found(stores, &wanted[..999]).await, all[1..]);
}

async fn more_pairs_than_one_statement_can_name_are_found(stores: &Stores) {
    let all = [session(1), session(20_000), session(40_000)];
    for session in &all {
        have(stores, session).await;
    }
    let wanted: Vec<_> = (1..=40_000).map(|n| pair(&session(n))).collect();
    assert_eq!(found(stores, &wanted).await, all);
}

async fn a_session_is_found_by_its_name_alone(stores: &Stores) {
    have(stores, &session(1)).await;
    have(stores, &paired_session(2)).await;
    assert_eq!(stores.sessions.named(&session(2).name).await.unwrap(), Some(paired_session(2)));
    assert_eq!(stores.sessions.named(&session(3).name).await.unwrap(), None);
    assert_eq!(stores.sessions.named(&"Session_1".parse().unwrap()).await.unwrap(), None);
}
