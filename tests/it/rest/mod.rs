//! The REST API, held against the document that describes it.

mod client;
mod described;
mod document;
mod input;
mod refusals;
mod walk;

pub(crate) use self::document::{Answered, Document, Operation};
