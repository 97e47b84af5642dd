//! Rows to try things on.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use support::stores::Stores;
use switchboard_domain::ports::{Fence, Lease, LeaseHolder};
use switchboard_domain::{
    Campaign, CampaignStatus, ChatId, Epoch, Lifecycle, LinkedGroup, Observation, Session, SessionStatus, UserId,
    WorkerName,
};

/// A moment with microseconds, some seconds after the first one.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_795_000_000_123_456).unwrap() + TimeDelta::seconds(seconds)
}

pub(super) fn user(n: u32) -> UserId {
    format!("user-{n}").parse().unwrap()
}

/// User n's session, as it is when it was just given a worker.
pub(super) fn session(n: u32) -> Session {
    let id = format!("s{n:023}").parse().unwrap();
    let name = format!("session_{n}").parse().unwrap();
    Session { lifecycle: Lifecycle::Connecting, ..Session::new(id, name, user(n), worker("default"), at(0)) }
}

pub(super) fn worker(name: &str) -> WorkerName {
    name.parse().unwrap()
}

/// User n's session with something in every field.
pub(super) fn paired_session(n: u32) -> Session {
    Session {
        lifecycle: Lifecycle::Connected,
        epoch: Epoch(3),
        phone: Some("+34600111222".parse().unwrap()),
        account: Some(account(1)),
        paired_at: Some(at(1)),
        status: Some(SessionStatus::Working),
        down_since: Some(at(2)),
        revived_at: Some(at(3)),
        reported_at: Some(at(5)),
        updated_at: at(4),
        ..session(n)
    }
}

pub(super) fn account(n: u32) -> ChatId {
    format!("3460011122{n}@c.us").parse().unwrap()
}

/// A group of user 1's session, linked under account 1.
pub(super) fn group(n: u32) -> LinkedGroup {
    LinkedGroup {
        id: format!("g{n:023}").parse().unwrap(),
        session: session(1).id,
        account: account(1),
        group: format!("{}@g.us", 120_363_000_000_000_000_u64 + u64::from(n)).parse().unwrap(),
        name: format!("Group {n}"),
        created_at: at(i64::from(n)),
        updated_at: at(i64::from(n)),
    }
}

/// A campaign on group 1.
pub(super) fn campaign(id: &str, status: CampaignStatus) -> Campaign {
    Campaign { id: id.parse().unwrap(), group: group(1).id, status, start_date: at(100) }
}

/// What WAHA says of a session that works, under the same epoch and account.
pub(super) fn working(session: &Session) -> Observation {
    Observation {
        epoch: session.epoch,
        status: SessionStatus::Working,
        down_since: None,
        account: Some(account(1)),
        paired_at: Some(at(10)),
        revived_at: None,
        reported_at: session.reported_at,
        phone: session.phone.clone(),
    }
}

/// Stores a session as it is.
pub(super) async fn have(stores: &Stores, session: &Session) {
    assert_eq!(stores.sessions.ensure(session).await.unwrap(), *session);
}

/// Stores user 1's paired session and its groups of these numbers.
pub(super) async fn have_groups(stores: &Stores, numbers: impl IntoIterator<Item = u32>) {
    have(stores, &paired_session(1)).await;
    for n in numbers {
        stores.groups.link(&group(n)).await.unwrap();
    }
}

/// The session as it is stored.
pub(super) async fn stored(stores: &Stores, session: &Session) -> Session {
    stores.sessions.get(&session.id).await.unwrap().expect("it is stored")
}

/// Takes the lease of a session, which is free at second `from`, for ten seconds.
pub(super) async fn lease(stores: &Stores, session: &Session, holder: &str, from: i64) -> Lease {
    let holder = LeaseHolder(holder.to_owned());
    let lease = stores.leases.acquire(&session.id, &holder, at(from), at(from + 10)).await;
    lease.unwrap().expect("the lease is free")
}

/// The fence of a lease that ran out and is somebody else's by now.
pub(super) async fn stale_fence(stores: &Stores, session: &Session) -> Fence {
    let lost = lease(stores, session, "slow", 0).await;
    lease(stores, session, "quick", 10).await;
    lost.fence
}

/// What each of `count` callers gets who ask at the same time.
pub(super) async fn all_at_once<T, F>(stores: &Stores, count: u32, call: impl Fn(Stores, u32) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    all_at_once_of(count, |n| call(stores.clone(), n)).await
}

/// What each of `count` calls gets that are made at the same time.
pub(super) async fn all_at_once_of<T, F>(count: u32, call: impl Fn(u32) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let calls: Vec<_> = (0..count).map(|n| tokio::spawn(call(n))).collect();
    join_all(calls).await.into_iter().map(Result::unwrap).collect()
}
