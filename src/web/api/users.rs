//! `/api/v1/users`: who works here, as at *People* in the newsroom.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Caller, id::Id, json_body, operation::Operation};
use crate::context::Context;
use crate::domain::{address::EmailAddress, role::Role, time::Timestamp};
use crate::newsroom::{Error, links, people};
use crate::store;
use crate::web::{json, problem::Problem};

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    const LAST: &str = "They are the only owner who can sign in.";
    let one = |path, does| Operation::post(path, does).gives::<Person>(200, "Who it is now.");
    vec![
        Operation::get("/api/v1/users", "Everybody who works here, by name.")
            .gives::<People>(200, "All of them."),
        Operation::post(
            "/api/v1/users",
            "Invites somebody: a mail brings a link that works once, for 7 days.",
        )
        .note("Whoever is invited already is 422, so a repeat mails nobody twice.")
        .takes::<Invitation>()
        .gives::<Person>(201, "Who was invited."),
        Operation::get("/api/v1/users/{id}", "Somebody who works here.").gives::<Person>(200, "Who it is."),
        one("/api/v1/users/{id}/role", "Gives somebody another role, from their next click on.")
            .takes::<NewRole>()
            .refuses(LAST),
        one(
            "/api/v1/users/{id}/disable",
            "Keeps somebody out and ends their sessions, until they are let in again.",
        )
        .refuses(LAST),
        one("/api/v1/users/{id}/enable", "Lets somebody in again, with the password they had."),
    ]
}

#[derive(Serialize, JsonSchema)]
pub struct People {
    pub users: Vec<Person>,
}

/// Somebody who works here.
#[derive(Serialize, JsonSchema)]
pub struct Person {
    pub id: Uuid,
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
    /// As others see them; at most 100 characters.
    name: String,
    role: Role,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    role: Role,
}

pub async fn list(State(cx): State<Context>) -> Result<Response, Problem> {
    let users = people::all(&cx).await?.iter().map(|it| (&it.user).into()).collect();
    Ok(Json(People { users }).into_response())
}

pub async fn show(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    shown(&cx, &id).await
}

/// 201 with who was invited.
pub async fn invite(
    State(cx): State<Context>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let Invitation { email, name, role } = json::read(&json_body(request).await?)?;
    let user = links::invite(&cx, &caller.actor(), email.as_str(), &name, role).await?;
    Ok((StatusCode::CREATED, Json(Person::from(&user))).into_response())
}

pub async fn change_role(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    request: Request,
) -> Result<Response, Problem> {
    let NewRole { role } = json::read(&json_body(request).await?)?;
    let user = find(&cx, &id).await?;
    people::change_role(&cx, &caller.actor(), &user, role).await.map_err(last_owner)?;
    shown(&cx, &id).await
}

pub async fn disable(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let user = find(&cx, &id).await?;
    people::disable(&cx, &caller.actor(), &user).await.map_err(last_owner)?;
    shown(&cx, &id).await
}

pub async fn enable(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let user = find(&cx, &id).await?;
    people::enable(&cx, &caller.actor(), &user).await?;
    shown(&cx, &id).await
}

/// What is refused is right in itself, but one owner stays.
fn last_owner(error: Error) -> Problem {
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
