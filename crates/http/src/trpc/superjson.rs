//! superjson 2, as far as this API needs it: what clients send, and dates in what they get.

use serde_json::{Map, Value as Json};

use super::{Code, Error, Value};

/// How a client has its values carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transformer {
    /// As JSON.
    Plain,
    /// In superjson documents: `{"json":…,"meta":…}`.
    Superjson,
}

impl Transformer {
    /// What an input came in: every input of a superjson client is a document, even `undefined`.
    pub(super) fn of(input: &Json) -> Self {
        match input {
            Json::Object(fields) if fields.contains_key("json") => Self::Superjson,
            _ => Self::Plain,
        }
    }

    /// What an input came in that could not be read to its end, if its beginning tells.
    pub(super) fn of_beginning(input: &[u8], batch: bool) -> Option<Self> {
        // A batch is an object of documents: the first follows its index.
        let after_index = |input: &[u8]| input.iter().position(|byte| *byte == b':').map(|at| at + 1);
        let start = if batch { after_index(input)? } else { 0 };
        input[start..].starts_with(b"{\"json\":").then_some(Self::Superjson)
    }

    /// The value of an input.
    pub(super) fn decode(self, input: Json) -> Result<Value, Error> {
        match (self, input) {
            (Self::Superjson, Json::Object(document)) => decode(document),
            (_, input) => Ok(input.into()),
        }
    }
}

/// Appends the document of a text that is JSON already. `dates` are paths within `json`.
pub(super) fn write(out: &mut String, json: &str, prefix: &str, dates: &[String]) {
    out.push_str("{\"json\":");
    out.push_str(json);
    write_meta(out, prefix, dates);
    out.push('}');
}

/// The document of `undefined`.
pub(super) const UNDEFINED: &str = r#"{"json":null,"meta":{"values":["undefined"],"v":1}}"#;

fn write_meta(out: &mut String, prefix: &str, dates: &[String]) {
    if dates.is_empty() {
        return; // superjson has no `meta` where nothing is announced
    }
    out.push_str(",\"meta\":{\"values\":");
    if prefix.is_empty() && dates.iter().any(String::is_empty) {
        out.push_str("[\"Date\"]"); // the value itself
    } else {
        let mut separator = '{';
        for path in dates {
            let dot = if prefix.is_empty() || path.is_empty() { "" } else { "." };
            out.push(separator);
            // A text is always JSON.
            out.push_str(&serde_json::to_string(&format!("{prefix}{dot}{path}")).unwrap_or_default());
            out.push_str(":[\"Date\"]");
            separator = ',';
        }
        out.push('}');
    }
    out.push_str(",\"v\":1}");
}

fn decode(mut document: Map<String, Json>) -> Result<Value, Error> {
    let mut value = document.remove("json").map_or(Value::Undefined, Value::from);
    if let Some(Json::Object(mut meta)) = document.remove("meta")
        && let Some(annotations) = meta.remove("values")
    {
        annotate(&mut value, &annotations)?;
    }
    Ok(value)
}

/// Applies a node of `meta.values`: `[type]`, `[type, {path: node}]` or `{path: node}`.
fn annotate(value: &mut Value, node: &Json) -> Result<(), Error> {
    match node {
        Json::Array(node) => {
            if let Some(inner) = node.get(1) {
                annotate(value, inner)?;
            }
            transform(value, node.first().unwrap_or(&Json::Null))
        }
        Json::Object(inner) => {
            for (path, node) in inner {
                let path = segments(path)?;
                if let Some(value) = at(value, &path) {
                    annotate(value, node)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn transform(value: &mut Value, name: &Json) -> Result<(), Error> {
    *value = match name.as_str() {
        Some("undefined") => Value::Undefined,
        Some("Date") => Value::Date,
        Some("number") => match value {
            Value::Number(number) => Value::Number(*number),
            Value::String(text) => Value::Number(match text.as_str() {
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                "-0" => -0.0,
                _ => f64::NAN,
            }),
            _ => Value::Number(f64::NAN),
        },
        _ => {
            let name = match name {
                Json::String(name) => name.clone(),
                other => other.to_string(),
            };
            return Err(refused(format!("Unknown transformation: {name}")));
        }
    };
    Ok(())
}

/// The keys of a path: `.` parts them, `\` escapes `.` and itself.
fn segments(path: &str) -> Result<Vec<String>, Error> {
    let mut segments = Vec::new();
    let mut segment = String::new();
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '.' => segments.push(std::mem::take(&mut segment)),
            '\\' => {
                segment.push(characters.next_if(|next| matches!(next, '.' | '\\')).unwrap_or('\\'));
            }
            other => segment.push(other),
        }
    }
    segments.push(segment);
    let forbidden = |key: &&String| matches!(key.as_str(), "__proto__" | "prototype" | "constructor");
    match segments.iter().find(forbidden) {
        Some(key) => Err(refused(format!("{key} is not allowed as a property"))),
        None => Ok(segments),
    }
}

fn at<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Object(fields) => fields.get_mut(key),
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

fn refused(message: String) -> Error {
    Error::new(Code::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn decoded(input: Json) -> Result<Value, Error> {
        Transformer::of(&input).decode(input)
    }

    fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
        Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    #[test]
    fn undefined_is_not_null() {
        let undefined = json!({"json": null, "meta": {"values": ["undefined"], "v": 1}});

        assert_eq!(decoded(undefined).unwrap(), Value::Undefined);
        assert_eq!(decoded(json!({"json": null})).unwrap(), Value::Null);
    }

    #[test]
    fn values_are_found_by_path_in_objects_and_arrays() {
        let input = json!({
            "json": {"a.b": null, "list": [1, {"at": "1970-01-01T00:00:00.000Z"}], "n": "-Infinity"},
            "meta": {
                "values": {"a\\.b": ["undefined"], "list": {"1.at": ["Date"]}, "n": ["number"], "nope.x": ["Date"]},
                "v": 1,
            },
        });

        let list = Value::Array(vec![Value::Number(1.0), object([("at", Value::Date)])]);
        let expected = object([("a.b", Value::Undefined), ("list", list), ("n", Value::Number(f64::NEG_INFINITY))]);
        assert_eq!(decoded(input).unwrap(), expected);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (values, message) in [
            (json!({"a": ["Whatever"]}), "Unknown transformation: Whatever"),
            (json!({"a": [["class", "Account"]]}), "Unknown transformation: [\"class\",\"Account\"]"),
            (json!({"x.__proto__": ["Date"]}), "__proto__ is not allowed as a property"),
            (json!({"constructor": ["Date"]}), "constructor is not allowed as a property"),
        ] {
            let error = decoded(json!({"json": {"a": 1}, "meta": {"values": values}})).unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::BadRequest, message));
        }
    }

    #[test]
    fn meta_that_is_no_meta_is_ignored() {
        for meta in [json!(null), json!(5), json!({}), json!({"values": 5}), json!({"values": null})] {
            let value = decoded(json!({"json": 1, "meta": meta})).unwrap();
            assert_eq!(value, Value::Number(1.0));
        }
    }

    #[test]
    fn the_beginning_of_an_input_tells_what_it_came_in() {
        for (input, batch, expected) in [
            (r#"{"json":{"na"#, false, Some(Transformer::Superjson)),
            (r#"{"0":{"json":{"na"#, true, Some(Transformer::Superjson)),
            (r#"{"0":{"json":{"na"#, false, None),
            (r#"{"json":{"na"#, true, None),
            (r#"{"name":"#, false, None),
            ("{", true, None),
            ("", false, None),
        ] {
            assert_eq!(Transformer::of_beginning(input.as_bytes(), batch), expected, "{input}");
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let word = prop_oneof![
            Just("json"),
            Just("meta"),
            Just("values"),
            Just("undefined"),
            Just("Date"),
            Just("number"),
            Just("a"),
            Just("a.0"),
            Just("0"),
            Just("\\"),
            Just("__proto__"),
        ]
        .prop_map(str::to_owned);
        let key = prop_oneof![4 => word, 1 => any::<String>()];
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            any::<f64>().prop_map(Json::from),
            key.clone().prop_map(Json::String),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
                prop::collection::btree_map(key.clone(), inner, 0..4)
                    .prop_map(|fields: BTreeMap<_, _>| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn decoding_never_panics(json in any_json(), values in any_json()) {
            let _ = decoded(json.clone());
            let _ = decoded(json!({"json": json, "meta": {"values": values, "v": 1}}));
        }

        #[test]
        fn json_without_meta_decodes_to_itself(json in any_json()) {
            prop_assert_eq!(decoded(json!({"json": json.clone()})).unwrap(), Value::from(json));
        }
    }
}
