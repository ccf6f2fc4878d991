//! `/admin/sources/topics`: a topic is made, changed, retired and restored.

use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::super::{Answer, At, done, frame::Frame};
use super::{HOME, beside};
use crate::context::Context;
use crate::newsroom::Me;
use crate::newsroom::sources::{
    Error, Fault,
    topics::{self, Wanted},
};
use crate::store::topics::Topic;

/// `GET /admin/sources/topics`
pub async fn new(frame: Frame) -> Answer {
    show(&frame, None, &Wanted::default(), &[])
}

/// `POST /admin/sources/topics`
pub async fn create(State(cx): State<Context>, frame: Frame, me: Me, Form(wanted): Form<Wanted>) -> Answer {
    match topics::create(&cx, &me.actor(), &wanted).await {
        Ok(_) => done(HOME, "saved"),
        Err(Error::Wrong(faults)) => show(&frame, None, &wanted, &faults),
        Err(error) => Err(error.into()),
    }
}

/// `GET /admin/sources/topics/{slug}`
pub async fn one(State(cx): State<Context>, frame: Frame, At(slug): At<String>) -> Answer {
    let topic = topics::find(&cx, &slug).await?;
    show(&frame, Some(&topic), &Wanted::from(&topic), &[])
}

/// `POST /admin/sources/topics/{slug}`
pub async fn change(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    At(slug): At<String>,
    Form(wanted): Form<Wanted>,
) -> Answer {
    let topic = topics::find(&cx, &slug).await?;
    match topics::change(&cx, &me.actor(), &slug, &wanted).await {
        Ok(()) => done(HOME, "saved"),
        Err(Error::Wrong(faults)) => show(&frame, Some(&topic), &wanted, &faults),
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/sources/topics/{slug}/retire`
pub async fn retire(State(cx): State<Context>, me: Me, At(slug): At<String>) -> Answer {
    topics::set_retired(&cx, &me.actor(), &slug, true).await?;
    done(HOME, "topic-retired")
}

/// `POST /admin/sources/topics/{slug}/restore`
pub async fn restore(State(cx): State<Context>, me: Me, At(slug): At<String>) -> Answer {
    topics::set_retired(&cx, &me.actor(), &slug, false).await?;
    done(HOME, "restored")
}

fn show(frame: &Frame, topic: Option<&Topic>, wanted: &Wanted, faults: &[Fault]) -> Answer {
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let content = json!({
        "is": topic.map(|it| json!({ "slug": it.slug, "name": it.name, "provisioned": it.provisioned, "retired": it.retired })),
        "wanted": wanted,
        "faults": beside(faults),
    });
    frame.show("topic.html", status, &content)
}
