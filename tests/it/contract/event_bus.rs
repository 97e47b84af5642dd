//! What `EventBus` promises.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use support::stores::Stores;
use switchboard_domain::ListKind;
use switchboard_domain::ports::{Change, EventBus, Heard, Notice};

contract! {
    a_notice_reaches_every_listener_of_every_replica_its_own_too,
    every_change_arrives_as_it_was_told,
    a_burst_arrives_whole_or_as_a_gap,
    a_listener_that_does_not_keep_up_hears_of_a_gap_and_then_goes_on,
    a_listener_that_goes_away_takes_nothing_from_the_others,
    what_nobody_listens_to_is_told_in_vain,
    a_thread_without_a_runtime_may_publish_too,
}

pub(super) type Listener = BoxStream<'static, Heard>;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A notice of that number's session, from the replica of that name.
pub(super) fn notice(from: &str, n: usize) -> Notice {
    Notice { from: from.parse().unwrap(), change: Change::Session(format!("s{n:023}").parse().unwrap()) }
}

/// The next one that the listener hears.
pub(super) async fn next(listener: &mut Listener) -> Heard {
    let heard = tokio::time::timeout(PATIENCE, listener.next()).await;
    heard.expect("something is heard in time").expect("a bus that is there is not over")
}

/// Listens to all until one of them is what is waited for.
pub(super) async fn until(listener: &mut Listener, wanted: &Heard) {
    while next(listener).await != *wanted {}
}

/// A listener that has begun to hear what others tell.
pub(super) async fn listener(bus: &dyn EventBus, name: &str) -> Listener {
    let mut listener = bus.listen();
    let hello = Notice { from: name.parse().unwrap(), change: Change::Session("hello".parse().unwrap()) };
    bus.publish(hello.clone());
    until(&mut listener, &Heard::Notice(hello)).await;
    listener
}

async fn a_notice_reaches_every_listener_of_every_replica_its_own_too(stores: &Stores) {
    let other = stores.reopened().await;
    let mut listeners = vec![
        listener(&*stores.bus, "first").await,
        listener(&*stores.bus, "second").await,
        listener(&*other.bus, "third").await,
    ];
    let told = HashSet::from([notice("ours", 1), notice("ours", 2), notice("theirs", 1)]);
    stores.bus.publish(notice("ours", 1));
    stores.bus.publish(notice("ours", 2));
    other.bus.publish(notice("theirs", 1));
    for listener in &mut listeners {
        let mut missed = told.clone();
        while !missed.is_empty() {
            match next(listener).await {
                Heard::Notice(notice) => missed.remove(&notice),
                Heard::Gap => panic!("nothing was missed"),
            };
        }
    }
}

async fn every_change_arrives_as_it_was_told(stores: &Stores) {
    let mut listener = listener(&*stores.bus, "us").await;
    // The longest ids there are, and the shortest.
    for id in ["a".repeat(32), "ab".to_owned()] {
        let (from, id) = (id.parse().unwrap(), || id.parse().unwrap());
        for change in
            [Change::Session(id()), Change::List(id(), ListKind::Groups), Change::List(id(), ListKind::Contacts)]
        {
            let notice = Notice { from: Clone::clone(&from), change };
            stores.bus.publish(notice.clone());
            assert_eq!(next(&mut listener).await, Heard::Notice(notice));
        }
    }
}

async fn a_burst_arrives_whole_or_as_a_gap(stores: &Stores) {
    const BURST: usize = 10_000;
    let other = stores.reopened().await;
    let mut listener = listener(&*other.bus, "other").await;
    // Nobody else runs while this does, on a runtime of one thread: so it is as much at once as can be.
    (0..BURST).for_each(|n| stores.bus.publish(notice("ours", n)));
    let mut missed: HashSet<_> = (0..BURST).map(|n| notice("ours", n)).collect();
    while !missed.is_empty() {
        match next(&mut listener).await {
            Heard::Notice(notice) => missed.remove(&notice),
            Heard::Gap => break,
        };
    }
    stores.bus.publish(notice("ours", BURST));
    until(&mut listener, &Heard::Notice(notice("ours", BURST))).await;
}

async fn a_listener_that_does_not_keep_up_hears_of_a_gap_and_then_goes_on(stores: &Stores) {
    let (mut slow, mut quick) = (listener(&*stores.bus, "slow").await, listener(&*stores.bus, "quick").await);
    // One after the other, as far as the quick one has heard of them; in all, more than is kept for the slow one.
    for n in 0..6000 {
        stores.bus.publish(notice("ours", n));
        until(&mut quick, &Heard::Notice(notice("ours", n))).await;
    }
    assert_eq!(until_no_notice_of(&mut slow, "quick").await, Heard::Gap);
    stores.bus.publish(notice("ours", 6000));
    until(&mut slow, &Heard::Notice(notice("ours", 6000))).await;
}

/// The next one that is not a notice of that replica's.
async fn until_no_notice_of(listener: &mut Listener, replica: &str) -> Heard {
    loop {
        match next(listener).await {
            Heard::Notice(Notice { from, .. }) if from.as_str() == replica => {}
            heard => return heard,
        }
    }
}

async fn a_listener_that_goes_away_takes_nothing_from_the_others(stores: &Stores) {
    let (mut stays, leaves) = (listener(&*stores.bus, "stays").await, listener(&*stores.bus, "leaves").await);
    drop(leaves);
    stores.bus.publish(notice("ours", 1));
    until(&mut stays, &Heard::Notice(notice("ours", 1))).await;
}

async fn what_nobody_listens_to_is_told_in_vain(stores: &Stores) {
    stores.bus.publish(notice("ours", 1));
    let mut late = listener(&*stores.bus, "late").await;
    stores.bus.publish(notice("ours", 2));
    until(&mut late, &Heard::Notice(notice("ours", 2))).await;
}

async fn a_thread_without_a_runtime_may_publish_too(stores: &Stores) {
    let mut listener = listener(&*stores.bus, "us").await;
    let bus = stores.bus.clone();
    std::thread::spawn(move || bus.publish(notice("ours", 1))).join().unwrap();
    until(&mut listener, &Heard::Notice(notice("ours", 1))).await;
}
