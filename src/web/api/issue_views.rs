//! `/api/v1/issues/{id}/…` for who looks closer: how far it is, how it was accepted over time, what it said; and
//! `/api/v1/deliveries/{id}`, one mail to one person.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{
    Caller,
    answers::{Mail, Reply, Retried},
    id::Id,
    issues::{find, unknown},
    operation::Operation,
};
use crate::context::Context;
use crate::delivering::retrying;
use crate::delivering::why::{Because, Obstacles, because};
use crate::domain::{delivery, issue::Kind, time::Timestamp};
use crate::publishing::{
    live::{Live, live},
    progress,
};
use crate::store::{self, attempts::Tried, queue::Found};
use crate::web::problem::Problem;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/api/v1/issues/{id}/progress",
            "How far it has got, once: for who asks again and again.",
        )
        .gives::<Live>(200, "The same as an event of the stream."),
        Operation::get("/api/v1/issues/{id}/curve", "How it was accepted over time.")
            .gives::<Curve>(200, "At most some 250 points, up to where nearly all had it."),
        Operation::get("/api/v1/issues/{id}/mail", "What it said, with samples for what differs by reader.")
            .note("Of a digest it is the one with the most stories. After 90 days no mail is kept: 404.")
            .gives::<Mail>(200, "The mail."),
        Operation::get(
            "/api/v1/deliveries/{id}",
            "One mail to one person: every try, and what is in its way.",
        )
        .numbered()
        .gives::<OneDelivery>(200, "The delivery."),
        Operation::post(
            "/api/v1/deliveries/{id}/retry",
            "Tries one mail again at once that was put off or given up.",
        )
        .numbered()
        .gives::<Retried>(200, "That it waits to be sent.")
        .refuses("It is neither put off nor given up, or its issue was called off."),
    ]
}

/// How an issue was accepted over time.
#[derive(Serialize, JsonSchema)]
pub struct Curve {
    /// How many have accepted it by now.
    pub accepted: i64,
    /// Null until somebody has.
    pub last_accepted_at: Option<Timestamp>,
    /// In order.
    pub points: Vec<Point>,
}

/// So many had accepted it by then.
#[derive(Serialize, JsonSchema)]
pub struct Point {
    pub at: Timestamp,
    pub accepted: i64,
}

/// One mail to one person.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FullDelivery")]
pub struct OneDelivery {
    pub id: i64,
    pub issue: Uuid,
    pub kind: Kind,
    pub subject: String,
    /// The reader's id; null for a mail to a bare address, as a confirmation is.
    pub subscriber: Option<Uuid>,
    pub address: String,
    pub state: delivery::State,
    pub attempts: i64,
    pub relay: Option<String>,
    pub reply: Reply,
    pub due_at: Timestamp,
    pub retry_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// The tries that were not plainly accepted, the oldest first.
    pub tried: Vec<Try>,
    /// Why it is where it is, in sentences.
    pub says: Vec<String>,
}

/// A try of a delivery at a relay.
#[derive(Serialize, JsonSchema)]
pub struct Try {
    pub at: Timestamp,
    pub relay: String,
    /// What the answer was taken for.
    pub verdict: String,
    pub code: Option<i64>,
    pub text: String,
}

impl From<Tried> for Try {
    fn from(Tried { at, relay, verdict, reply_code, reply_text }: Tried) -> Self {
        Self { at, relay, verdict, code: reply_code, text: reply_text }
    }
}

pub async fn progress(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    Ok(Json(live(&cx, id).await?.ok_or_else(unknown)?).into_response())
}

pub async fn curve(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    let mut tx = cx.db.read().await?;
    let issue = find(&mut tx, &id).await?;
    let Some(acceptance) = progress::acceptance(&mut tx, &issue).await? else {
        return Ok(Json(Curve { accepted: 0, last_accepted_at: None, points: Vec::new() }).into_response());
    };
    let from = acceptance.from.as_micros();
    let point = |(after, accepted): &(i64, i64)| Point {
        at: Timestamp::from_micros(from.saturating_add(*after)),
        accepted: *accepted,
    };
    let curve = Curve {
        accepted: acceptance.accepted,
        last_accepted_at: Some(acceptance.last),
        points: acceptance.points.iter().map(point).collect(),
    };
    Ok(Json(curve).into_response())
}

pub async fn mail(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    let mut tx = cx.db.read().await?;
    let issue = find(&mut tx, &id).await?;
    drop(tx);
    let gone = || Problem::new(StatusCode::NOT_FOUND, "No mail of this issue is kept, or none is made yet.");
    Ok(Json(Mail::from(progress::said(&cx, &issue).await?.ok_or_else(gone)?)).into_response())
}

pub async fn delivery(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    let id: i64 = id.parse().map_err(|_| no_delivery())?;
    let mut tx = cx.db.read().await?;
    let found = store::queue::find(&mut tx, id).await?.ok_or_else(no_delivery)?;
    let subscriber = store::deliveries::subscriber_of(&mut tx, id).await?;
    let tried = store::attempts::of(&mut tx, id).await?.into_iter().map(Into::into).collect();
    let obstacles = Obstacles::read(&cx, &mut tx).await?;
    let says = because(&cx, &found, &obstacles).iter().map(Because::on_page).collect();
    let Found { address, state, attempts, relay, reply_code, reply_enhanced, reply_text, .. } = found;
    let Found { due_at, retry_at, ended_at, issue, kind, subject, .. } = found;
    let reply = Reply { code: reply_code, enhanced: reply_enhanced, text: reply_text };
    let delivery = OneDelivery {
        id,
        issue,
        kind,
        subject,
        subscriber,
        address,
        state,
        attempts,
        relay,
        reply,
        due_at,
        retry_at,
        ended_at,
        tried,
        says,
    };
    Ok(Json(delivery).into_response())
}

pub async fn retry(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let id: i64 = id.parse().map_err(|_| no_delivery())?;
    match retrying::one(&cx, &caller.actor(), id).await?.ok_or_else(no_delivery)? {
        retrying::Retried { queued: true, .. } => Ok(Json(Retried { retried: 1 }).into_response()),
        retrying::Retried { state, .. } => {
            let detail = format!("It is {state}; only what was put off or given up is tried again.");
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

fn no_delivery() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no delivery of this id, or it is no longer kept.")
}
