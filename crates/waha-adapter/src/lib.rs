//! The ports `WhatsAppGateway`, on WAHA's REST API, and `WebhookReader`, on its webhooks.

mod arriving;
mod body;
mod breaker;
mod bulkhead;
mod call;
mod client;
mod config;
mod failure;
mod gate;
mod gateway;
mod health;
mod loose;
mod normalise;
mod qr;
mod refusal;
mod subscription;
mod webhook;
mod wire;
mod worker;

pub use config::{BreakerConfig, ClientConfig, Deadlines, Limits, Places, WebhookConfig, WorkerConfig};
pub use gateway::{SetupError, WahaGateway};
pub use webhook::WahaWebhooks;
