//! Requests made out of the `OpenAPI` document, by schemathesis.

use std::path::Path;
use std::process::Command;

use crate::{Failure, cargo, root, run, target};

const SUITE: &str = "tests/fuzz-api";

/// Fuzzes a server of its own; `arguments` are schemathesis'.
///
/// # Errors
/// If something was found, or there is no Python.
pub(crate) fn fuzz(arguments: &[String]) -> Result<(), Failure> {
    let target = target()?;
    let folder = target.join("fuzz-api");
    let programs = folder.join("venv/bin");
    install(&folder, &programs)?;
    cargo(&["build", "--locked", "--package", "switchboard-http", "--package", "switchboard-waha-fake"])?;
    let mut fuzzer = Command::new(programs.join("python"));
    fuzzer.arg(root().join(SUITE).join("fuzz.py"));
    fuzzer.args(["switchboard", "switchboard-waha-fake"].map(|program| target.join("debug").join(program)));
    fuzzer.arg(programs.join("schemathesis")).arg(&folder).args(arguments);
    run(&mut fuzzer)
}

/// Installs the packages, unless they are what is asked for.
fn install(folder: &Path, programs: &Path) -> Result<(), Failure> {
    let (wanted, installed) = (root().join(SUITE).join("requirements.txt"), folder.join("venv/installed.txt"));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    if !read(&wanted).is_empty() && read(&wanted) == read(&installed) {
        return Ok(());
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))
        .map_err(|failure| format!("{failure}\nFuzzing needs Python 3.10 or later, with venv"))?;
    run(Command::new(programs.join("python")).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&wanted))?;
    // Last: what broke off half-way is installed anew.
    std::fs::copy(&wanted, &installed).map(drop).map_err(|error| format!("{}: {error}", installed.display()))
}
