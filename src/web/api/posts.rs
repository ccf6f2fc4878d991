//! `POST /api/v1/posts`: a site pushes a post, new or revised.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Caller,
    answers::Named,
    broken, invalid,
    listing::{Asked, asked, page},
    operation::Operation,
    sent::Sent,
    web_address,
};
use crate::context::Context;
use crate::domain::{draft::LONGEST_LINK, post::PostDraft, time::Timestamp, topic::Slug};
use crate::ingesting;
use crate::store::{self, posts::Listed};
use crate::web::problem::Problem;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Post")]
pub struct Input {
    /// The site's name for it; may be absent where there is a `url`.
    guid: Option<String>,
    /// Where it is read, http or https.
    #[schemars(length(max = LONGEST_LINK), extend("format" = "uri"))]
    url: Option<String>,
    /// The mail's subject. Cut at 300 characters.
    #[schemars(length(min = 1))]
    title: String,
    /// What the mail shows: plain text, in which HTML is shown as text. Cut at 500 characters.
    summary: Option<String>,
    /// The text; shown where there is no summary. Scripts, styles and forms are taken out.
    html: Option<String>,
    author: Option<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    /// Absent: now.
    published_at: Option<Timestamp>,
    /// The address of a picture, http or https.
    #[schemars(length(max = LONGEST_LINK), extend("format" = "uri"))]
    image: Option<String>,
    /// Slugs.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    topics: Vec<Slug>,
    /// Mails it at once to readers with alerts on, unless it is dated more than 24 hours back. Absent: it goes into the next
    /// digest only.
    alert: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
pub struct Posts {
    pub posts: Vec<InList>,
    pub next_cursor: Option<String>,
}

/// A post in a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ListedPost")]
pub struct InList {
    pub id: Uuid,
    pub title: String,
    pub url: Option<String>,
    pub published_at: Timestamp,
    pub first_seen_at: Timestamp,
    /// How many times it was pushed or read differently.
    pub revision: i64,
    /// When it was mailed as an alert.
    pub alerted_at: Option<Timestamp>,
}

impl From<Listed> for InList {
    fn from(post: Listed) -> Self {
        let Listed { public_id, title, url, published_at, first_seen_at, revision, alerted_at, .. } = post;
        Self { id: public_id, title, url, published_at, first_seen_at, revision, alerted_at }
    }
}

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/posts", "What the site published, the newest first: to alert one by its id.")
            .asks::<Asked>()
            .gives::<Posts>(200, "A page of them."),
        Operation::post("/api/v1/posts", "A site pushes a post, new or revised.")
            .note("With `alert` it needs a role that may release. Nobody is mailed twice for a revision.")
            .takes::<Input>()
            .gives::<Named>(201, "A new post.")
            .gives::<Named>(200, "A revision of one that is known by its guid, without scheme, or its link."),
    ]
}

/// A page of posts, the newest first.
pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked: Asked = asked(query)?;
    let (before, limit) = (asked.cursor()?.unwrap_or(i64::MAX), asked.limit()?);
    let mut tx = cx.db.read().await?;
    let found = store::posts::page(&mut tx, before, limit + 1).await?;
    let (found, next_cursor) = page(found, limit, |post| post.id);
    Ok(Json(Posts { posts: found.into_iter().map(Into::into).collect(), next_cursor }).into_response())
}

/// 201 with the id of a new post, 200 with that of a revised one.
pub async fn push(
    State(cx): State<Context>,
    caller: Caller,
    Sent(input, _): Sent<Input>,
) -> Result<Response, Problem> {
    let alert = input.alert.unwrap_or(false);
    if alert {
        caller.may_release()?;
    }
    let topics: Vec<_> = input.topics.iter().map(ToString::to_string).collect();
    let draft = draft(input)?;
    let received = ingesting::receive(&cx, draft, &topics, alert).await.map_err(|error| match error {
        ingesting::Error::Untitled => {
            invalid("/title", "must not be empty: it is the subject of the post's mail")
        }
        ingesting::Error::UnknownTopic(slug) => invalid("/topics", format!("there is no topic {slug:?}")),
        other => broken(&other),
    })?;
    let status = if received.new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Named { id: received.id })).into_response())
}

fn draft(input: Input) -> Result<PostDraft, Problem> {
    if input.topics.is_empty() {
        return Err(invalid("/topics", "name at least one topic"));
    }
    let url = input.url.as_deref().map(|url| web_address("/url", url)).transpose()?;
    let guid = input.guid.map(|guid| guid.trim().to_owned()).filter(|guid| !guid.is_empty()).or(url.clone());
    let guid =
        guid.ok_or_else(|| invalid("/guid", "must be there, or a url: a post is known again by them"))?;
    if guid.chars().any(char::is_control) {
        return Err(invalid("/guid", "must not hold control characters"));
    }
    let image = input.image.as_deref().map(|image| web_address("/image", image)).transpose()?;
    Ok(PostDraft {
        guid,
        url,
        title: input.title,
        summary: input.summary.unwrap_or_default(),
        html: input.html.unwrap_or_default(),
        author: input.author,
        categories: input.categories,
        tags: input.tags,
        published_at: input.published_at,
        image,
    })
}
