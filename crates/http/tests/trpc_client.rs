//! The real `@trpc/client` against `switchboard demo`. What is tested stands in `tests/trpc-client`.

use std::fs::{self, File};
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The versions of Node that have all that the tests use.
const NODE: u32 = 20;

#[test]
fn the_real_trpc_clients_find_every_procedure_as_documented() {
    if let Err(missing) = node_and_npm() {
        let required = std::env::var("SWITCHBOARD_REQUIRE_NODE").is_ok_and(|value| value == "1");
        assert!(!required, "{missing}, but SWITCHBOARD_REQUIRE_NODE=1");
        // Not `eprintln!`, which a passing test does not show.
        let _ = writeln!(io::stderr(), "LEFT OUT: {missing}, so the real @trpc/client was not tried");
        return;
    }
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/trpc-client");
    install(&suite);
    let demo = Demo::start();

    let (status, output) = run(
        Command::new("npm")
            .args(["test", "--silent"])
            .current_dir(&suite)
            .env("SWITCHBOARD_URL", format!("http://{}", demo.address))
            .env("WAHA_FAKE_URL", &demo.waha),
        Duration::from_mins(5),
    );

    assert!(status.success(), "{output}\nThe demo says:\n{}", demo.log());
    assert!(passed(&output) > 0, "no test was run:\n{output}");
    println!("{output}");
}

/// How many tests node says have passed.
fn passed(output: &str) -> u32 {
    let count = |line: &str| line.split_once("pass ")?.1.trim().parse().ok();
    output.lines().rev().find_map(count).unwrap_or(0)
}

/// Whether there is a recent enough Node, with npm; or what is missing.
fn node_and_npm() -> Result<(), String> {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().trim_start_matches('v').to_owned())
    };
    let node = version("node").ok_or_else(|| format!("there is no node (this needs {NODE} or later)"))?;
    let major = node.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE) {
        return Err(format!("node is {node} (this needs {NODE} or later)"));
    }
    version("npm").map(drop).ok_or_else(|| "there is no npm".to_owned())
}

/// Installs the packages that the lockfile names, unless they are there.
fn install(suite: &Path) {
    let (wanted, installed) = (suite.join("package-lock.json"), suite.join("node_modules/installed-lock.json"));
    let lock = fs::read(&wanted).expect("the suite has a lockfile");
    if fs::read(&installed).is_ok_and(|installed| installed == lock) {
        return;
    }
    let (status, output) = run(Command::new("npm").arg("ci").current_dir(suite), Duration::from_mins(5));
    assert!(status.success(), "npm ci failed, without which the real @trpc/client cannot be tried:\n{output}");
    // Written last: what broke off half-way is installed anew.
    fs::write(&installed, &lock).expect("node_modules can be written");
}

/// Runs a command to its end and returns all it printed.
fn run(command: &mut Command, patience: Duration) -> (ExitStatus, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("output");
    let file = File::create(&path).expect("a file for the output");
    let errors = file.try_clone().expect("the same file twice");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = poll(patience, || child.try_wait().expect("the child's status"));
    let output = String::from_utf8_lossy(&fs::read(&path).expect("the output")).into_owned();
    if let Some(status) = status {
        return (status, output);
    }
    end(&mut child);
    panic!("{command:?} did not end within {patience:?}:\n{output}")
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

/// A running demo; ended when dropped.
struct Demo {
    address: SocketAddr,
    waha: String,
    process: Child,
    folder: TempDir,
}

impl Demo {
    /// Long enough for a busy machine.
    const PATIENCE: Duration = Duration::from_mins(1);

    fn start() -> Self {
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

    /// Starts a demo on a free port and waits until it answers; or returns its log.
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

    fn log(&self) -> String {
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
