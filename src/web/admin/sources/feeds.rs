//! `/admin/sources/feeds`: a feed is made, changed, retired and restored.

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
    feeds::{self, Wanted},
    topics,
};
use crate::store::feeds::Feed;

/// `GET /admin/sources/feeds`
pub async fn new(State(cx): State<Context>, frame: Frame) -> Answer {
    show(&cx, &frame, None, &Wanted { every: "5m".to_owned(), ..Wanted::default() }, &[]).await
}

/// `POST /admin/sources/feeds`
pub async fn create(State(cx): State<Context>, frame: Frame, me: Me, Form(wanted): Form<Wanted>) -> Answer {
    match feeds::create(&cx, &me.actor(), &wanted).await {
        Ok(_) => done(HOME, "feed-made"),
        Err(Error::Wrong(faults)) => show(&cx, &frame, None, &wanted, &faults).await,
        Err(error) => Err(error.into()),
    }
}

/// `GET /admin/sources/feeds/{id}`
pub async fn one(State(cx): State<Context>, frame: Frame, At(id): At<i64>) -> Answer {
    let feed = feeds::find(&cx, id).await?;
    let wanted = feeds::typed(&cx, &feed).await?;
    show(&cx, &frame, Some(&feed), &wanted, &[]).await
}

/// `POST /admin/sources/feeds/{id}`
pub async fn change(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    At(id): At<i64>,
    Form(wanted): Form<Wanted>,
) -> Answer {
    let feed = feeds::find(&cx, id).await?;
    match feeds::change(&cx, &me.actor(), feed.id, &wanted).await {
        Ok(()) => done(HOME, "saved"),
        Err(Error::Wrong(faults)) => show(&cx, &frame, Some(&feed), &wanted, &faults).await,
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/sources/feeds/{id}/retire`
pub async fn retire(State(cx): State<Context>, me: Me, At(id): At<i64>) -> Answer {
    set_active(&cx, &me, id, false, "feed-retired").await
}

/// `POST /admin/sources/feeds/{id}/restore`
pub async fn restore(State(cx): State<Context>, me: Me, At(id): At<i64>) -> Answer {
    set_active(&cx, &me, id, true, "restored").await
}

async fn set_active(cx: &Context, me: &Me, id: i64, active: bool, said: &str) -> Answer {
    feeds::set_active(cx, &me.actor(), id, active).await?;
    done(HOME, said)
}

async fn show(cx: &Context, frame: &Frame, feed: Option<&Feed>, wanted: &Wanted, faults: &[Fault]) -> Answer {
    let topics = topics::all(cx).await?;
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let offered = topics.iter().filter(|it| !it.retired || it.slug == wanted.topic);
    let content = json!({
        "is": feed.map(|it| json!({ "id": it.id, "url": it.url, "provisioned": it.provisioned, "retired": !it.active })),
        "wanted": wanted,
        "topics": offered.map(|it| json!({ "slug": it.slug, "name": it.name, "retired": it.retired, "chosen": it.slug == wanted.topic })).collect::<Vec<_>>(),
        "faults": beside(faults),
    });
    frame.show("feed.html", status, &content)
}
