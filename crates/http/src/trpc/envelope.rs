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

fn result(data: &Data, transformer: Transformer) -> String {
    let (text, dates) = match data {
        Data::Json { text, dates } => (text, dates),
        Data::Undefined => {
            return match transformer {
                Transformer::Plain => r#"{"result":{}}"#.to_owned(),
                Transformer::Superjson => {
                    format!(r#"{{"result":{{"data":{}}}}}"#, superjson::UNDEFINED)
                }
            };
        }
    };
    let mut out = String::with_capacity(text.len() + 64);
    out.push_str("{\"result\":{\"data\":");
    match transformer {
        Transformer::Plain => out.push_str(text),
        Transformer::Superjson => superjson::write(&mut out, text, "", dates),
    }
    out.push_str("}}");
    out
}

fn failure(shape: &Shape<'_>, transformer: Transformer) -> String {
    let shape = serde_json::to_string(shape).expect("it is made of strings and numbers");
    match transformer {
        Transformer::Plain => format!(r#"{{"error":{shape}}}"#),
        Transformer::Superjson => format!(r#"{{"error":{{"json":{shape}}}}}"#),
    }
}
