//! What the document says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
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
            assert!(parameter["schema"]["type"].is_string(), "{what}: {parameter}");
        }
        operation.path_with(&[("name", "x"), ("groupId", "x")]);
        operation.body();
        let responses = document.responses(operation);
        for (status, response) in &responses {
            assert!(text(&response["description"]).len() > 5, "{what} {status}");
            for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                let examples = content["examples"].as_object().into_iter().flatten();
                let mut examples: Vec<_> = examples.map(|(_, example)| &example["value"]).collect();
                examples.extend(content.get("example"));
                assert!(media_type == "image/png" || !examples.is_empty(), "{what} {status} {media_type}");
                for example in examples {
                    document.check_value(&format!("{what} {status}"), &content["schema"], example);
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
