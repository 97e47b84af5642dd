//! How an input type is read: all its fields, so that every wrong one is named.

use std::collections::BTreeMap;

use super::{Form, Issue, Problem, Schema, Value};

/// The input of a procedure.
///
/// ```
/// use switchboard_http::trpc::{Fields, Input, Schema, integer, string};
///
/// struct ListGroups {
///     session_name: String,
///     limit: u64,
///     search: Option<String>,
/// }
///
/// impl Input for ListGroups {
///     fn parse(fields: &mut Fields) -> Option<Self> {
///         let session_name = fields.read("sessionName", string().min(1));
///         let limit = fields.read("limit", integer().min(1).default(10));
///         let search = fields.read("search", string().optional());
///         Some(Self { session_name: session_name?, limit: limit?, search: search? })
///     }
/// }
/// ```
pub trait Input: Sized {
    /// Whether the input is looked at at all. Without it even malformed JSON is fine.
    const READ: bool = true;

    /// Reads the fields in the order in which their issues are to be listed. Read all of them
    /// before the first `?`, so that all the wrong ones are found. Unknown fields are ignored.
    ///
    /// `None` if some field was wrong: `fields` remembers why.
    fn parse(fields: &mut Fields) -> Option<Self>;

    /// Reads the input as a whole; for the rare input that is not an object.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn parse_value(value: Value) -> Result<Self, Vec<Issue>> {
        Fields::of(value)?.finish(Self::parse)
    }

    /// The fields that it reads, in that order.
    fn fields() -> Vec<Field> {
        Fields::read_by(Self::parse)
    }
}

/// A field of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What a client may send for it.
    pub form: Form,
}

/// A procedure without input.
impl Input for () {
    const READ: bool = false;

    fn parse(_: &mut Fields) -> Option<Self> {
        Some(())
    }
}

/// The fields of an input, and what is wrong with those read so far.
#[derive(Debug)]
pub struct Fields {
    values: BTreeMap<String, Value>,
    issues: Vec<Issue>,
    /// Those that were asked for, where nothing but that is to be known.
    asked: Option<Vec<Field>>,
}

impl Fields {
    fn of(value: Value) -> Result<Self, Vec<Issue>> {
        let values = match value {
            Value::Object(values) => values,
            // To zod a date is an object without fields.
            Value::Date => BTreeMap::new(),
            other => {
                let problem = Problem::Type { expected: "object", received: other.kind() };
                return Err(vec![Issue { field: None, problem }]);
            }
        };
        Ok(Self { values, issues: Vec::new(), asked: None })
    }

    /// What is read, without anything to read.
    fn read_by<T>(parse: impl FnOnce(&mut Self) -> Option<T>) -> Vec<Field> {
        let mut fields = Self { values: BTreeMap::new(), issues: Vec::new(), asked: Some(Vec::new()) };
        parse(&mut fields);
        fields.asked.unwrap_or_default()
    }

    /// Reads one field. `None` if it is wrong.
    pub fn read<S: Schema>(&mut self, field: &'static str, schema: S) -> Option<S::Output> {
        if let Some(asked) = &mut self.asked {
            asked.push(Field { name: field, form: schema.form() });
            return None;
        }
        let value = self.values.remove(field).unwrap_or(Value::Undefined);
        match schema.check(value) {
            Ok(output) => Some(output),
            Err(problem) => {
                self.issues.push(Issue { field: Some(field), problem });
                None
            }
        }
    }

    fn finish<T>(mut self, parse: impl FnOnce(&mut Self) -> Option<T>) -> Result<T, Vec<Issue>> {
        match parse(&mut self) {
            Some(input) if self.issues.is_empty() => Ok(input),
            _ => Err(self.issues),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::trpc::{boolean, integer, string};

    #[derive(Debug, PartialEq)]
    struct Everything {
        name: String,
        search: Option<String>,
        limit: u64,
        cursor: u64,
        all: bool,
        digits: u32,
    }

    impl Input for Everything {
        fn parse(fields: &mut Fields) -> Option<Self> {
            let name = fields.read("name", string().min(1));
            let search = fields.read("search", string().optional());
            let limit = fields.read("limit", integer().min(1).default(10));
            let cursor = fields.read("cursor", integer().default_if_null(0));
            let all = fields.read("all", boolean().default(false));
            let digits = fields.read("digits", string().parsed(str::parse));
            Some(Self { name: name?, search: search?, limit: limit?, cursor: cursor?, all: all?, digits: digits? })
        }
    }

    #[test]
    fn an_input_tells_its_fields_and_what_may_be_sent_for_them() {
        let field = |name, kind, optional, nullable| Field { name, form: Form { kind, optional, nullable } };
        assert_eq!(
            Everything::fields(),
            [
                field("name", "string", false, false),
                field("search", "string", true, false),
                field("limit", "number", true, false),
                field("cursor", "number", true, true),
                field("all", "boolean", true, false),
                field("digits", "string", false, false),
            ]
        );
    }

    fn issues(value: impl Into<Value>) -> Json {
        serde_json::to_value(Everything::parse_value(value.into()).unwrap_err()).unwrap()
    }

    #[test]
    fn missing_fields_have_their_defaults_and_unknown_ones_are_ignored() {
        let input = json!({"name": "a", "digits": "7", "cursor": null, "direction": "forward"});

        let everything = Everything::parse_value(input.into()).unwrap();

        let expected = Everything { name: "a".to_owned(), search: None, limit: 10, cursor: 0, all: false, digits: 7 };
        assert_eq!(everything, expected);
    }

    // The expectations below are what zod 4.6.7 says of the same schema and input.

    #[test]
    fn every_wrong_field_is_named_in_schema_order() {
        let input = json!({"digits": "x", "all": "x", "cursor": -1, "limit": 2.5, "search": null, "name": ""});

        assert_eq!(
            issues(input),
            json!([
                {"origin": "string", "code": "too_small", "minimum": 1, "inclusive": true, "path": ["name"], "message": "Too small: expected string to have >=1 characters"},
                {"expected": "string", "code": "invalid_type", "path": ["search"], "message": "Invalid input: expected string, received null"},
                {"expected": "int", "format": "safeint", "code": "invalid_type", "path": ["limit"], "message": "Invalid input: expected int, received number"},
                {"origin": "number", "code": "too_small", "minimum": 0, "inclusive": true, "path": ["cursor"], "message": "Too small: expected number to be >=0"},
                {"expected": "boolean", "code": "invalid_type", "path": ["all"], "message": "Invalid input: expected boolean, received string"},
                {"code": "custom", "path": ["digits"], "message": "invalid digit found in string"},
            ])
        );
    }

    #[test]
    fn numbers_that_are_not_finite_are_named_as_received() {
        let input = Value::Object(BTreeMap::from([
            ("name".to_owned(), Value::Number(f64::NEG_INFINITY)),
            ("digits".to_owned(), Value::Date),
            ("limit".to_owned(), Value::Number(f64::NAN)),
            ("cursor".to_owned(), Value::Number(f64::INFINITY)),
        ]));

        assert_eq!(
            issues(input),
            json!([
                {"expected": "string", "code": "invalid_type", "path": ["name"], "message": "Invalid input: expected string, received -Infinity"},
                {"expected": "number", "code": "invalid_type", "received": "NaN", "path": ["limit"], "message": "Invalid input: expected number, received NaN"},
                {"expected": "number", "code": "invalid_type", "received": "Infinity", "path": ["cursor"], "message": "Invalid input: expected number, received Infinity"},
                {"expected": "string", "code": "invalid_type", "path": ["digits"], "message": "Invalid input: expected string, received Date"},
            ])
        );
    }

    #[test]
    fn what_is_no_object_is_one_issue_of_the_whole_input() {
        for (value, received) in [
            (Value::Undefined, "undefined"),
            (Value::Null, "null"),
            (Value::Array(vec![]), "array"),
            (Value::Number(f64::NAN), "NaN"),
            (Value::Boolean(true), "boolean"),
        ] {
            assert_eq!(
                issues(value),
                json!([{
                    "expected": "object", "code": "invalid_type", "path": [],
                    "message": format!("Invalid input: expected object, received {received}"),
                }])
            );
        }
    }

    #[test]
    fn a_number_beyond_the_safe_integers_is_the_largest_of_them() {
        let input = json!({"name": "a", "digits": "7", "limit": 1e300, "cursor": -0.0});

        let everything = Everything::parse_value(input.into()).unwrap();

        assert_eq!((everything.limit, everything.cursor), (9_007_199_254_740_991, 0));
    }

    #[test]
    fn a_broken_rule_of_the_input_as_a_whole_never_yields_an_input() {
        let issues = Fields::of(Value::Date).unwrap().finish(|fields| {
            fields.read("name", string());
            Some(())
        });

        assert_eq!(issues.unwrap_err().len(), 1);
    }
}
