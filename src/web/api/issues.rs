//! `/api/v1/issues`: what was published, to whom, with which reply; and how to stop it.

use axum::Json;
use axum::extract::{Query, Request, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Caller, answers,
    id::Id,
    json_body,
    listing::{Asked, asked, page},
    operation::Operation,
};
use crate::context::Context;
use crate::delivering::retrying;
use crate::domain::{delivery::State as DeliveryState, issue::State as IssueState};
use crate::publishing::{
    Cancelled,
    archive::{self, Marked},
    live::{Live, live},
    progress::Progress,
    releasing::{self, Undone},
};
use crate::store::{self, Tx, issues::Issue};
use crate::web::{json, live, problem::Problem};

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/issues", "What was published, the newest first, without notices.")
            .asks::<Asked>()
            .states(IssueState::WORDS)
            .gives::<answers::Issues>(200, "A page of them."),
        Operation::get("/api/v1/issues/{id}", "An issue and how far it has got.")
            .gives::<answers::Issue>(200, "The issue."),
        Operation::patch("/api/v1/issues/{id}", "Puts an issue into the public archive, or takes it out.")
            .takes::<Marking>()
            .gives::<answers::Issue>(200, "The issue.")
            .refuses("It has no page that could stand there."),
        Operation::get(
            "/api/v1/issues/{id}/deliveries",
            "To whom it goes, each with the server's last reply.",
        )
        .asks::<Asked>()
        .states(DeliveryState::WORDS)
        .gives::<answers::Deliveries>(200, "A page of them; and which relay takes no mail now, and why."),
        Operation::get(
            "/api/v1/issues/{id}/events",
            "How far it has got, twice a second, until nothing changes any more.",
        )
        .note("A stream ends after an hour at the latest; call again.")
        .streams::<Live>("Server-sent events, the data of each as JSON."),
        Operation::post(
            "/api/v1/issues/{id}/undo",
            "Takes back a release that is held: nobody got it, and its draft is open again.",
        )
        .gives::<answers::Undone>(200, "The issue, and the draft.")
        .refuses("The hold is over."),
        Operation::post("/api/v1/issues/{id}/cancel", "Nobody more gets it; one that is held is undone.")
            .note("What a relay has begun to read goes out. `counts` follow within moments.")
            .gives::<answers::Issue>(200, "The issue.")
            .refuses("Everybody has it."),
        Operation::post("/api/v1/issues/{id}/retry", "Tries again at once what was put off or given up.")
            .note("A repeat does nothing more: what waits to be sent is not tried again. Nothing that was called off is.")
            .gives::<answers::Retried>(200, "How many mails that are."),
    ]
}

/// A page of issues, the newest first; notices are left out.
pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked: Asked = asked(query)?;
    let (state, before, limit) = (asked.state()?, asked.cursor()?.unwrap_or(i64::MAX), asked.limit()?);
    let mut tx = cx.db.read().await?;
    let found = store::issues::page(&mut tx, state, before, limit + 1).await?;
    let (found, next_cursor) = page(found, limit, |issue| issue.id);
    let mut issues = Vec::new();
    for issue in &found {
        issues.push(show_issue(&mut tx, issue).await?);
    }
    Ok(Json(answers::Issues { issues, next_cursor }).into_response())
}

pub async fn show(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    let mut tx = cx.db.read().await?;
    let issue = find(&mut tx, &id).await?;
    Ok(Json(show_issue(&mut tx, &issue).await?).into_response())
}

/// A page of deliveries, each with the last reply; and why mail waits, where it does.
pub async fn deliveries(
    State(cx): State<Context>,
    Id(id): Id,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked: Asked = asked(query)?;
    let (state, after, limit) = (asked.state()?, asked.cursor()?.unwrap_or(0), asked.limit()?);
    let mut tx = cx.db.read().await?;
    let issue = find(&mut tx, &id).await?;
    let found = store::deliveries::page(&mut tx, issue.id, state, after, limit + 1).await?;
    let (found, next_cursor) = page(found, limit, |delivery| delivery.id);
    let troubles = store::nodes::troubles(&mut tx).await?;
    let answer = answers::Deliveries {
        deliveries: found.into_iter().map(Into::into).collect(),
        next_cursor,
        relay_troubles: troubles.into_iter().map(Into::into).collect(),
    };
    Ok(Json(answer).into_response())
}

/// 200 with the issue once nobody more gets it, while what waits is still being called off; 409 when everybody has it.
/// One that is held is undone.
pub async fn cancel(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
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
pub async fn undo(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let Ok(public_id) = id.parse::<Uuid>() else { return Err(unknown()) };
    match releasing::undo(&cx, &caller.actor(), public_id).await? {
        Undone::Yes => {
            let draft = releasing::draft_of(&cx, public_id).await?;
            let mut tx = cx.db.read().await?;
            let issue = find(&mut tx, &id).await?;
            let issue = show_issue(&mut tx, &issue).await?;
            Ok(Json(answers::Undone { issue, draft }).into_response())
        }
        Undone::TooLate => {
            let mut tx = cx.db.read().await?;
            let detail = match find(&mut tx, &id).await?.state {
                IssueState::Cancelled => "It was stopped already; nobody more gets it.",
                _ => "It isn't held any more, so it can't be undone; cancel it, and nobody more gets it.",
            };
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Undone::Unknown => Err(unknown()),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Marking {
    /// Whether it stands in the public archive.
    public: bool,
}

/// Puts an issue into the public archive, or takes it out: 200 with it; 409 for what has no page to show there.
pub async fn edit(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
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

/// 200 with how many deliveries are tried again.
pub async fn retry(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let public_id = id.parse().map_err(|_| unknown())?;
    let retried = retrying::of_issue(&cx, &caller.actor(), public_id).await?.ok_or_else(unknown)?;
    Ok(Json(answers::Retried { retried }).into_response())
}

/// Server-sent events: how far it has got, twice a second, until nothing changes any more.
pub async fn events(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    let progress = live(&cx, id).await?.ok_or_else(unknown)?;
    Ok(live::progress(cx, caller, progress))
}

pub(super) fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no issue with this id.")
}

pub(super) async fn find(tx: &mut Tx, id: &str) -> Result<Issue, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    store::issues::by_public_id(tx, id).await?.ok_or_else(unknown)
}

pub(super) async fn show_issue(tx: &mut Tx, issue: &Issue) -> Result<answers::Issue, Problem> {
    let progress = Progress::read(tx, issue).await?;
    let held_until = match issue.state {
        IssueState::Held => store::drafts::held_until(tx, issue.id).await?,
        _ => None,
    };
    let (public, _) = store::archive::standing(tx, issue.id).await?;
    Ok(answers::Issue {
        id: issue.public_id,
        kind: issue.kind,
        state: issue.state,
        subject: issue.subject.clone(),
        level: issue.level,
        audience: issue.audience,
        counts: (&progress).into(),
        created_at: issue.created_at,
        expires_at: issue.expires_at,
        held_until,
        public,
        paused_at: issue.paused_at,
    })
}
