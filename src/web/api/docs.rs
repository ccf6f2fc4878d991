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
    about: Html,
    calls: Vec<Call>,
}

#[derive(Clone, Debug, Serialize)]
struct Call {
    id: String,
    method: String,
    path: String,
    /// The same under `/api/v1`, for the index.
    short: String,
    does: String,
    note: Option<Html>,
    parameters: Vec<Field>,
    body: Vec<Vec<Field>>,
    /// The call as a command.
    curl: String,
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
    /// What a call was answered.
    example: Option<String>,
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
    let origin = cx.config.server.public_url.as_str().trim_end_matches('/');
    Page::Docs(guide(&openapi::document(&cx), origin)).respond(&Site::of(&cx.config), StatusCode::OK)
}

/// What the document says, in the order of the operations.
fn guide(document: &Value, origin: &str) -> Guide {
    let about = |part: &str| {
        let tag = document["tags"].as_array().into_iter().flatten().find(|tag| tag["name"] == part);
        Html::prose(tag.and_then(|tag| tag["description"].as_str()).unwrap_or_default())
    };
    let mut parts: Vec<Part> = Vec::new();
    for operation in openapi::operations() {
        let call = &document["paths"][operation.path][operation.method.to_lowercase()];
        let Some(id) = call["operationId"].as_str() else { continue };
        let at = (operation.method, operation.path, origin);
        let call = read(call, id, at, &document["components"]["schemas"]);
        match parts.iter_mut().find(|part| part.name == operation.part()) {
            Some(part) => part.calls.push(call),
            None => {
                let name = operation.part().to_owned();
                parts.push(Part { about: about(&name), name, calls: vec![call] });
            }
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
            example: None,
        })
        .collect();
    let kinds = kinds::ALL
        .iter()
        .map(|kind| Meant { anchor: kind.anchor(), title: kind.title, means: Html::prose(kind.means) })
        .collect();
    let version = document["info"]["version"].as_str().unwrap_or_default().to_owned();
    Guide { version, parts, types, problems, kinds }
}

fn read(call: &Value, id: &str, at: (&str, &str, &str), schemas: &Value) -> Call {
    let (method, path, _) = at;
    let (mut answers, mut problems) = (Vec::new(), Vec::new());
    for (status, answer) in members(&call["responses"]) {
        if answer["$ref"].is_string() {
            problems.push(status);
            continue;
        }
        let content = &answer["content"];
        let first =
            ["application/json", "text/event-stream", "text/csv"].iter().find_map(|it| content.get(it));
        let kind = first.map(|content| {
            let data = &content["schema"]["properties"]["data"];
            kind_of(data.get("contentSchema").unwrap_or(&content["schema"]))
        });
        let example = first.and_then(|content| shown(&content["example"]));
        let means = Html::prose(answer["description"].as_str().unwrap_or_default());
        answers.push(Answer { status: status.to_owned(), means, kind, example });
    }
    let parameters = call["parameters"].as_array().into_iter().flatten();
    let body = &call["requestBody"]["content"]["application/json"]["schema"];
    Call {
        id: id.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        short: path.trim_start_matches("/api/v1").to_owned(),
        does: call["summary"].as_str().unwrap_or_default().to_owned(),
        note: prose(&call["description"]),
        curl: curl(call, at),
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

/// An example as a person reads it; none where there is none.
fn shown(example: &Value) -> Option<String> {
    match example {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        // Of a stream, an event as it comes.
        Value::Object(event) if event.len() == 1 && event.contains_key("data") => {
            Some(format!("data: {}\n\n", example["data"].as_str().unwrap_or_default()))
        }
        other => serde_json::to_string_pretty(other).ok(),
    }
}

/// The call of the document's example, for a shell in which `TOKEN` is a token.
fn curl(call: &Value, (method, path, origin): (&str, &str, &str)) -> String {
    let (mut path, mut query, mut lines) = (path.to_owned(), Vec::new(), Vec::new());
    for parameter in call["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let value = match &parameter["example"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match parameter["in"].as_str() {
            Some("path") => path = path.replace(&format!("{{{name}}}"), &value),
            Some("query") if !parameter["example"].is_null() => query.push((name, value)),
            Some("header") if parameter["required"] == true => {
                lines.push(format!("-H \"{name}: $(uuidgen)\""));
            }
            _ => {}
        }
    }
    if !query.is_empty() {
        let pairs = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        path = format!("{path}?{pairs}");
    }
    for (media, content) in members(&call["requestBody"]["content"]) {
        lines.push(format!("-H 'Content-Type: {media}'"));
        lines.push(match &content["example"] {
            Value::String(_) => "--data-binary @readers.csv".to_owned(),
            example => format!("-d '{}'", example.to_string().replace('\'', r"'\''")),
        });
    }
    if call["security"].as_array().is_some_and(|it| !it.is_empty()) {
        lines.insert(0, "-H \"Authorization: Bearer $TOKEN\"".to_owned());
    }
    let how = if method == "GET" { String::new() } else { format!("-X {method} ") };
    let address = format!("curl {how}'{origin}{path}'");
    std::iter::once(address).chain(lines).collect::<Vec<_>>().join(" \\\n  ")
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
        ("string", Some("uri")) => "address in the web".to_owned(),
        ("string", Some("email" | "idn-email")) => "e-mail address".to_owned(),
        ("string", _) => format!("text{}", length(schema)),
        ("boolean", _) => "<code>true</code> or <code>false</code>".to_owned(),
        ("integer", _) => format!("number{}", range(schema)),
        (other, _) => escaped(other),
    };
    Html(names.iter().map(of).collect::<Vec<_>>().join(" or "))
}

fn range(schema: &Value) -> String {
    match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        // What every number of its width has isn't said.
        (Some(least), Some(most)) if most <= 1_000_000 => format!(" from {least} to {most}"),
        _ => String::new(),
    }
}

fn length(schema: &Value) -> String {
    schema["maxLength"].as_u64().map_or_else(String::new, |most| format!(" of at most {most} characters"))
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
