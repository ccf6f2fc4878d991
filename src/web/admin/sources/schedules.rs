//! `/admin/sources/schedules`: a schedule with its next times; it is made, changed, retired and restored.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Answer, At, done, frame::Frame, when};
use super::{HOME, beside, may_manage};
use crate::context::Context;
use crate::domain::wall;
use crate::newsroom::Me;
use crate::newsroom::sources::{
    Error, Fault,
    schedules::{self, Wanted},
};
use crate::publishing::{self, foreseeing};
use crate::store::schedules::Schedule;

/// `GET /admin/sources/schedules`
pub async fn new(State(cx): State<Context>, frame: Frame) -> Answer {
    let known = schedules::all(&cx).await?;
    let zone = known.first().map_or("UTC", |schedule| schedule.timezone.as_str()).to_owned();
    let wanted = Wanted { cron: "0 7 * * *".to_owned(), timezone: zone, ..Wanted::default() };
    show(&cx, &frame, None, &wanted, &[])
}

/// `POST /admin/sources/schedules`
pub async fn create(State(cx): State<Context>, frame: Frame, me: Me, Form(wanted): Form<Wanted>) -> Answer {
    match schedules::create(&cx, &me.actor(), &wanted).await {
        Ok(id) => done(&format!("{HOME}/schedules/{id}"), "saved"),
        Err(Error::Wrong(faults)) => show(&cx, &frame, None, &wanted, &faults),
        Err(error) => Err(error.into()),
    }
}

/// `GET /admin/sources/schedules/{id}`
///
/// `?at=` is a time on the clock of its zone: the page says what would go out if it ran then.
pub async fn one(
    State(cx): State<Context>,
    frame: Frame,
    At(id): At<i64>,
    Query(asked): Query<When>,
) -> Answer {
    let schedule = schedules::find(&cx, id).await?;
    let mut content = content(&cx, &frame, Some(&schedule), &Wanted::from(&schedule), &[]);
    content["foreseen"] = foreseen(&cx, &schedule, asked.at.as_deref()).await?;
    frame.ok("schedule.html", &content)
}

/// A time that is asked about.
#[derive(Deserialize)]
pub struct When {
    at: Option<String>,
}

async fn foreseen(cx: &Context, schedule: &Schedule, at: Option<&str>) -> Result<Value, publishing::Error> {
    let now = cx.clock.now();
    let usual = foreseeing::moment(schedule, "", now).unwrap_or(now);
    let typed = at.map_or_else(|| wall::field(usual, &schedule.timezone), ToOwned::to_owned);
    let Some(at) = at else { return Ok(json!({ "at": typed, "fault": null, "asked": false })) };
    let at = match foreseeing::moment(schedule, at, now) {
        Ok(at) => at,
        Err(why) => return Ok(json!({ "at": typed, "fault": super::sentence(&why), "asked": false })),
    };
    let foreseen = foreseeing::foresee(cx, schedule, at).await?;
    let stories: Vec<_> = foreseen
        .stories
        .iter()
        .map(|it| json!({ "title": it.title, "link": it.link, "published": it.published_at.map(when), "full": it.full, "seen": it.seen }))
        .collect();
    Ok(json!({
        "at": typed,
        "fault": null,
        "asked": true,
        "shown": wall::told(at, &schedule.timezone),
        "readers": foreseen.readers,
        "stories": stories,
        "left_out": foreseen.left_out,
        "sooner": foreseen.sooner.map(|it| wall::told(it.at, &schedule.timezone)),
    }))
}

/// `POST /admin/sources/schedules/{id}`
pub async fn change(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    At(id): At<i64>,
    Form(wanted): Form<Wanted>,
) -> Answer {
    let schedule = schedules::find(&cx, id).await?;
    match schedules::change(&cx, &me.actor(), schedule.id, &wanted).await {
        Ok(()) => done(&format!("{HOME}/schedules/{id}"), "saved"),
        Err(Error::Wrong(faults)) => show(&cx, &frame, Some(&schedule), &wanted, &faults),
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/sources/schedules/{id}/retire`
pub async fn retire(State(cx): State<Context>, me: Me, At(id): At<i64>) -> Answer {
    set_active(&cx, &me, id, false, "schedule-retired").await
}

/// `POST /admin/sources/schedules/{id}/restore`
pub async fn restore(State(cx): State<Context>, me: Me, At(id): At<i64>) -> Answer {
    set_active(&cx, &me, id, true, "restored").await
}

async fn set_active(cx: &Context, me: &Me, id: i64, active: bool, said: &str) -> Answer {
    let schedule = schedules::find(cx, id).await?;
    schedules::set_active(cx, &me.actor(), schedule.id, active).await?;
    done(HOME, said)
}

fn show(
    cx: &Context,
    frame: &Frame,
    schedule: Option<&Schedule>,
    wanted: &Wanted,
    faults: &[Fault],
) -> Answer {
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    frame.show("schedule.html", status, &content(cx, frame, schedule, wanted, faults))
}

fn content(
    cx: &Context,
    frame: &Frame,
    schedule: Option<&Schedule>,
    wanted: &Wanted,
    faults: &[Fault],
) -> Value {
    json!({
        "may": may_manage(frame),
        "is": schedule.map(|it| super::schedule(it, cx.clock.now())),
        "wanted": wanted,
        "faults": beside(faults),
        "foreseen": null,
        "zones": wall::zones(),
    })
}
