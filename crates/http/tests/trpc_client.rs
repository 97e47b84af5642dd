//! Packages that front-ends use, from npm, before a server: what is tested stands in `tests/trpc-client`, where the real
//! `@trpc/client` is before `switchboard demo` and before a `serve` that goes and comes back, and in `tests/better-auth`,
//! where the real better-auth makes the cookies. Our own package, `crates/http/client`, has its tests with it.

mod support;

use support::{Demo, Suite, leave_out, node_and_npm};
use switchboard_waha_fake::Options;

#[test]
fn the_real_trpc_clients_find_every_procedure_as_documented() {
    if let Err(missing) = node_and_npm() {
        return leave_out(&missing, "SWITCHBOARD_REQUIRE_NODE", "the real @trpc/client was not tried");
    }
    let suite = Suite::installed("tests/trpc-client");
    let demo = Demo::start();
    // For the servers that the suite starts and ends by itself.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let waha = runtime.block_on(switchboard_waha_fake::start(Options::default())).expect("a fake WAHA");
    suite.test(
        &demo,
        &[
            ("SWITCHBOARD_BIN", env!("CARGO_BIN_EXE_switchboard")),
            ("SERVE_WAHA_URL", &waha.url()),
            ("SERVE_WAHA_KEY", waha.api_key()),
        ],
    );
}

#[test]
fn the_package_for_front_ends_does_what_its_types_say() {
    if let Err(missing) = node_and_npm() {
        return leave_out(&missing, "SWITCHBOARD_REQUIRE_NODE", "the package for front-ends was not tried");
    }
    Suite::installed("crates/http/client").test(&Demo::start(), &[]);
}

#[test]
fn the_cookies_and_tokens_of_the_real_better_auth_sign_its_users_in() {
    if let Err(missing) = node_and_npm() {
        return leave_out(&missing, "SWITCHBOARD_REQUIRE_NODE", "the real better-auth was not tried");
    }
    // The test crate's, which has the name that this one's module has.
    let Some(cluster) = ::support::postgres::cluster() else { return };
    let suite = Suite::installed("tests/better-auth");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let database = runtime.block_on(cluster.empty_database());
    let waha = runtime.block_on(switchboard_waha_fake::start(Options::default())).expect("a fake WAHA");
    let folder = tempfile::tempdir().expect("a temporary folder");
    // As they stand in the guide: what is the test's own comes from the environment.
    let guide = ["better-auth, with its cookie", "better-auth, with tokens"].map(::support::guide::sign_in).concat();
    let config = folder.path().join("switchboard.toml");
    std::fs::write(&config, guide).expect("a file");
    suite.test_with(
        &[
            ("SWITCHBOARD_BIN", env!("CARGO_BIN_EXE_switchboard")),
            ("SWITCHBOARD_CONFIG", config.to_str().expect("a path")),
            ("SERVE_WAHA_URL", &waha.url()),
            ("SERVE_WAHA_KEY", waha.api_key()),
            ("DATABASE_URL", &database),
        ],
        String::new,
    );
}
