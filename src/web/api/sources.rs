//! `/api/v1/topics`, `…/feeds` and `…/schedules`: what config.toml has, where it is changed; and when schedules fire next.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::operation::Operation;
use crate::context::Context;
use crate::domain::{cadence::Cadence, subscription::Digest, time::Timestamp};
use crate::store;
use crate::web::problem::Problem;

/// How many times a schedule shows.
const OCCURRENCES: usize = 10;

/// What these calls answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/topics", "What one can subscribe to.").gives::<Topics>(200, "All of them."),
        Operation::get("/api/v1/feeds", "Where posts are fetched from, and how that goes.")
            .gives::<Feeds>(200, "All of them."),
        Operation::get("/api/v1/schedules", "When digests leave, with the next ten times.")
            .gives::<Schedules>(200, "All of them."),
    ]
}

#[derive(Serialize, JsonSchema)]
pub struct Topics {
    pub topics: Vec<Topic>,
}

#[derive(Serialize, JsonSchema)]
pub struct Topic {
    pub slug: String,
    pub name: String,
    pub description: String,
}

#[derive(Serialize, JsonSchema)]
pub struct Feeds {
    pub feeds: Vec<Feed>,
}

#[derive(Serialize, JsonSchema)]
pub struct Feed {
    pub url: String,
    /// The slug of what its posts are about; null where that topic is gone.
    pub topic: Option<String>,
    /// Whether a new post is mailed at once.
    pub alert: bool,
    /// In seconds.
    pub every: i64,
    pub last_polled_at: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
    /// In a row.
    pub failures: i64,
    pub last_error: Option<String>,
    /// What is odd about it, though it can be read.
    pub warning: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Schedules {
    pub schedules: Vec<Schedule>,
}

#[derive(Serialize, JsonSchema)]
pub struct Schedule {
    pub name: String,
    pub cron: String,
    pub timezone: String,
    pub digest: Digest,
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

pub async fn topics(State(cx): State<Context>) -> Result<Response, Problem> {
    let mut tx = cx.db.read().await?;
    let topics = store::topics::all(&mut tx).await?.into_iter();
    let topics = topics
        .map(|store::topics::Topic { slug, name, description, .. }| Topic { slug, name, description })
        .collect();
    Ok(Json(Topics { topics }).into_response())
}

pub async fn feeds(State(cx): State<Context>) -> Result<Response, Problem> {
    let mut tx = cx.db.read().await?;
    let topics = store::topics::all(&mut tx).await?;
    let feeds = store::feeds::all_active(&mut tx).await?;
    let slug = |id| topics.iter().find(|topic| topic.id == id).map(|topic| topic.slug.clone());
    let feeds = feeds
        .into_iter()
        .map(|feed| Feed {
            topic: slug(feed.topic_id),
            url: feed.url,
            alert: feed.alert,
            every: feed.every_micros / 1_000_000,
            last_polled_at: feed.last_polled_at,
            last_success_at: feed.last_success_at,
            failures: feed.failures,
            last_error: feed.last_error,
            warning: feed.warning,
        })
        .collect();
    Ok(Json(Feeds { feeds }).into_response())
}

pub async fn schedules(State(cx): State<Context>) -> Result<Response, Problem> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let schedules = store::schedules::all_active(&mut tx).await?;
    let schedules = schedules.into_iter().map(|schedule| shown(schedule, now)).collect();
    Ok(Json(Schedules { schedules }).into_response())
}

fn shown(schedule: store::schedules::Schedule, now: Timestamp) -> Schedule {
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
    let store::schedules::Schedule { name, cron, timezone, digest, .. } = schedule;
    Schedule { name, cron, timezone, digest, next }
}
