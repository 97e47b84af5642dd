//! The page in a real browser, before `switchboard demo` and `switchboard serve`. What is tested stands in `tests/e2e`.

mod support;

use std::env;
use std::path::{Path, PathBuf};

use support::{Demo, Suite, leave_out, node_and_npm};
use switchboard_waha_fake::Options;

/// How much faster than a real WAHA that of `serve` is: a QR code lives for 15 s, the next ones for 5.
const HURRY: f64 = 4.0;

#[test]
fn people_connect_look_around_and_log_out_with_a_browser() {
    let chromium = match (chromium(), node_and_npm()) {
        (Some(chromium), Ok(())) => chromium,
        (None, _) => return left_out("there is no chromium"),
        (_, Err(missing)) => return left_out(&missing),
    };
    let suite = Suite::installed("tests/e2e");
    // The example is built with the packages of its own folder.
    Suite::installed("crates/http/client");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("client/example/serve.mjs");
    let demo = Demo::start();
    // For the tests that stop and start a server: its sessions have to live on meanwhile.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let options = Options { time_scale: HURRY, ..Options::default() };
    let waha = runtime.block_on(switchboard_waha_fake::start(options)).expect("a fake WAHA");
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");

    suite.test(
        &demo,
        &[
            ("CHROMIUM", &chromium.to_string_lossy()),
            ("SCREENSHOTS", &screenshots.to_string_lossy()),
            ("SWITCHBOARD", env!("CARGO_BIN_EXE_switchboard")),
            ("SERVED_WAHA_URL", &waha.url()),
            ("SERVED_WAHA_KEY", waha.api_key()),
            ("EXAMPLE", &example.to_string_lossy()),
        ],
    );
    println!("The screenshots are in {}", screenshots.display());
}

fn left_out(missing: &str) {
    leave_out(missing, "SWITCHBOARD_REQUIRE_BROWSER", "the page was not tried");
}

/// The browser that `SWITCHBOARD_CHROMIUM` names, or one on the PATH.
fn chromium() -> Option<PathBuf> {
    let named = env::var_os("SWITCHBOARD_CHROMIUM").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut installed = env::split_paths(&path).map(|folder| folder.join("chromium"));
    named.or_else(|| installed.find(|program| program.is_file()))
}
