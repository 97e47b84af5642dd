//! A process is killed at each point at which a use case awaits anything, and started again: nothing may be left in WAHA
//! that nobody owns, and no row without a way forward.

mod process;
mod scenario;
mod stage;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use support::stores::Stores;

use self::scenario::Scenario;
use self::stage::Stage;

/// Within which time of its start a process has repaired what the one before it left.
const REPAIRED_WITHIN: Duration = Duration::from_secs(10);
/// How long one kill may take, with all that comes before and after it.
const AT_MOST: Duration = Duration::from_mins(2);
/// How many points are tried at the same time: most of the time is waiting for leases to run out.
const AT_THE_SAME_TIME: usize = 12;

/// Kills at every point of every scenario, each time with a database of its own. Prints what it tried.
async fn kill_everywhere<F: Future<Output = Stores>>(database: impl Fn() -> F) {
    let database = &database;
    let mut slowest = Duration::ZERO;
    let mut tried = 0;
    for scenario in Scenario::ALL {
        let began = Instant::now();
        let points = Stage::new(database().await).await.points(scenario).await;
        assert!(points.len() > 4, "{scenario:?} passes {points:?}");
        let kills = points.iter().map(|point| async move {
            let stage = Stage::new(database().await).await;
            let kill = tokio::time::timeout(AT_MOST, stage.killed_at(scenario, point)).await;
            (point, kill.unwrap_or_else(|_| Err(format!("nothing came of it within {AT_MOST:?}"))))
        });
        let kills: Vec<_> = futures_util::stream::iter(kills).buffer_unordered(AT_THE_SAME_TIME).collect().await;
        let mut killed = 0;
        for (point, repaired) in kills {
            match repaired {
                Ok(Some(took)) => (killed, slowest) = (killed + 1, slowest.max(took)),
                Ok(None) => {}
                Err(left) => panic!("{scenario:?}, killed {point}: {left}"),
            }
        }
        assert!(killed * 10 >= points.len() * 9, "{scenario:?}: {killed} of {} points were reached", points.len());
        println!("{scenario:?}: killed at {killed} points, {:.1?}", began.elapsed());
        tried += killed;
    }
    println!("killed at {tried} points; repaired at the latest {slowest:.1?} after the start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_anywhere_leaves_nothing_that_is_not_repaired_on_sqlite() {
    kill_everywhere(Stores::sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_anywhere_leaves_nothing_that_is_not_repaired_on_postgresql() {
    if Stores::postgres().await.is_some() {
        kill_everywhere(async || Stores::postgres().await.expect("it was there a moment ago")).await;
    }
}
