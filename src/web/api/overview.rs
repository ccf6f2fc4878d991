//! `/api/v1/overview`, `…/incidents`, and letting a lane or a relay go on: how the newsroom stands.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Caller,
    answers::RelayTrouble,
    id::Id,
    listing::{Asked, asked, page},
    operation::Operation,
};
use crate::context::Context;
use crate::delivering::{
    pausing,
    waiting::{AtRelay, InLane, UsedUp, Waiting},
};
use crate::domain::{
    issue::Lane,
    pause::{Kind, Pause},
    time::Timestamp,
};
use crate::store::{self, incidents::Incident, pausing::PausedIssue, readers::Day};
use crate::web::problem::Problem;

/// How many days growth and losses go back.
const DAYS: i64 = 90;
/// Which incidents a list may be asked for.
const STATES: &[&str] = &["open", "over"];

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/api/v1/overview",
            "How the newsroom stands: readers, what waits and why, relays, what is amiss.",
        )
        .gives::<Overview>(200, "As the newsroom's first page has it."),
        Operation::get("/api/v1/incidents", "What the watch found amiss, the newest first.")
            .note("Each is told once, by webhook and mail; what is over is kept for a while.")
            .asks::<Asked>()
            .states(STATES)
            .gives::<Incidents>(200, "A page of them."),
        Operation::post("/api/v1/lanes/{name}/resume", "Lets a lane go on that somebody paused.")
            .called()
            .gives::<Resumed>(200, "Whether it was paused."),
        Operation::post(
            "/api/v1/relays/{name}/resume",
            "Lets a relay go on that somebody paused, or that refuses our mail.",
        )
        .note("What it put off is queued again, and it is tried at once.")
        .called()
        .gives::<Resumed>(200, "What that brought about."),
    ]
}

/// How the newsroom stands.
#[derive(Serialize, JsonSchema)]
pub struct Overview {
    pub readers: Growth,
    /// When the service was last heard of that sends mail; null where none ever was.
    pub service_seen_at: Option<Timestamp>,
    /// What waits, the most pressing lane first.
    pub lanes: Vec<LaneState>,
    pub relays: Vec<RelayState>,
    /// What lasts of what the watch found amiss.
    pub incidents: Vec<Incident>,
    /// Issues that nobody gets until somebody resumes them.
    pub paused_issues: Vec<PausedIssue>,
}

/// Readers now, and over the last 90 days.
#[derive(Serialize, JsonSchema)]
pub struct Growth {
    pub active: i64,
    /// The days on which somebody came or left, in order.
    pub days: Vec<DayOfReaders>,
}

#[derive(Serialize, JsonSchema)]
pub struct DayOfReaders {
    /// When it began, in UTC.
    pub day: Timestamp,
    pub came: i64,
    pub gone: i64,
}

impl From<Day> for DayOfReaders {
    fn from(Day { day, came, gone }: Day) -> Self {
        Self { day: Timestamp::of_day(day), came, gone }
    }
}

/// A lane of the queue.
#[derive(Serialize, JsonSchema)]
pub struct LaneState {
    pub lane: Lane,
    pub queued: i64,
    pub sending: i64,
    pub deferred: i64,
    /// Since when the oldest waits.
    pub oldest: Option<Timestamp>,
    /// When the first that was put off is tried again.
    pub next_retry: Option<Timestamp>,
    pub paused: Option<PausedByHand>,
}

impl From<InLane> for LaneState {
    fn from(it: InLane) -> Self {
        let InLane { lane, queued, sending, deferred, oldest, next_retry, paused } = it;
        Self { lane, queued, sending, deferred, oldest, next_retry, paused: paused.map(Into::into) }
    }
}

/// A relay.
#[derive(Serialize, JsonSchema)]
pub struct RelayState {
    pub name: String,
    /// False where config.toml has it no more.
    pub configured: bool,
    pub paused: Option<PausedByHand>,
    /// Why it takes no mail by itself.
    pub trouble: Option<RelayTrouble>,
    /// When there is room again, where its day is used up.
    pub day_used_up_until: Option<Timestamp>,
}

impl From<AtRelay> for RelayState {
    fn from(AtRelay { name, configured, paused, trouble, day_used_up }: AtRelay) -> Self {
        Self {
            name,
            configured,
            paused: paused.map(Into::into),
            trouble: trouble.map(Into::into),
            day_used_up_until: day_used_up.map(|UsedUp { until, .. }| until),
        }
    }
}

/// Somebody paused it.
#[derive(Serialize, JsonSchema)]
pub struct PausedByHand {
    pub since: Timestamp,
    /// May be empty.
    pub reason: String,
}

impl From<Pause> for PausedByHand {
    fn from(Pause { since, reason, .. }: Pause) -> Self {
        Self { since, reason }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Incidents {
    pub incidents: Vec<Incident>,
    pub next_cursor: Option<String>,
}

/// What letting something go on brought about.
#[derive(Serialize, JsonSchema)]
pub struct Resumed {
    /// Somebody had paused it.
    pub lifted: bool,
    /// It is a relay that rested or refused our mail, and is tried at once.
    pub tried: bool,
}

pub async fn overview(State(cx): State<Context>) -> Result<Response, Problem> {
    let first = Timestamp::of_day(cx.clock.now().day() - DAYS + 1);
    let mut tx = cx.db.read().await?;
    let Waiting { last_heartbeat, lanes, relays } = Waiting::read(&cx, &mut tx).await?;
    let active = store::readers::active(&mut tx).await?;
    let days = store::readers::days(&mut tx, first).await?;
    let overview = Overview {
        readers: Growth { active, days: days.into_iter().map(Into::into).collect() },
        service_seen_at: last_heartbeat,
        lanes: lanes.into_iter().map(Into::into).collect(),
        relays: relays.into_iter().map(Into::into).collect(),
        incidents: store::incidents::open(&mut tx).await?,
        paused_issues: store::pausing::paused(&mut tx).await?,
    };
    Ok(Json(overview).into_response())
}

pub async fn incidents(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked: Asked = asked(query)?;
    let (state, before, limit) =
        (asked.state_of(STATES)?, asked.cursor()?.unwrap_or(i64::MAX), asked.limit()?);
    let mut tx = cx.db.read().await?;
    let found = store::incidents::page(&mut tx, state, before, limit + 1).await?;
    let (incidents, next_cursor) = page(found, limit, |incident| incident.id);
    Ok(Json(Incidents { incidents, next_cursor }).into_response())
}

/// 200 also where it wasn't paused.
pub async fn resume_lane(
    State(cx): State<Context>,
    caller: Caller,
    Id(name): Id,
) -> Result<Response, Problem> {
    let unknown = |why: String| Problem::new(StatusCode::NOT_FOUND, format!("A lane {why}."));
    let lane: Lane = name.parse().map_err(unknown)?;
    resume(&cx, &caller, Kind::Lane, lane.as_str()).await
}

/// 200 also where it took mail.
pub async fn resume_relay(
    State(cx): State<Context>,
    caller: Caller,
    Id(name): Id,
) -> Result<Response, Problem> {
    let mut tx = cx.db.read().await?;
    let Waiting { relays, .. } = Waiting::read(&cx, &mut tx).await?;
    drop(tx);
    if !relays.iter().any(|relay| relay.name == name) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "There is no relay of this name."));
    }
    resume(&cx, &caller, Kind::Relay, &name).await
}

async fn resume(cx: &Context, caller: &Caller, kind: Kind, name: &str) -> Result<Response, Problem> {
    let pausing::Resumed { lifted, tried } = pausing::resume(cx, &caller.actor(), kind, name).await?;
    Ok(Json(Resumed { lifted, tried }).into_response())
}
