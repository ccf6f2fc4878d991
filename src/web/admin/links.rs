//! Behind the links that work once, and the way to one: an invitation, a new password, the first owner.

use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Refusal, frame::Frame, sign_in};
use crate::context::Context;
use crate::domain::attempts::in_about;
use crate::newsroom::links::{self, Filled, Opened};
use crate::newsroom::{Error, signing_in::Origin};
use crate::store::user_links::LinkPurpose;
use crate::web::public::Link;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    email: String,
    name: String,
    password: String,
}

/// `GET /admin/forgotten`
pub async fn forgotten_page(frame: Frame) -> Answer {
    frame.ok("forgotten.html", &json!({ "asked": false, "fault": null }))
}

/// `POST /admin/forgotten`: the same answer whoever asks.
pub async fn forgotten(
    State(cx): State<Context>,
    frame: Frame,
    origin: Origin,
    Form(fields): Form<Fields>,
) -> Answer {
    match links::forgot(&cx, &fields.email, &origin).await? {
        None => frame.ok("forgotten.html", &json!({ "asked": true, "fault": null })),
        Some(wait) => {
            let fault = format!("That was asked often just now. Please try again {}.", in_about(wait));
            let content = json!({ "asked": false, "fault": fault });
            sign_in::after(wait, frame.show("forgotten.html", StatusCode::TOO_MANY_REQUESTS, &content))
        }
    }
}

/// `GET /admin/link/{token}`
pub async fn page(State(cx): State<Context>, frame: Frame, Link(token): Link) -> Answer {
    match links::open(&cx, &token).await? {
        Some(opened) => show(&frame, StatusCode::OK, &opened, &token, &Fields::default(), None),
        None => Err(used_up()),
    }
}

/// `POST /admin/link/{token}`
pub async fn accept(
    State(cx): State<Context>,
    frame: Frame,
    origin: Origin,
    Link(token): Link,
    Form(fields): Form<Fields>,
) -> Answer {
    let filled =
        Filled { email: fields.email.clone(), name: fields.name.clone(), password: fields.password.clone() };
    match links::accept(&cx, &token, &filled, &origin).await {
        Ok(Some(signed_in)) => sign_in::enter(&cx, signed_in, ""),
        Ok(None) => Err(used_up()),
        Err(Error::Refused(why)) => match links::open(&cx, &token).await? {
            Some(opened) => {
                show(&frame, StatusCode::UNPROCESSABLE_ENTITY, &opened, &token, &fields, Some(&why))
            }
            None => Err(used_up()),
        },
        Err(error) => Err(error.into()),
    }
}

fn show(
    frame: &Frame,
    status: StatusCode,
    opened: &Opened,
    token: &str,
    fields: &Fields,
    fault: Option<&str>,
) -> Answer {
    let user = opened.user.as_ref();
    let name = if fields.name.is_empty() { user.map_or("", |user| &user.name) } else { &fields.name };
    let content = json!({
        "token": token,
        "first_owner": opened.purpose == LinkPurpose::FirstOwner,
        "reset": opened.purpose == LinkPurpose::Reset,
        "email": user.map_or(fields.email.as_str(), |user| &user.email),
        "name": name,
        "role": user.map(|user| user.role),
        "fault": fault,
    });
    frame.show("link.html", status, &content)
}

fn used_up() -> Refusal {
    let text = "It was used, it is too old, or a newer one took its place. “Forgotten your password?” on the page to \
                sign in mails you another.";
    Refusal::new(StatusCode::NOT_FOUND, "This link doesn’t work any more", text)
}
