//! The router's types in TypeScript, made out of what the procedures say of themselves.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::rest;
use crate::schema::{JsonSchema, reference};
use crate::trpc::{ErrorData, Field, Kind, user};

const HEAD: &str = r"// Made by `cargo xtask codegen` out of the server's procedures: do not edit.
import type {
  TRPCBuiltRouter,
  TRPCDefaultErrorData,
  TRPCErrorShape,
  TRPCMutationProcedure,
  TRPCQueryProcedure,
  TRPCSubscriptionProcedure,
} from '@trpc/server';
";

/// Without `export {}` everything in a declaration file is exported.
const TAIL: &str = r"
/** What `error.shape` is. */
export interface ErrorShape extends TRPCErrorShape<TRPCDefaultErrorData & ErrorData> {}

/** The router, to clients with superjson. */
export type AppRouter = TRPCBuiltRouter<Root<true>, Procedures>;

/** The router, to clients without a transformer: dates are strings. */
export type PlainAppRouter = TRPCBuiltRouter<Root<false>, Procedures>;

interface Root<Transformer extends boolean> {
  ctx: object;
  meta: object;
  errorShape: ErrorShape;
  transformer: Transformer;
}
interface Definition<Input, Output> {
  input: Input;
  output: Output;
  meta: object;
}
type Query<Input, Output> = TRPCQueryProcedure<Definition<Input, Output>>;
type Mutation<Input, Output> = TRPCMutationProcedure<Definition<Input, Output>>;
type Subscription<Input, Data> = TRPCSubscriptionProcedure<
  Definition<Input, AsyncIterable<{ id: string; data: Data }, void, unknown>>
>;
export {};
";

/// The declarations, as a `.d.ts` file that needs `@trpc/server` alone.
pub fn typescript() -> String {
    let summaries = rest::summaries();
    let mut named = errors();
    let mut routers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (call, signature) in user::router().signatures() {
        let kind = match call.kind {
            Kind::Query => "Query",
            Kind::Mutation => "Mutation",
            Kind::Subscription => "Subscription",
        };
        let (router, name) = call.path.split_once('.').unwrap_or_default();
        let about = doc(summaries.get(call.path).copied(), "    ");
        let (input, output) = (input_type(signature.input.as_deref()), type_of(&signature.output.itself));
        routers.entry(router).or_default().push(format!("{about}    {name}: {kind}<{input}, {output}>;\n"));
        named.extend(signature.output.named);
    }
    // In JavaScript everybody has it.
    named.remove("Date");
    let declarations = named.iter().map(|(name, schema)| declaration(name, schema));
    let routers = routers.iter().map(|(name, procedures)| format!("  {name}: {{\n{}  }};\n", procedures.concat()));
    let (declarations, routers): (String, String) = (declarations.collect(), routers.collect());
    format!(
        "{HEAD}{declarations}\n/** The procedures, by router. */\nexport type Procedures = {{\n{routers}}};\n{TAIL}"
    )
}

/// What errors tell programs.
fn errors() -> BTreeMap<String, Json> {
    const REASON: &str = "ErrorReason";
    let mut named = JsonSchema::of::<ErrorData<'_>>().named;
    if let Some(data) = named.get_mut("ErrorData") {
        data["properties"]["reason"]["$ref"] = reference(REASON)["$ref"].take();
    }
    let about = "Why something was refused: one of these, or one that is newer than these types.";
    let reasons = json!({ "type": "string", "examples": rest::reasons(), "description": about });
    named.insert(REASON.to_owned(), reasons);
    named
}

fn declaration(name: &str, schema: &Json) -> String {
    let about = doc(schema["description"].as_str(), "");
    match schema["properties"].as_object() {
        Some(properties) => {
            format!("\n{about}export interface {name} {{\n{}}}\n", members(properties, &schema["required"]))
        }
        None => format!("\n{about}export type {name} = {};\n", type_of(schema)),
    }
}

/// The fields of an object: those that are always there first, in their order.
fn members(properties: &Map<String, Json>, required: &Json) -> String {
    let required: Vec<_> = required.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let optional = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
    let all = required.iter().map(|name| (*name, "")).chain(optional.map(|name| (name, "?")));
    let member = |(name, mark)| {
        let schema = &properties[name];
        let alternatives = schema["oneOf"].as_array().into_iter().flatten();
        let about = [schema].into_iter().chain(alternatives).find_map(|schema| schema["description"].as_str());
        format!("{}  {name}{mark}: {};\n", doc(about, "  "), type_of(schema))
    };
    all.map(member).collect()
}

/// The type that a schema describes. `unknown` if it says nothing, or something that no type of ours has said so far.
fn type_of(schema: &Json) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return name.to_owned();
    }
    if let Some(values) = schema["enum"].as_array() {
        return union(values.iter().map(literal));
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        return union(alternatives.iter().map(type_of));
    }
    let simple = match schema["type"].as_str() {
        Some("string") => match schema["examples"].as_array() {
            // Next to a mere `string`, editors would forget the words.
            Some(words) => return union(words.iter().map(literal).chain(["(string & {})".to_owned()])),
            None => "string",
        },
        Some("integer" | "number") => "number",
        Some("boolean") => "boolean",
        Some("null") => "null",
        Some("array") => return array(&type_of(&schema["items"])),
        // Nobody knows which of the keys are there.
        Some("object") if schema["additionalProperties"].is_object() => {
            return format!("Record<string, {} | undefined>", type_of(&schema["additionalProperties"]));
        }
        _ => "unknown",
    };
    simple.to_owned()
}

fn union(types: impl Iterator<Item = String>) -> String {
    types.collect::<Vec<_>>().join(" | ")
}

fn array(item: &str) -> String {
    if item.contains(' ') { format!("({item})[]") } else { format!("{item}[]") }
}

fn literal(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("'{}'", text.escape_default()))
}

fn input_type(fields: Option<&[Field]>) -> String {
    let Some(fields) = fields else { return "void".to_owned() };
    let fields = fields.iter().map(|Field { name, form }| {
        let null = if form.nullable { " | null" } else { "" };
        // superjson sends `undefined`, and it counts as missing.
        let (mark, missing) = if form.optional { ("?", " | undefined") } else { ("", "") };
        format!("{name}{mark}: {}{null}{missing}", form.kind)
    });
    format!("{{ {} }}", fields.collect::<Vec<_>>().join("; "))
}

/// A comment that editors show.
fn doc(about: Option<&str>, indent: &str) -> String {
    let Some(about) = about else { return String::new() };
    let lines: Vec<_> = about.lines().collect();
    match lines[..] {
        [line] => format!("{indent}/** {line} */\n"),
        _ => format!("{indent}/**\n{indent} * {}\n{indent} */\n", lines.join(&format!("\n{indent} * "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trpc::Form;

    #[test]
    fn a_schema_becomes_the_type_that_it_describes() {
        for (schema, expected) in [
            (json!({ "$ref": "#/components/schemas/Date", "description": "when" }), "Date"),
            (json!({ "type": "string" }), "string"),
            (json!({ "type": "string", "enum": ["A", "it's"] }), r"'A' | 'it\'s'"),
            (json!({ "type": "string", "examples": ["A"] }), "'A' | (string & {})"),
            (json!({ "type": "boolean", "enum": [true] }), "true"),
            (json!({ "type": "integer", "minimum": 0 }), "number"),
            (json!({ "oneOf": [reference("Date"), { "type": "null" }] }), "Date | null"),
            (json!({ "type": "array", "items": reference("Group") }), "Group[]"),
            (json!({ "type": "array", "items": { "enum": ["A", "B"] } }), "('A' | 'B')[]"),
            (
                json!({ "type": "object", "additionalProperties": { "type": "array", "items": { "type": "string" } } }),
                "Record<string, string[] | undefined>",
            ),
            (json!({}), "unknown"),
            (json!({ "allOf": [] }), "unknown"),
        ] {
            assert_eq!(type_of(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn fields_that_may_be_missing_are_optional_and_keep_their_words() {
        let schema = json!({
            "description": "A thing.",
            "required": ["b"],
            "properties": {
                "a": { "type": "number", "description": "Two\nlines." },
                "b": { "oneOf": [{ "$ref": "#/Date", "description": "When." }, { "type": "null" }] },
            },
        });

        let expected = "
/** A thing. */
export interface Thing {
  /** When. */
  b: Date | null;
  /**
   * Two
   * lines.
   */
  a?: number;
}
";
        assert_eq!(declaration("Thing", &schema), expected);
    }

    #[test]
    fn an_input_takes_what_the_server_takes() {
        let field = |name, optional, nullable| Field { name, form: Form { kind: "number", optional, nullable } };

        assert_eq!(input_type(None), "void");
        assert_eq!(
            input_type(Some(&[field("a", false, false), field("b", true, false), field("c", true, true)])),
            "{ a: number; b?: number | undefined; c?: number | null | undefined }"
        );
    }
}
