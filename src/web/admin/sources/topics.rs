//! `/admin/sources/topics`: a topic is made, changed, retired and restored.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::super::{done, frame::Frame};
use super::{HOME, beside, refusal};
use crate::context::Context;
use crate::newsroom::Me;
use crate::newsroom::sources::{
    Error, Fault,
    topics::{self, Wanted},
};
use crate::store::topics::Topic;

/// `GET /admin/sources/topics`
pub async fn new(frame: Frame) -> Response {
    show(&frame, None, &Wanted::default(), &[])
}

/// `POST /admin/sources/topics`
pub async fn create(State(cx): State<Context>, frame: Frame, me: Me, Form(wanted): Form<Wanted>) -> Response {
    match topics::create(&cx, &me.actor(), &wanted).await {
        Ok(_) => done(HOME, "saved"),
        Err(Error::Wrong(faults)) => show(&frame, None, &wanted, &faults),
        Err(error) => refusal(&frame, &error),
    }
}

/// `GET /admin/sources/topics/{slug}`
pub async fn one(State(cx): State<Context>, frame: Frame, Path(slug): Path<String>) -> Response {
    match topics::find(&cx, &slug).await {
        Ok(topic) => show(&frame, Some(&topic), &Wanted::from(&topic), &[]),
        Err(error) => refusal(&frame, &error),
    }
}

/// `POST /admin/sources/topics/{slug}`
pub async fn change(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    Path(slug): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Response {
    let topic = match topics::find(&cx, &slug).await {
        Ok(topic) => topic,
        Err(error) => return refusal(&frame, &error),
    };
    match topics::change(&cx, &me.actor(), &slug, &wanted).await {
        Ok(()) => done(HOME, "saved"),
        Err(Error::Wrong(faults)) => show(&frame, Some(&topic), &wanted, &faults),
        Err(error) => refusal(&frame, &error),
    }
}

/// `POST /admin/sources/topics/{slug}/retire`
pub async fn retire(State(cx): State<Context>, frame: Frame, me: Me, Path(slug): Path<String>) -> Response {
    match topics::set_retired(&cx, &me.actor(), &slug, true).await {
        Ok(_) => done(HOME, "topic-retired"),
        Err(error) => refusal(&frame, &error),
    }
}

/// `POST /admin/sources/topics/{slug}/restore`
pub async fn restore(State(cx): State<Context>, frame: Frame, me: Me, Path(slug): Path<String>) -> Response {
    match topics::set_retired(&cx, &me.actor(), &slug, false).await {
        Ok(_) => done(HOME, "restored"),
        Err(error) => refusal(&frame, &error),
    }
}

fn show(frame: &Frame, topic: Option<&Topic>, wanted: &Wanted, faults: &[Fault]) -> Response {
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let content = json!({
        "is": topic.map(|it| json!({ "slug": it.slug, "name": it.name, "provisioned": it.provisioned, "retired": it.retired })),
        "wanted": wanted,
        "faults": beside(faults),
    });
    frame.show("topic.html", status, &content)
}
