//! `/admin/sources/schedules`: a schedule with its next times; it is made, changed, retired and restored.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::super::{done, frame::Frame};
use super::{HOME, beside, may_manage, refusal};
use crate::context::Context;
use crate::newsroom::Me;
use crate::newsroom::sources::{
    Error, Fault,
    schedules::{self, Wanted},
};
use crate::store::schedules::Schedule;

/// `GET /admin/sources/schedules`
pub async fn new(State(cx): State<Context>, frame: Frame) -> Response {
    let zone = match schedules::all(&cx).await {
        Ok(known) => known.first().map_or("UTC", |schedule| schedule.timezone.as_str()).to_owned(),
        Err(error) => return refusal(&frame, &error),
    };
    let wanted = Wanted { cron: "0 7 * * *".to_owned(), timezone: zone, ..Wanted::default() };
    show(&cx, &frame, None, &wanted, &[])
}

/// `POST /admin/sources/schedules`
pub async fn create(State(cx): State<Context>, frame: Frame, me: Me, Form(wanted): Form<Wanted>) -> Response {
    match schedules::create(&cx, &me.actor(), &wanted).await {
        Ok(id) => done(&format!("{HOME}/schedules/{id}"), "saved"),
        Err(Error::Wrong(faults)) => show(&cx, &frame, None, &wanted, &faults),
        Err(error) => refusal(&frame, &error),
    }
}

/// `GET /admin/sources/schedules/{id}`
pub async fn one(State(cx): State<Context>, frame: Frame, Path(id): Path<String>) -> Response {
    match find(&cx, &id).await {
        Ok(schedule) => show(&cx, &frame, Some(&schedule), &Wanted::from(&schedule), &[]),
        Err(error) => refusal(&frame, &error),
    }
}

/// `POST /admin/sources/schedules/{id}`
pub async fn change(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    Path(id): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Response {
    let schedule = match find(&cx, &id).await {
        Ok(schedule) => schedule,
        Err(error) => return refusal(&frame, &error),
    };
    match schedules::change(&cx, &me.actor(), schedule.id, &wanted).await {
        Ok(()) => done(&format!("{HOME}/schedules/{id}"), "saved"),
        Err(Error::Wrong(faults)) => show(&cx, &frame, Some(&schedule), &wanted, &faults),
        Err(error) => refusal(&frame, &error),
    }
}

/// `POST /admin/sources/schedules/{id}/retire`
pub async fn retire(State(cx): State<Context>, frame: Frame, me: Me, Path(id): Path<String>) -> Response {
    set_active(&cx, &frame, &me, &id, false, "schedule-retired").await
}

/// `POST /admin/sources/schedules/{id}/restore`
pub async fn restore(State(cx): State<Context>, frame: Frame, me: Me, Path(id): Path<String>) -> Response {
    set_active(&cx, &frame, &me, &id, true, "restored").await
}

async fn set_active(cx: &Context, frame: &Frame, me: &Me, id: &str, active: bool, said: &str) -> Response {
    let changed = async {
        let schedule = find(cx, id).await?;
        schedules::set_active(cx, &me.actor(), schedule.id, active).await
    };
    match changed.await {
        Ok(_) => done(HOME, said),
        Err(error) => refusal(frame, &error),
    }
}

async fn find(cx: &Context, id: &str) -> Result<Schedule, Error> {
    let id = id.parse().map_err(|_| Error::Missing)?;
    schedules::find(cx, id).await
}

fn show(
    cx: &Context,
    frame: &Frame,
    schedule: Option<&Schedule>,
    wanted: &Wanted,
    faults: &[Fault],
) -> Response {
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let content = json!({
        "may": may_manage(frame),
        "is": schedule.map(|it| super::schedule(it, cx.clock.now())),
        "wanted": wanted,
        "faults": beside(faults),
    });
    frame.show("schedule.html", status, &content)
}
