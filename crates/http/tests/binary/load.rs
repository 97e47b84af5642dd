//! Users who all do something all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard_waha_fake::FakeWaha;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::server::Server;

/// A load, until it is stopped.
pub(crate) struct Load {
    users: JoinSet<()>,
    seen: Arc<Seen>,
    done: Arc<AtomicBool>,
}

/// What was answered.
#[derive(Default)]
pub(crate) struct Seen {
    answers: Mutex<Vec<Answered>>,
}

struct Answered {
    procedure: &'static str,
    /// `200`, or a status and a reason.
    what: String,
    took: Duration,
    at: Instant,
}

const READS: [&str; 3] = ["user.getSessionStatus", "user.getWhatsAppSession", "user.getWhatsAppGroups"];

impl Load {
    /// Users who read their lists and connect, which changes nothing for them, and others who connect and log out.
    pub(crate) fn start(server: &Arc<Server>, steady: &[(String, String)], restless: &[(String, String)]) -> Self {
        let (mut users, seen, done) = (JoinSet::new(), Arc::<Seen>::default(), Arc::<AtomicBool>::default());
        let changes: [&[&str]; 2] =
            [&["user.initiateWhatsAppSession"], &["user.initiateWhatsAppSession", "user.logoutSession"]];
        for (all, changes) in [steady, restless].into_iter().zip(changes) {
            for (user, name) in all {
                let (user, name) = (user.clone(), name.clone());
                let (server, seen, done) = (Arc::clone(server), Arc::clone(&seen), Arc::clone(&done));
                let mut procedures = Vec::new();
                for change in changes {
                    procedures.extend([&READS[..], &[*change]].concat());
                }
                users.spawn(async move {
                    for procedure in procedures.into_iter().cycle() {
                        if done.load(Ordering::SeqCst) {
                            return;
                        }
                        seen.ask(&server, &user, &name, procedure).await;
                        sleep(Duration::from_millis(10)).await;
                    }
                });
            }
        }
        Self { users, seen, done }
    }

    /// What was answered until now.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Waits for everybody's last answer.
    pub(crate) async fn stop(mut self) -> Arc<Seen> {
        self.done.store(true, Ordering::SeqCst);
        while let Some(user) = self.users.join_next().await {
            user.unwrap();
        }
        self.seen
    }
}

impl Seen {
    async fn ask(&self, server: &Server, user: &str, name: &str, procedure: &'static str) {
        let began = Instant::now();
        let has_input = !matches!(procedure, "user.getWhatsAppSession" | "user.initiateWhatsAppSession");
        let input = if has_input { json!({ "sessionName": name }) } else { Value::Null };
        let answer = server.ask(user, procedure, input).await;
        let reason = answer.error().1;
        let what = format!("{} {reason}", answer.status).trim_end().to_owned();
        self.answers.lock().unwrap().push(Answered { procedure, what, took: began.elapsed(), at: Instant::now() });
    }

    /// How many answers were of that kind, since then.
    pub(crate) fn count(&self, what: &str, since: Instant) -> usize {
        self.answers.lock().unwrap().iter().filter(|answer| answer.at >= since && answer.what == what).count()
    }

    /// The slowest answer of all.
    pub(crate) fn slowest(&self) -> (&'static str, Duration) {
        let answers = self.answers.lock().unwrap();
        answers.iter().map(|answer| (answer.procedure, answer.took)).max_by_key(|(_, took)| *took).unwrap()
    }

    /// What was answered that none of `expected` is.
    pub(crate) fn others(&self, expected: &[&str]) -> BTreeSet<(&'static str, String)> {
        let answers = self.answers.lock().unwrap();
        let others = answers.iter().filter(|answer| !expected.contains(&&*answer.what));
        others.map(|answer| (answer.procedure, answer.what.clone())).collect()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = BTreeMap::<String, (usize, Duration)>::new();
        for answer in &*self.answers.lock().unwrap() {
            let (count, slowest) = counts.entry(answer.what.clone()).or_default();
            (*count, *slowest) = (*count + 1, (*slowest).max(answer.took));
        }
        for (what, (count, slowest)) in counts {
            write!(f, "{count} × {what} (≤ {} ms); ", slowest.as_millis())?;
        }
        Ok(())
    }
}

/// Has everybody connect and then log out: whatever happened before, each has one row and one session then, and none.
pub(crate) async fn everybody_comes_and_goes(server: &Server, waha: &FakeWaha, users: &[(String, String)]) {
    for (user, name) in users {
        assert_eq!(server.connect(user).await, *name);
    }
    let running: BTreeSet<_> = waha.sessions().into_iter().map(|session| session.name).collect();
    assert_eq!(running, users.iter().map(|(_, name)| name.clone()).collect(), "each has a session, and nobody another");
    for (user, name) in users {
        let answer = server.ask(user, "user.logoutSession", json!({ "sessionName": name })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(waha.sessions().len(), 0);
}
