//! `GET /api/v1/openapi.json`: the API as an OpenAPI 3.1 document, made of the table of routes (who may), the operations
//! and the types that are read and written. Nothing of it is written by hand, so nothing of it can be out of date.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::OnceLock;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::examples;
use super::operation::{Key, Operation, Taken};
use super::{
    alerts, audit, draft_views, drafts, issue_views, issues, lists, overview, posts, races, sources,
    subscribers, tokens, under_way, users,
};
use crate::context::Context;
use crate::domain::role::Role;
use crate::web::problem::Problem;
use crate::web::routes::{Row, Who, table};

/// Every call, in the order that a reader wants.
pub fn operations() -> Vec<Operation> {
    [
        alerts::operations(),
        drafts::operations(),
        draft_views::operations(),
        races::operations(),
        issues::operations(),
        under_way::operations(),
        issue_views::operations(),
        posts::operations(),
        sources::operations(),
        subscribers::operations(),
        lists::operations(),
        overview::operations(),
        users::operations(),
        tokens::operations(),
        audit::operations(),
        own(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn own() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/openapi.json", "This API as an OpenAPI 3.1 document; takes no token.")
            .gives::<Map<String, Value>>(200, "The document."),
    ]
}

pub async fn show(State(cx): State<Context>) -> Response {
    let kind = (header::CONTENT_TYPE, "application/json");
    ([kind, (header::CACHE_CONTROL, "no-cache")], text(&cx)).into_response()
}

/// The document as it is sent; it is the same for as long as the program runs. As a tree it takes megabytes, so only its text
/// is kept.
fn text(cx: &Context) -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| describe(&table(cx).rows, &operations()).to_string())
}

pub fn document(cx: &Context) -> Value {
    serde_json::from_str(text(cx)).unwrap_or_default()
}

/// The parameters that a call takes in its address. The document is not made for it, which takes megabytes.
pub fn query_of(method: &'static str, path: &'static str) -> &'static [String] {
    /// By method and path.
    static QUERIES: OnceLock<HashMap<(&'static str, &'static str), Vec<String>>> = OnceLock::new();
    let queries = QUERIES.get_or_init(|| {
        let query = |operation: &Operation| {
            let parameters = bare_parameters(operation);
            let query = parameters.iter().filter(|it| it["in"] == "query");
            query.filter_map(|it| it["name"].as_str()).map(ToOwned::to_owned).collect()
        };
        operations().iter().map(|it| ((it.method, it.path), query(it))).collect()
    });
    queries.get(&(method, path)).map_or(&[], Vec::as_slice)
}

/// What is read and what is written: of the one type both may look different, for what may be absent when it is read is
/// there when it is written.
struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let in_document = |settings: SchemaSettings| {
            let settings = settings.with(|it| {
                it.definitions_path = "/components/schemas".into();
                it.meta_schema = None;
            });
            settings.into_generator()
        };
        Self {
            read: in_document(SchemaSettings::draft2020_12()),
            written: in_document(SchemaSettings::draft2020_12().for_serialize()),
        }
    }
}

fn describe(rows: &[Row], operations: &[Operation]) -> Value {
    let mut schemas = Schemas::new();
    let problem = schemas.written.subschema_for::<Problem>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let row = rows.iter().find(|row| (row.method, row.path) == (operation.method, operation.path));
        let Some(row) = row else { continue };
        let mut described = of_operation(operation, row.who, &mut schemas);
        link(operation, operations, &mut described["responses"]);
        paths.entry(operation.path).or_default().insert(operation.method.to_lowercase(), described);
    }
    let Schemas { mut read, mut written } = schemas;
    let mut components = read.take_definitions(true);
    components.extend(written.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bellwether",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
        },
        "servers": [{ "url": "/", "description": "This installation." }],
        "tags": tags(operations),
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": problems(&json!(problem)),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token, as `bellwether token create` or the newsroom makes it. Each call says which \
                                    roles may, and by which `scope` a token may be kept to it.",
                },
            },
        },
    })
}

const ABOUT: &str = "Newsletters and breaking news: posts that sites push, alerts, drafts, and what became of each mail.\n\n\
    JSON in and out, UTF-8, times in RFC 3339; a body has 1 MiB at most, a list 16 MiB. Unknown fields and parameters are errors, \
    which are problems (RFC 9457). Lists come a page at a time: `next_cursor` is the `cursor` of the next page, and null on \
    the last. An `Idempotency-Key` makes a repeat harmless: the same key with the same call and body gets the first answer and \
    does nothing. Keys are kept 30 days, per token.";

/// The parts of the API, by the first word of their paths, and what they are for.
const PARTS: [(&str, &str); 18] = [
    ("alerts", "Breaking news, at once: whoever calls has decided."),
    (
        "drafts",
        "Alerts and newsletters that are written, looked at, and released by their number after a hold.",
    ),
    ("races", "Outcomes that are written beforehand, of which one is released, not before its moment."),
    ("issues", "What was published, how far it got, and how to stop, mend or repeat it."),
    ("deliveries", "One mail to one person."),
    ("posts", "What the site publishes, as it pushes it."),
    ("topics", "What one can subscribe to."),
    ("feeds", "Where posts are fetched from."),
    ("schedules", "When digests leave, and what would be in them."),
    ("subscribers", "Readers: found, explained, suppressed, erased; lists in and out."),
    ("overview", "How the newsroom stands."),
    ("incidents", "What the watch found amiss."),
    ("lanes", "Parts of the queue."),
    ("relays", "The servers that mail is handed to."),
    ("users", "The people of the newsroom."),
    ("tokens", "Keys to this API."),
    ("audit", "Who changed what."),
    ("openapi", "This document."),
];

fn tags(operations: &[Operation]) -> Vec<Value> {
    let mut tags: Vec<Value> = Vec::new();
    for operation in operations {
        let name = operation.part();
        if !tags.iter().any(|tag| tag["name"] == name) {
            let about = PARTS.iter().find(|(part, _)| *part == name).map(|(_, about)| *about);
            tags.push(json!({ "name": name, "description": about }));
        }
    }
    tags
}

/// What every call may answer that has the cause for it.
const PROBLEMS: [(u16, &str); 9] = [
    (400, "No JSON, or a parameter or header that is wrong or unknown; `errors` names it."),
    (401, "No token that holds."),
    (403, "A token whose role may not (`role`), or that is kept to other parts (`scope`)."),
    (404, "There is no such thing."),
    (408, "The body took too long to arrive."),
    (413, "The body is larger than 1 MiB; of a list, 16 MiB."),
    (415, "The body doesn't say that it is what the call takes: JSON, or of a list CSV."),
    (
        422,
        "A field that is wrong, missing or unknown, by its `pointer`; or a key that came with another call before.",
    ),
    (503, "Our fault: nothing was changed. Try again in a moment."),
];

fn problems(schema: &Value) -> Map<String, Value> {
    let of = |(status, means): &(u16, &str)| {
        let content = json!({ "application/problem+json": { "schema": schema } });
        (format!("Problem{status}"), json!({ "description": means, "content": content }))
    };
    PROBLEMS.iter().map(of).collect()
}

fn of_operation(operation: &Operation, who: Who, schemas: &mut Schemas) -> Value {
    let mut described = json!({
        "operationId": operation.id(),
        "summary": operation.does,
        "tags": [operation.part()],
        "parameters": parameters(operation),
        "responses": responses(operation, who, schemas),
    });
    let mut notes: Vec<String> = operation.note.map(ToOwned::to_owned).into_iter().collect();
    match who {
        Who::Token(right, area) => {
            let roles: Vec<_> = Role::ALL.iter().filter(|role| role.may(right)).collect();
            let able: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
            notes.push(format!("Role: {}; scope: {area}.", able.join(", ")));
            described["security"] = json!([{ "token": [] }]);
            described["x-roles"] = json!(roles);
            described["x-scope"] = json!(area);
        }
        _ => described["security"] = json!([]),
    }
    if !notes.is_empty() {
        described["description"] = notes.join(" ").into();
    }
    if let Some(Taken { media_type, shape }) = operation.takes {
        let schema = shape(&mut schemas.read);
        let content = with_example(json!({ "schema": schema }), &examples::of(&operation.id())["request"]);
        described["requestBody"] = json!({ "required": true, "content": { media_type: content } });
    }
    described
}

/// A body, with what it was in a call that was made.
fn with_example(mut content: Value, example: &Value) -> Value {
    if !example.is_null() {
        content["example"] = example.clone();
    }
    content
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let id = operation.id();
    let example = |mut parameter: Value| {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        if let Some(value) = examples::parameter(&id, operation.path, &name) {
            // As it is written in an address, or as the number or word that it is.
            let typed = serde_json::from_str(&value).ok().filter(|it: &Value| !it.is_string());
            let text = parameter["schema"]["type"] == "string";
            parameter["example"] = typed.filter(|_| !text).unwrap_or_else(|| value.into());
        }
        parameter
    };
    bare_parameters(operation).into_iter().map(example).collect()
}

/// The same without their examples.
fn bare_parameters(operation: &Operation) -> Vec<Value> {
    let mut parameters = Vec::new();
    for place in operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let kind = if operation.place == "int64" { "integer" } else { "string" };
        let mut schema = json!({ "type": kind });
        if !operation.place.is_empty() {
            schema["format"] = operation.place.into();
        }
        parameters.push(json!({ "name": place, "in": "path", "required": true, "schema": schema }));
    }
    if let Some(shape) = operation.asks {
        // Parameters stand on their own, so the type that they are read into is no schema of the document.
        let mut apart =
            SchemaSettings::draft2020_12().with(|it| it.inline_subschemas = true).into_generator();
        let schema = json!(shape(&mut apart));
        let needed: Vec<String> = serde_json::from_value(schema["required"].clone()).unwrap_or_default();
        let fields = schema["properties"].as_object().cloned().unwrap_or_default();
        let left_out =
            |name: &str| name == "q" && !operation.searched || name == "state" && operation.states.is_empty();
        for (name, mut schema) in fields.into_iter().filter(|(name, _)| !left_out(name)) {
            let description = schema.as_object_mut().and_then(|it| it.remove("description"));
            // What is absent is null to us; in an address nothing can be.
            if let Some(kinds) = schema["type"].as_array() {
                schema["type"] = kinds.iter().find(|kind| *kind != "null").cloned().unwrap_or_default();
            }
            if name == "state" {
                schema = json!({ "type": "string", "enum": operation.states });
            }
            let mut parameter =
                json!({ "name": name, "in": "query", "required": needed.contains(&name), "schema": schema });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameters.push(parameter);
        }
    }
    if operation.key != Key::None {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": operation.key == Key::Needed,
            "description": "A fresh UUID for each call; a repeat with it gets the first answer and does nothing.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$" },
        }));
    }
    parameters
}

fn responses(operation: &Operation, who: Who, schemas: &mut Schemas) -> Map<String, Value> {
    let mut responses = Map::new();
    for answer in &operation.answers {
        let schema = (answer.shape)(&mut schemas.written);
        let content = match answer.media_type {
            // Of each event, as OpenAPI 3.2 describes them: 3.1 has no words for a stream.
            "text/event-stream" => {
                let data = json!({ "type": "string", "contentMediaType": "application/json", "contentSchema": schema });
                json!({ "schema": { "type": "object", "required": ["data"], "properties": { "data": data } } })
            }
            _ => json!({ "schema": schema }),
        };
        let example = &examples::of(&operation.id())["answers"][answer.status.to_string()];
        let content = with_example(content, example);
        let response = json!({ "description": answer.means, "content": { answer.media_type: content } });
        responses.insert(answer.status.to_string(), response);
    }
    for (status, _) in PROBLEMS.iter().filter(|(status, _)| may_be(operation, who, *status)) {
        let known = json!({ "$ref": format!("#/components/responses/Problem{status}") });
        responses.insert(status.to_string(), known);
    }
    if let Some(why) = conflict(operation) {
        let schema = schemas.written.subschema_for::<Problem>();
        let content = json!({ "application/problem+json": { "schema": schema } });
        responses.insert("409".to_owned(), json!({ "description": why, "content": content }));
    }
    responses
}

/// Says where the ids come from that other calls have in their paths: from making such a thing.
fn link(operation: &Operation, operations: &[Operation], responses: &mut Value) {
    let one = format!("{}/{{id}}", operation.path);
    let links: Map<String, Value> = operations
        .iter()
        .filter(|it| it.path.starts_with(&one))
        .map(|it| (it.id(), json!({ "operationId": it.id(), "parameters": { "id": "$response.body#/id" } })))
        .collect();
    if let Some(response) = responses.get_mut("201").filter(|_| !links.is_empty()) {
        response["links"] = links.into();
    }
}

fn may_be(operation: &Operation, who: Who, status: u16) -> bool {
    let body = operation.takes.is_some();
    let key = operation.key != Key::None;
    match status {
        400 | 401 | 403 | 503 => matches!(who, Who::Token(..)),
        404 => operation.path.contains('{'),
        408 | 413 | 415 => body,
        422 => body || key,
        _ => false,
    }
}

/// Why it may be 409.
fn conflict(operation: &Operation) -> Option<String> {
    let mut why: Vec<_> =
        operation.conflicts.iter().map(|kind| format!("`{}`: {}", kind.anchor(), kind.means)).collect();
    why.extend(operation.refuses.map(ToOwned::to_owned));
    if operation.key != Key::None {
        why.push("A call with the same Idempotency-Key is being worked on.".to_owned());
    }
    (!why.is_empty()).then(|| why.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_told_of() {
        for tag in tags(&operations()) {
            assert!(tag["description"].is_string(), "{tag}");
        }
    }

    #[test]
    fn no_type_that_is_read_has_the_name_of_one_that_is_written() {
        let Schemas { mut read, mut written } = Schemas::new();
        for operation in operations() {
            operation.takes.map(|taken| (taken.shape)(&mut read));
            operation.answers.iter().for_each(|answer| {
                (answer.shape)(&mut written);
            });
        }
        assert!(read.definitions().len() > 5 && written.definitions().len() > 20);
        for name in read.definitions().keys() {
            assert!(!written.definitions().contains_key(name), "{name} would stand for both");
        }
    }
}
