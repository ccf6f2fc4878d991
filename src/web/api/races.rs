//! `/api/v1/races`: outcomes that are written beforehand, of which one is released. The outcomes are drafts with a `race`.

use axum::Json;
use axum::extract::{Path, Query, Request, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Caller, invalid, json_body,
    listing::{Asked, asked, next_cursor},
    one_line,
};
use crate::context::Context;
use crate::domain::{
    race::{LONGEST_NAME, State as RaceState, check_zone},
    time::Timestamp,
    topic::Slug,
};
use crate::publishing::races::{self, Bar, Moved, Race, Wanted};
use crate::web::{json, problem::Problem};

/// A page of races, the newest first.
pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked = asked(query)?;
    if asked.state::<RaceState>()?.is_some() {
        let detail = "Races are listed whatever their state, which follows from the time; leave state out.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).at_field("state", detail));
    }
    let (before, limit) = (asked.cursor()?.unwrap_or(i64::MAX), asked.limit()?);
    let page = races::page(&cx, before, limit).await?;
    let next = next_cursor(&page, limit, |race| race.row.id);
    let mut shown = Vec::new();
    for race in &page {
        shown.push(show_race(&cx, race).await?);
    }
    Ok(Json(json!({ "races": shown, "next_cursor": next })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    not_before: Timestamp,
    /// In whose clocks people are told of it.
    timezone: Option<String>,
    #[serde(default)]
    topics: Vec<Slug>,
}

/// 201 with a new race, without outcomes.
pub async fn create(
    State(cx): State<Context>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let input: New = json::read(&json_body(request).await?)?;
    let wanted = Wanted {
        name: one_line("/name", &input.name, LONGEST_NAME)?,
        not_before: input.not_before,
        timezone: zone(input.timezone)?,
        topics: words(&input.topics),
    };
    let id = races::create(&cx, &caller.actor(), &wanted).await?;
    let race = find(&cx, &id.to_string()).await?;
    Ok((StatusCode::CREATED, Json(show_race(&cx, &race).await?)).into_response())
}

pub async fn show(State(cx): State<Context>, Path(id): Path<String>) -> Result<Response, Problem> {
    shown(&cx, &id).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    name: Option<String>,
    topics: Option<Vec<Slug>>,
}

/// 200 with the race, under its new name or with other topics. Its moment is moved by a call of its own.
pub async fn edit(
    State(cx): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let input: Edit = json::read(&json_body(request).await?)?;
    let name = input.name.map(|name| one_line("/name", &name, LONGEST_NAME)).transpose()?;
    let topics = input.topics.map(|topics| words(&topics));
    let public_id = id.parse().map_err(|_| unknown())?;
    if !races::edit(&cx, &caller.actor(), public_id, name.as_deref(), topics.as_deref()).await? {
        return Err(unknown());
    }
    shown(&cx, &id).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moment {
    not_before: Timestamp,
    /// Absent: as it is.
    timezone: Option<String>,
    /// The race's name, so that nobody moves it in passing.
    confirm: String,
}

/// 200 with the race, which may be called from another moment on.
pub async fn move_to(
    State(cx): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let input: Moment = json::read(&json_body(request).await?)?;
    let race = find(&cx, &id).await?;
    let timezone = zone(Some(input.timezone.unwrap_or_else(|| race.row.timezone.clone())))?;
    let to = (input.not_before, timezone.as_str());
    match races::move_to(&cx, &caller.actor(), race.row.public_id, to, &input.confirm).await? {
        Moved::Yes => shown(&cx, &id).await,
        Moved::NotItsName => Err(invalid("/confirm", "must be the race's name")),
        Moved::TooLate => {
            let detail = "It is called, or somebody else moved it at the same time; look at it again.";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Moved::Unknown => Err(unknown()),
    }
}

/// Puts a race away that isn't called: 200 with it, also when it was before.
pub async fn close(
    State(cx): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    put_away(&cx, &caller, &id, false).await
}

/// Takes one out again: 200 with it, also when it was before.
pub async fn reopen(
    State(cx): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    put_away(&cx, &caller, &id, true).await
}

async fn put_away(cx: &Context, caller: &Caller, id: &str, back: bool) -> Result<Response, Problem> {
    let public_id = id.parse::<Uuid>().map_err(|_| unknown())?;
    races::put_away(cx, &caller.actor(), public_id, back).await?.ok_or_else(unknown)?;
    let race = find(cx, id).await?;
    if race.state() == RaceState::Called {
        return Err(Problem::new(StatusCode::CONFLICT, "It is called, so it can't be put away."));
    }
    shown(cx, id).await
}

/// Why an outcome of a race can't be released.
pub(super) fn barred(bar: &Bar) -> Problem {
    let problem = |kind, title| Problem::new(StatusCode::CONFLICT, bar.as_sentence()).of_type(kind, title);
    match bar {
        Bar::TooEarly(not_before, _) => {
            problem("/api/v1/docs#too-early", "It is too early").with_member("not_before", json!(not_before))
        }
        Bar::Retired(outcome) => problem("/api/v1/docs#retired", "Another outcome was released")
            .with_member("outcome", outcome.as_str()),
        Bar::Closed => problem("/api/v1/docs#race-closed", "The race is put away"),
    }
}

async fn shown(cx: &Context, id: &str) -> Result<Response, Problem> {
    Ok(Json(show_race(cx, &find(cx, id).await?).await?).into_response())
}

async fn show_race(cx: &Context, race: &Race) -> Result<Value, Problem> {
    let call = races::call(cx, race).await?;
    let outcomes: Vec<_> = race
        .outcomes
        .iter()
        .map(|it| {
            json!({
                "draft": it.draft.public_id, "outcome": it.text.outcome, "subject": it.text.subject,
                "state": it.draft.state, "retired": race.is_retired(it), "asked_by": it.draft.asked_by,
            })
        })
        .collect();
    let row = &race.row;
    Ok(json!({
        "id": row.public_id, "state": race.state(), "name": row.name, "not_before": row.not_before,
        "timezone": row.timezone, "topics": race.topics(), "outcomes": outcomes,
        "called": call.map(|it| json!({ "draft": it.draft, "outcome": it.outcome, "issue": it.issue, "by": it.by })),
        "created_at": row.created_at, "created_by": row.created_by,
    }))
}

fn words(topics: &[Slug]) -> Vec<String> {
    topics.iter().map(ToString::to_string).collect()
}

fn zone(given: Option<String>) -> Result<String, Problem> {
    let zone = given.unwrap_or_else(|| "UTC".to_owned());
    check_zone(&zone).map_err(|why| invalid("/timezone", why))?;
    Ok(zone)
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no race with this id.")
}

async fn find(cx: &Context, id: &str) -> Result<Race, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    races::find(cx, id).await?.ok_or_else(unknown)
}
