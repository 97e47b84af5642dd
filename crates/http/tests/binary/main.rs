//! The `switchboard` binary, as it is run.

// `cfg(test)` goes without saying here; said, it tells clippy that an `unwrap` below is an assertion.
#[cfg(test)]
mod commands;
#[cfg(test)]
mod two_servers;
