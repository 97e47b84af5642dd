//! The TypeScript types of the router, which `crates/http/client` is published with.

use std::path::Path;

use switchboard_http::trpc::{Kind, user};
use switchboard_http::typescript;

#[test]
fn the_types_that_are_kept_are_those_of_the_router() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/http/client/app-router.d.ts");
    let kept = std::fs::read_to_string(kept).unwrap_or_default();
    assert!(kept == typescript(), "client/app-router.d.ts is not up to date: run `cargo xtask codegen`");
}

#[test]
fn every_procedure_has_a_type_that_says_what_it_takes_and_answers() {
    let types = typescript();
    for call in user::router().procedures() {
        let kind = match call.kind {
            Kind::Query => "Query",
            Kind::Mutation => "Mutation",
            Kind::Subscription => "Subscription",
        };
        let name = call.path.strip_prefix("user.").unwrap();
        assert!(types.contains(&format!(" */\n    {name}: {kind}<")), "{name} is there, with a comment");
    }
    let vague = types.lines().filter(|line| line.contains("unknown") && !line.contains("void, unknown>"));
    assert_eq!(vague.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn what_a_call_may_be_refused_for_is_named() {
    let types = typescript();
    let reasons = types.lines().find(|line| line.starts_with("export type ErrorReason = ")).unwrap();
    for reason in ["not_paired", "already_connected", "scope", "cross_site", "too_many_streams", "waha_timeout"] {
        assert!(reasons.contains(&format!("'{reason}' | ")), "{reason}");
    }
    assert!(!reasons.contains("malformed_body"), "what only REST says is not there");
}
