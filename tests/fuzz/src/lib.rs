//! Feeds a function inputs that nobody thought of: a few thousand, always the same, as part of the tests; as many as fit
//! into some minutes, led by the branches that they reach, when `cargo xtask fuzz` says so.

mod coverage;
mod fuzzer;
mod mutate;
mod outcome;

pub use fuzzer::Target;
