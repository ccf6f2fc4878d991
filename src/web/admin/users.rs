//! `/admin/users`: who works here, for owners.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{done, failure, frame::Frame, missing, when};
use crate::context::Context;
use crate::domain::role::Role;
use crate::newsroom::{Error, Me, links, people, second_factor};
use crate::store::users::User;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    email: String,
    name: String,
    role: String,
}

/// `GET /admin/users`
pub async fn page(State(cx): State<Context>, frame: Frame) -> Response {
    show(&cx, &frame, StatusCode::OK, &Fields::default(), None).await
}

/// `POST /admin/users`
pub async fn invite(State(cx): State<Context>, frame: Frame, me: Me, Form(fields): Form<Fields>) -> Response {
    let invited = match fields.role.parse::<Role>() {
        Ok(role) => links::invite(&cx, &me.actor(), (&fields.email, &fields.name, role), None).await,
        Err(_) => Err(Error::Refused("Choose a role.".to_owned())),
    };
    match invited {
        Ok(_) => done("/admin/users", "invited"),
        Err(Error::Refused(why) | Error::Taken(why)) => {
            show(&cx, &frame, StatusCode::UNPROCESSABLE_ENTITY, &fields, Some(&why)).await
        }
        Err(error) => failure(&frame, &error),
    }
}

/// `GET /admin/users/{id}`
pub async fn one(State(cx): State<Context>, frame: Frame, me: Me, Path(id): Path<String>) -> Response {
    match find(&cx, &frame, &id).await {
        Ok(user) => frame.ok(
            "user.html",
            &json!({ "user": shown(&user, Value::Null), "roles": roles(user.role.as_str()), "self": user.id == me.user.id }),
        ),
        Err(response) => *response,
    }
}

/// `POST /admin/users/{id}/role`
pub async fn change_role(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    Path(id): Path<String>,
    Form(fields): Form<Fields>,
) -> Response {
    let user = match find(&cx, &frame, &id).await {
        Ok(user) => user,
        Err(response) => return *response,
    };
    let changed = match fields.role.parse::<Role>() {
        Ok(role) => people::change_role(&cx, &me.actor(), &user, role).await,
        Err(_) => Err(Error::Refused("Choose a role.".to_owned())),
    };
    answer(&frame, &id, changed, "role")
}

/// `POST /admin/users/{id}/link`
pub async fn send_link(State(cx): State<Context>, frame: Frame, me: Me, Path(id): Path<String>) -> Response {
    match find(&cx, &frame, &id).await {
        Ok(user) => answer(&frame, &id, links::send_link(&cx, &me.actor(), &user, None).await, "link"),
        Err(response) => *response,
    }
}

/// `POST /admin/users/{id}/forget-codes`
pub async fn forget_codes(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    Path(id): Path<String>,
) -> Response {
    match find(&cx, &frame, &id).await {
        Ok(user) => {
            answer(&frame, &id, second_factor::forget(&cx, &me.actor(), &user).await, "codes-forgotten")
        }
        Err(response) => *response,
    }
}

/// `POST /admin/users/{id}/disable`
pub async fn disable(State(cx): State<Context>, frame: Frame, me: Me, Path(id): Path<String>) -> Response {
    match find(&cx, &frame, &id).await {
        Ok(user) => answer(&frame, &id, people::disable(&cx, &me.actor(), &user).await, "disabled"),
        Err(response) => *response,
    }
}

/// `POST /admin/users/{id}/enable`
pub async fn enable(State(cx): State<Context>, frame: Frame, me: Me, Path(id): Path<String>) -> Response {
    match find(&cx, &frame, &id).await {
        Ok(user) => answer(&frame, &id, people::enable(&cx, &me.actor(), &user).await, "enabled"),
        Err(response) => *response,
    }
}

fn answer(frame: &Frame, id: &str, outcome: Result<(), Error>, said: &str) -> Response {
    match outcome {
        Ok(()) => done(&format!("/admin/users/{id}"), said),
        Err(error) => failure(frame, &error),
    }
}

async fn find(cx: &Context, frame: &Frame, id: &str) -> Result<User, Box<Response>> {
    let Ok(id) = id.parse::<Uuid>() else { return Err(Box::new(missing(frame))) };
    match people::find(cx, id).await {
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(Box::new(missing(frame))),
        Err(error) => Err(Box::new(failure(frame, &error))),
    }
}

async fn show(
    cx: &Context,
    frame: &Frame,
    status: StatusCode,
    fields: &Fields,
    fault: Option<&str>,
) -> Response {
    let listed = match people::all(cx).await {
        Ok(listed) => listed,
        Err(error) => return failure(frame, &error),
    };
    let people: Vec<_> =
        listed.iter().map(|it| shown(&it.user, it.last_seen.map_or(Value::Null, when))).collect();
    let role = if fields.role.is_empty() { Role::Editor.as_str() } else { &fields.role };
    let content = json!({
        "people": people,
        "roles": roles(role),
        "email": fields.email,
        "name": fields.name,
        "fault": fault,
    });
    frame.show("users.html", status, &content)
}

fn shown(user: &User, last_seen: Value) -> Value {
    let state = match (&user.disabled_at, &user.password_hash) {
        (Some(_), _) => "disabled",
        (None, None) => "invited",
        (None, Some(_)) => "active",
    };
    json!({
        "id": user.public_id,
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "state": state,
        "second_factor": user.has_second_factor(),
        "last_seen": last_seen,
        "created": when(user.created_at),
    })
}

/// The roles to choose from, and what each may.
pub(super) fn roles(chosen: &str) -> Vec<Value> {
    Role::ALL
        .iter()
        .map(|role| json!({ "word": role, "meaning": role.meaning(), "chosen": role.as_str() == chosen }))
        .collect()
}
