//! `/api/v1/races`: outcomes that are written beforehand, of which one is released. The outcomes are drafts with a `race`.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    Caller,
    answers::{self, Called, Outcome},
    id::Id,
    invalid, kinds,
    listing::{Asked, asked, page},
    one_line,
    operation::Operation,
    sent::Sent,
};
use crate::context::Context;
use crate::domain::{race::LONGEST_NAME, time::Timestamp, topic::Slug, wall::check_zone};
use crate::publishing::{
    desk::Written,
    races::{self, Bar, Moved, Race, Wanted},
};
use crate::web::problem::Problem;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    let race = |operation: Operation| operation.gives::<answers::Race>(200, "The race.");
    vec![
        Operation::get(
            "/api/v1/races",
            "Alerts that are written before it is known which of them comes true, the newest first.",
        )
        .asks::<Asked>()
        .gives::<answers::Races>(200, "A page of them."),
        Operation::post("/api/v1/races", "Begins one; its outcomes are drafts that are begun with it.")
            .takes::<New>()
            .gives::<answers::Race>(201, "The race, without outcomes."),
        race(Operation::get("/api/v1/races/{id}", "A race and its outcomes.")),
        race(
            Operation::patch("/api/v1/races/{id}", "Another name, or other topics to begin with.")
                .takes::<Edit>(),
        ),
        race(
            Operation::post(
                "/api/v1/races/{id}/moment",
                "Moves the moment before which no outcome is released.",
            )
            .takes::<Moment>()
            .refuses("It is called, or somebody else moved it at the same time."),
        ),
        race(
            Operation::post(
                "/api/v1/races/{id}/close",
                "Puts it away: none of its outcomes can be released then.",
            )
            .note("Of one that is called it says no more than that it is over."),
        ),
        race(Operation::post("/api/v1/races/{id}/reopen", "Takes it out again.")),
    ]
}

/// A page of races, the newest first.
pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked: Asked = asked(query)?;
    let (before, limit) = (asked.cursor()?.unwrap_or(i64::MAX), asked.limit()?);
    let found = races::page(&cx, before, limit + 1, None).await?;
    let (found, next_cursor) = page(found, limit, |race| race.row.id);
    Ok(Json(answers::Races { races: found.iter().map(shown).collect(), next_cursor }).into_response())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewRace")]
pub struct New {
    #[schemars(length(min = 1, max = LONGEST_NAME))]
    name: String,
    /// No outcome is released before: when polls close.
    not_before: Timestamp,
    /// In whose clocks people are told of it, by its IANA name; absent for UTC.
    timezone: Option<String>,
    /// Whether `not_before` may have passed, so that its outcomes can be released at once.
    #[serde(default = "yes")]
    open_now: bool,
    /// With which its drafts begin.
    #[serde(default)]
    topics: Vec<Slug>,
}

const fn yes() -> bool {
    true
}

/// 201 with a new race, without outcomes.
pub async fn create(
    State(cx): State<Context>,
    caller: Caller,
    Sent(input, _): Sent<New>,
) -> Result<Response, Problem> {
    let wanted = Wanted {
        name: one_line("/name", &input.name, LONGEST_NAME)?,
        not_before: input.not_before,
        timezone: zone(input.timezone)?,
        open_now: input.open_now,
        topics: words(&input.topics),
    };
    let id = races::create(&cx, &caller.actor(), &wanted).await?;
    let race = find(&cx, &id.to_string()).await?;
    Ok((StatusCode::CREATED, Json(shown(&race))).into_response())
}

pub async fn show(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    answer(&cx, &id).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RaceChange")]
pub struct Edit {
    #[schemars(length(min = 1, max = LONGEST_NAME))]
    name: Option<String>,
    /// With which its drafts begin.
    topics: Option<Vec<Slug>>,
}

/// 200 with the race, under its new name or with other topics. Its moment is moved by a call of its own.
pub async fn edit(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    Sent(input, _): Sent<Edit>,
) -> Result<Response, Problem> {
    let name = input.name.map(|name| one_line("/name", &name, LONGEST_NAME)).transpose()?;
    let topics = input.topics.map(|topics| words(&topics));
    let public_id = id.parse().map_err(|_| unknown())?;
    if !races::edit(&cx, &caller.actor(), public_id, name.as_deref(), topics.as_deref()).await? {
        return Err(unknown());
    }
    answer(&cx, &id).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RaceMoment")]
pub struct Moment {
    not_before: Timestamp,
    /// Absent: as it is.
    timezone: Option<String>,
    /// Whether `not_before` may have passed, so that its outcomes can be released at once.
    #[serde(default = "yes")]
    open_now: bool,
    /// The race's name, so that nobody moves it in passing.
    confirm: String,
}

/// 200 with the race, which may be called from another moment on.
pub async fn move_to(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    Sent(input, _): Sent<Moment>,
) -> Result<Response, Problem> {
    let race = find(&cx, &id).await?;
    let timezone = zone(Some(input.timezone.unwrap_or_else(|| race.row.timezone.clone())))?;
    let to = (input.not_before, timezone.as_str(), input.open_now);
    match races::move_to(&cx, &caller.actor(), race.row.public_id, to, &input.confirm).await? {
        Moved::Yes => answer(&cx, &id).await,
        Moved::NotItsName => Err(invalid("/confirm", "must be the race's name")),
        Moved::TooLate => {
            let detail = "It is called, or somebody else moved it at the same time; look at it again.";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Moved::Unknown => Err(unknown()),
    }
}

/// Puts a race away: 200 with it, also when it was before.
pub async fn close(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    put_away(&cx, &caller, &id, false).await
}

/// Takes one out again: 200 with it, also when it was before.
pub async fn reopen(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    put_away(&cx, &caller, &id, true).await
}

async fn put_away(cx: &Context, caller: &Caller, id: &str, back: bool) -> Result<Response, Problem> {
    let public_id = id.parse::<Uuid>().map_err(|_| unknown())?;
    races::put_away(cx, &caller.actor(), public_id, back).await?.ok_or_else(unknown)?;
    answer(cx, id).await
}

/// Why an outcome of a race can't be released.
pub(super) fn barred(bar: &Bar) -> Problem {
    let detail = bar.as_sentence();
    match bar {
        Bar::TooEarly(not_before, _) => {
            kinds::TOO_EARLY.conflict(detail).with_member("not_before", json!(not_before))
        }
        Bar::Retired(outcome) => kinds::RETIRED.conflict(detail).with_member("outcome", outcome.as_str()),
        Bar::Closed => kinds::RACE_CLOSED.conflict(detail),
    }
}

async fn answer(cx: &Context, id: &str) -> Result<Response, Problem> {
    Ok(Json(shown(&find(cx, id).await?)).into_response())
}

fn shown(race: &Race) -> answers::Race {
    let outcome = |it: &Written| Outcome {
        draft: it.draft.public_id,
        outcome: it.text.outcome.clone(),
        subject: it.text.subject.clone(),
        state: it.draft.state,
        retired: race.is_retired(it),
        asked_by: it.draft.asked_by.clone(),
    };
    let row = &race.row;
    answers::Race {
        id: row.public_id,
        state: race.state(),
        name: row.name.clone(),
        not_before: row.not_before,
        timezone: row.timezone.clone(),
        topics: race.topics(),
        outcomes: race.outcomes.iter().map(outcome).collect(),
        called: race.call.clone().map(|it| Called {
            draft: it.draft,
            outcome: it.outcome,
            issue: it.issue,
            by: it.by,
            at: it.at,
            correction: it.correction,
        }),
        closed_at: row.closed_at,
        created_at: row.created_at,
        created_by: row.created_by.clone(),
    }
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
