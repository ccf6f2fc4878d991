//! `GET /admin/audit`: who changed what. Newest first, a page at a time, by a cursor.

use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, frame::Frame, when};
use crate::context::Context;
use crate::newsroom::Error;
use crate::store::{self, audit::Entry};

const PAGE: i64 = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Words that an entry must have.
    q: String,
    /// Entries before this one.
    before: String,
}

pub async fn page(State(cx): State<Context>, frame: Frame, Query(asked): Query<Asked>) -> Answer {
    let before = asked.before.parse().unwrap_or(i64::MAX);
    let words = asked.q.trim().to_lowercase();
    let entries = entries(&cx, &words, before).await?;
    let more = entries.len() > PAGE as usize;
    let shown: Vec<Value> = entries.iter().take(PAGE as usize).map(show).collect();
    let next = entries.get(PAGE as usize - 1).filter(|_| more).map(|last| last.id);
    let content = json!({ "entries": shown, "q": asked.q.trim(), "next": next, "first": before == i64::MAX });
    frame.ok("audit.html", &content)
}

async fn entries(cx: &Context, words: &str, before: i64) -> Result<Vec<Entry>, Error> {
    let mut tx = cx.db.read().await?;
    Ok(store::audit::page(&mut tx, words, before, PAGE + 1).await?)
}

fn show(entry: &Entry) -> Value {
    json!({
        "at": when(entry.at),
        "actor": entry.actor,
        "actor_kind": entry.actor_kind,
        "action": entry.action,
        "subject_kind": entry.subject_kind,
        "subject": entry.subject,
        "own": entry.actor == entry.subject,
        "changes": changes(entry),
        "network": entry.network,
    })
}

/// What was and what is, field by field: "role: viewer → editor".
fn changes(entry: &Entry) -> Vec<Value> {
    let read = |json: &Option<String>| {
        json.as_deref()
            .and_then(|json| serde_json::from_str::<serde_json::Map<String, Value>>(json).ok())
            .unwrap_or_default()
    };
    let (before, after) = (read(&entry.before), read(&entry.after));
    let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| json!({ "name": name, "before": words(before.get(name)), "after": words(after.get(name)) }))
        .collect()
}

fn words(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => {
            Some(list.iter().filter_map(|it| words(Some(it))).collect::<Vec<_>>().join(", "))
        }
        other => Some(other.to_string()),
    }
}
