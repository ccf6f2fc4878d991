//! `GET /admin/sources`: topics, feeds and schedules, those of config.toml and the newsroom's own; of each schedule the next
//! times it fires. A file for the pages of each.

pub mod feeds;
pub mod schedules;
pub mod topics;

use std::collections::HashMap;

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::{Answer, frame::Frame, overview, when};
use crate::context::Context;
use crate::domain::role::Right::Manage;
use crate::domain::{
    cadence::Cadence,
    subscription::Digest,
    time::{Timestamp, span},
};
use crate::newsroom::Error;
use crate::newsroom::sources::Fault;
use crate::store::schedules::{Origin, Schedule};
use crate::store::{self, feeds::Feed, topics::Topic};

/// How many times a schedule shows.
const OCCURRENCES: usize = 10;

/// The fields of all forms here.
const FIELDS: [&str; 9] =
    ["slug", "name", "description", "url", "topic", "every", "digest", "cron", "timezone"];

const HOME: &str = "/admin/sources";

pub async fn page(State(cx): State<Context>, frame: Frame) -> Answer {
    let content = content(&cx, may_manage(&frame)).await?;
    frame.ok("sources.html", &content)
}

async fn content(cx: &Context, may: bool) -> Result<Value, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let topics = store::topics::ever(&mut tx).await?;
    let readers: HashMap<_, _> = store::topics::readers(&mut tx).await?.into_iter().collect();
    let feeds = store::feeds::ever(&mut tx).await?;
    let schedules = store::schedules::ever(&mut tx).await?;
    let (running, retired): (Vec<_>, Vec<_>) = schedules.iter().partition(|it| it.active);
    let without: Vec<_> = [Digest::Daily, Digest::Weekly]
        .into_iter()
        .filter(|digest| !running.iter().any(|schedule| schedule.digest == *digest))
        .collect();
    Ok(json!({
        "may": may,
        "topics": topics.iter().map(|it| topic(it, readers.get(&it.id).copied().unwrap_or(0))).collect::<Vec<_>>(),
        "feeds": feeds.iter().map(|it| feed(it, &topics, now)).collect::<Vec<_>>(),
        "schedules": running.iter().map(|it| schedule(it, now)).collect::<Vec<_>>(),
        "retired": retired.iter().map(|it| schedule(it, now)).collect::<Vec<_>>(),
        "without": without,
    }))
}

fn topic(topic: &Topic, readers: i64) -> Value {
    json!({
        "slug": topic.slug,
        "name": topic.name,
        "description": topic.description,
        "public": topic.public,
        "test": topic.test,
        "provisioned": topic.provisioned,
        "retired": topic.retired,
        "readers": readers,
    })
}

fn feed(feed: &Feed, topics: &[Topic], now: Timestamp) -> Value {
    let mut shown = overview::feed(feed, now);
    let topic = topics.iter().find(|topic| topic.id == feed.topic_id);
    shown["id"] = feed.id.into();
    shown["topic"] = topic.map(|topic| topic.name.as_str()).into();
    let every = std::time::Duration::from_micros(feed.every_micros.unsigned_abs());
    shown["every"] = span(every).into();
    shown["failures"] = feed.failures.into();
    shown["provisioned"] = feed.provisioned.into();
    shown["retired"] = (!feed.active).into();
    shown["waits"] = topic.is_some_and(|topic| topic.retired).into();
    shown
}

fn schedule(schedule: &Schedule, now: Timestamp) -> Value {
    let next: Vec<_> = Cadence::parse(&schedule.cron, &schedule.timezone).map_or_else(
        |_| Vec::new(),
        |cadence| {
            let upcoming = cadence.upcoming(now, OCCURRENCES);
            upcoming
                .iter()
                .map(|it| {
                    let mark = match cadence.day_longer_by(it) {
                        0 => None,
                        longer if longer > 0 => Some("the clocks go back on this day"),
                        _ => Some("the clocks go forward on this day"),
                    };
                    let elsewhere = (cadence.timezone() != "UTC").then(|| when(it.at));
                    json!({ "local": local(&it.local), "at": elsewhere, "mark": mark })
                })
                .collect()
        },
    );
    json!({
        "id": schedule.id,
        "name": schedule.name,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "digest": schedule.digest,
        "public": schedule.public,
        "provisioned": schedule.origin == Origin::File,
        "usual": schedule.origin == Origin::Usual,
        "retired": !schedule.active,
        "next": next,
    })
}

/// A civil time as people read it: "Sun 1 Nov 2026, 07:00".
fn local(civil: &str) -> String {
    let read = civil.parse::<jiff::civil::DateTime>();
    read.map_or_else(|_| civil.to_owned(), |it| it.strftime("%a %-d %b %Y, %H:%M").to_string())
}

fn may_manage(frame: &Frame) -> bool {
    frame.me().is_some_and(|me| me.user.role.may(Manage))
}

/// What a form says beside its fields, by their names.
fn beside(faults: &[Fault]) -> Value {
    let mut told: Map<_, _> = FIELDS.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
    told.extend(faults.iter().map(|fault| (fault.field.to_owned(), sentence(&fault.why).into())));
    told.into()
}

/// "must be daily" as a sentence of its own.
fn sentence(why: &str) -> String {
    let subject = if ["must ", "is ", "has "].iter().any(|verb| why.starts_with(verb)) { "It " } else { "" };
    let text = format!("{subject}{why}");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
