//! `GET /admin/sources`: the topics, feeds and schedules that config.toml has, as it has them; of each schedule the next
//! times it fires.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::{failure, frame::Frame, overview, when};
use crate::context::Context;
use crate::delivering::why::span;
use crate::domain::{cadence::Cadence, time::Timestamp};
use crate::newsroom::Error;
use crate::store::{self, feeds::Feed, schedules::Schedule, topics::Topic};

/// How many times a schedule shows.
const OCCURRENCES: usize = 10;

pub async fn page(State(cx): State<Context>, frame: Frame) -> Response {
    match content(&cx).await {
        Ok(content) => frame.ok("sources.html", &content),
        Err(error) => failure(&frame, &error),
    }
}

async fn content(cx: &Context) -> Result<Value, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let topics = store::topics::all(&mut tx).await?;
    let feeds = store::feeds::all_active(&mut tx).await?;
    let schedules = store::schedules::all_active(&mut tx).await?;
    Ok(json!({
        "topics": topics.iter().map(|it| json!({ "slug": it.slug, "name": it.name, "description": it.description })).collect::<Vec<_>>(),
        "feeds": feeds.iter().map(|it| feed(it, &topics, now)).collect::<Vec<_>>(),
        "schedules": schedules.iter().map(|it| schedule(it, now)).collect::<Vec<_>>(),
    }))
}

fn feed(feed: &Feed, topics: &[Topic], now: Timestamp) -> Value {
    let mut shown = overview::feed(feed, now);
    let topic = topics.iter().find(|topic| topic.id == feed.topic_id);
    shown["topic"] = topic.map(|topic| topic.name.as_str()).into();
    let every = std::time::Duration::from_micros(feed.every_micros.unsigned_abs());
    shown["every"] = span(every).into();
    shown["failures"] = feed.failures.into();
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
                    json!({ "local": local(&it.local), "at": when(it.at), "mark": mark })
                })
                .collect()
        },
    );
    json!({
        "name": schedule.name,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "digest": schedule.digest,
        "next": next,
    })
}

/// A civil time as people read it: "Sun 1 Nov 2026, 07:00".
fn local(civil: &str) -> String {
    let read = civil.parse::<jiff::civil::DateTime>();
    read.map_or_else(|_| civil.to_owned(), |it| it.strftime("%a %-d %b %Y, %H:%M").to_string())
}
