//! What `UserRepository` promises.

use support::stores::Stores;
use switchboard_domain::ports::{
    Adopted, AuditQuery, Erased, Fence, Generation, KeptCampaign, KeptGroup, SnapshotHead, StorageError, UserRecord,
};
use switchboard_domain::{
    ApiKey, AuditAction, AuditEntry, AuditOutcome, CampaignStatus, Deed, Epoch, GroupCampaigns, Lifecycle, LinkedGroup,
    ListKind, Means, Scope, Session, SessionOverview, SystemRandom,
};

use super::fixtures::{
    account, all_at_once, at, campaign, group, have, have_groups, lease, paired_session, session, stale_fence, stored,
    user, worker,
};

contract! {
    all_that_is_kept_of_a_user_is_told_and_nothing_of_anybody_else,
    an_erased_user_leaves_nothing_but_that_they_were_erased,
    nothing_is_erased_of_a_session_that_is_wanted_or_whose_lease_is_lost,
    a_user_without_a_session_has_keys_and_entries_to_erase,
    what_is_linked_while_a_user_is_erased_is_erased_or_refused,
    a_session_is_taken_over_as_it_is_and_only_once,
    a_session_is_not_taken_over_where_there_is_another,
    a_disconnected_session_is_connected_again_by_a_takeover,
    a_takeover_at_the_same_time_as_a_connect_leaves_one_session,
    a_user_who_was_erased_since_waha_was_asked_is_not_taken_over,
    a_user_is_not_erased_without_the_session_that_they_have,
    a_takeover_and_an_erasure_at_the_same_time_leave_all_or_nothing,
}

fn entry(n: u32, deed: Deed) -> AuditEntry {
    let id = format!("a{n:023}").parse().unwrap();
    AuditEntry { id, at: at(i64::from(n)), deed, outcome: AuditOutcome::done() }
}

fn tombstone() -> AuditEntry {
    entry(99, Deed::new(AuditAction::Erase, Means::Cli).of(&user(1).pseudonym().unwrap()))
}

async fn have_key(stores: &Stores, n: u32) {
    let (key, secret) = ApiKey::new(&SystemRandom, user(n), "k".parse().unwrap(), Scope::Full, None, at(0)).unwrap();
    stores.api_keys.insert(&key, &secret.hash()).await.unwrap();
}

/// User 1 with something in every table, disconnected; and user 2 with the same.
async fn have_everything(stores: &Stores) {
    have_groups(stores, [1, 2]).await;
    stores.groups.unlink(&session(1).id, &account(1), &group(2).group, at(50)).await.unwrap();
    for (id, status) in [("c1", CampaignStatus::Completed), ("c2", CampaignStatus::Draft)] {
        stores.campaigns.save(&campaign(id, status), at(0)).await.unwrap();
    }
    stores.campaigns.delete(&"c2".parse().unwrap(), at(1)).await.unwrap();
    have(stores, &paired_session(2)).await;
    let link = LinkedGroup { id: format!("g{:023}", 9).parse().unwrap(), session: session(2).id, ..group(1) };
    stores.groups.link(&link).await.unwrap();
    for n in [1, 2] {
        have_key(stores, n).await;
        let head = SnapshotHead {
            epoch: Epoch(3),
            generation: Generation(1),
            version: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            synced_at: at(0),
            settled: true,
        };
        assert!(stores.snapshots.save(&session(n).id, ListKind::Groups, None, &head, Some(&[1])).await.unwrap());
        let deed = Deed::new(AuditAction::Connect, Means::Token).of(&user(n));
        let by_name = Deed::new(AuditAction::Delete, Means::Reconciler).on(&session(n).name);
        stores.audit.append(&[entry(n, deed), entry(10 + n, by_name)]).await.unwrap();
    }
}

/// Disconnects user 1's session, without forgetting what belongs to it.
async fn disconnect(stores: &Stores) {
    let from = [Lifecycle::Connected];
    assert!(stores.sessions.transition(&session(1).id, &from, Lifecycle::Disconnected, None, at(60)).await.unwrap());
}

async fn all_that_is_kept_of_a_user_is_told_and_nothing_of_anybody_else(stores: &Stores) {
    assert_eq!(stores.users.record(&user(1)).await.unwrap(), UserRecord::default());
    have_everything(stores).await;
    let unlinked = LinkedGroup { updated_at: at(50), ..group(2) };
    let expected = UserRecord {
        session: Some(paired_session(1)),
        groups: vec![KeptGroup { group: group(1), is_linked: true }, KeptGroup { group: unlinked, is_linked: false }],
        campaigns: vec![
            KeptCampaign { campaign: campaign("c1", CampaignStatus::Completed), is_deleted: false },
            KeptCampaign { campaign: campaign("c2", CampaignStatus::Draft), is_deleted: true },
        ],
        left_behind: vec![],
    };
    assert_eq!(stores.users.record(&user(1)).await.unwrap(), expected);
    stores.strays.sight(&worker("eu-1"), &[session(1).name], at(0)).await.unwrap();
    assert_eq!(stores.users.record(&user(1)).await.unwrap(), expected, "a stray of nobody's");
}

async fn an_erased_user_leaves_nothing_but_that_they_were_erased(stores: &Stores) {
    have_everything(stores).await;
    let others = stores.users.record(&user(2)).await.unwrap();
    disconnect(stores).await;
    let lease = lease(stores, &session(1), "eraser", 0).await;
    let erased = stores.users.erase(&user(1), Some((session(1).id, lease.fence)), &tombstone()).await.unwrap();
    let expected = Erased { sessions: 1, groups: 2, campaigns: 2, lists: 1, keys: 1, entries: 2 };
    assert_eq!(erased, Some(expected));

    assert_eq!(stores.users.record(&user(1)).await.unwrap(), UserRecord::default());
    assert_eq!(stores.sessions.get(&session(1).id).await.unwrap(), None);
    assert_eq!(stores.campaigns.find(&"c1".parse().unwrap()).await.unwrap(), None);
    assert_eq!(stores.snapshots.head(&session(1).id, ListKind::Groups).await.unwrap(), None);
    assert_eq!(stores.api_keys.list(Some(&user(1))).await.unwrap(), []);
    let left: Vec<_> = stores.audit.list(&AuditQuery::all(None)).await.unwrap();
    let left: Vec<_> = left.iter().map(|entry| entry.id.as_str().trim_start_matches(['a', '0']).to_owned()).collect();
    assert_eq!(left, ["2", "12", "99"]);

    assert_eq!(stores.users.record(&user(2)).await.unwrap(), others);
    assert!(stores.snapshots.head(&session(2).id, ListKind::Groups).await.unwrap().is_some());
    assert_eq!(stores.api_keys.list(Some(&user(2))).await.unwrap().len(), 1);
    assert_eq!(stores.workers.loads().await.unwrap(), [(worker("default"), 1)].into());
    let again = stores.users.erase(&user(1), None, &entry(100, tombstone().deed)).await.unwrap();
    assert_eq!(again, Some(Erased::default()));
}

async fn nothing_is_erased_of_a_session_that_is_wanted_or_whose_lease_is_lost(stores: &Stores) {
    have_everything(stores).await;
    let before = stores.users.record(&user(1)).await.unwrap();
    let held = lease(stores, &session(1), "eraser", 0).await;
    let erase = async |n: u32, fence: Fence| {
        stores.users.erase(&user(n), Some((session(1).id, fence)), &tombstone()).await.unwrap()
    };
    assert_eq!(erase(1, held.fence).await, None, "wanted");
    stores.leases.release(&held).await.unwrap();
    assert_eq!(stores.users.record(&user(1)).await.unwrap(), before);
    disconnect(stores).await;
    assert_eq!(erase(1, held.fence).await, None, "released");
    let stale = stale_fence(stores, &session(1)).await;
    assert_eq!(erase(1, stale).await, None, "somebody else's");
    let lease = lease(stores, &session(1), "another", 20).await;
    assert_eq!(erase(2, lease.fence).await, None, "another user");
    assert_eq!(stores.api_keys.list(None).await.unwrap().len(), 2);
    assert_eq!(stores.audit.list(&AuditQuery::all(None)).await.unwrap().len(), 4);
    assert!(erase(1, lease.fence).await.is_some());
}

async fn a_user_without_a_session_has_keys_and_entries_to_erase(stores: &Stores) {
    have_key(stores, 1).await;
    let deed = Deed::new(AuditAction::CreateKey, Means::Cli).of(&user(1));
    stores.audit.append(&[entry(1, deed)]).await.unwrap();
    let erased = stores.users.erase(&user(1), None, &tombstone()).await.unwrap();
    assert_eq!(erased, Some(Erased { keys: 1, entries: 1, ..Erased::default() }));
    assert_eq!(stores.audit.list(&AuditQuery::all(None)).await.unwrap(), [tombstone()]);
}

async fn what_is_linked_while_a_user_is_erased_is_erased_or_refused(stores: &Stores) {
    for round in 0..10_i64 {
        have(stores, &Session { lifecycle: Lifecycle::Disconnected, ..paired_session(1) }).await;
        let fence = lease(stores, &session(1), "eraser", 0).await.fence;
        let linked = all_at_once(stores, 4, |stores, n| async move {
            if n == 0 {
                loop {
                    let erased = stores.users.erase(&user(1), Some((session(1).id, fence)), &tombstone()).await;
                    match erased {
                        Err(StorageError::Conflict) => {}
                        erased => break erased.unwrap().is_some(),
                    }
                }
            } else {
                let linked = stores.groups.link(&group(n)).await;
                assert!(matches!(linked, Ok(_) | Err(StorageError::Conflict)), "{linked:?}");
                linked.is_ok()
            }
        });
        assert!(linked.await[0], "round {round}");
        assert_eq!(stores.users.record(&user(1)).await.unwrap(), UserRecord::default());
        assert_eq!(stores.groups.linked(&session(1).id, &account(1)).await.unwrap(), []);
    }
}

/// User 1's paired session with a linked group and its campaign, as they come from elsewhere.
fn overview() -> SessionOverview {
    let campaigns = vec![campaign("c1", CampaignStatus::Scheduled)];
    let session = Session { epoch: Epoch(0), revived_at: None, reported_at: None, ..paired_session(1) };
    SessionOverview { session, groups: vec![GroupCampaigns { group: group(1), campaigns }] }
}

async fn a_session_is_taken_over_as_it_is_and_only_once(stores: &Stores) {
    let first = stores.users.adopt(&overview(), at(0)).await.unwrap();
    assert_eq!(first, Adopted::Done { is_new: true, groups: 1, campaigns: 1 });
    assert_eq!(stores.sessions.overview(&user(1)).await.unwrap(), Some(overview()));
    assert_eq!(stores.workers.loads().await.unwrap(), [(worker("default"), 1)].into());

    stores.campaigns.delete(&"c1".parse().unwrap(), at(5)).await.unwrap();
    stores.groups.unlink(&session(1).id, &account(1), &group(1).group, at(6)).await.unwrap();
    let again = stores.users.adopt(&overview(), at(10)).await.unwrap();
    assert_eq!(again, Adopted::Done { is_new: false, groups: 0, campaigns: 0 });
    let kept = stores.sessions.overview(&user(1)).await.unwrap().unwrap();
    assert_eq!((kept.session, kept.groups), (overview().session, vec![]), "what was done here since stays");

    // The source has made new ids of the same things, and one more group.
    let mut more = overview();
    more.session.id = format!("n{:023}", 1).parse().unwrap();
    more.groups[0].group.id = format!("n{:023}", 2).parse().unwrap();
    more.groups.push(GroupCampaigns { group: group(2), campaigns: vec![] });
    let added = stores.users.adopt(&more, at(20)).await.unwrap();
    assert_eq!(added, Adopted::Done { is_new: false, groups: 1, campaigns: 0 });
    assert_eq!(stores.groups.linked(&session(1).id, &account(1)).await.unwrap(), [group(2)]);
}

async fn a_session_is_not_taken_over_where_there_is_another(stores: &Stores) {
    have(stores, &session(1)).await;
    let mut other = overview();
    other.session.name = "elsewhere".parse().unwrap();
    other.session.id = format!("n{:023}", 1).parse().unwrap();
    assert_eq!(stores.users.adopt(&other, at(0)).await.unwrap(), Adopted::HasAnother(session(1).name));
    let mut taken = overview();
    taken.session.owner = user(2);
    taken.session.id = format!("n{:023}", 1).parse().unwrap();
    assert_eq!(stores.users.adopt(&taken, at(0)).await.unwrap(), Adopted::Taken);
    assert_eq!(stored(stores, &session(1)).await, session(1));
    assert_eq!(stores.users.record(&user(2)).await.unwrap(), UserRecord::default());
}

async fn a_disconnected_session_is_connected_again_by_a_takeover(stores: &Stores) {
    have(stores, &Session { lifecycle: Lifecycle::Disconnected, ..session(1) }).await;
    let mut back = overview();
    back.session.worker = worker("eu-1");
    let before = stores.users.record(&user(1)).await.unwrap();
    let alone = SessionOverview { groups: Vec::new(), ..back.clone() };
    stores.users.adopt(&alone, at(-1)).await.unwrap();
    assert_eq!(stores.users.record(&user(1)).await.unwrap().session, before.session, "logged out since WAHA was asked");
    let done = stores.users.adopt(&back, at(30)).await.unwrap();
    assert_eq!(done, Adopted::Done { is_new: true, groups: 1, campaigns: 1 });
    let row = stored(stores, &session(1)).await;
    assert_eq!((row.lifecycle, row.epoch, &row.worker), (Lifecycle::Connected, Epoch(1), &worker("eu-1")));
    assert_eq!((row.account, row.paired_at), (back.session.account, back.session.paired_at));
    assert_eq!(stores.workers.loads().await.unwrap(), [(worker("eu-1"), 1)].into());
}

async fn a_takeover_at_the_same_time_as_a_connect_leaves_one_session(stores: &Stores) {
    all_at_once(stores, 6, |stores, n| async move {
        if n % 2 == 0 {
            stores.users.adopt(&overview(), at(0)).await.unwrap();
        } else {
            let id = format!("n{n:023}").parse().unwrap();
            let name = format!("session_{n}{n}").parse().unwrap();
            stores.sessions.ensure(&Session { id, name, ..session(1) }).await.unwrap();
        }
    })
    .await;
    assert_eq!(stores.workers.loads().await.unwrap(), [(worker("default"), 1)].into());
}

async fn a_user_who_was_erased_since_waha_was_asked_is_not_taken_over(stores: &Stores) {
    assert_eq!(stores.users.erase(&user(1), None, &tombstone()).await.unwrap(), Some(Erased::default()));
    for asked_at in [at(0), tombstone().at, tombstone().at + Erased::LATELY] {
        assert_eq!(stores.users.adopt(&overview(), asked_at).await.unwrap(), Adopted::Erased);
    }
    assert_eq!(stores.users.record(&user(1)).await.unwrap(), UserRecord::default());
    let others = SessionOverview { session: paired_session(2), groups: vec![] };
    let done = Adopted::Done { is_new: true, groups: 0, campaigns: 0 };
    assert_eq!(stores.users.adopt(&others, at(0)).await.unwrap(), done, "another user");
    let done = Adopted::Done { is_new: true, groups: 1, campaigns: 1 };
    assert_eq!(stores.users.adopt(&overview(), at(160)).await.unwrap(), done, "asked for again");
}

async fn a_user_is_not_erased_without_the_session_that_they_have(stores: &Stores) {
    have_key(stores, 1).await;
    have(stores, &session(1)).await;
    have(stores, &session(2)).await;
    assert_eq!(stores.users.erase(&user(1), None, &tombstone()).await.unwrap(), None);
    assert_eq!(stores.api_keys.list(Some(&user(1))).await.unwrap().len(), 1);
    assert_eq!(stores.audit.list(&AuditQuery::all(None)).await.unwrap(), []);
}

async fn a_takeover_and_an_erasure_at_the_same_time_leave_all_or_nothing(stores: &Stores) {
    for n in 1..=10 {
        let did = all_at_once(stores, 2, move |stores, call| async move {
            if call == 0 {
                let theirs = SessionOverview { session: paired_session(n), groups: vec![] };
                stores.users.adopt(&theirs, at(0)).await.unwrap() != Adopted::Erased
            } else {
                let deed = Deed::new(AuditAction::Erase, Means::Cli).of(&user(n).pseudonym().unwrap());
                stores.users.erase(&user(n), None, &entry(n, deed)).await.unwrap().is_some()
            }
        });
        let did = did.await;
        assert_ne!(did[0], did[1], "round {n}: taken over, erased: {did:?}");
    }
}
