//! `/api/v1/issues`: what was published, to whom, with which reply; and how to stop it.

use std::str::FromStr;

use axum::Json;
use axum::extract::{Path, Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Caller;
use crate::context::Context;
use crate::domain::delivery::State as DeliveryState;
use crate::publishing::{self, Cancelled};
use crate::store::{self, Tx, deliveries::Shown, issues::Issue};
use crate::web::problem::Problem;

const PAGE: i64 = 100;
const LARGEST_PAGE: i64 = 1_000;

/// A page of issues, the newest first; notices are left out.
pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked = asked(query)?;
    let (state, before, limit) = (asked.state()?, asked.cursor()?.unwrap_or(i64::MAX), asked.limit()?);
    let mut tx = cx.db.read().await?;
    let page = store::issues::page(&mut tx, state, before, limit).await?;
    let next = next_cursor(&page, limit, |issue| issue.id);
    let mut shown = Vec::new();
    for issue in &page {
        shown.push(show_issue(&mut tx, issue).await?);
    }
    Ok(Json(json!({ "issues": shown, "next_cursor": next })).into_response())
}

pub async fn show(State(cx): State<Context>, Path(id): Path<String>) -> Result<Response, Problem> {
    let mut tx = cx.db.read().await?;
    let issue = find(&mut tx, &id).await?;
    Ok(Json(show_issue(&mut tx, &issue).await?).into_response())
}

/// A page of deliveries, each with the last reply; and why mail waits, where it does.
pub async fn deliveries(
    State(cx): State<Context>,
    Path(id): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked = asked(query)?;
    let (state, after, limit) = (asked.state()?, asked.cursor()?.unwrap_or(0), asked.limit()?);
    let mut tx = cx.db.read().await?;
    let issue = find(&mut tx, &id).await?;
    let page = store::deliveries::page(&mut tx, issue.id, state, after, limit).await?;
    let next = next_cursor(&page, limit, |delivery| delivery.id);
    let troubles: Vec<_> = store::nodes::troubles(&mut tx)
        .await?
        .into_iter()
        .map(|t| json!({ "relay": t.relay, "paused": t.paused, "reason": t.reason, "since": t.since, "next_try_at": t.until }))
        .collect();
    let deliveries: Vec<_> = page.iter().map(show_delivery).collect();
    Ok(Json(json!({ "deliveries": deliveries, "next_cursor": next, "relay_troubles": troubles }))
        .into_response())
}

/// 200 with the issue once nobody more gets it, while what waits is still being called off; 409 when everybody has it.
pub async fn cancel(
    State(cx): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let Ok(public_id) = id.parse::<Uuid>() else { return Err(unknown()) };
    match publishing::cancel(&cx, public_id, &caller.actor()).await? {
        Cancelled::Now { .. } | Cancelled::Already => {
            let mut tx = cx.db.read().await?;
            let issue = find(&mut tx, &id).await?;
            Ok(Json(show_issue(&mut tx, &issue).await?).into_response())
        }
        Cancelled::TooLate => {
            Err(Problem::new(StatusCode::CONFLICT, "It is too late: every mail of this issue has left."))
        }
        Cancelled::Unknown => Err(unknown()),
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

fn asked(query: Result<Query<Asked>, QueryRejection>) -> Result<Asked, Problem> {
    query.map(|Query(asked)| asked).map_err(|error| {
        let detail = format!("{}; the parameters are state, cursor and limit.", error.body_text());
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

impl Asked {
    /// Of issues or of deliveries.
    fn state<S: FromStr<Err = String>>(&self) -> Result<Option<S>, Problem> {
        let word = self.state.as_deref().filter(|word| !word.is_empty());
        word.map(|word| word.parse().map_err(|error: String| parameter("state", &error))).transpose()
    }

    fn cursor(&self) -> Result<Option<i64>, Problem> {
        let cursor = self.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let wrong = |_| parameter("cursor", "must be the next_cursor of the page before");
        cursor.map(|cursor| cursor.parse().map_err(wrong)).transpose()
    }

    fn limit(&self) -> Result<i64, Problem> {
        let limit = self.limit.as_deref().map_or(Some(PAGE), |limit| limit.parse().ok());
        limit
            .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
            .ok_or_else(|| parameter("limit", &format!("must be a number from 1 to {LARGEST_PAGE}")))
    }
}

/// Where the next page begins; none behind the last.
fn next_cursor<T>(page: &[T], limit: i64, id: impl Fn(&T) -> i64) -> Option<String> {
    let full = i64::try_from(page.len()).is_ok_and(|count| count == limit);
    page.last().filter(|_| full).map(|last| id(last).to_string())
}

fn parameter(name: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{name} {detail}.")).at_field(name, detail)
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no issue with this id.")
}

async fn find(tx: &mut Tx, id: &str) -> Result<Issue, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    store::issues::by_public_id(tx, id).await?.ok_or_else(unknown)
}

async fn show_issue(tx: &mut Tx, issue: &Issue) -> Result<Value, Problem> {
    let counted = match &issue.totals {
        Some(totals) => serde_json::from_str(totals).unwrap_or_default(),
        None => store::deliveries::counts(tx, issue.id)
            .await?
            .into_iter()
            .map(|(state, count)| (state.to_string(), Value::from(count)))
            .collect::<serde_json::Map<_, _>>(),
    };
    let counts: serde_json::Map<_, _> = DeliveryState::WORDS
        .iter()
        .map(|word| ((*word).to_owned(), counted.get(*word).cloned().unwrap_or_else(|| 0.into())))
        .collect();
    Ok(json!({
        "id": issue.public_id, "kind": issue.kind, "state": issue.state, "subject": issue.subject,
        "level": issue.level, "audience": issue.audience, "counts": counts,
        "created_at": issue.created_at, "expires_at": issue.expires_at,
    }))
}

fn show_delivery(delivery: &Shown) -> Value {
    json!({
        "id": delivery.id, "subscriber": delivery.subscriber, "address": delivery.address, "state": delivery.state,
        "attempts": delivery.attempts, "relay": delivery.relay,
        "reply": {
            "code": delivery.reply_code, "enhanced": delivery.reply_enhanced, "text": delivery.reply_text,
        },
        "due_at": delivery.due_at, "retry_at": delivery.retry_at, "ended_at": delivery.ended_at,
    })
}
