//! `/api/v1/users`: who works here, as at *People* in the newsroom.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State, rejection::QueryRejection};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Caller,
    answers::Ended,
    id::Id,
    kinds,
    listing::{Asked, asked, cut},
    once::{self, Key},
    operation::{Key as Takes, Operation},
    sent::{Raw, Sent},
};
use crate::context::Context;
use crate::domain::{address::EmailAddress, role::Role, time::Timestamp};
use crate::newsroom::{Error, links, people, second_factor};
use crate::store;
use crate::web::problem::Problem;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    const LAST: &str = "They are the only owner who can sign in.";
    let one = |path, does| Operation::post(path, does).gives::<Person>(200, "Who it is now.");
    vec![
        Operation::get("/api/v1/users", "Everybody who works here, in the order they came.")
            .asks::<Asked>()
            .gives::<People>(200, "A page of them."),
        Operation::post(
            "/api/v1/users",
            "Invites somebody: a mail brings a link that works once, for 7 days.",
        )
        .takes::<Invitation>()
        .key(Takes::Taken)
        .gives::<Person>(201, "Who was invited.")
        .conflicts(&[kinds::NAME_TAKEN]),
        Operation::get("/api/v1/users/{id}", "Somebody who works here.").gives::<Person>(200, "Who it is."),
        one("/api/v1/users/{id}/role", "Gives somebody another role, from their next click on.")
            .takes::<NewRole>()
            .refuses(LAST),
        Operation::post("/api/v1/users/{id}/link", "Mails somebody a link that works once.")
            .note("The invitation again, for 7 days; or, for who has a password, one to choose another, for an hour. Links from before end.")
            .key(Takes::Taken)
            .gives::<Person>(202, "Who gets it.")
            .refuses("They are kept out, so it would open nothing."),
        one("/api/v1/users/{id}/forget-codes", "Ends somebody's second factor, for a phone that is gone with its codes."),
        one(
            "/api/v1/users/{id}/disable",
            "Keeps somebody out and ends their sessions, until they are let in again.",
        )
        .refuses(LAST),
        one("/api/v1/users/{id}/enable", "Lets somebody in again, with the password they had."),
        Operation::get("/api/v1/users/{id}/sessions", "Where somebody is signed in, the last seen first.")
            .gives::<Sessions>(200, "All of them that hold."),
        Operation::post("/api/v1/users/{id}/sessions/end", "Signs somebody out everywhere, at once.")
            .gives::<Ended>(200, "How many sessions ended."),
        Operation::post("/api/v1/users/{id}/sessions/{session}/end", "Ends one session, at once.")
            .gives::<Ended>(200, "That it ended."),
    ]
}

#[derive(Serialize, JsonSchema)]
pub struct People {
    pub users: Vec<Person>,
    pub next_cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Sessions {
    pub sessions: Vec<Session>,
}

/// Where somebody is signed in.
#[derive(Serialize, JsonSchema)]
pub struct Session {
    pub id: Uuid,
    /// Whether a code was shown.
    pub second_factor: bool,
    pub network: String,
    pub browser: String,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    pub expires_at: Timestamp,
}

impl From<store::sessions::Session> for Session {
    fn from(session: store::sessions::Session) -> Self {
        let store::sessions::Session { public_id, second_factor, network, browser, .. } = session;
        let store::sessions::Session { created_at, seen_at, expires_at, .. } = session;
        Self { id: public_id, second_factor, network, browser, created_at, seen_at, expires_at }
    }
}

/// Somebody who works here.
#[derive(Serialize, JsonSchema)]
pub struct Person {
    pub id: Uuid,
    #[schemars(extend("format" = "idn-email"))]
    pub email: String,
    pub name: String,
    pub role: Role,
    pub state: Standing,
    /// Whether a code is asked for after the password.
    pub second_factor: bool,
    pub created_at: Timestamp,
    pub disabled_at: Option<Timestamp>,
}

/// `invited` until they chose a password, `disabled` while they are kept out.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Standing {
    Invited,
    Active,
    Disabled,
}

impl From<&store::users::User> for Person {
    fn from(user: &store::users::User) -> Self {
        Self {
            id: user.public_id,
            email: user.email.clone(),
            name: user.name.clone(),
            role: user.role,
            state: match (&user.disabled_at, &user.password_hash) {
                (Some(_), _) => Standing::Disabled,
                (None, None) => Standing::Invited,
                (None, Some(_)) => Standing::Active,
            },
            second_factor: user.has_second_factor(),
            created_at: user.created_at,
            disabled_at: user.disabled_at,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    email: EmailAddress,
    /// As others see them, on one line.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    role: Role,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    role: Role,
}

pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let (found, next_cursor) = cut(people::all(&cx).await?, &asked(query)?, |it| it.user.id)?;
    let users = found.iter().map(|it| (&it.user).into()).collect();
    Ok(Json(People { users, next_cursor }).into_response())
}

pub async fn show(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    shown(&cx, &id).await
}

/// 201 with who was invited.
pub async fn invite(
    State(cx): State<Context>,
    caller: Caller,
    Sent(Invitation { email, name, role }, raw): Sent<Invitation>,
) -> Result<Response, Problem> {
    let key = Key::given(&caller, &raw, "user\n")?;
    let invited = match once::made_before(&cx, key.as_ref()).await? {
        Some(id) => find(&cx, &id).await?,
        None => {
            let once = key.as_ref().map(Key::once);
            links::invite(&cx, &caller.actor(), (email.as_str(), &name, role), once).await?
        }
    };
    Ok((StatusCode::CREATED, Json(Person::from(&invited))).into_response())
}

/// 202 with who gets the link.
pub async fn send_link(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = find(&cx, &id).await?;
    let sent = Raw { headers, body: Bytes::new() };
    let key = Key::given(&caller, &sent, &format!("link of {id}\n"))?;
    if once::made_before(&cx, key.as_ref()).await?.is_none() {
        let once = key.as_ref().map(Key::once);
        links::send_link(&cx, &caller.actor(), &user, once).await.map_err(as_conflict)?;
    }
    Ok((StatusCode::ACCEPTED, shown(&cx, &id).await?).into_response())
}

/// 200 with who it is, of whom no code is asked any more.
pub async fn forget_codes(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Problem> {
    second_factor::forget(&cx, &caller.actor(), &find(&cx, &id).await?).await?;
    shown(&cx, &id).await
}

pub async fn sessions(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    let found = people::sessions(&cx, &find(&cx, &id).await?).await?;
    Ok(Json(Sessions { sessions: found.into_iter().map(Into::into).collect() }).into_response())
}

pub async fn end_sessions(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Problem> {
    let ended = people::end_sessions(&cx, &caller.actor(), &find(&cx, &id).await?, 0).await?;
    Ok(Json(Ended { ended }).into_response())
}

pub async fn end_session(
    State(cx): State<Context>,
    caller: Caller,
    Path((id, session)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let user = find(&cx, &id).await?;
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "They have no session of this id that holds.");
    let session = session.parse().map_err(|_| unknown())?;
    match people::end_session(&cx, &caller.actor(), &user, session).await? {
        true => Ok(Json(Ended { ended: 1 }).into_response()),
        false => Err(unknown()),
    }
}

pub async fn change_role(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    Sent(NewRole { role }, _): Sent<NewRole>,
) -> Result<Response, Problem> {
    let user = find(&cx, &id).await?;
    people::change_role(&cx, &caller.actor(), &user, role).await.map_err(as_conflict)?;
    shown(&cx, &id).await
}

pub async fn disable(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let user = find(&cx, &id).await?;
    people::disable(&cx, &caller.actor(), &user).await.map_err(as_conflict)?;
    shown(&cx, &id).await
}

pub async fn enable(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let user = find(&cx, &id).await?;
    people::enable(&cx, &caller.actor(), &user).await?;
    shown(&cx, &id).await
}

/// What is refused is right in itself, but not as things stand.
fn as_conflict(error: Error) -> Problem {
    match error {
        Error::Refused(why) => Problem::new(StatusCode::CONFLICT, why),
        other => other.into(),
    }
}

async fn shown(cx: &Context, id: &str) -> Result<Response, Problem> {
    Ok(Json(Person::from(&find(cx, id).await?)).into_response())
}

async fn find(cx: &Context, id: &str) -> Result<store::users::User, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "There is nobody with this id.");
    let id = id.parse().map_err(|_| unknown())?;
    people::find(cx, id).await?.ok_or_else(unknown)
}
