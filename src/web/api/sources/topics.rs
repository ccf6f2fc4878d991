//! `/api/v1/topics`: what one can subscribe to.

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
use crate::newsroom::sources::topics::{self, Wanted};
use crate::store;
use crate::web::problem::Problem;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    let topic = |operation: Operation| operation.called().gives::<Topic>(200, "The topic.");
    vec![
        Operation::get("/api/v1/topics", "What one can subscribe to, in the order it was made.")
            .asks::<Asked>()
            .gives::<Topics>(200, "A page of them, also retired ones."),
        Operation::post("/api/v1/topics", "Makes a topic; it is offered at once.")
            .takes::<NewTopic>()
            .gives::<Topic>(201, "The topic."),
        topic(Operation::get("/api/v1/topics/{slug}", "A topic, also a retired one.")),
        topic(
            Operation::patch("/api/v1/topics/{slug}", "Changes what a topic is called.")
                .takes::<TopicChange>()
                .refuses(FILED),
        ),
        topic(
            Operation::post("/api/v1/topics/{slug}/retire", "Offers a topic no more; its readers keep it.")
                .note("Its feeds aren't read meanwhile.")
                .refuses(FILED),
        ),
        topic(Operation::post("/api/v1/topics/{slug}/restore", "Offers it again.").refuses(FILED)),
    ]
}

#[derive(Serialize, JsonSchema)]
pub struct Topics {
    pub topics: Vec<Topic>,
    pub next_cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Topic {
    pub slug: String,
    pub name: String,
    pub description: String,
    /// What is published on it stands in the public archive.
    pub public: bool,
    /// What is published on it reaches the test addresses of config.toml alone.
    pub test: bool,
    /// It stands in config.toml, and is changed there.
    pub provisioned: bool,
    /// It is offered nowhere, and nothing new is published on it.
    pub retired: bool,
}

impl From<store::topics::Topic> for Topic {
    fn from(topic: store::topics::Topic) -> Self {
        let store::topics::Topic { slug, name, description, public, test, provisioned, retired, .. } = topic;
        Self { slug, name, description, public, test, provisioned, retired }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTopic {
    /// As in `election-alerts`; it stays.
    #[schemars(regex(pattern = "^[a-z0-9][a-z0-9_:.-]{0,63}$"))]
    slug: String,
    /// Absent for the slug.
    #[serde(default)]
    #[schemars(length(max = 100))]
    name: String,
    #[serde(default)]
    #[schemars(length(max = 500))]
    description: String,
    /// What is published on it stands in the public archive.
    #[serde(default)]
    public: bool,
}

/// What is absent stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicChange {
    #[schemars(length(max = 100))]
    name: Option<String>,
    #[schemars(length(max = 500))]
    description: Option<String>,
    public: Option<bool>,
}

pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let (found, next_cursor) = cut(topics::all(&cx).await?, &asked(query)?, |topic| topic.id)?;
    Ok(Json(Topics { topics: found.into_iter().map(Into::into).collect(), next_cursor }).into_response())
}

pub async fn show(State(cx): State<Context>, Id(slug): Id) -> Result<Response, Problem> {
    shown(&cx, &slug).await
}

pub async fn create(
    State(cx): State<Context>,
    caller: Caller,
    Sent(NewTopic { slug, name, description, public }, _): Sent<NewTopic>,
) -> Result<Response, Problem> {
    let wanted = Wanted { slug, name, description, public };
    let slug = topics::create(&cx, &caller.actor(), &wanted).await?;
    Ok((StatusCode::CREATED, shown(&cx, &slug).await?).into_response())
}

pub async fn change(
    State(cx): State<Context>,
    caller: Caller,
    Id(slug): Id,
    Sent(change, _): Sent<TopicChange>,
) -> Result<Response, Problem> {
    let before = Wanted::from(&topics::find(&cx, &slug).await?);
    let wanted = Wanted {
        name: change.name.unwrap_or(before.name),
        description: change.description.unwrap_or(before.description),
        public: change.public.unwrap_or(before.public),
        slug: before.slug,
    };
    topics::change(&cx, &caller.actor(), &slug, &wanted).await?;
    shown(&cx, &slug).await
}

pub async fn retire(State(cx): State<Context>, caller: Caller, Id(slug): Id) -> Result<Response, Problem> {
    topics::set_retired(&cx, &caller.actor(), &slug, true).await?;
    shown(&cx, &slug).await
}

pub async fn restore(State(cx): State<Context>, caller: Caller, Id(slug): Id) -> Result<Response, Problem> {
    topics::set_retired(&cx, &caller.actor(), &slug, false).await?;
    shown(&cx, &slug).await
}

async fn shown(cx: &Context, slug: &str) -> Result<Response, Problem> {
    Ok(Json(Topic::from(topics::find(cx, slug).await?)).into_response())
}
