//! The demo under test.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{end, poll};

/// A running demo; ended when dropped.
pub(crate) struct Demo {
    address: SocketAddr,
    waha: String,
    process: Child,
    folder: TempDir,
}

impl Demo {
    /// Long enough for a busy machine.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// A demo whose phone scans only when told to.
    pub(crate) fn start() -> Self {
        /// Somebody may take the free port before the demo does.
        const TRIES: usize = 3;
        let mut log = String::new();
        for _ in 0..TRIES {
            match Self::try_start() {
                Ok(demo) => return demo,
                Err(said) => log = said,
            }
        }
        panic!("the demo does not start:\n{log}")
    }

    /// Starts it on a free port and waits until it answers; or returns its log.
    fn try_start() -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let mut process = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args(["demo", "--engine", "NOWEB", "--groups", "40", "--contacts", "500", "--scan-after", "never"])
            .args(["--bind", &address.to_string()])
            // Its own temporary files go with ours, however it ends.
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log_in(&folder)).expect("a file for the log"))
            .spawn()
            .expect("cargo has built the demo");
        let stdout = process.stdout.take().expect("it is piped");
        let mut demo = Self { address, waha: String::new(), process, folder };
        demo.waha = demo.wait(BufReader::new(stdout)).ok_or_else(|| demo.log())?;
        Ok(demo)
    }

    /// Where its fake WAHA is, once it says so and answers.
    fn wait(&mut self, stdout: impl io::BufRead + Send + 'static) -> Option<String> {
        let (sender, lines) = mpsc::channel();
        // Reads on after the line, so that the demo can always write.
        thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let line = lines.recv_timeout(Self::PATIENCE).ok()?;
        let waha = line.split_once("(the fake WAHA is at ")?.1.strip_suffix(')')?.to_owned();
        let ready = poll(Self::PATIENCE, || {
            let answers = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok();
            // Last, since what answers may be whoever took the port from it.
            let ended = matches!(self.process.try_wait(), Ok(Some(_)));
            (ended || answers).then_some(!ended)
        });
        ready.unwrap_or(false).then_some(waha)
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its fake WAHA answers.
    pub(crate) fn waha(&self) -> &str {
        &self.waha
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(log_in(&self.folder)).unwrap_or_default()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn log_in(folder: &TempDir) -> PathBuf {
    folder.path().join("demo.log")
}
