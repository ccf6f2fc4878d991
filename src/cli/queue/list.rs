//! `bellwether queue`: what waits, by lane and by issue, and how the relays stand.

use super::super::{
    issues::progress,
    service::{Found, Service},
};
use super::Failure;
use crate::cli::{print, print_json};
use crate::context::Context;
use crate::delivering::waiting::{AtRelay, InLane, Waiting};
use crate::delivering::why::{by_hand, moment, told};
use crate::domain::time::{Timestamp, span};
use crate::publishing::progress::Progress;
use crate::store;

/// How many issues the list shows.
const LISTED: i64 = 20;

#[derive(serde::Serialize)]
struct Overview {
    /// What the service on this machine says that it can't do now.
    service_trouble: Option<String>,
    #[serde(flatten)]
    waiting: Waiting,
    /// Alerts and digests on their way.
    issues: Vec<Progress>,
}

pub(super) async fn list(cx: &Context, json: bool) -> Result<(), Failure> {
    let mut overview = look(cx).await?;
    if let Found::Ours(service) = Service::find(cx).await? {
        overview.service_trouble = service.trouble().map(ToOwned::to_owned);
    }
    if json { print_json(&overview) } else { tell(&overview, cx.clock.now()) }
}

async fn look(cx: &Context) -> Result<Overview, Failure> {
    let mut tx = cx.db.read().await?;
    let waiting = Waiting::read(cx, &mut tx).await?;
    let ids = store::queue::open_issues(&mut tx, LISTED).await?;
    drop(tx);
    let mut issues = Vec::new();
    for id in ids {
        issues.push(progress(cx, id).await?);
    }
    Ok(Overview { service_trouble: None, waiting, issues })
}

fn tell(overview: &Overview, now: Timestamp) -> Result<(), Failure> {
    let Overview { service_trouble, waiting, issues } = overview;
    match waiting.last_heartbeat {
        _ if waiting.service_runs(now) => {}
        Some(at) => print(format_args!(
            "No service runs: none was heard of since {}. Nothing is sent until `bellwether serve` is started.\n",
            moment(at)
        ))?,
        None => print(
            "No service has run on this database yet. Nothing is sent until `bellwether serve` is started.\n",
        )?,
    }
    if let Some(trouble) = service_trouble {
        print(format_args!("The service says: {trouble}.\n"))?;
    }
    let waits = |lane: &InLane| lane.all() > 0;
    if waiting.lanes.iter().any(waits) {
        print(format_args!(
            "{:<14} {:>10} {:>8} {:>9}   {:<15} {}",
            "Lane", "queued", "sending", "deferred", "oldest waits", "next retry"
        ))?;
        for lane in waiting.lanes.iter().filter(|lane| waits(lane)) {
            let InLane { lane, queued, sending, deferred, oldest, next_retry, .. } = lane;
            let oldest = oldest.map_or_else(String::new, |at| span(now.since(at)));
            let next = match next_retry {
                Some(at) if *at > now => format!("in {}", span(at.since(now))),
                Some(_) => "now".to_owned(),
                None => String::new(),
            };
            let line = format!("{lane:<14} {queued:>10} {sending:>8} {deferred:>9}   {oldest:<15} {next}");
            print(line.trim_end())?;
        }
    } else {
        print("Nothing waits.")?;
    }
    for lane in &waiting.lanes {
        if let Some(pause) = &lane.paused {
            print(format_args!("Lane {} is paused {}", lane.lane, by_hand(pause)))?;
        }
    }
    if !issues.is_empty() {
        print("\nIssues on their way")?;
    }
    for issue in issues {
        print(format_args!("  {}  {:<6}  {}: {issue}", issue.id, issue.kind, issue.subject))?;
    }
    print("\nRelays")?;
    let width = waiting.relays.iter().map(|relay| relay.name.chars().count()).max().unwrap_or(0);
    for relay in &waiting.relays {
        print(format_args!("  {:<width$}  {}", relay.name, standing(relay, now)))?;
    }
    Ok(())
}

fn standing(relay: &AtRelay, now: Timestamp) -> String {
    let mut parts = Vec::new();
    if !relay.configured {
        parts.push("not in the configuration".to_owned());
    }
    if let Some(pause) = &relay.paused {
        parts.push(format!("paused {}", by_hand(pause)));
    }
    if let Some(trouble) = &relay.trouble {
        parts.push(told(trouble, now));
    }
    if let Some(used_up) = &relay.day_used_up {
        parts.push(used_up.to_string());
    }
    if parts.is_empty() { "working".to_owned() } else { parts.join("; ") }
}
