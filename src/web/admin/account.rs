//! `/admin/account`: one's own name, password and sessions.

use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, At, cookie, done, frame::Frame, when};
use crate::context::Context;
use crate::newsroom::{Error, Me, people};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    name: String,
    present: String,
    new: String,
}

/// `GET /admin/account`
pub async fn page(State(cx): State<Context>, frame: Frame, me: Me) -> Answer {
    show(&cx, &frame, &me, StatusCode::OK, Value::Null).await
}

/// `POST /admin/account/name`
pub async fn rename(State(cx): State<Context>, frame: Frame, me: Me, Form(fields): Form<Fields>) -> Answer {
    match people::rename(&cx, &me, &fields.name).await {
        Ok(()) => done("/admin/account", "saved"),
        Err(Error::Refused(why)) => refused(&cx, &frame, &me, json!({ "name": why })).await,
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/account/password`
pub async fn change_password(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    Form(fields): Form<Fields>,
) -> Answer {
    match people::change_password(&cx, &me, &fields.present, &fields.new).await {
        Ok(value) => {
            let mut response = done("/admin/account", "password")?;
            cookie::set(&cx, response.headers_mut(), &value);
            Ok(response)
        }
        Err(Error::Refused(why)) => refused(&cx, &frame, &me, json!({ "password": why })).await,
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/account/sessions/{id}/end`
pub async fn end_session(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    people::end_session(&cx, &me.actor(), &me.user, id).await?;
    done("/admin/account", "ended")
}

/// `POST /admin/account/sessions/end`
pub async fn end_others(State(cx): State<Context>, me: Me) -> Answer {
    people::end_sessions(&cx, &me.actor(), &me.user, me.session.id).await?;
    done("/admin/account", "others-ended")
}

async fn refused(cx: &Context, frame: &Frame, me: &Me, faults: Value) -> Answer {
    show(cx, frame, me, StatusCode::UNPROCESSABLE_ENTITY, faults).await
}

async fn show(cx: &Context, frame: &Frame, me: &Me, status: StatusCode, faults: Value) -> Answer {
    let sessions = people::sessions(cx, &me.user).await?;
    let sessions: Vec<_> = sessions
        .iter()
        .map(|session| {
            json!({
                "id": session.public_id,
                "browser": session.browser,
                "network": session.network,
                "since": when(session.created_at),
                "seen": when(session.seen_at),
                "this": session.id == me.session.id,
            })
        })
        .collect();
    let content = json!({
        "meaning": me.user.role.meaning(),
        "second_factor": me.user.has_second_factor(),
        "sessions": sessions,
        "faults": faults,
    });
    frame.show("account.html", status, &content)
}
