//! The real `@trpc/client` before `switchboard demo`, and before a `serve` that goes and comes back. What is tested stands
//! in `tests/trpc-client`.

mod support;

use support::{Demo, Suite, leave_out, node_and_npm};
use switchboard_waha_fake::Options;

#[test]
fn the_real_trpc_clients_find_every_procedure_as_documented() {
    if let Err(missing) = node_and_npm() {
        return leave_out(&missing, "SWITCHBOARD_REQUIRE_NODE", "the real @trpc/client was not tried");
    }
    let suite = Suite::installed("trpc-client");
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
