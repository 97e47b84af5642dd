//! The `OpenAPI` document, as the tests read it.

use std::collections::BTreeSet;

use jsonschema::{Draft, Validator};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};

/// What an answer says that is not described: to whoever carries it, and to browsers, whatever the operation
/// (`limits/headers.rs`).
const OF_TRANSPORT: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "date",
    "referrer-policy",
    "transfer-encoding",
    "vary",
    "x-accel-buffering",
    "x-content-type-options",
];

/// The document.
pub(crate) struct Document(Value);

/// One of its operations.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    pub(crate) path: &'a str,
    method: &'a str,
    described: &'a Value,
}

/// What a request was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Document {
    /// The one that is served.
    pub(crate) fn read() -> Self {
        Self(serde_json::from_str(&switchboard_http::openapi()).unwrap())
    }

    pub(crate) fn whole(&self) -> &Value {
        &self.0
    }

    /// All operations.
    pub(crate) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let paths = self.0["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, described)| Operation { path, method, described })
        })
    }

    /// The operation that is the twin of that procedure.
    pub(crate) fn twin(&self, procedure: &str) -> Operation<'_> {
        let mut found = self.operations().filter(|operation| operation.procedure() == procedure);
        found.next().unwrap_or_else(|| panic!("{procedure} has no twin"))
    }

    /// What the operation may answer, by status.
    pub(crate) fn responses<'a>(&'a self, operation: Operation<'a>) -> Vec<(&'a str, &'a Value)> {
        let responses = operation.described["responses"].as_object().unwrap();
        responses.iter().map(|(status, response)| (&**status, self.resolved(response))).collect()
    }

    /// Sees that the operation may answer that.
    pub(crate) fn check(&self, operation: Operation<'_>, answered: &Answered) {
        let what = format!("{} {} {}", operation.method, operation.path, answered.status);
        let described = self.check_head(operation, answered.status, &answered.headers);
        let Some(contents) = described["content"].as_object() else {
            assert!(answered.body.is_empty(), "{what} has a body");
            return;
        };
        let content =
            &contents.get(answered.media_type()).unwrap_or_else(|| panic!("{what}: {}", answered.media_type()));
        if answered.media_type().ends_with("json") {
            self.check_value(&what, &content["schema"], &answered.json());
        }
    }

    /// The same of what comes before the body; returns what is said of it all.
    pub(crate) fn check_head<'a>(&'a self, operation: Operation<'a>, status: u16, headers: &HeaderMap) -> &'a Value {
        let what = format!("{} {} {status}", operation.method, operation.path);
        let responses = self.responses(operation);
        let described = responses.iter().find(|(described, _)| **described == status.to_string());
        let described = described.unwrap_or_else(|| panic!("{what} is not described")).1;
        let mut expected: BTreeSet<String> = BTreeSet::new();
        for (name, said) in self.headers(described) {
            let sent: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
            assert!(sent.len() == 1 || sent.is_empty() && said["required"] != true, "{what}: {name}: {sent:?}");
            for sent in sent {
                let is_number = said["schema"]["type"] == "integer";
                let value = if is_number { sent.parse().unwrap() } else { json!(sent) };
                self.check_value(&format!("{what}: {name}"), &said["schema"], &value);
            }
            expected.insert(name.to_ascii_lowercase());
        }
        let unexpected = headers.keys().map(HeaderName::as_str);
        let unexpected: Vec<_> =
            unexpected.filter(|name| !expected.contains(*name) && !OF_TRANSPORT.contains(name)).collect();
        assert!(unexpected.is_empty(), "{what} says what is not described: {unexpected:?}");
        described
    }

    /// The headers that a response is described with.
    pub(crate) fn headers<'a>(&'a self, response: &'a Value) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let headers = response["headers"].as_object().into_iter().flatten();
        headers.map(|(name, header)| (&**name, self.resolved(header)))
    }

    /// What is said there, or where it refers to.
    fn resolved<'a>(&'a self, said: &'a Value) -> &'a Value {
        match said["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.strip_prefix('#').unwrap()).expect(reference),
            None => said,
        }
    }

    /// Sees that a value is as a schema says, and has nothing that it does not mention.
    pub(crate) fn check_value(&self, what: &str, schema: &Value, value: &Value) {
        let mut schema = schema.clone();
        schema["components"] = json!({ "schemas": strict(self.0["components"]["schemas"].as_object().unwrap()) });
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let validator: Validator = options.build(&schema).unwrap_or_else(|error| panic!("{what}: {error}"));
        let errors: Vec<_> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path)).collect();
        assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
    }
}

/// The same schemas, of which none allows what it does not mention. To clients they do: fields may be added.
fn strict(schemas: &Map<String, Value>) -> Map<String, Value> {
    let strict = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        if schema["properties"].is_object() {
            schema["additionalProperties"] = json!(false);
        }
        (name.clone(), schema)
    };
    schemas.iter().map(strict).collect()
}

impl<'a> Operation<'a> {
    pub(crate) fn method(&self) -> Method {
        self.method.to_uppercase().parse().unwrap()
    }

    /// The procedure whose twin it is.
    pub(crate) fn procedure(&self) -> &'a str {
        self.described["x-trpc-procedure"].as_str().unwrap()
    }

    pub(crate) fn described(&self) -> &'a Value {
        self.described
    }

    /// The path with these in the place of its parameters.
    pub(crate) fn path_with(&self, values: &[(&str, &str)]) -> String {
        let value = |parameter: &str| {
            let known = values.iter().find(|(name, _)| *name == parameter);
            known.unwrap_or_else(|| panic!("{}: a value for {parameter} is needed here", self.path)).1
        };
        let parts =
            self.path.split('/').map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(parameter) => url::form_urlencoded::byte_serialize(value(parameter).as_bytes()).collect(),
                None => part.to_owned(),
            });
        parts.collect::<Vec<_>>().join("/").replace('+', "%20")
    }

    /// What is said of the body, if it takes one.
    pub(crate) fn body_described(&self) -> Option<&'a Value> {
        self.described.pointer("/requestBody/content/application~1json")
    }

    /// A body as it has to be, if it takes one.
    pub(crate) fn body(&self) -> Option<Value> {
        self.body_described().map(|body| body["example"].clone())
    }
}

impl Answered {
    /// Sends the request, always under the same id, and reads the answer, but for when it was given.
    pub(crate) async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request
            .header("x-request-id", "of-a-test")
            .timeout(std::time::Duration::from_mins(1))
            .send()
            .await
            .unwrap();
        let (status, mut headers) = (response.status().as_u16(), response.headers().clone());
        headers.remove("date");
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn media_type(&self) -> &str {
        self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The status of a problem, and its code.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.media_type(), "application/problem+json", "{}", self.text());
        (self.status, self.json()["code"].as_str().unwrap().to_owned())
    }
}
