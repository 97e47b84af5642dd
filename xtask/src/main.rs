//! What CI runs, runnable at home: `cargo xtask ci`, `test`, `e2e`, `bench`, `simulate`, `demo`, `codegen`, `fuzz`, `fuzz-api`.

mod apt;
mod chromium;
mod codegen;
mod fuzz;
mod fuzz_api;
mod postgres;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const USAGE: &str = "\
cargo xtask <command>

  ci      everything CI checks: form, lints, documentation, a crate outside of the workspace, tests on both databases
  test    every test, with a throwaway PostgreSQL and the real tRPC clients and a browser
  e2e     the tests of the page in a browser, which `test` runs too; with `--pictures`, what they saw becomes docs/images
  bench   what requests cost, beside what they may cost: a few minutes; arguments are passed on (`-- --help`);
          with `-- --soak`, whether memory or open files grow under half an hour of everything at once
  simulate  a hundred thousand sessions on five hundred workers, and what goes wrong with them; arguments are passed on
  codegen  writes what is made out of the code and kept: docs/openapi.json, and the types of crates/http/client; with
           `--check` only says whether they are up to date
  fuzz    inputs that nobody thought of, for whatever reads them: ten minutes each (`-- --minutes N --target NAME`)
  fuzz-api  requests made out of docs/openapi.json, good and bad; arguments are passed on to schemathesis
  demo    the demo, in release mode; arguments are passed on (see `switchboard demo --help`)";

/// Why a task did not succeed, in a person's words.
type Failure = String;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let done = match task.as_deref() {
        Some("ci") => ci(),
        Some("test") => test(&rest),
        Some("e2e") => e2e(rest.iter().any(|argument| argument == "--pictures")),
        Some("bench") => bench(&rest),
        Some("simulate") => simulate(&rest),
        Some("codegen") => codegen::generate(rest.iter().any(|argument| argument == "--check")),
        Some("fuzz") => fuzz::fuzz(passed_on(&rest)),
        Some("fuzz-api") => fuzz_api::fuzz(passed_on(&rest)),
        Some("demo") => demo(&rest),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn ci() -> Result<(), Failure> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--", "-D", "warnings"])?;
    run(cargo_command(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    sibling()?;
    test(&[])
}

/// A crate outside of the workspace builds on `domain` alone, and gets nothing that speaks HTTP or SQL with it.
fn sibling() -> Result<(), Failure> {
    const UNWANTED: [&str; 10] = [
        "actix-http",
        "actix-web",
        "diesel",
        "diesel-async",
        "hyper",
        "libsqlite3-sys",
        "reqwest",
        "rusqlite",
        "sqlx",
        "tokio-postgres",
    ];
    let manifest = root().join("tests/sibling/Cargo.toml");
    let tree = ["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let tree = run_for_output(cargo_command(&tree).arg("--manifest-path").arg(&manifest))?;
    let tree = String::from_utf8_lossy(&tree);
    let name_and_version = |line: &'_ str| line.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    let packages: BTreeSet<_> = tree.lines().map(name_and_version).collect();
    let found: Vec<_> = packages.iter().filter(|package| UNWANTED.contains(&&*package[0])).collect();
    if !found.is_empty() {
        return Err(format!("a service on `domain` alone would have packages for HTTP or SQL: {found:?}"));
    }
    eprintln!("  a service on `domain` alone has {} packages, and none for HTTP or SQL", packages.len());
    let mut tests = cargo_command(&["test", "--locked"]);
    // What both have in common is built once.
    run(tests.arg("--manifest-path").arg(manifest).env("CARGO_TARGET_DIR", target()?))
}

/// Tests that need PostgreSQL, node or a browser are left out where these cannot be had; here they must be had.
fn test(arguments: &[String]) -> Result<(), Failure> {
    postgres::ensure_installed()?;
    chromium::ensure_installed()?;
    let mut tests = cargo_command(&["test", "--workspace", "--locked"]);
    tests.args(arguments);
    for required in ["POSTGRES", "NODE", "BROWSER"] {
        tests.env(format!("SWITCHBOARD_REQUIRE_{required}"), "1");
    }
    run(&mut tests)
}

/// What of the screenshots of the tests is in docs/images, and under which name.
const PICTURES: [(&str, &str); 6] = [
    ("4-account-desktop-light", "page"),
    ("4-account-desktop-dark", "page-dark"),
    ("25-new-code-phone-light", "connect-phone"),
    ("25-new-code-phone-dark", "connect-phone-dark"),
    ("26-pairing-code-phone-light", "pairing-code-phone"),
    ("21-connected-phone-light", "connected-phone"),
];

/// Only the tests of the page, saying where the screenshots are.
fn e2e(keeps_pictures: bool) -> Result<(), Failure> {
    chromium::ensure_installed()?;
    let tests = ["test", "--locked", "--package", "switchboard-http", "--test", "browser", "--", "--nocapture"];
    run(cargo_command(&tests).env("SWITCHBOARD_REQUIRE_BROWSER", "1"))?;
    if keeps_pictures {
        for (seen, kept) in PICTURES {
            let seen = target()?.join("tmp/screenshots").join(seen).with_extension("png");
            let kept = root().join("docs/images").join(kept).with_extension("png");
            fs::copy(&seen, kept).map_err(|error| format!("{}: {error}", seen.display()))?;
        }
    }
    Ok(())
}

/// What is measured is built as people build it, apart from what measures.
fn bench(arguments: &[String]) -> Result<(), Failure> {
    let arguments: Vec<_> = arguments.iter().skip_while(|argument| *argument == "--").collect();
    cargo(&["build", "--release", "--locked", "--package", "switchboard-http", "--package", "switchboard-waha-fake"])?;
    cargo(&["build", "--release", "--locked", "--package", "switchboard-bench"])?;
    let run = ["run", "--release", "--locked", "--package", "switchboard-bench", "--bin", "switchboard-bench", "--"];
    self::run(cargo_command(&run).args(arguments))
}

fn simulate(arguments: &[String]) -> Result<(), Failure> {
    let arguments = arguments.iter().skip_while(|argument| *argument == "--");
    let run = ["run", "--release", "--locked", "--package", "switchboard-tests", "--bin", "switchboard-simulate", "--"];
    self::run(cargo_command(&run).args(arguments))
}

fn demo(arguments: &[String]) -> Result<(), Failure> {
    run(cargo_command(&["run", "--release", "--package", "switchboard-http", "--", "demo"]).args(arguments))
}

fn cargo(arguments: &[&str]) -> Result<(), Failure> {
    run(&mut cargo_command(arguments))
}

fn cargo_command(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments);
    cargo
}

/// What stands behind a `--`, if there is one.
fn passed_on(arguments: &[String]) -> &[String] {
    arguments.strip_prefix(&["--".to_owned()]).unwrap_or(arguments)
}

/// The workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where cargo puts what it builds.
fn target() -> Result<PathBuf, Failure> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    std::path::absolute(&target).map_err(|error| format!("{}: {error}", target.display()))
}

/// Runs a command to its end, saying which and for how long.
fn run(command: &mut Command) -> Result<(), Failure> {
    let (shown, started) = (announced(command), Instant::now());
    let status = command.status().map_err(|error| format!("{shown}: {error}"))?;
    eprintln!("  took {:.0?}", started.elapsed());
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// The same; returns what it printed.
fn run_for_output(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let shown = announced(command);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() { Ok(output.stdout) } else { Err(format!("{shown}: {}", output.status)) }
}

/// Says which command is run.
fn announced(command: &Command) -> String {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let shown = format!("{} {}", program.to_string_lossy(), arguments.join(" "));
    eprintln!("$ {shown}");
    shown
}
