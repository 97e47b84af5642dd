//! What is wrong with an input, in the form and words of zod 4.

use std::fmt;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// One thing wrong with an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    /// The field, or `None` for the input as a whole.
    pub field: Option<&'static str>,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a value. Displays as zod 4's message.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// Another type than expected; missing is `undefined`.
    Type {
        /// The type the schema asks for.
        expected: &'static str,
        /// The type that came.
        received: &'static str,
    },
    /// A number with a fraction where a whole one is needed.
    NotWhole,
    /// A number below the least one allowed.
    NumberTooSmall {
        /// The least one allowed.
        minimum: u32,
    },
    /// A string with fewer characters than allowed.
    StringTooShort {
        /// The fewest allowed.
        minimum: usize,
    },
    /// A rule of ours, as zod's `refine`.
    Custom {
        /// What the caller reads.
        message: String,
    },
}

impl Problem {
    /// A broken rule of ours.
    pub fn custom(message: impl fmt::Display) -> Self {
        Self::Custom { message: message.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { expected, received } => {
                write!(f, "Invalid input: expected {expected}, received {received}")
            }
            Self::NotWhole => f.write_str("Invalid input: expected int, received number"),
            Self::NumberTooSmall { minimum } => {
                write!(f, "Too small: expected number to be >={minimum}")
            }
            Self::StringTooShort { minimum } => {
                write!(f, "Too small: expected string to have >={minimum} characters")
            }
            Self::Custom { message } => f.write_str(message),
        }
    }
}

/// Keys in zod's order, since the list becomes the text of the error message.
impl Serialize for Issue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.problem {
            Problem::Type { expected, received } => {
                map.serialize_entry("expected", expected)?;
                map.serialize_entry("code", "invalid_type")?;
                // zod says so only where a number was expected and something numeric came.
                if *expected == "number" && matches!(*received, "NaN" | "Infinity" | "-Infinity") {
                    map.serialize_entry("received", received)?;
                }
            }
            Problem::NotWhole => {
                map.serialize_entry("expected", "int")?;
                map.serialize_entry("format", "safeint")?;
                map.serialize_entry("code", "invalid_type")?;
            }
            Problem::NumberTooSmall { minimum } => {
                map.serialize_entry("origin", "number")?;
                map.serialize_entry("code", "too_small")?;
                map.serialize_entry("minimum", minimum)?;
                map.serialize_entry("inclusive", &true)?;
            }
            Problem::StringTooShort { minimum } => {
                map.serialize_entry("origin", "string")?;
                map.serialize_entry("code", "too_small")?;
                map.serialize_entry("minimum", minimum)?;
                map.serialize_entry("inclusive", &true)?;
            }
            Problem::Custom { .. } => map.serialize_entry("code", "custom")?,
        }
        map.serialize_entry("path", &Path(self.field))?;
        map.serialize_entry("message", &self.problem.to_string())?;
        map.end()
    }
}

struct Path(Option<&'static str>);

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut path = serializer.serialize_seq(Some(usize::from(self.0.is_some())))?;
        if let Some(field) = self.0 {
            path.serialize_element(field)?;
        }
        path.end()
    }
}
