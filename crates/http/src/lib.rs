//! Switchboard's HTTP API: the use cases behind tRPC and REST, and who may use them.

mod auth;
mod error;
mod front;
mod health;
mod limits;
mod live;
mod problem;
mod rest;
mod routes;
mod schema;
mod state;
mod telemetry;
mod typescript;
mod ui;
mod webhooks;

pub mod trpc;

pub use auth::{
    CookieForm, CookieRules, Jwks, KeySource, KeysOutOfReach, NoUsableKey, NotSignedIn, Principal, Secret, ShortSecret,
    SignIn, TokenKey, TokenRules, Tokens, allows,
};
pub use front::{Front, URL_LIMIT};
pub use health::DatabaseHealth;
pub use limits::{Limits, Quotas};
pub use live::Live;
pub use rest::openapi;
pub use routes::routes;
pub use schema::JsonSchema;
pub use state::State;
pub use switchboard_domain::Scope;
pub use telemetry::{ContinueTrace, Incoming, MetricsAccess, RequestId, TRACED, Telemetry, TelemetryOptions};
pub use typescript::typescript;
pub use ui::Page;
pub use webhooks::WEBHOOKS_PATH;
