//! `/admin/tokens`: keys to the API, for owners.

use std::time::Duration;

use axum::extract::{RawForm, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, At, done, frame::Frame, missing, users::roles, when};
use crate::context::Context;
use crate::domain::{
    role::{Area, Role},
    time::DAY,
};
use crate::newsroom::{Error, Me, tokens};

/// What a new token may last, in days; 0 for as long as it isn't revoked.
const DAYS: [u32; 4] = [0, 7, 90, 365];

/// `GET /admin/tokens`
pub async fn page(State(cx): State<Context>, frame: Frame) -> Answer {
    show(&cx, &frame, StatusCode::OK, None, None).await
}

/// `POST /admin/tokens`: answers with the token, this once.
pub async fn create(State(cx): State<Context>, frame: Frame, me: Me, RawForm(form): RawForm) -> Answer {
    let created = match wanted(&form) {
        Ok(wanted) => tokens::create(&cx, &me.actor(), &wanted).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(token) => show(&cx, &frame, StatusCode::OK, Some(&token), None).await,
        Err(Error::Refused(why) | Error::Taken(why)) => {
            show(&cx, &frame, StatusCode::UNPROCESSABLE_ENTITY, None, Some(&why)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/tokens/{id}/revoke`
pub async fn revoke(State(cx): State<Context>, me: Me, At(id): At<i64>) -> Answer {
    match tokens::revoke(&cx, &me.actor(), id).await? {
        true => done("/admin/tokens", "revoked"),
        false => Err(missing()),
    }
}

/// The form's fields; ticked areas come as several of one name.
fn wanted(form: &[u8]) -> Result<tokens::Wanted, Error> {
    let (mut name, mut role, mut areas, mut days) = (String::new(), None, Vec::new(), 0);
    for (field, value) in url::form_urlencoded::parse(form) {
        match &*field {
            "name" => name = value.into_owned(),
            "role" => role = value.parse::<Role>().ok(),
            "areas" => areas.extend(value.parse::<Area>().ok()),
            "days" => days = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    let role = role.ok_or_else(|| Error::Refused("Choose a role.".to_owned()))?;
    if areas.len() == Area::ALL.len() {
        areas.clear();
    }
    let holds = DAYS.contains(&days).then_some(days).filter(|days| *days > 0).map(|days| DAY * days);
    Ok(tokens::Wanted { name, role, areas, holds })
}

async fn show(
    cx: &Context,
    frame: &Frame,
    status: StatusCode,
    made: Option<&str>,
    fault: Option<&str>,
) -> Answer {
    let listed = tokens::all(cx).await?;
    let listed: Vec<Value> = listed
        .iter()
        .map(|token| {
            json!({
                "id": token.id,
                "name": token.name,
                "role": token.role,
                "scope": token.areas().join(", "),
                "created": when(token.created_at),
                "ends": token.expires_at.map(when),
                "used": token.last_used_at.map(when),
            })
        })
        .collect();
    let lasting: Vec<_> =
        DAYS.iter().map(|days| json!({ "days": days, "label": lasting(DAY * *days) })).collect();
    let content = json!({
        "tokens": listed,
        "roles": roles(Role::Editor.as_str()),
        "areas": Area::WORDS,
        "lasting": lasting,
        "made": made,
        "fault": fault,
    });
    frame.show("tokens.html", status, &content)
}

fn lasting(holds: Duration) -> String {
    match holds.as_secs() / DAY.as_secs() {
        0 => "Until it is revoked".to_owned(),
        365 => "A year".to_owned(),
        days => format!("{days} days"),
    }
}
