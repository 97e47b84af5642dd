//! What `AuditLog` promises.

use support::stores::Stores;
use switchboard_domain::ports::AuditQuery;
use switchboard_domain::{AuditAction, AuditEntry, AuditOutcome, Deed, Means};

use super::fixtures::{at, user, worker};

contract! {
    an_entry_is_listed_as_it_was_added,
    entries_follow_on_by_time_then_by_id,
    a_users_entries_are_listed_alone_and_from_a_moment_on,
    an_entry_that_is_added_again_stays_as_it_is,
    old_entries_are_purged_and_the_moment_itself_stays,
    many_old_entries_are_purged_some_at_a_time_the_oldest_first,
}

/// Entry n, made in second n.
fn entry(n: u32, deed: Deed) -> AuditEntry {
    let id = format!("a{n:023}").parse().unwrap();
    AuditEntry { id, at: at(i64::from(n)), deed, outcome: AuditOutcome::done() }
}

fn connect(n: u32) -> AuditEntry {
    entry(n, Deed::new(AuditAction::Connect, Means::Token).of(&user(1)))
}

async fn all(stores: &Stores) -> Vec<AuditEntry> {
    stores.audit.list(&AuditQuery::all(None)).await.unwrap()
}

async fn an_entry_is_listed_as_it_was_added(stores: &Stores) {
    assert_eq!(all(stores).await, []);
    let about_all = Deed::new(AuditAction::Logout, Means::Reconciler).of(&user(1)).at(&worker("eu-1"));
    let failed = AuditEntry {
        outcome: "waha_timeout".parse().unwrap(),
        ..entry(1, about_all.on(&"session_1".parse().unwrap()))
    };
    let about_nothing = entry(2, Deed::new(AuditAction::RevokeKey, Means::Cli));
    let entries = [failed, about_nothing];
    stores.audit.append(&entries).await.unwrap();
    stores.audit.append(&[]).await.unwrap();
    assert_eq!(all(stores).await, entries);
    assert_eq!(all(&stores.reopened().await).await, entries);
}

async fn entries_follow_on_by_time_then_by_id(stores: &Stores) {
    let mut entries: Vec<_> = (1..=5).map(connect).collect();
    entries[3].at = entries[2].at;
    let mixed: Vec<_> = [4, 2, 0, 3, 1].map(|n: usize| entries[n].clone()).into();
    stores.audit.append(&mixed).await.unwrap();
    let mut query = AuditQuery { limit: 2, ..AuditQuery::all(None) };
    let mut listed = Vec::new();
    loop {
        let page = stores.audit.list(&query).await.unwrap();
        query.after = page.last().cloned();
        listed.extend(page.iter().cloned());
        if page.len() < 2 {
            break;
        }
    }
    assert_eq!(listed, entries);
}

async fn a_users_entries_are_listed_alone_and_from_a_moment_on(stores: &Stores) {
    let mine: Vec<_> = (1..=3).map(connect).collect();
    let others = entry(4, Deed::new(AuditAction::Connect, Means::ApiKey).of(&user(2)));
    let nobodys = entry(5, Deed::new(AuditAction::DrainWorker, Means::Cli));
    stores.audit.append(&[mine.clone(), vec![others, nobodys]].concat()).await.unwrap();
    let query = AuditQuery::all(Some(user(1)));
    assert_eq!(stores.audit.list(&query).await.unwrap(), mine);
    let since = AuditQuery { since: at(2), ..query };
    assert_eq!(stores.audit.list(&since).await.unwrap(), mine[1..]);
    assert_eq!(stores.audit.list(&AuditQuery::all(Some(user(3)))).await.unwrap(), []);
}

async fn an_entry_that_is_added_again_stays_as_it_is(stores: &Stores) {
    let first = connect(1);
    stores.audit.append(std::slice::from_ref(&first)).await.unwrap();
    let again = AuditEntry { outcome: "busy".parse().unwrap(), ..first.clone() };
    stores.audit.append(&[again, connect(2)]).await.unwrap();
    assert_eq!(all(stores).await, [first, connect(2)]);
}

async fn old_entries_are_purged_and_the_moment_itself_stays(stores: &Stores) {
    let entries: Vec<_> = (1..=4).map(connect).collect();
    stores.audit.append(&entries).await.unwrap();
    assert_eq!(stores.audit.purge(at(3), 100).await.unwrap(), 2);
    assert_eq!(all(stores).await, entries[2..]);
    assert_eq!(stores.audit.purge(at(3), 100).await.unwrap(), 0);
}

async fn many_old_entries_are_purged_some_at_a_time_the_oldest_first(stores: &Stores) {
    let mut entries: Vec<_> = (1..=7).map(connect).collect();
    entries[1].at = entries[2].at;
    stores.audit.append(&entries).await.unwrap();
    for (deleted, gone) in [(2, 2), (2, 4), (1, 5), (0, 5)] {
        assert_eq!(stores.audit.purge(at(6), 2).await.unwrap(), deleted);
        assert_eq!(all(stores).await, entries[gone..]);
    }
}
