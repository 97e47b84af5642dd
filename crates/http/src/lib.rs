//! Switchboard's HTTP API: the use cases behind tRPC, and who may use them.

mod auth;
mod error;
mod health;
mod routes;
mod state;
mod webhooks;

pub mod trpc;

pub use auth::{Principal, Secret, ShortSecret, TokenKey, TokenRefused};
pub use routes::routes;
pub use state::State;
pub use webhooks::WEBHOOKS_PATH;
