//! The port `WhatsAppGateway` on WAHA's REST API.

mod body;
mod client;
mod config;
mod failure;
mod gateway;
mod loose;
mod normalise;
mod qr;
mod refusal;
mod wire;
mod worker;

pub use config::{ClientConfig, Deadlines, Limits, WebhookConfig, WorkerConfig};
pub use gateway::{SetupError, WahaGateway};
