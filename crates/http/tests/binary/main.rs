//! The `switchboard` binary, as it is run.

// `cfg(test)` goes without saying here; said, it tells clippy that an `unwrap` below is an assertion.
#[cfg(test)]
mod collector;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod jwks_file;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod load;
#[cfg(test)]
mod pg_faults;
#[cfg(test)]
mod redaction;
#[cfg(test)]
mod server;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod sigterm;
#[cfg(test)]
mod sqlite_faults;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod two_servers;
#[cfg(test)]
mod users;
#[cfg(test)]
mod web_sessions;
#[cfg(test)]
mod wire;
mod workers;
