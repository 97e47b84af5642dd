//! What the document says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use switchboard_http::trpc::{Kind, user};

use super::Document;

#[test]
fn the_document_that_is_kept_is_the_one_that_is_served() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let kept = std::fs::read_to_string(kept).unwrap_or_default();
    assert!(kept == switchboard_http::openapi(), "docs/openapi.json is not up to date: run `cargo xtask codegen`");
}

#[test]
fn every_procedure_has_one_twin_which_reads_if_it_reads() {
    let document = Document::read();
    let mut twins = BTreeMap::new();
    for operation in document.operations() {
        let procedure = operation.procedure();
        assert_eq!(operation.described()["operationId"], procedure.strip_prefix("user.").unwrap());
        let reads = operation.method() == reqwest::Method::GET;
        assert!(twins.insert(procedure, reads).is_none(), "{procedure} has two");
    }
    let router = user::router();
    let procedures = router.procedures().map(|call| (call.path, call.kind != Kind::Mutation)).collect();
    assert_eq!(twins, procedures);
}

#[test]
fn everything_in_the_document_has_words_and_an_example_that_fits() {
    let document = Document::read();
    let tags: BTreeSet<_> =
        document.whole()["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).map(text).collect();
    for operation in document.operations() {
        let (what, described) = (operation.path, operation.described());
        assert!(tags.contains(text(&described["tags"][0])), "{what}");
        assert!(text(&described["summary"]).len() > 5 && text(&described["description"]).len() > 20, "{what}");
        for parameter in described["parameters"].as_array().unwrap() {
            assert!(text(&parameter["description"]).len() > 10, "{what}: {parameter}");
            check_examples(&document, &format!("{what} {}", parameter["name"]), &parameter["schema"]);
        }
        if let Some(body) = operation.body_described() {
            document.check_value(what, &body["schema"], &body["example"]);
        }
        operation.path_with(&[("name", "x"), ("groupId", "x")]);
        let responses = document.responses(operation);
        for (status, response) in &responses {
            let what = format!("{what} {status}");
            assert!(text(&response["description"]).len() > 5, "{what}");
            let headers: BTreeMap<_, _> = document.headers(response).collect();
            for (name, header) in &headers {
                assert!(text(&header["description"]).len() > 10, "{what} {name}");
                check_examples(&document, &format!("{what} {name}"), &header["schema"]);
            }
            assert!(headers.contains_key("X-Request-Id") && headers.contains_key("Cache-Control"), "{what}");
            for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                let examples = content["examples"].as_object().into_iter().flatten();
                let mut examples: Vec<_> = examples.map(|(_, example)| example).collect();
                let example = json!({ "value": content["example"] });
                examples.extend(content.get("example").map(|_| &example));
                assert!(!examples.is_empty(), "{what} {media_type}");
                for example in examples {
                    match text(&example["externalValue"]) {
                        "" => document.check_value(&what, &content["schema"], &example["value"]),
                        url => assert!(is_image(url, media_type), "{what} {url}"),
                    }
                }
            }
        }
        let refusals = ["401", "404"].map(|status| responses.iter().any(|(other, _)| *other == status));
        let is_for_all = !text(&described["description"]).contains("`read`, `connect`");
        let is_of_scope =
            |(status, response): &(&str, &Value)| *status == "403" && response.to_string().contains("\"scope\"");
        assert_eq!((refusals[0], responses.iter().any(is_of_scope)), (true, is_for_all), "{what}");
        assert_eq!(refusals[1], operation.path != "/v1/session" || operation.method() == "GET", "{what}");
    }
}

#[test]
fn every_name_in_the_document_is_explained_and_every_explanation_needed() {
    let document = Document::read();
    let mut named = BTreeSet::new();
    collect_references(document.whole(), &mut named);
    let explained = document.whole()["components"]["schemas"].as_object().unwrap();
    assert_eq!(named, explained.keys().cloned().collect());
    for (name, schema) in explained {
        assert!(schema["description"].is_string() || name == "Date", "{name}");
        for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(schema.to_string().contains("\"description\""), "{name}.{property}: {schema}");
        }
    }
}

/// Sees that something has examples, and that they fit.
fn check_examples(document: &Document, what: &str, schema: &Value) {
    assert!(schema["type"].is_string(), "{what}: {schema}");
    let examples = schema["examples"].as_array().unwrap_or_else(|| panic!("{what} has no example"));
    assert!(!examples.is_empty(), "{what} has no example");
    for example in examples {
        document.check_value(what, schema, example);
    }
}

/// Whether a URL holds an image of that type.
fn is_image(url: &str, media_type: &str) -> bool {
    let image = url.strip_prefix(&format!("data:{media_type};base64,")).map(|image| STANDARD.decode(image).unwrap());
    image.is_some_and(|image| image.starts_with(b"\x89PNG\r\n") && image.ends_with(b"IEND\xaeB`\x82"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                found.extend(reference.strip_prefix("#/components/schemas/").map(str::to_owned));
            }
            fields.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}
