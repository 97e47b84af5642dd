//! What the tests in JavaScript have in common: a demo to talk to, and packages from npm.

mod demo;
mod npm;

use std::io::{self, Write as _};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use self::demo::Demo;
pub(crate) use self::npm::{Suite, node_and_npm};

/// Says that a test is left out because something is missing, unless the variable says that it is required.
pub(crate) fn leave_out(missing: &str, variable: &str, what: &str) {
    let required = std::env::var(variable).is_ok_and(|value| value == "1");
    assert!(!required, "{missing}, but {variable}=1");
    // Not `eprintln!`, which a passing test does not show.
    let _ = writeln!(io::stderr(), "LEFT OUT: {missing}, so {what}");
}

/// Asks again until there is an answer, or no patience left.
fn poll<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}
