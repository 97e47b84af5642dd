//! The input of a call once its transformer is undone.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// A JavaScript value that came as input. Unlike JSON it knows `undefined`, numbers that are not
/// finite, and dates, since superjson can carry them and zod names them in its messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `undefined`: not sent at all, or sent as such by superjson.
    Undefined,
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number, with JavaScript's precision.
    Number(f64),
    /// A string.
    String(String),
    /// A `Date`. No procedure takes one, so it is only told apart.
    Date,
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// zod's word for what was received.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Number(number) if number.is_nan() => "NaN",
            Self::Number(f64::INFINITY) => "Infinity",
            Self::Number(f64::NEG_INFINITY) => "-Infinity",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Date => "Date",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(boolean) => Self::Boolean(boolean),
            Json::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::String(text),
            Json::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Json::Object(fields) => Self::Object(fields.into_iter().map(|(key, value)| (key, value.into())).collect()),
        }
    }
}
