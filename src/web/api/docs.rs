//! `GET /api/v1/docs`: the API's document as a page for people, made of the document itself.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::{kinds, openapi};
use crate::context::Context;
use crate::web::pages::{Page, Site};

/// The whole page.
#[derive(Clone, Debug, Serialize)]
pub struct Guide {
    version: String,
    parts: Vec<Part>,
    types: Vec<Type>,
    problems: Vec<Answer>,
    kinds: Vec<Meant>,
}

/// Calls that belong together.
#[derive(Clone, Debug, Serialize)]
struct Part {
    name: String,
    calls: Vec<Call>,
}

#[derive(Clone, Debug, Serialize)]
struct Call {
    id: String,
    method: String,
    path: String,
    does: String,
    note: Option<Html>,
    parameters: Vec<Field>,
    body: Vec<Vec<Field>>,
    answers: Vec<Answer>,
    /// The statuses of the problems that any call may have, "400, 401".
    problems: String,
}

#[derive(Clone, Debug, Serialize)]
struct Answer {
    status: String,
    means: Html,
    /// The type of the answer.
    kind: Option<Html>,
}

/// A type that answers have.
#[derive(Clone, Debug, Serialize)]
struct Type {
    name: String,
    about: Option<Html>,
    /// More than one where it is this or that.
    shapes: Vec<Vec<Field>>,
}

#[derive(Clone, Debug, Serialize)]
struct Field {
    name: String,
    kind: Html,
    /// Of what is sent.
    needed: bool,
    /// Of what is answered.
    may_be_absent: bool,
    about: Option<Html>,
}

/// A type of problem.
#[derive(Clone, Debug, Serialize)]
struct Meant {
    anchor: &'static str,
    title: &'static str,
    means: Html,
}

pub async fn page(State(cx): State<Context>) -> Response {
    Page::Docs(guide(openapi::document(&cx))).respond(&Site::of(&cx.config), StatusCode::OK)
}

/// What the document says, in the order of the operations.
fn guide(document: &Value) -> Guide {
    let mut parts: Vec<Part> = Vec::new();
    for operation in openapi::operations() {
        let call = &document["paths"][operation.path][operation.method.to_lowercase()];
        let Some(id) = call["operationId"].as_str() else { continue };
        let call = read(call, id, operation.method, operation.path, &document["components"]["schemas"]);
        match parts.iter_mut().find(|part| part.name == operation.part()) {
            Some(part) => part.calls.push(call),
            None => parts.push(Part { name: operation.part().to_owned(), calls: vec![call] }),
        }
    }
    let taken = taken(document);
    let types = members(&document["components"]["schemas"])
        .filter(|(name, _)| !taken.contains(name))
        .map(|(name, schema)| Type {
            name: name.to_owned(),
            about: prose(&schema["description"]),
            shapes: shapes(schema),
        })
        .collect();
    let problems = members(&document["components"]["responses"])
        .map(|(name, problem)| Answer {
            status: name.trim_start_matches("Problem").to_owned(),
            means: Html::prose(problem["description"].as_str().unwrap_or_default()),
            kind: None,
        })
        .collect();
    let kinds = kinds::ALL
        .iter()
        .map(|kind| Meant { anchor: kind.anchor(), title: kind.title, means: Html::prose(kind.means) })
        .collect();
    let version = document["info"]["version"].as_str().unwrap_or_default().to_owned();
    Guide { version, parts, types, problems, kinds }
}

fn read(call: &Value, id: &str, method: &str, path: &str, schemas: &Value) -> Call {
    let (mut answers, mut problems) = (Vec::new(), Vec::new());
    for (status, answer) in members(&call["responses"]) {
        if answer["$ref"].is_string() {
            problems.push(status);
            continue;
        }
        let content = &answer["content"];
        let kind = ["application/json", "text/event-stream"].iter().find_map(|media| {
            let content = content.get(media)?;
            let data = &content["schema"]["properties"]["data"];
            Some(kind_of(data.get("contentSchema").unwrap_or(&content["schema"])))
        });
        let means = Html::prose(answer["description"].as_str().unwrap_or_default());
        answers.push(Answer { status: status.to_owned(), means, kind });
    }
    let parameters = call["parameters"].as_array().into_iter().flatten();
    let body = &call["requestBody"]["content"]["application/json"]["schema"];
    Call {
        id: id.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        does: call["summary"].as_str().unwrap_or_default().to_owned(),
        note: prose(&call["description"]),
        parameters: parameters
            .map(|it| Field {
                name: it["name"].as_str().unwrap_or_default().to_owned(),
                kind: kind_of(&it["schema"]),
                needed: it["required"] == true,
                may_be_absent: false,
                about: prose(&it["description"]),
            })
            .collect(),
        body: reference(body).map_or_else(Vec::new, |name| vec![fields(&schemas[name], true)]),
        answers,
        problems: problems.join(", "),
    }
}

/// The types of bodies, which stand beside their calls.
fn taken(document: &Value) -> Vec<&str> {
    let calls = members(&document["paths"]).flat_map(|(_, calls)| members(calls));
    calls
        .filter_map(|(_, call)| reference(&call["requestBody"]["content"]["application/json"]["schema"]))
        .collect()
}

/// The fields of a type of answers; of one that is this or that, of each.
fn shapes(schema: &Value) -> Vec<Vec<Field>> {
    match schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        Some(either) if schema["properties"].is_null() => either.iter().map(|it| fields(it, false)).collect(),
        _ => vec![fields(schema, false)],
    }
}

fn fields(schema: &Value, sent: bool) -> Vec<Field> {
    let needed: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    members(&schema["properties"])
        .map(|(name, field)| Field {
            name: name.to_owned(),
            kind: kind_of(field),
            needed: sent && needed.contains(&name),
            may_be_absent: !sent && !needed.contains(&name),
            about: prose(&field["description"]),
        })
        .collect()
}

/// What a value is, in words: "string (date-time) or null".
fn kind_of(schema: &Value) -> Html {
    if let Some(name) = reference(schema) {
        return Html(format!("<a href=\"#type-{name}\">{name}</a>"));
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words
            .iter()
            .map(|word| {
                word.as_str().map_or("null".to_owned(), |word| format!("<code>{}</code>", escaped(word)))
            })
            .collect();
        return Html(words.join(" or "));
    }
    if let Some(either) = schema["anyOf"].as_array() {
        return Html(either.iter().map(|it| kind_of(it).0).collect::<Vec<_>>().join(" or "));
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec!["anything"],
    };
    let of = |name: &&str| match (*name, schema["format"].as_str()) {
        ("array", _) => format!("list of {}", kind_of(&schema["items"]).0),
        ("string", Some("date-time")) => "time (RFC 3339)".to_owned(),
        ("string", Some("uuid")) => "UUID".to_owned(),
        ("string", Some("email")) => "e-mail address".to_owned(),
        ("string", _) => "text".to_owned(),
        ("boolean", _) => "<code>true</code> or <code>false</code>".to_owned(),
        ("integer", _) => format!("number{}", range(schema)),
        (other, _) => escaped(other),
    };
    Html(names.iter().map(of).collect::<Vec<_>>().join(" or "))
}

fn range(schema: &Value) -> String {
    match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        (Some(least), Some(most)) if most <= 10_000 => format!(" from {least} to {most}"),
        _ => String::new(),
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn members(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn prose(text: &Value) -> Option<Html> {
    text.as_str().map(Html::prose)
}

/// HTML that the page shows as it is.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
struct Html(String);

impl Html {
    /// Text, with what stands in backticks as code; an empty line begins a new one.
    fn prose(text: &str) -> Self {
        let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
            0 => escaped(part),
            _ => format!("<code>{}</code>", escaped(part)),
        });
        Self(parts.collect::<String>().replace("\n\n", "<br>"))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
