//! A process that is told what to do, and where to die.

use std::process::Stdio;
use std::time::Duration;

use support::crash::CrashPoint;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A running `switchboard-crash`.
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// It died in the middle of a command.
#[derive(Debug)]
pub(super) struct Died;

impl Process {
    pub(super) fn start(database: &str, ahead: u64, workers: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard-crash"));
        command.arg(database).arg(ahead.to_string()).args(workers);
        // What it says when it dies as it was told to is no news.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, input, output }
    }

    /// What it answers.
    pub(super) async fn tell(&mut self, command: &str) -> Result<String, Died> {
        let line = format!("{command}\n");
        self.input.write_all(line.as_bytes()).await.map_err(|_| Died)?;
        let answer = timeout(Duration::from_mins(1), self.output.next_line()).await;
        answer.unwrap_or_else(|_| panic!("{command:?} is not answered")).ok().flatten().ok_or(Died)
    }

    /// What it answers to a command that has to succeed.
    pub(super) async fn done(&mut self, command: &str) -> String {
        let answer = self.tell(command).await.unwrap_or_else(|Died| panic!("it died of {command:?}"));
        let done = answer.strip_prefix("ok ").unwrap_or_else(|| panic!("{command:?}: {answer}"));
        done.to_owned()
    }

    /// From now on it dies there; with no point, it keeps a list of the points that it passes.
    pub(super) async fn arm(&mut self, at: Option<&CrashPoint>) {
        self.done(&format!("arm {}", at.map_or_else(|| "nowhere".to_owned(), ToString::to_string))).await;
    }

    /// The points it has passed.
    pub(super) async fn points(&mut self) -> Vec<CrashPoint> {
        let points = self.done("points").await;
        points.split(',').filter(|point| !point.is_empty()).map(|point| point.parse().expect("a point")).collect()
    }

    /// Makes sure that it is gone.
    pub(super) async fn bury(mut self) {
        self.child.kill().await.expect("it can be killed");
    }
}
