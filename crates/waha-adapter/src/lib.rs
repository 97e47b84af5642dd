//! The ports `WhatsAppGateway`, on WAHA's REST API, and `WebhookReader`, on its webhooks.

mod arriving;
mod body;
mod client;
mod config;
mod failure;
mod gateway;
mod loose;
mod normalise;
mod qr;
mod refusal;
mod webhook;
mod wire;
mod worker;

pub use config::{ClientConfig, Deadlines, Limits, WebhookConfig, WorkerConfig};
pub use gateway::{SetupError, WahaGateway};
pub use webhook::WahaWebhooks;
