//! What may happen.

use proptest::prelude::*;
use proptest::sample::select;
use support::world::Fault;

/// How many users there are.
pub(super) const USERS: usize = 3;
/// How many workers there are.
pub(super) const WORKERS: usize = 2;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A user's command.
    Do(usize, Command),
    /// Two of them at the same time.
    Race((usize, Command), (usize, Command)),
    /// Something happens to a user's session in WAHA.
    Befall(usize, Event),
    /// WAHA reports the session's status, or one that it had so many seconds ago.
    Report(usize, Option<(i64, &'static str)>),
    /// The next call of WAHA goes wrong.
    GoWrong(Fault),
    /// A worker is cut off, or back.
    Reach(usize, bool),
    /// A worker's process starts again.
    Reboot(usize),
    /// An operator drains a worker, or activates it again.
    Drain(usize, bool),
    /// An operator removes a worker by mistake, and activates it again.
    Remove(usize),
    /// Seconds pass.
    Wait(u64),
    /// What is done of itself every half minute.
    Reconcile,
    /// Our own process starts again.
    Restart,
}

/// What a user can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Connect,
    Logout,
    Restart,
    Look,
}

/// What can happen to a session without us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The user's phone scans the code; with another phone, if said.
    Scan(bool),
    Unlink,
    Fail,
    Drop,
    Stop,
    Lose,
}

/// Any step; what users do often is frequent.
pub(super) fn step() -> impl Strategy<Value = Step> {
    let (user, worker) = (0..USERS, 0..WORKERS);
    let reported = prop_oneof![
        2 => Just(None),
        1 => (0..5_i64, select(vec!["WORKING", "STARTING", "FAILED", "STOPPED", "SCAN_QR_CODE", "HIBERNATING"]))
            .prop_map(Some),
    ];
    prop_oneof![
        12 => (user.clone(), command()).prop_map(|(user, command)| Step::Do(user, command)),
        2 => ((user.clone(), command()), (user.clone(), command())).prop_map(|(one, other)| Step::Race(one, other)),
        8 => (user.clone(), event()).prop_map(|(user, event)| Step::Befall(user, event)),
        3 => (user, reported).prop_map(|(user, told)| Step::Report(user, told)),
        3 => select(vec![Fault::Unreachable, Fault::LostQuestion, Fault::LostAnswer]).prop_map(Step::GoWrong),
        1 => (worker.clone(), any::<bool>()).prop_map(|(worker, up)| Step::Reach(worker, up)),
        1 => worker.clone().prop_map(Step::Reboot),
        2 => (worker.clone(), any::<bool>()).prop_map(|(worker, drain)| Step::Drain(worker, drain)),
        1 => worker.prop_map(Step::Remove),
        6 => select(vec![1_u64, 3, 10, 45, 200, 1000]).prop_map(Step::Wait),
        4 => Just(Step::Reconcile),
        1 => Just(Step::Restart),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        5 => Just(Command::Connect),
        2 => Just(Command::Logout),
        1 => Just(Command::Restart),
        4 => Just(Command::Look),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => any::<bool>().prop_map(Event::Scan),
        1 => Just(Event::Unlink),
        2 => Just(Event::Fail),
        2 => Just(Event::Drop),
        1 => Just(Event::Stop),
        1 => Just(Event::Lose),
    ]
}
