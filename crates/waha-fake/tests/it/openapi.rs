//! Every kind of answer against the schema that WAHA publishes, where CI has it.

use jsonschema::Validator;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchboard_waha_fake::{Engine, Options};

use crate::{
    support::{World, eventually, fast},
    webhooks::Sink,
};

/// Where the recorded server answers null although its document says it never does: ends of paths in the answer.
const NULL: [&str; 5] = ["/me", "/presence", "/browser", "/lid", "/pn"];
/// What it calls an object, and is a string.
const TEXT: [&str; 2] = ["/event", "/events/0"];

/// Whether the recorded server itself strays from its document here.
fn is_known(path: &str, value: &Value) -> bool {
    let ends = |known: &[&str]| known.iter().any(|end| path.ends_with(end));
    (value.is_null() && ends(&NULL)) || (value.is_string() && ends(&TEXT))
}

struct Document(Value);

impl Document {
    /// `None` if no document is at hand.
    fn read() -> Option<Self> {
        let path = std::env::var_os("WAHA_OPENAPI")?;
        let text = std::fs::read_to_string(path).expect("WAHA_OPENAPI names a file that can be read");
        let mut document = serde_json::from_str(&text).expect("WAHA_OPENAPI is JSON");
        to_json_schema(&mut document);
        Some(Self(document))
    }

    /// The schema of an answer; `None` if the document leaves it open.
    fn answer(&self, method: &str, path: &str, status: u16) -> Option<Value> {
        let answer = &self.0["paths"][path][method]["responses"][status.to_string()];
        assert!(!answer.is_null(), "{method} {path} {status} is not in the document");
        Some(answer["content"]["application/json"]["schema"].clone()).filter(|schema| !schema.is_null())
    }

    fn check(&self, what: &str, mut schema: Value, body: &Value) {
        schema["components"] = self.0["components"].clone();
        let validator: Validator = jsonschema::draft4::new(&schema).unwrap_or_else(|error| panic!("{what}: {error}"));
        for error in validator.iter_errors(body) {
            let at = error.instance_path.to_string();
            assert!(is_known(&at, &error.instance), "{what} at {at}: {error}");
        }
    }
}

/// `OpenAPI` 3.0 says `nullable`, and this document `required: true` of a property.
fn to_json_schema(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(to_json_schema),
        Value::Object(fields) => {
            if fields.get("required").is_some_and(Value::is_boolean) {
                fields.remove("required");
            }
            if fields.get("nullable") == Some(&json!(true)) {
                let kind = fields.get("type").cloned().unwrap_or_default();
                fields.insert("type".to_owned(), json!([kind, "null"]));
            }
            fields.values_mut().for_each(to_json_schema);
        }
        _ => {}
    }
}

#[tokio::test]
async fn every_answer_has_the_shape_that_waha_publishes() {
    let Some(document) = Document::read() else {
        println!("LEFT OUT: WAHA_OPENAPI is not set, so no answer was compared with WAHA's own document");
        return;
    };
    for engine in [Engine::Noweb, Engine::Webjs, Engine::Gows, Engine::Wpp] {
        check_engine(&document, engine).await;
    }
}

/// One engine's answers.
struct Checked<'a> {
    document: &'a Document,
    engine: Engine,
    world: World,
}

impl Checked<'_> {
    async fn get(&self, template: &str, query: &str) {
        self.check(Method::GET, template, query, None).await;
    }

    async fn check(&self, method: Method, template: &str, query: &str, body: Option<Value>) {
        let what = format!("{} {method} {template}", self.engine);
        let group = self.world.fake.groups("x")[0].0.replace('@', "%40");
        let path = [("{session}", "x"), ("{lid}", "1%40lid"), ("{phoneNumber}", "1"), ("{id}", &group)]
            .iter()
            .fold(template.to_owned(), |path, (name, value)| path.replace(name, value));
        let request =
            self.world.request(method.clone(), &format!("{path}{query}")).header("Accept", "application/json");
        let answer = self.world.send(body.iter().fold(request, RequestBuilder::json)).await;
        assert!(answer.status < 300, "{what}: {answer:?}");
        // The document says that groups are an object: they are, from NOWEB; an array from the others.
        let is_told_wrong = template.ends_with("/groups") && self.engine != Engine::Noweb;
        let schema = self.document.answer(&method.as_str().to_lowercase(), template, answer.status);
        if let Some(schema) = schema.filter(|_| !answer.bytes.is_empty() && !is_told_wrong) {
            self.document.check(&what, schema, &answer.json());
        }
    }
}

async fn check_engine(document: &Document, engine: Engine) {
    let options = Options { engine, time_scale: 200.0, ..fast() };
    let (world, sink) = (World::new(options).await, Sink::new([]).await);
    let checked = Checked { document, engine, world };
    let config = json!({
        "metadata": {"user.id": "42"},
        "noweb": {"markOnline": false, "store": {"enabled": true, "fullSync": true}},
        "webhooks": [{"url": sink.url, "events": ["*"]}],
    });

    for path in ["/ping", "/health", "/api/server/version", "/api/server/status", "/api/version"] {
        checked.get(path, "").await;
    }
    let create = json!({"name": "x", "start": true, "config": config});
    checked.check(Method::POST, "/api/sessions", "", Some(create)).await;
    checked.world.until("x", "SCAN_QR_CODE").await;
    checked.get("/api/{session}/auth/qr", "").await;
    checked.get("/api/{session}/auth/qr", "?format=raw").await;
    checked.get("/api/screenshot", "?session=x").await;
    let phone = json!({"phoneNumber": "34600111222"});
    checked.check(Method::POST, "/api/{session}/auth/request-code", "", Some(phone)).await;
    checked.world.fake.scan("x", "34600111222");
    checked.world.until("x", "WORKING").await;
    check_working(&checked).await;
    checked.check(Method::PUT, "/api/sessions/{session}", "", Some(json!({ "config": config }))).await;
    for action in ["restart", "logout", "stop", "start"] {
        checked.check(Method::POST, &format!("/api/sessions/{{session}}/{action}"), "", None).await;
    }
    checked.check(Method::DELETE, "/api/sessions/{session}", "", None).await;
    check_webhooks(document, engine, &sink).await;
}

async fn check_working(checked: &Checked<'_>) {
    for path in [
        "/api/sessions",
        "/api/sessions/{session}",
        "/api/sessions/{session}/me",
        "/api/{session}/groups",
        "/api/{session}/groups/count",
        "/api/{session}/groups/{id}",
        "/api/{session}/groups/{id}/participants/v2",
        "/api/{session}/lids",
        "/api/{session}/lids/count",
        "/api/{session}/lids/{lid}",
        "/api/{session}/lids/pn/{phoneNumber}",
    ] {
        checked.get(path, "").await;
    }
    checked.get("/api/contacts/all", "?session=x").await;
    checked.get("/api/contacts", "?session=x&contactId=34600111222").await;
    checked.check(Method::POST, "/api/{session}/groups/refresh", "", None).await;
}

async fn check_webhooks(document: &Document, engine: Engine, sink: &Sink) {
    let wanted: &[_] = match engine {
        Engine::Noweb => &[("session.status", "WAHAWebhookSessionStatus"), ("group.v2.update", "WebhookGroupV2Update")],
        _ => &[("session.status", "WAHAWebhookSessionStatus")],
    };
    for (event, schema) in wanted {
        let came = || async {
            sink.received().into_iter().map(|webhook| webhook.json()).find(|body| body["event"] == **event)
        };
        let body = eventually(event, came).await;
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        document.check(&format!("{engine} webhook {event}"), schema, &body);
    }
}
