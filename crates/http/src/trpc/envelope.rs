//! The `{"result":…}` and `{"error":…}` around what a call answers.

use super::error::Shape;
use super::output::Data;
use super::{Error, Transformer, superjson};

/// What one call came to.
pub(super) type Outcome = Result<Data, Error>;

/// The element of one call, as it stands in a batch or alone.
pub(super) fn element(outcome: &Outcome, path: &str, transformer: Transformer) -> String {
    match outcome {
        Ok(data) => result(data, transformer),
        Err(error) => failure(&error.shape(Some(path)), transformer),
    }
}

/// The error of a request as a whole, which belongs to no call.
pub(super) fn request_error(error: &Error, transformer: Transformer) -> String {
    failure(&error.shape(None), transformer)
}

/// The data of an event, appended.
pub(super) fn write_data(out: &mut String, data: &Data, transformer: Transformer) {
    match (data, transformer) {
        (Data::Json { text, .. }, Transformer::Plain) => out.push_str(text),
        (Data::Json { text, dates }, Transformer::Superjson) => superjson::write(out, text, "", dates),
        (Data::Undefined, Transformer::Superjson) => out.push_str(superjson::UNDEFINED),
        // JSON has no word for it.
        (Data::Undefined, Transformer::Plain) => out.push_str("null"),
    }
}

/// The error that a subscription ends with.
pub(super) fn error(error: &Error, path: &str, transformer: Transformer) -> String {
    bare(&error.shape(Some(path)), transformer)
}

fn result(data: &Data, transformer: Transformer) -> String {
    if let (Data::Undefined, Transformer::Plain) = (data, transformer) {
        return r#"{"result":{}}"#.to_owned();
    }
    let mut out = String::with_capacity(data.len() + 64);
    out.push_str("{\"result\":{\"data\":");
    write_data(&mut out, data, transformer);
    out.push_str("}}");
    out
}

fn failure(shape: &Shape<'_>, transformer: Transformer) -> String {
    format!(r#"{{"error":{}}}"#, bare(shape, transformer))
}

fn bare(shape: &Shape<'_>, transformer: Transformer) -> String {
    let shape = serde_json::to_string(shape).expect("it is made of strings and numbers");
    match transformer {
        Transformer::Plain => shape,
        Transformer::Superjson => format!(r#"{{"json":{shape}}}"#),
    }
}
