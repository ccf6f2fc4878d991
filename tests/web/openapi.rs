//! The API's document and its page: all of the API is in it, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bellwether::web::api::{kinds, openapi};
use bellwether::web::routes::table;
use scraper::{Html, Selector};
use serde_json::Value;

use crate::stage::Stage;

/// Every value in it with this key.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(key));
            map.values().for_each(|it| all(it, key, found));
        }
        Value::Array(list) => list.iter().for_each(|it| all(it, key, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_call_of_the_table_is_in_the_document_and_the_reverse() {
    let stage = Stage::new().await;
    let rows: BTreeSet<_> = table(&stage.cx)
        .rows
        .iter()
        .filter(|row| row.path.starts_with("/api/v1/") && row.path != "/api/v1/docs")
        .map(|row| (row.path.to_owned(), row.method.to_lowercase()))
        .collect();
    let document = openapi::document(&stage.cx);
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, calls)| calls.as_object().unwrap().keys().map(move |it| (path.clone(), it.clone())))
        .collect();
    assert_eq!(
        rows, described,
        "an operation for each row, beside its handler, and a row for each operation"
    );
    let said = openapi::operations().len();
    assert_eq!(said, rows.len(), "an operation is said once, and there is a row for it");
}

#[tokio::test]
async fn the_document_is_whole() {
    let stage = Stage::new().await;
    let page = stage.open("/api/v1/openapi.json").await;
    assert_eq!((page.status, page.header("content-type")), (200, "application/json"));
    let document: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    all(&document, "$ref", &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let place = reference.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(place).is_some(), "{reference}");
    }
    let ids: Vec<_> = openapi::operations().iter().map(|it| it.id()).collect();
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len());
    let mut named = Vec::new();
    all(&document["paths"], "operationId", &mut named);
    assert!(named.iter().all(|id| different.contains(&id.as_str().unwrap().to_owned())), "{named:?}");
    // What is read and what is written under one name would overwrite each other, and schemars counts names up.
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(!name.ends_with(char::is_numeric), "{name} is the name of two types");
    }
}

#[tokio::test]
async fn what_is_required_is_said_so_and_what_may_be_null_too() {
    let stage = Stage::new().await;
    let document = openapi::document(&stage.cx);
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Post"]["required"], serde_json::json!(["title", "topics"]));
    assert_eq!(schemas["Post"]["properties"]["topics"]["minItems"], 1);
    assert_eq!(schemas["NewDraft"]["properties"]["subject"]["maxLength"], 250);
    assert_eq!(schemas["Post"]["additionalProperties"], false);
    let issue = &schemas["Issue"];
    assert!(issue["required"].as_array().unwrap().contains(&"held_until".into()), "{issue}");
    assert_eq!(issue["properties"]["held_until"]["type"], serde_json::json!(["string", "null"]));
    assert_eq!(issue["properties"]["level"]["enum"], serde_json::json!(["all", "major", "critical"]));
    let list = &document["paths"]["/api/v1/drafts"]["get"]["parameters"];
    let state = list.as_array().unwrap().iter().find(|it| it["name"] == "state").unwrap();
    assert_eq!(state["schema"]["enum"], serde_json::json!(["open", "released", "thrown-away"]));
    assert!(list.as_array().unwrap().iter().all(|it| it["required"] == false), "{list}");
    let limit = list.as_array().unwrap().iter().find(|it| it["name"] == "limit").unwrap();
    assert_eq!(limit["schema"]["type"], "integer");
    let why = &document["paths"]["/api/v1/subscribers/{id}/why"]["get"]["parameters"];
    assert!(why.as_array().unwrap().iter().all(|it| it["required"] == true), "{why}");
}

#[tokio::test]
async fn the_page_shows_all_of_it_and_loads_nothing_from_elsewhere() {
    let stage = Stage::new().await;
    let page = stage.open("/api/v1/docs").await;
    assert_eq!(page.status, 200);
    let html = Html::parse_document(&page.body);
    let ids: Vec<_> =
        html.select(&Selector::parse("[id]").unwrap()).map(|it| it.value().id().unwrap()).collect();
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
    for operation in openapi::operations() {
        assert!(ids.contains(&operation.id().as_str()), "{}", operation.id());
    }
    let shown = |call: &str| {
        let command = Selector::parse(&format!("details#{call} [data-copy]")).unwrap();
        html.select(&command).next().unwrap_or_else(|| panic!("{call}")).text().collect::<String>()
    };
    for operation in openapi::operations() {
        let command = shown(&operation.id());
        assert!(
            command.starts_with("curl ") && !command.contains(['{', '}']) || operation.takes.is_some(),
            "{command}"
        );
        assert!(!command.contains("null"), "{command}");
    }
    let release = shown("post-drafts-id-release");
    assert!(
        release.contains("-H \"Idempotency-Key: $(uuidgen)\"") && release.contains("-d '{\"audience\":2"),
        "{release}"
    );
    assert!(shown("post-subscribers-import").contains("topic=election-alerts&source=Reader+survey+2026"));
    for kind in kinds::ALL {
        assert_eq!(kind.uri, format!("/api/v1/docs#{}", kind.anchor()));
        assert!(ids.contains(&kind.anchor()), "{}", kind.uri);
    }
    for link in html.select(&Selector::parse("a[href]").unwrap()) {
        let to = link.value().attr("href").unwrap();
        match to.strip_prefix('#') {
            Some(place) => assert!(ids.contains(&place), "{to}"),
            None => assert!(to.starts_with('/'), "{to}"),
        }
    }
    for loaded in html.select(&Selector::parse("[src], link[href]").unwrap()) {
        let from = loaded.value().attr("src").or(loaded.value().attr("href")).unwrap();
        assert!(from.starts_with("/static/"), "{from}");
    }
}

#[test]
fn every_type_of_problem_is_on_the_page() {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("api/kinds.rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                if source.contains("/api/v1/docs#") {
                    found.push(path);
                }
            }
        }
    }
    assert!(found.is_empty(), "a problem's type belongs in api/kinds.rs: {found:?}");
    let source = include_str!("../../src/web/api/kinds.rs");
    assert_eq!(source.matches(": Kind = Kind {").count(), kinds::ALL.len());
}
