//! Everything that is tested across crates, in one binary.

// `cfg(test)` goes without saying here; said, it tells clippy that an `unwrap` below is an assertion.
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod model;
#[cfg(test)]
mod user_api;
