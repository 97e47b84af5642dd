//! The gateway against a scripted server, a hostile one, and the fake WAHA.

#![expect(clippy::unwrap_used, reason = "a program of tests")]

mod against_the_fake;
mod answers;
mod health;
mod hostile;
mod left_alone;
mod places;
mod redaction;
mod renewal;
mod repeats;
mod requests;
mod support;
