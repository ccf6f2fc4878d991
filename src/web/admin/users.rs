//! `/admin/users`: who works here, for owners.

use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, At, Refusal, done, frame::Frame, missing, when};
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
pub async fn page(State(cx): State<Context>, frame: Frame) -> Answer {
    show(&cx, &frame, StatusCode::OK, &Fields::default(), None).await
}

/// `POST /admin/users`
pub async fn invite(State(cx): State<Context>, frame: Frame, me: Me, Form(fields): Form<Fields>) -> Answer {
    let invited = match fields.role.parse::<Role>() {
        Ok(role) => links::invite(&cx, &me.actor(), (&fields.email, &fields.name, role), None).await,
        Err(_) => Err(Error::Refused("Choose a role.".to_owned())),
    };
    match invited {
        Ok(_) => done("/admin/users", "invited"),
        Err(Error::Refused(why) | Error::Taken(why)) => {
            show(&cx, &frame, StatusCode::UNPROCESSABLE_ENTITY, &fields, Some(&why)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /admin/users/{id}`
pub async fn one(State(cx): State<Context>, frame: Frame, me: Me, At(id): At<Uuid>) -> Answer {
    let user = find(&cx, id).await?;
    frame.ok(
        "user.html",
        &json!({ "user": shown(&user, Value::Null), "roles": roles(user.role.as_str()), "self": user.id == me.user.id }),
    )
}

/// `POST /admin/users/{id}/role`
pub async fn change_role(
    State(cx): State<Context>,
    me: Me,
    At(id): At<Uuid>,
    Form(fields): Form<Fields>,
) -> Answer {
    let user = find(&cx, id).await?;
    let Ok(role) = fields.role.parse::<Role>() else {
        return Err(Error::Refused("Choose a role.".to_owned()).into());
    };
    people::change_role(&cx, &me.actor(), &user, role).await?;
    done(&path(id), "role")
}

/// `POST /admin/users/{id}/link`
pub async fn send_link(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    let user = find(&cx, id).await?;
    links::send_link(&cx, &me.actor(), &user, None).await?;
    done(&path(id), "link")
}

/// `POST /admin/users/{id}/forget-codes`
pub async fn forget_codes(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    let user = find(&cx, id).await?;
    second_factor::forget(&cx, &me.actor(), &user).await?;
    done(&path(id), "codes-forgotten")
}

/// `POST /admin/users/{id}/disable`
pub async fn disable(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    let user = find(&cx, id).await?;
    people::disable(&cx, &me.actor(), &user).await?;
    done(&path(id), "disabled")
}

/// `POST /admin/users/{id}/enable`
pub async fn enable(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    let user = find(&cx, id).await?;
    people::enable(&cx, &me.actor(), &user).await?;
    done(&path(id), "enabled")
}

fn path(id: Uuid) -> String {
    format!("/admin/users/{id}")
}

async fn find(cx: &Context, id: Uuid) -> Result<User, Refusal> {
    people::find(cx, id).await?.ok_or_else(missing)
}

async fn show(
    cx: &Context,
    frame: &Frame,
    status: StatusCode,
    fields: &Fields,
    fault: Option<&str>,
) -> Answer {
    let listed = people::all(cx).await?;
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
