//! Tests in JavaScript, with their packages.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::{Demo, end, poll};

/// The versions of Node that have all that the tests use.
const NODE: u32 = 20;

/// Whether there is a recent enough Node, with npm; or what is missing.
pub(crate) fn node_and_npm() -> Result<(), String> {
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

/// A folder of tests in JavaScript.
pub(crate) struct Suite(PathBuf);

impl Suite {
    /// The suite in that folder of the workspace, with the packages that its lockfile names.
    pub(crate) fn installed(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
        let (wanted, installed) = (folder.join("package-lock.json"), folder.join("node_modules/installed-lock.json"));
        let lock = fs::read(&wanted).expect("the suite has a lockfile");
        if fs::read(&installed).is_ok_and(|installed| installed == lock) {
            return Self(folder);
        }
        let (status, output) = run(Command::new("npm").arg("ci").current_dir(&folder), Duration::from_mins(5));
        assert!(status.success(), "npm ci failed, without which {name} cannot be run:\n{output}");
        // Written last: what broke off half-way is installed anew.
        fs::write(&installed, &lock).expect("node_modules can be written");
        Self(folder)
    }

    /// Runs the suite's tests before a demo, of which they are told beside `settings`.
    pub(crate) fn test(&self, demo: &Demo, settings: &[(&str, &str)]) {
        let url = demo.url();
        let demos = [("SWITCHBOARD_URL", &*url), ("WAHA_FAKE_URL", demo.waha())];
        self.test_with(&[&demos, settings].concat(), || format!("\nThe demo says:\n{}", demo.log()));
    }

    /// Runs the suite's tests, which start what they need by themselves. Where they fail, it is said what else is known.
    pub(crate) fn test_with(&self, settings: &[(&str, &str)], known: impl FnOnce() -> String) {
        let (status, output) = run(
            Command::new("npm").args(["test", "--silent"]).current_dir(&self.0).envs(settings.iter().copied()),
            Duration::from_mins(15),
        );

        assert!(status.success(), "{output}{}", known());
        assert!(passed(&output) > 0, "no test was run:\n{output}");
        println!("{output}");
    }
}

/// How many tests node says have passed.
fn passed(output: &str) -> u32 {
    let count = |line: &str| line.split_once("pass ")?.1.trim().parse().ok();
    output.lines().rev().find_map(count).unwrap_or(0)
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
