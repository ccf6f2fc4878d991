//! `/api/v1/drafts/{id}/mail` and `…/audience`: a draft as its readers would get it, and who they are by topic.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{answers::Mail, drafts::find, id::Id, listing::asked, operation::Operation};
use crate::context::Context;
use crate::publishing::{
    desk,
    reading::{self, Eyes},
};
use crate::web::problem::Problem;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/api/v1/drafts/{id}/mail",
            "The mail as it would be, for nobody in particular or for a reader.",
        )
        .note("The links in it open nothing: whoever looks can't leave, or choose, for a reader.")
        .asks::<Whose>()
        .gives::<Seen>(200, "The mail, and whether that reader would get it."),
        Operation::get("/api/v1/drafts/{id}/audience", "How many get a draft now or later, by topic.")
            .gives::<Audience>(200, "By the one decision that the release goes by."),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Whose {
    /// A reader's address or id; absent for nobody in particular.
    #[schemars(with = "Option<String>", length(max = 320))]
    reader: Option<String>,
}

/// A draft's mail.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DraftMail")]
pub struct Seen {
    /// Null while it can't be made; the draft's warnings say what it lacks.
    pub mail: Option<Mail>,
    /// Null where none was asked for.
    pub reader: Option<ByReader>,
}

/// What a draft is to a reader.
#[derive(Serialize, JsonSchema)]
pub struct ByReader {
    pub id: Uuid,
    pub address: String,
    /// Whether they would get it now.
    pub gets: bool,
    /// The same in a sentence, with the reason.
    pub says: String,
}

/// How many get a draft.
#[derive(Serialize, JsonSchema)]
pub struct Audience {
    /// How many would get it now.
    pub audience: i64,
    /// In seconds to the last mail; null where that isn't known.
    pub takes: Option<u64>,
    /// Each of its topics. A reader of two is counted at both.
    pub topics: Vec<OnTopic>,
}

/// The active readers of a topic.
#[derive(Serialize, JsonSchema)]
pub struct OnTopic {
    pub slug: String,
    pub name: String,
    /// Who takes alerts on it, at once.
    pub now: i64,
    /// Who finds them in their next digest, for they take no alerts.
    pub later: i64,
}

pub async fn mail(
    State(cx): State<Context>,
    Id(id): Id,
    query: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Problem> {
    let Whose { reader } = asked(query)?;
    let written = find(&cx, &id).await?;
    let Some(reader) = reader.filter(|it| !it.trim().is_empty()) else {
        let mail = desk::mail(&cx, &written, "reader@example.org").await?;
        return Ok(Json(Seen { mail: mail.map(Into::into), reader: None }).into_response());
    };
    let nobody = || Problem::new(StatusCode::NOT_FOUND, "There is no reader of this address or id.");
    let eyes = reading::eyes(&cx, &written, &reader).await?.ok_or_else(nobody)?;
    let mail = reading::mail(&cx, &written, &eyes).await?;
    let (gets, says) = (eyes.gets(), eyes.as_sentence());
    let Eyes { subscriber, address, .. } = eyes;
    let reader = ByReader { id: subscriber, address, gets, says };
    Ok(Json(Seen { mail: mail.map(Into::into), reader: Some(reader) }).into_response())
}

pub async fn audience(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    let written = find(&cx, &id).await?;
    let look = desk::look(&cx, &written, "reader@example.org").await?;
    let mut topics = desk::choices(&cx).await?;
    topics.retain(|topic| written.text.topics.contains(&topic.slug));
    let topic = |it: desk::Choice| OnTopic { slug: it.slug, name: it.name, now: it.now, later: it.later };
    let topics = topics.into_iter().map(topic).collect();
    let takes = look.takes.map(|takes| takes.as_secs());
    Ok(Json(Audience { audience: look.audience, takes, topics }).into_response())
}
