//! `/api/v1/feeds`: where posts are fetched from.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    Caller,
    id::Id,
    listing::{Asked, asked, cut},
    operation::Operation,
    sent::Sent,
};
use super::FILED;
use crate::context::Context;
use crate::domain::time::Timestamp;
use crate::newsroom::sources::{
    Error,
    feeds::{self, Wanted},
    topics,
};
use crate::store;
use crate::web::problem::Problem;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    let feed = |operation: Operation| operation.numbered().gives::<Feed>(200, "The feed.");
    vec![
        Operation::get("/api/v1/feeds", "Where posts are fetched from, and how that goes.")
            .asks::<Asked>()
            .gives::<Feeds>(200, "A page of them, also retired ones."),
        Operation::post("/api/v1/feeds", "Adds a feed; it is read within a second.")
            .note("What it shows then is its baseline, and mailed to nobody.")
            .takes::<NewFeed>()
            .gives::<Feed>(201, "The feed."),
        feed(Operation::get("/api/v1/feeds/{id}", "A feed, and how reading it goes.")),
        feed(
            Operation::patch("/api/v1/feeds/{id}", "Changes how a feed is read.")
                .note("At another address it begins with a baseline again.")
                .takes::<FeedChange>()
                .refuses(FILED),
        ),
        feed(Operation::post("/api/v1/feeds/{id}/retire", "Reads a feed no more.").refuses(FILED)),
        feed(
            Operation::post("/api/v1/feeds/{id}/restore", "Reads it again: it goes on where it stopped.")
                .refuses(FILED),
        ),
    ]
}

#[derive(Serialize, JsonSchema)]
pub struct Feeds {
    pub feeds: Vec<Feed>,
    pub next_cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Feed {
    pub id: i64,
    #[schemars(extend("format" = "uri"))]
    pub url: String,
    /// The slug of what its posts are about. While that topic is retired, the feed isn't read.
    pub topic: Option<String>,
    /// Whether a new post is mailed at once.
    pub alert: bool,
    /// In seconds.
    pub every: i64,
    /// It stands in config.toml, and is changed there.
    pub provisioned: bool,
    /// It isn't read.
    pub retired: bool,
    pub last_polled_at: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
    /// In a row.
    pub failures: i64,
    pub last_error: Option<String>,
    /// What is odd about it, though it can be read.
    pub warning: Option<String>,
}

impl Feed {
    fn of(feed: store::feeds::Feed, topics: &[store::topics::Topic]) -> Self {
        Self {
            id: feed.id,
            topic: topics.iter().find(|topic| topic.id == feed.topic_id).map(|topic| topic.slug.clone()),
            url: feed.url,
            alert: feed.alert,
            every: feed.every_micros / 1_000_000,
            provisioned: feed.provisioned,
            retired: !feed.active,
            last_polled_at: feed.last_polled_at,
            last_success_at: feed.last_success_at,
            failures: feed.failures,
            last_error: feed.last_error,
            warning: feed.warning,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFeed {
    /// Of the RSS, Atom or JSON feed, http or https.
    #[schemars(length(max = 2000), extend("format" = "uri"))]
    url: String,
    /// The slug of a topic that isn't retired.
    topic: String,
    /// In seconds; absent for 300.
    #[schemars(range(min = 1, max = 604_800))]
    every: Option<u32>,
    /// A new post is mailed at once, and nobody looks at it before.
    #[serde(default)]
    alert: bool,
}

/// What is absent stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedChange {
    #[schemars(length(max = 2000), extend("format" = "uri"))]
    url: Option<String>,
    topic: Option<String>,
    /// In seconds.
    #[schemars(range(min = 1, max = 604_800))]
    every: Option<u32>,
    alert: Option<bool>,
}

pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let topics = topics::all(&cx).await?;
    let (found, next_cursor) = cut(feeds::all(&cx).await?, &asked(query)?, |feed| feed.id)?;
    let feeds = found.into_iter().map(|feed| Feed::of(feed, &topics)).collect();
    Ok(Json(Feeds { feeds, next_cursor }).into_response())
}

pub async fn show(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    shown(&cx, number(&id)?).await
}

pub async fn create(
    State(cx): State<Context>,
    caller: Caller,
    Sent(NewFeed { url, topic, every, alert }, _): Sent<NewFeed>,
) -> Result<Response, Problem> {
    let wanted = Wanted { url, topic, every: every.map(seconds).unwrap_or_default(), alert };
    let id = feeds::create(&cx, &caller.actor(), &wanted).await?;
    Ok((StatusCode::CREATED, shown(&cx, id).await?).into_response())
}

pub async fn change(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    Sent(change, _): Sent<FeedChange>,
) -> Result<Response, Problem> {
    let feed = feeds::find(&cx, number(&id)?).await?;
    let before = feeds::typed(&cx, &feed).await?;
    let wanted = Wanted {
        url: change.url.unwrap_or(before.url),
        topic: change.topic.unwrap_or(before.topic),
        every: change.every.map_or(before.every, seconds),
        alert: change.alert.unwrap_or(before.alert),
    };
    feeds::change(&cx, &caller.actor(), feed.id, &wanted).await?;
    shown(&cx, feed.id).await
}

pub async fn retire(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    feeds::set_active(&cx, &caller.actor(), number(&id)?, false).await?;
    shown(&cx, number(&id)?).await
}

pub async fn restore(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    feeds::set_active(&cx, &caller.actor(), number(&id)?, true).await?;
    shown(&cx, number(&id)?).await
}

fn number(id: &str) -> Result<i64, Error> {
    id.parse().map_err(|_| Error::Missing)
}

/// As the configuration writes it.
fn seconds(every: u32) -> String {
    format!("{every}s")
}

async fn shown(cx: &Context, id: i64) -> Result<Response, Problem> {
    let topics = topics::all(cx).await?;
    Ok(Json(Feed::of(feeds::find(cx, id).await?, &topics)).into_response())
}
