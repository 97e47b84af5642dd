//! The fuzz targets, each for minutes and led by what it reaches: see `tests/fuzz/README.md`.

use std::path::Path;

use crate::{Failure, cargo_command, root, run, target};

const TARGETS: [&str; 8] = ["config", "cursor", "phone", "snapshot", "superjson", "trpc", "waha", "webhook"];

/// What has targets.
const TESTS: [&str; 9] = [
    "--package",
    "switchboard-domain",
    "--package",
    "switchboard-waha-adapter",
    "--package",
    "switchboard-http",
    "--lib",
    "--bin",
    "switchboard",
];

const USAGE: &str = "cargo xtask fuzz -- [--minutes N] [--target NAME]";

/// How long each target is fuzzed, if nothing else is said.
const MINUTES: &str = "10";

/// Runs one target, or all of them one after the other.
///
/// # Errors
/// If something was found.
pub(crate) fn fuzz(arguments: &[String]) -> Result<(), Failure> {
    let (mut minutes, mut only) = (MINUTES, None);
    let (pairs, rest) = arguments.as_chunks();
    for [option, value] in pairs {
        match option.as_str() {
            "--minutes" if value.parse::<f64>().is_ok_and(|minutes| minutes > 0.0) => minutes = value,
            "--target" if TARGETS.contains(&value.as_str()) => only = Some(value),
            _ => return Err(usage()),
        }
    }
    if !rest.is_empty() {
        return Err(usage());
    }
    let mut tests = cargo_command(&["test", "--locked"]);
    tests.args(TESTS).args(["--", "fuzzed::", "--nocapture", "--test-threads", "1"]);
    // Where the compiler cannot have branches counted, inputs are made without being led.
    if cfg!(target_os = "linux") {
        tests.env("RUSTC_WORKSPACE_WRAPPER", absolute(&root().join("tests/fuzz/instrumented.sh"))?);
    }
    tests.env("SWITCHBOARD_FUZZ_MINUTES", minutes).env("SWITCHBOARD_FUZZ_FOLDER", target()?.join("fuzz"));
    if let Some(only) = only {
        tests.env("SWITCHBOARD_FUZZ_TARGET", only);
    }
    run(&mut tests)
}

fn absolute(path: &Path) -> Result<std::path::PathBuf, Failure> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

fn usage() -> Failure {
    format!("{USAGE}\n\ntargets: {}", TARGETS.join(", "))
}
