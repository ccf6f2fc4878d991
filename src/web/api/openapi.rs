//! `GET /api/v1/openapi.json`: the API as an OpenAPI 3.1 document, made of the table of routes (who may), the operations
//! and the types that are read and written. Nothing of it is written by hand, so nothing of it can be out of date.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::operation::{Key, Operation};
use super::{alerts, audit, drafts, issues, posts, races, sources, subscribers, tokens, under_way, users};
use crate::context::Context;
use crate::domain::role::Role;
use crate::web::problem::Problem;
use crate::web::routes::{Row, Who, table};

/// Every call, in the order that a reader wants.
pub fn operations() -> Vec<Operation> {
    [
        alerts::operations(),
        drafts::operations(),
        races::operations(),
        issues::operations(),
        under_way::operations(),
        posts::operations(),
        sources::operations(),
        subscribers::operations(),
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
    ([kind, (header::CACHE_CONTROL, "no-cache")], document(&cx).to_string()).into_response()
}

/// The document; it is the same for as long as the program runs.
pub fn document(cx: &Context) -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| describe(&table(cx).rows, &operations()))
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
            "description": "Newsletters and breaking news: posts that sites push, alerts, drafts, and what became of each mail.",
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": problems(&json!(problem)),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token, as `bellwether token create` or the newsroom makes it.",
                },
            },
        },
    })
}

/// What every call may answer that has the cause for it.
const PROBLEMS: [(u16, &str); 9] = [
    (400, "No JSON, or a parameter or header that is wrong; `errors` names it."),
    (401, "No token that holds."),
    (403, "A token whose role may not, or that is kept to other parts."),
    (404, "There is no such thing."),
    (408, "The body took too long to arrive."),
    (413, "The body is larger than 1 MiB."),
    (415, "The body doesn't say that it is JSON."),
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
    if let Some(shape) = operation.takes {
        let schema = shape(&mut schemas.read);
        described["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    described
}

fn parameters(operation: &Operation) -> Vec<Value> {
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
        400 => body || key || operation.asks.is_some(),
        401 | 403 | 503 => matches!(who, Who::Token(..)),
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
    fn no_type_that_is_read_has_the_name_of_one_that_is_written() {
        let Schemas { mut read, mut written } = Schemas::new();
        for operation in operations() {
            operation.takes.map(|shape| shape(&mut read));
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
