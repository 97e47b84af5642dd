//! tRPC v11 over HTTP, as the real `@trpc/client` expects it (@trpc/server 11.25.2, recorded).
//!
//! A [`Router`] is a table of typed procedures. [`Router::handle`] turns a [`Request`] into a
//! [`Response`] without knowing any web framework; [`service`] is the adapter for actix.
//!
//! One endpoint serves clients with and without superjson: each call is answered in the
//! [`Transformer`] its input came in. Errors have the form of the T3 stack's error formatter,
//! `data.zodError` included, and never a stack.

mod awaited;
mod code;
mod deadline;
mod envelope;
mod error;
mod handle;
mod input;
mod jsonl;
mod output;
mod pending;
mod procedure;
mod request;
mod response;
mod router;
mod service;
mod sse;
mod superjson;
mod surrogates;
mod waiting;

pub mod user;

pub(crate) use awaited::Awaited;
pub use code::Code;
pub(crate) use deadline::{by, too_long};
pub use error::Error;
pub(crate) use error::ErrorData;
pub use input::{
    Boolean, Defaulted, Field, Fields, Form, Input, Integer, Issue, Optional, Parsed, Problem, Schema, Text, Value,
    boolean, integer, string,
};
pub use output::{Date, DatePaths, Output};
pub use procedure::{Call, Kind, Signature};
pub use request::{BodyError, ConnectionParams, Request};
pub use response::{Body, Response};
pub use router::{Observer, Router};
pub use service::{BODY_LIMIT, service};
pub(crate) use service::{STRANGERS_BODY_LIMIT, WORTH_COMPRESSING, read_body};
pub use sse::{Event, KeepAlive};
pub use superjson::Transformer;
pub use waiting::Exceeded;
pub(crate) use waiting::headers as waiting;
