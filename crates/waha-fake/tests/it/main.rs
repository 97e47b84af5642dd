//! The fake as a client sees it.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on, its helpers too")]

mod faults;
mod lifecycle;
mod lists;
mod openapi;
mod pairing;
mod sessions;
mod support;
mod webhooks;
