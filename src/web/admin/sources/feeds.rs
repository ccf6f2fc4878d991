//! `/admin/sources/feeds`: a feed is made, changed, retired and restored.

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
    feeds::{self, Wanted},
    topics,
};
use crate::store::feeds::Feed;

/// `GET /admin/sources/feeds`
pub async fn new(State(cx): State<Context>, frame: Frame) -> Response {
    show(&cx, &frame, None, &Wanted { every: "5m".to_owned(), ..Wanted::default() }, &[]).await
}

/// `POST /admin/sources/feeds`
pub async fn create(State(cx): State<Context>, frame: Frame, me: Me, Form(wanted): Form<Wanted>) -> Response {
    match feeds::create(&cx, &me.actor(), &wanted).await {
        Ok(_) => done(HOME, "feed-made"),
        Err(Error::Wrong(faults)) => show(&cx, &frame, None, &wanted, &faults).await,
        Err(error) => refusal(&frame, &error),
    }
}

/// `GET /admin/sources/feeds/{id}`
pub async fn one(State(cx): State<Context>, frame: Frame, Path(id): Path<String>) -> Response {
    let typed = async {
        let feed = feeds::find(&cx, number(&id)?).await?;
        let wanted = feeds::typed(&cx, &feed).await?;
        Ok((feed, wanted))
    };
    match typed.await {
        Ok((feed, wanted)) => show(&cx, &frame, Some(&feed), &wanted, &[]).await,
        Err(error) => refusal(&frame, &error),
    }
}

/// `POST /admin/sources/feeds/{id}`
pub async fn change(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    Path(id): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Response {
    let changed = async {
        let feed = feeds::find(&cx, number(&id)?).await?;
        match feeds::change(&cx, &me.actor(), feed.id, &wanted).await {
            Ok(()) => Ok(done(HOME, "saved")),
            Err(Error::Wrong(faults)) => Ok(show(&cx, &frame, Some(&feed), &wanted, &faults).await),
            Err(error) => Err(error),
        }
    };
    changed.await.unwrap_or_else(|error| refusal(&frame, &error))
}

/// `POST /admin/sources/feeds/{id}/retire`
pub async fn retire(State(cx): State<Context>, frame: Frame, me: Me, Path(id): Path<String>) -> Response {
    set_active(&cx, &frame, &me, &id, false, "feed-retired").await
}

/// `POST /admin/sources/feeds/{id}/restore`
pub async fn restore(State(cx): State<Context>, frame: Frame, me: Me, Path(id): Path<String>) -> Response {
    set_active(&cx, &frame, &me, &id, true, "restored").await
}

async fn set_active(cx: &Context, frame: &Frame, me: &Me, id: &str, active: bool, said: &str) -> Response {
    let Ok(id) = number(id) else { return refusal(frame, &Error::Missing) };
    match feeds::set_active(cx, &me.actor(), id, active).await {
        Ok(_) => done(HOME, said),
        Err(error) => refusal(frame, &error),
    }
}

fn number(id: &str) -> Result<i64, Error> {
    id.parse().map_err(|_| Error::Missing)
}

async fn show(
    cx: &Context,
    frame: &Frame,
    feed: Option<&Feed>,
    wanted: &Wanted,
    faults: &[Fault],
) -> Response {
    let topics = match topics::all(cx).await {
        Ok(topics) => topics,
        Err(error) => return refusal(frame, &error),
    };
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
