//! What the tests share: stores to run on, and what stands in for the world outside.

pub mod app;
pub mod clock;
pub mod crash;
pub mod events;
pub mod guide;
pub mod memory;
pub mod postgres;
pub mod proxy;
pub mod stores;
pub mod web_sessions;
pub mod world;
