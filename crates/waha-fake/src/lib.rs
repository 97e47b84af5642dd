//! A WAHA on a port: the WhatsApp HTTP API as real servers answered it, traps included, with no WhatsApp behind it.
//!
//! [`start`] serves it in the background; the returned [`FakeWaha`] plays the phone and the accidents.

mod account;
mod api;
mod call;
mod clock;
mod config;
mod control;
mod error;
mod event;
mod fault;
mod http;
mod ids;
mod lifecycle;
mod names;
mod options;
mod phone;
mod qr;
mod query;
mod route;
mod scenario;
mod server;
mod session;
mod shape;
mod version;
mod webhook;

pub use call::Call;
pub use fault::{Fault, FaultAction};
pub use options::{Engine, Options};
pub use scenario::{FakeWaha, start};
pub use session::{Me, SessionView};
