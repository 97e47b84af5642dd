//! What procedures take: input types declared field by field, checked by zod's rules.

mod fields;
mod issue;
mod schema;
mod value;

pub use fields::{Field, Fields, Input};
pub use issue::{Issue, Problem};
pub use schema::{Boolean, Defaulted, Form, Integer, Optional, Parsed, Schema, Text, boolean, integer, string};
pub use value::Value;
