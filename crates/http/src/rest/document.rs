//! The `OpenAPI` document (3.1): what the table of operations says of itself.

use std::collections::BTreeMap;

use actix_web::http::header;
use serde_json::{Map, Value as Json, json};
use switchboard_domain::Scope;

use super::operation::{Answer, Example, HeaderParameter, Operation, QueryKind, QueryParameter};
use super::{ROOT, resources};
use crate::auth::scope;
use crate::problem::{self, Problem};
use crate::schema::{JsonSchema, reference};

const ABOUT: &str = "\
Each user connects their own WhatsApp account, by way of WAHA, and reads their own groups and contacts. Every operation is the
twin of a tRPC procedure, which `x-trpc-procedure` names, and comes to the same.

- **Whose** something is follows from who is signed in, never from a name. What is somebody else's and what does not exist
  are answered alike: 404.
- **Input**: parameters, fields and headers that are not described are ignored. Wrong ones are all named in one answer.
- **Problems** (RFC 9457) have a `code` for programs, which never changes, and a sentence for people. Where it helps to wait,
  `Retry-After` says how long. A path where there is nothing is `unknown_path` (404), a method that does nothing at its path
  `method_not_allowed` (405, with `Allow`), and a URL of more than 32 KiB `url_too_long` (414).
- **Limits**: who asks for too much is told so (`rate_limited`), with `RateLimit-Policy` and `RateLimit` as in
  draft-ietf-httpapi-ratelimit-headers-11.
- **HEAD** answers like GET, without a body, but for the events.
- **Ids**: every answer but a 414 has an `X-Request-Id`, by which the server's log tells of it; a request may bring its own.
- **Times** are in UTC, with milliseconds: `2026-11-23T09:30:00.000Z`.
- Answers may have more fields than are described, and `status` other words.
";

const BEARER: &str = "\
A token that is signed as the server is configured, with the user's id in a claim. A `scope` claim may limit it:
`switchboard:read` to reading, `switchboard:connect`, for 15 minutes at most, to connecting a phone.";

const API_KEY: &str = "\
A key that `switchboard keys create` made, `swb_` and 64 hexadecimal digits. It may also be sent as a bearer token.";

const COOKIE: &str = "\
The session of the application that a page belongs to, where the server is configured for it. Other libraries have other
names. A page of another site must not use it. GET is refused where the browser says that such a page asks (`Origin`,
`Sec-Fetch-Site`). All else has to come with an `Origin` that the server knows or from its own pages (else 403, `cross_site`),
and with `Content-Type: application/json`, which no form sends, even where there is no body (else 415, `not_json`).";

/// The document, as JSON with a line break at its end.
pub fn openapi() -> String {
    let mut text = format!("{:#}", document());
    text.push('\n');
    text
}

fn document() -> Json {
    let mut paths: BTreeMap<String, Map<String, Json>> = BTreeMap::new();
    let mut schemas = JsonSchema::of::<problem::Body<'_>>().named;
    let mut shared = BTreeMap::new();
    let mut tags = Vec::new();
    for resource in resources() {
        tags.push(json!({ "name": resource.name, "description": resource.about }));
        for operation in resource.operations {
            let method = operation.method.as_str().to_ascii_lowercase();
            let path = paths.entry(format!("{ROOT}{}", operation.path)).or_default();
            path.insert(method, described(&operation, resource.name, &mut shared));
            let contents = operation.answers.into_iter().flat_map(|answer| answer.contents);
            let used = contents.map(|content| content.schema).chain(operation.body.map(|body| body.schema));
            schemas.extend(used.flat_map(|schema| schema.named));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Switchboard",
            "description": ABOUT,
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT or Apache 2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }, { "apiKey": [] }, { "cookie": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": shared,
            "headers": headers_of_all(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": BEARER },
                "apiKey": { "type": "apiKey", "in": "header", "name": "X-Api-Key", "description": API_KEY },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "better-auth.session_token", "description": COOKIE },
            },
        },
    })
}

fn described(operation: &Operation, tag: &str, shared: &mut BTreeMap<String, Json>) -> Json {
    let procedure = operation.twin.path;
    let scopes: Vec<_> = Scope::ALL.iter().rev().filter(|scope| scope::allows(**scope, &operation.twin)).collect();
    let scopes: Vec<_> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
    let mut described = json!({
        "tags": [tag],
        "operationId": procedure.rsplit('.').next(),
        "x-trpc-procedure": procedure,
        "summary": operation.summary,
        "description": format!("{}\n\nScopes: {}.", operation.description, scopes.join(", ")),
        "parameters": parameters(operation),
        "responses": responses(operation, shared),
    });
    if let Some(body) = &operation.body {
        let content = json!({ "application/json": { "schema": body.schema.itself, "example": body.example } });
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    described
}

fn parameters(operation: &Operation) -> Vec<Json> {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        let (about, example) = match name {
            "groupId" => ("WhatsApp's id of a group.", "120363041234567890@g.us"),
            _ => ("The session's name.", "session_273702265796"),
        };
        let schema = json!({ "type": "string", "minLength": 1, "examples": [example] });
        json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
    });
    let in_query = operation.query.iter().map(|QueryParameter { name, kind, about, example }| {
        let mut schema = match kind {
            QueryKind::Integer { minimum, default } => {
                json!({ "type": "integer", "minimum": minimum, "default": default })
            }
            QueryKind::Boolean { default } => json!({ "type": "boolean", "default": default }),
            QueryKind::Text => json!({ "type": "string" }),
        };
        schema["examples"] = json!([example]);
        json!({ "name": name, "in": "query", "description": about, "schema": schema })
    });
    let in_header = operation.header.iter().map(|HeaderParameter { name, about, example }| {
        let schema = json!({ "type": "string", "examples": [example] });
        json!({ "name": name, "in": "header", "description": about, "schema": schema })
    });
    in_path.chain(in_query).chain(in_header).collect()
}

/// The responses of an operation; what others may come to as well is put among those that are `shared`.
fn responses(operation: &Operation, shared: &mut BTreeMap<String, Json>) -> BTreeMap<String, Json> {
    let mut by_status: BTreeMap<u16, Vec<Problem>> = BTreeMap::new();
    for problem in operation.all_refusals().into_iter().map(Problem::from) {
        let same = by_status.entry(problem.status().as_u16()).or_default();
        if same.iter().all(|known| known.code() != problem.code()) {
            same.push(problem);
        }
    }
    let answers = operation.answers.iter().map(|answer| (answer.status.to_string(), answered(answer)));
    let refusals = by_status.iter().map(|(status, problems)| {
        let refused = refused(problems);
        // What is wrong with an input is the operation's own.
        if problems.iter().any(Problem::names_fields) {
            return (status.to_string(), refused);
        }
        let codes: Vec<_> = problems.iter().map(Problem::code).collect();
        let name = format!("{status}.{}", codes.join("."));
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        shared.insert(name, refused);
        (status.to_string(), reference)
    });
    answers.chain(refusals).collect()
}

fn answered(answer: &Answer) -> Json {
    let contents = answer.contents.iter().map(|content| {
        let mut described = json!({ "schema": content.schema.itself });
        match &content.example {
            Example::Json(value) => described["example"] = value.clone(),
            Example::Elsewhere(url) => described["examples"] = json!({ "image": { "externalValue": url } }),
        }
        (content.media_type.to_owned(), described)
    });
    let contents: Map<String, Json> = contents.collect();
    let mut described = json!({ "description": answer.about, "headers": headers() });
    if !contents.is_empty() {
        described["content"] = contents.into();
    }
    described
}

/// What every answer says to whoever calls; `docs/limits.md` has what it says to browsers.
fn headers_of_all() -> Map<String, Json> {
    let text = |pattern, example| json!({ "type": "string", "pattern": pattern, "examples": [example] });
    let all = [
        (
            "X-Request-Id",
            "The id of the request, by which the server's log tells of it: the one that it came with, if that is 1 to 64 \
             letters, digits, `-`, `_` or `.`, else a new one.",
            text("^[A-Za-z0-9._-]{1,64}$", "5f3c9a1e7b204d68"),
        ),
        (
            "Cache-Control",
            "`no-store`, since answers are personal; of the events, `no-cache, no-transform`.",
            text("^no-", "no-store"),
        ),
    ];
    let described = |about, schema| json!({ "description": about, "required": true, "schema": schema });
    all.into_iter().map(|(name, about, schema)| (name.to_owned(), described(about, schema))).collect()
}

/// Those, where they are said.
fn headers() -> Map<String, Json> {
    let refer = |name: String| {
        let reference = json!({ "$ref": format!("#/components/headers/{name}") });
        (name, reference)
    };
    headers_of_all().into_iter().map(|(name, _)| refer(name)).collect()
}

/// What comes of a status: one of these problems.
fn refused(problems: &[Problem]) -> Json {
    let codes: Vec<_> = problems.iter().map(Problem::code).collect();
    let about: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    let examples = problems.iter().map(|problem| (problem.code().into_owned(), json!({ "value": problem })));
    let examples: Map<String, Json> = examples.collect();
    let schema = json!({
        "allOf": [reference("Problem"), { "type": "object", "properties": { "code": { "enum": codes } } }],
    });
    let mut described = json!({
        "description": about.join(", "),
        "headers": headers(),
        "content": { "application/problem+json": { "schema": schema, "examples": examples } },
    });
    for (header, name, about) in [
        (header::RETRY_AFTER.as_str(), "Retry-After", "After how many seconds to try again."),
        ("ratelimit-policy", "RateLimit-Policy", "The quota: `q` requests in `w` seconds."),
        ("ratelimit", "RateLimit", "What is left of it: `r` requests for `t` seconds."),
        (header::WWW_AUTHENTICATE.as_str(), "WWW-Authenticate", "How to sign in."),
    ] {
        let said = |problem: &Problem| problem.headers().find(|(said, _)| said == header).map(|(_, value)| value);
        let Some(example) = problems.iter().find_map(said) else { continue };
        let required = problems.iter().all(|problem| said(problem).is_some());
        let schema = match example.parse::<u64>() {
            Ok(seconds) => json!({ "type": "integer", "minimum": 0, "examples": [seconds] }),
            Err(_) => json!({ "type": "string", "examples": [example] }),
        };
        described["headers"][name] = json!({ "description": about, "required": required, "schema": schema });
    }
    described
}
