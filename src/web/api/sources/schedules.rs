//! `/api/v1/schedules`: when digests leave, and what would be in them.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    Caller,
    id::Id,
    listing::{Asked, asked, cut, parameter},
    operation::Operation,
    sent::Sent,
};
use super::FILED;
use crate::context::Context;
use crate::domain::{cadence::Cadence, subscription::Digest, time::Timestamp};
use crate::newsroom::sources::schedules::{self, Wanted};
use crate::publishing::foreseeing;
use crate::store::{self, schedules::Origin};
use crate::web::problem::Problem;

/// How many times a schedule shows.
const OCCURRENCES: usize = 10;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    let schedule = |operation: Operation| operation.called().gives::<Schedule>(200, "The schedule.");
    vec![
        Operation::get("/api/v1/schedules", "When digests leave, with the next ten times.")
            .asks::<Asked>()
            .gives::<Schedules>(200, "A page of them, also retired ones."),
        Operation::post("/api/v1/schedules", "Makes a schedule, for a digest that has none that runs.")
            .takes::<NewSchedule>()
            .gives::<Schedule>(201, "The schedule."),
        schedule(Operation::get("/api/v1/schedules/{name}", "A schedule, with its next ten times.")),
        schedule(
            Operation::patch("/api/v1/schedules/{name}", "Changes when a digest leaves.")
                .note("Other hours hold from now on; no post is dropped for it, or told twice.")
                .takes::<ScheduleChange>()
                .refuses(FILED),
        ),
        Operation::get(
            "/api/v1/schedules/{name}/preview",
            "What would go out, to how many, if it ran at a time.",
        )
        .note("By what is known now; nothing is written, and nobody gets anything.")
        .called()
        .asks::<When>()
        .gives::<Preview>(200, "The digest as it would be."),
        schedule(
            Operation::post("/api/v1/schedules/{name}/retire", "Lets a schedule run no more.").refuses(FILED),
        ),
        schedule(
            Operation::post("/api/v1/schedules/{name}/restore", "Lets it run again, from now on.")
                .refuses("It stands in config.toml, or another schedule sends its digest."),
        ),
    ]
}

#[derive(Serialize, JsonSchema)]
pub struct Schedules {
    pub schedules: Vec<Schedule>,
    pub next_cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Schedule {
    pub name: String,
    pub cron: String,
    pub timezone: String,
    pub digest: Digest,
    /// Its digests stand in the public archive, with their stories on public topics.
    pub public: bool,
    /// It stands in config.toml, and is changed there.
    pub provisioned: bool,
    /// It doesn't run.
    pub retired: bool,
    /// When it fires, or would.
    pub next: Vec<Occurrence>,
}

/// One time at which a schedule fires.
#[derive(Serialize, JsonSchema)]
pub struct Occurrence {
    /// On the clock of its zone, as in `2026-11-01T07:00:00`.
    pub local: String,
    pub at: Timestamp,
    /// In minutes, by how much that day is longer than 24 hours: 60 where the clocks go back on it, −60 where they go
    /// forward.
    pub day_longer_by: i64,
}

impl Schedule {
    fn of(schedule: store::schedules::Schedule, now: Timestamp) -> Self {
        // One that can't be read was told at the start, and fires never.
        let next = Cadence::parse(&schedule.cron, &schedule.timezone).map_or_else(
            |_| Vec::new(),
            |cadence| {
                let upcoming = cadence.upcoming(now, OCCURRENCES).into_iter();
                upcoming
                    .map(|it| Occurrence {
                        day_longer_by: cadence.day_longer_by(&it),
                        local: it.local,
                        at: it.at,
                    })
                    .collect()
            },
        );
        let store::schedules::Schedule { name, cron, timezone, digest, public, origin, active, .. } =
            schedule;
        let (provisioned, retired) = (origin == Origin::File, !active);
        Self { name, cron, timezone, digest, public, provisioned, retired, next }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSchedule {
    /// Absent for the word of its digest.
    #[serde(default)]
    #[schemars(length(max = 100))]
    name: String,
    #[schemars(extend("enum" = ["daily", "weekly"]))]
    digest: String,
    /// Minute, hour, day of month, month and weekday (by name), as in `0 7 * * MON`.
    cron: String,
    /// By its IANA name, as in `Europe/Berlin`.
    timezone: String,
    /// Its digests stand in the public archive.
    #[serde(default)]
    public: bool,
}

/// What is absent stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleChange {
    #[schemars(length(max = 100))]
    name: Option<String>,
    #[schemars(extend("enum" = ["daily", "weekly", null]))]
    digest: Option<String>,
    cron: Option<String>,
    timezone: Option<String>,
    public: Option<bool>,
}

/// When a digest is asked about.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// On the clock of the schedule's zone, as in `2026-11-03T07:00`; absent for when it runs next.
    at: Option<String>,
}

/// A digest that hasn't run.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DigestPreview")]
pub struct Preview {
    pub at: Timestamp,
    /// How many would get a mail.
    pub readers: u64,
    /// The newest first.
    pub stories: Vec<Story>,
    /// How many stories more would be too many for a mail.
    pub left_out: usize,
    /// When it runs before that by itself, and tells all this then.
    pub sooner: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PreviewStory")]
pub struct Story {
    pub title: String,
    pub link: Option<String>,
    pub published_at: Option<Timestamp>,
    /// How many would read it in full.
    pub full: u64,
    /// How many had it as an alert, and would get a line.
    pub seen: u64,
}

pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let now = cx.clock.now();
    let (found, next_cursor) = cut(schedules::all(&cx).await?, &asked(query)?, |schedule| schedule.id)?;
    let schedules = found.into_iter().map(|it| Schedule::of(it, now)).collect();
    Ok(Json(Schedules { schedules, next_cursor }).into_response())
}

pub async fn show(State(cx): State<Context>, Id(name): Id) -> Result<Response, Problem> {
    shown(&cx, schedules::find_named(&cx, &name).await?.id).await
}

pub async fn create(
    State(cx): State<Context>,
    caller: Caller,
    Sent(NewSchedule { name, digest, cron, timezone, public }, _): Sent<NewSchedule>,
) -> Result<Response, Problem> {
    let wanted = Wanted { name, digest, cron, timezone, public };
    let id = schedules::create(&cx, &caller.actor(), &wanted).await?;
    Ok((StatusCode::CREATED, shown(&cx, id).await?).into_response())
}

pub async fn change(
    State(cx): State<Context>,
    caller: Caller,
    Id(name): Id,
    Sent(change, _): Sent<ScheduleChange>,
) -> Result<Response, Problem> {
    let schedule = schedules::find_named(&cx, &name).await?;
    let before = Wanted::from(&schedule);
    let wanted = Wanted {
        name: change.name.unwrap_or(before.name),
        digest: change.digest.unwrap_or(before.digest),
        cron: change.cron.unwrap_or(before.cron),
        timezone: change.timezone.unwrap_or(before.timezone),
        public: change.public.unwrap_or(before.public),
    };
    schedules::change(&cx, &caller.actor(), schedule.id, &wanted).await?;
    shown(&cx, schedule.id).await
}

pub async fn retire(State(cx): State<Context>, caller: Caller, Id(name): Id) -> Result<Response, Problem> {
    set_active(&cx, &caller, &name, false).await
}

pub async fn restore(State(cx): State<Context>, caller: Caller, Id(name): Id) -> Result<Response, Problem> {
    set_active(&cx, &caller, &name, true).await
}

async fn set_active(cx: &Context, caller: &Caller, name: &str, active: bool) -> Result<Response, Problem> {
    let schedule = schedules::find_named(cx, name).await?;
    schedules::set_active(cx, &caller.actor(), schedule.id, active).await?;
    shown(cx, schedule.id).await
}

async fn shown(cx: &Context, id: i64) -> Result<Response, Problem> {
    Ok(Json(Schedule::of(schedules::find(cx, id).await?, cx.clock.now())).into_response())
}

pub async fn preview(
    State(cx): State<Context>,
    Id(name): Id,
    query: Result<Query<When>, QueryRejection>,
) -> Result<Response, Problem> {
    let When { at } = asked(query)?;
    let schedule = schedules::find_named(&cx, &name).await?;
    let at = foreseeing::moment(&schedule, at.as_deref().unwrap_or_default(), cx.clock.now())
        .map_err(|why| parameter("at", &why))?;
    let foreseen = foreseeing::foresee(&cx, &schedule, at).await?;
    let story = |it: foreseeing::Told| Story {
        title: it.title,
        link: it.link,
        published_at: it.published_at,
        full: it.full,
        seen: it.seen,
    };
    let preview = Preview {
        at,
        readers: foreseen.readers,
        stories: foreseen.stories.into_iter().map(story).collect(),
        left_out: foreseen.left_out,
        sooner: foreseen.sooner.map(|it| it.at),
    };
    Ok(Json(preview).into_response())
}
