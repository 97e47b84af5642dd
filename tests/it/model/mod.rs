//! Random commands of users and random events in WAHA, against a model of what has to come of them.
//!
//! `SWITCHBOARD_MODEL_STEPS` says how many steps are taken.

mod run;
mod step;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::test_runner::{Config, TestRunner};
use support::clock::{Steered, TestClock, TokioClock};
use support::stores::Stores;

use self::run::Run;
use self::step::{Step, step};

/// How many steps are taken one after the other, at most and on average half of that, before everything has to come right.
const STEPS_A_RUN: usize = 200;

/// Plays `steps` steps, in runs that are each played on `stores` of their own by `play`.
fn explore(steps: u32, play: impl Fn(Vec<Step>)) {
    let steps = std::env::var("SWITCHBOARD_MODEL_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(steps);
    let cases = (2 * steps).div_ceil(u32::try_from(STEPS_A_RUN).unwrap());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let taken = AtomicUsize::new(0);
    let played = TestRunner::new(config).run(&vec(step(), 1..=STEPS_A_RUN), |steps| {
        taken.fetch_add(steps.len(), Ordering::Relaxed);
        play(steps);
        Ok(())
    });
    played.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{} steps in {cases} runs", taken.into_inner());
}

#[test]
fn whatever_happens_on_sqlite_everything_comes_right_in_the_end() {
    explore(10_000, |steps| {
        // With time that stands still while something is done, and passes at once while all wait.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let clock: Arc<dyn Steered> = Arc::new(TokioClock::new());
            Run::new(Stores::sqlite().await, clock).play(&steps).await;
        });
    });
}

#[test]
fn whatever_happens_on_postgresql_everything_comes_right_in_the_end() {
    explore(1000, |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Some(stores) = Stores::postgres().await else { return };
            let clock: Arc<dyn Steered> = Arc::new(TestClock::behind(std::time::Duration::ZERO));
            Run::new(stores, clock).play(&steps).await;
        });
    });
}
