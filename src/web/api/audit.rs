//! `GET /api/v1/audit`: who changed what.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::listing::{Asked, asked, page};
use super::operation::Operation;
use crate::context::Context;
use crate::domain::time::Timestamp;
use crate::store::audit::{self, ActorKind, Entry, Sought};
use crate::web::problem::Problem;

/// What this call takes and answers.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/audit", "The log of changes, the newest first.")
            .asks::<Asked>()
            .searched()
            .gives::<Changes>(200, "A page of it."),
    ]
}

#[derive(Serialize, JsonSchema)]
pub struct Changes {
    pub changes: Vec<Change>,
    pub next_cursor: Option<String>,
}

/// Who changed what, from what to what, when and from where.
#[derive(Serialize, JsonSchema)]
pub struct Change {
    pub id: i64,
    pub at: Timestamp,
    pub actor_kind: ActorKind,
    /// A user's address, a token's name.
    pub actor: String,
    /// As in `role changed`.
    pub action: String,
    /// As in `user`.
    pub subject_kind: String,
    /// What it is known by.
    pub subject: String,
    pub before: Value,
    pub after: Value,
    /// The network that it came from; empty for commands and the service.
    pub network: String,
}

impl From<Entry> for Change {
    fn from(entry: Entry) -> Self {
        let read =
            |json: Option<String>| json.and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default();
        Self {
            id: entry.id,
            at: entry.at,
            actor_kind: entry.actor_kind,
            actor: entry.actor,
            action: entry.action,
            subject_kind: entry.subject_kind,
            subject: entry.subject,
            before: read(entry.before),
            after: read(entry.after),
            network: entry.network,
        }
    }
}

pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked: Asked = asked(query)?;
    let (words, before, limit) = (asked.words()?, asked.cursor()?.unwrap_or(i64::MAX), asked.limit()?);
    let mut tx = cx.db.read().await?;
    let sought = Sought { words: words.to_lowercase(), ..Sought::default() };
    let found = audit::page(&mut tx, &sought, before, limit + 1).await?;
    let (found, next_cursor) = page(found, limit, |entry| entry.id);
    Ok(Json(Changes { changes: found.into_iter().map(Into::into).collect(), next_cursor }).into_response())
}
