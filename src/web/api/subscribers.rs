//! `/api/v1/subscribers`: readers, found by a part of their address; one reader's whole history; ending and erasing.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::listing::{Asked, asked, page, parameter};
use super::{Caller, id::Id, invalid, operation::Operation, sent::Sent};
use crate::context::Context;
use crate::delivering::why::{Because, Obstacles, because};
use crate::domain::{address::EmailAddress, time::Timestamp};
use crate::store::{self, readers::Listed};
use crate::subscribing::reasons;
use crate::subscribing::records::{self, Erased, Person, Record, SignedUp, Suppressed};
use crate::web::problem::Problem;

/// How a list tells readers apart.
const STATES: &[&str] = &["active", "unsubscribed", "suppressed"];

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/subscribers", "Readers, the newest first.")
            .note("`suppressed` are those who would get mail if their address could be mailed.")
            .asks::<Asked>()
            .searched()
            .states(STATES)
            .gives::<Readers>(200, "A page of them."),
        Operation::get(
            "/api/v1/subscribers/{id}",
            "All that we know of a reader: consents, sign-ups, the last 1000 deliveries.",
        )
        .gives::<Reader>(200, "The reader."),
        Operation::get(
            "/api/v1/subscribers/{id}/why",
            "Why a reader got an issue, or didn't, by the one decision.",
        )
        .asks::<About>()
        .gives::<Reasons>(200, "In sentences."),
        Operation::post(
            "/api/v1/subscribers/{id}/suppress",
            "Nothing more is mailed to a reader until they sign up anew.",
        )
        .note("Of who has left before nothing is changed.")
        .gives::<Reader>(200, "The reader."),
        Operation::post("/api/v1/subscribers/{id}/erase", "Takes a reader out of everything, for good.")
            .note("What stays is a keyed hash that keeps imports from bringing the address back.")
            .takes::<Typed>()
            .gives::<Gone>(200, "Nothing holds the address any more."),
    ]
}

#[derive(Serialize, JsonSchema)]
pub struct Readers {
    pub subscribers: Vec<InList>,
    pub next_cursor: Option<String>,
}

/// A reader in a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ListedReader")]
pub struct InList {
    pub id: Uuid,
    #[schemars(extend("format" = "idn-email"))]
    pub address: String,
    #[schemars(extend("enum" = STATES))]
    pub state: String,
    pub confirmed_at: Timestamp,
    pub unsubscribed_at: Option<Timestamp>,
}

/// All that we know of a reader.
#[derive(Serialize, JsonSchema)]
pub struct Reader {
    #[schemars(extend("format" = "idn-email"))]
    pub address: String,
    #[serde(flatten)]
    pub person: Person,
    pub suppressions: Vec<Suppressed>,
    /// The oldest first.
    pub signups: Vec<SignedUp>,
}

/// Why a reader got an issue, or didn't.
#[derive(Serialize, JsonSchema)]
pub struct Reasons {
    pub issue: Uuid,
    pub subject: String,
    /// The delivery's number; null where none was made, or none is kept any more.
    pub delivery: Option<i64>,
    pub says: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Gone {
    /// True while the text stays in SQLite's log for a while, for somebody reads the database for long.
    pub still_in_log: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The issue's id.
    #[schemars(with = "Uuid", required)]
    issue: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Erasure")]
pub struct Typed {
    /// The reader's address, so that nobody is erased by a mistaken id.
    address: EmailAddress,
}

/// A page of readers.
pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked: Asked = asked(query)?;
    let (words, before, limit) = (asked.words()?, asked.cursor()?.unwrap_or(i64::MAX), asked.limit()?);
    let state = asked.state_of(STATES)?;
    // As addresses are compared; a part of one is only lower-cased.
    let part = words.parse::<EmailAddress>().map_or_else(|_| words.to_lowercase(), |it| it.key().to_owned());
    let mut tx = cx.db.read().await?;
    let found = store::readers::page(&mut tx, &part, state, before, limit + 1).await?;
    let (found, next_cursor) = page(found, limit, |reader| reader.id);
    let shown = |it: Listed| InList {
        id: it.public_id,
        address: it.address,
        state: it.state,
        confirmed_at: it.confirmed_at,
        unsubscribed_at: it.unsubscribed_at,
    };
    Ok(Json(Readers { subscribers: found.into_iter().map(shown).collect(), next_cursor }).into_response())
}

pub async fn show(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    shown(&cx, &id).await
}

pub async fn why(
    State(cx): State<Context>,
    Id(id): Id,
    query: Result<Query<About>, QueryRejection>,
) -> Result<Response, Problem> {
    let wrong = || parameter("issue", "must be the id of an issue");
    let asked = query.map_err(|_| wrong())?;
    let issue: Uuid = asked.0.issue.as_deref().and_then(|id| id.parse().ok()).ok_or_else(wrong)?;
    let reader = id.parse().map_err(|_| unknown())?;
    let nothing = || Problem::new(StatusCode::NOT_FOUND, "There is no such reader or no such issue.");
    let why = reasons::why(&cx, reader, issue).await?.ok_or_else(nothing)?;
    let mut says = why.says;
    if let Some(delivery) = why.delivery {
        let mut tx = cx.db.read().await?;
        if let Some(delivery) = store::queue::find(&mut tx, delivery).await? {
            let obstacles = Obstacles::read(&cx, &mut tx).await?;
            says.extend(because(&cx, &delivery, &obstacles).iter().map(Because::on_page));
        }
    }
    let answer = Reasons { issue: why.issue, subject: why.subject, delivery: why.delivery, says };
    Ok(Json(answer).into_response())
}

pub async fn suppress(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let address = address(&cx, &id).await?;
    records::remove(&cx, &address, &caller.actor()).await?;
    shown(&cx, &id).await
}

pub async fn erase(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    Sent(typed, _): Sent<Typed>,
) -> Result<Response, Problem> {
    let address = address(&cx, &id).await?;
    if typed.address.key() != address.key() {
        return Err(invalid("/address", "is not this reader's address; nothing was erased"));
    }
    let erased = records::erase(&cx, &address, &caller.actor()).await?;
    Ok(Json(Gone { still_in_log: erased == Erased::StillInLog }).into_response())
}

async fn shown(cx: &Context, id: &str) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    match records::of_reader(cx, id).await? {
        Some(Record { address, subscriber: Some(mut person), suppressions, signups }) => {
            // As the list says it.
            if person.state == "active" && suppressions.iter().any(|it| it.kind.as_str() != "refused") {
                "suppressed".clone_into(&mut person.state);
            }
            Ok(Json(Reader { address, person, suppressions, signups }).into_response())
        }
        _ => Err(unknown()),
    }
}

async fn address(cx: &Context, id: &str) -> Result<EmailAddress, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    records::address_of(cx, id).await?.ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no reader with this id.")
}
