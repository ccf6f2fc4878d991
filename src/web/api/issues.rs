//! `/api/v1/issues`: what was published, to whom, with which reply; and how to stop it.

use axum::Json;
use axum::extract::{Path, Query, Request, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Caller, json_body,
    listing::{Asked, asked, next_cursor},
};
use crate::context::Context;
use crate::domain::{delivery::State as DeliveryState, issue::State as IssueState};
use crate::publishing::{
    Cancelled,
    archive::{self, Marked},
    live::live,
    releasing::{self, Undone},
};
use crate::store::{self, Tx, deliveries::Shown, issues::Issue};
use crate::web::{json, live, problem::Problem};

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
/// One that is held is undone.
pub async fn cancel(
    State(cx): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let Ok(public_id) = id.parse::<Uuid>() else { return Err(unknown()) };
    match releasing::stop(&cx, &caller.actor(), public_id).await? {
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

/// 200 with the issue, which nobody got, and the draft that is open again; 409 when the hold is over.
pub async fn undo(
    State(cx): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let Ok(public_id) = id.parse::<Uuid>() else { return Err(unknown()) };
    match releasing::undo(&cx, &caller.actor(), public_id).await? {
        Undone::Yes => {
            let draft = releasing::draft_of(&cx, public_id).await?;
            let mut tx = cx.db.read().await?;
            let issue = find(&mut tx, &id).await?;
            let mut shown = show_issue(&mut tx, &issue).await?;
            shown["draft"] = json!(draft);
            Ok(Json(shown).into_response())
        }
        Undone::TooLate => {
            let detail = "It isn't held any more, so it can't be undone; cancel it, and nobody more gets it.";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Undone::Unknown => Err(unknown()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Marking {
    /// Whether it stands in the public archive.
    public: bool,
}

/// Puts an issue into the public archive, or takes it out: 200 with it; 409 for what has no page to show there.
pub async fn edit(
    State(cx): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let marking: Marking = json::read(&json_body(request).await?)?;
    let public_id = id.parse().map_err(|_| unknown())?;
    match archive::mark(&cx, &caller.actor(), public_id, marking.public).await? {
        Marked::Done => {
            let mut tx = cx.db.read().await?;
            let issue = find(&mut tx, &id).await?;
            Ok(Json(show_issue(&mut tx, &issue).await?).into_response())
        }
        Marked::NotThis => {
            let detail = "It has no page that could stand there: it is a correction, or was published in test mode, or \
                          before there was an archive.";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Marked::Unknown => Err(unknown()),
    }
}

/// Server-sent events: how far it has got, twice a second, until nothing changes any more.
pub async fn events(State(cx): State<Context>, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    let progress = live(&cx, id).await?.ok_or_else(unknown)?;
    Ok(live::told(cx, progress))
}

pub(super) fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no issue with this id.")
}

pub(super) async fn find(tx: &mut Tx, id: &str) -> Result<Issue, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    store::issues::by_public_id(tx, id).await?.ok_or_else(unknown)
}

pub(super) async fn show_issue(tx: &mut Tx, issue: &Issue) -> Result<Value, Problem> {
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
    let held_until = match issue.state {
        IssueState::Held => store::drafts::held_until(tx, issue.id).await?,
        _ => None,
    };
    let (public, _) = store::archive::standing(tx, issue.id).await?;
    Ok(json!({
        "id": issue.public_id, "kind": issue.kind, "state": issue.state, "subject": issue.subject,
        "level": issue.level, "audience": issue.audience, "counts": counts,
        "created_at": issue.created_at, "expires_at": issue.expires_at, "held_until": held_until,
        "public": public,
        "paused_at": issue.paused_at,
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
