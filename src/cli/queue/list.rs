//! `bellwether queue`: what waits, by lane and by issue, and how the relays stand.

use super::super::issues::progress;
use super::Failure;
use crate::cli::{print, print_json};
use crate::context::Context;
use crate::delivering::LIFE;
use crate::delivering::why::{by_hand, moment, span, told};
use crate::domain::{
    delivery::State,
    issue::Lane,
    pause::{self, Kind, Pause},
    time::Timestamp,
};
use crate::publishing::progress::Progress;
use crate::store::{self, nodes::Trouble};

/// How many issues the list shows.
const LISTED: i64 = 20;

#[derive(serde::Serialize)]
struct Overview {
    /// When a service was last heard of.
    last_heartbeat: Option<Timestamp>,
    lanes: Vec<InLane>,
    /// Alerts and digests on their way.
    issues: Vec<Progress>,
    relays: Vec<AtRelay>,
}

#[derive(serde::Serialize)]
struct InLane {
    lane: Lane,
    queued: i64,
    sending: i64,
    deferred: i64,
    /// Since when the oldest that is queued or deferred waits.
    oldest: Option<Timestamp>,
    /// When the first that is deferred is tried again.
    next_retry: Option<Timestamp>,
    paused: Option<Pause>,
}

#[derive(serde::Serialize)]
struct AtRelay {
    name: String,
    /// False when it was taken out of the configuration and is still paused.
    configured: bool,
    paused: Option<Pause>,
    trouble: Option<Trouble>,
}

pub(super) async fn list(cx: &Context, json: bool) -> Result<(), Failure> {
    let overview = look(cx).await?;
    if json { print_json(&overview) } else { tell(&overview, cx.clock.now()) }
}

async fn look(cx: &Context) -> Result<Overview, Failure> {
    let mut tx = cx.db.read().await?;
    let pauses = store::pauses::all(&mut tx).await?;
    let last_heartbeat = store::nodes::last_heartbeat(&mut tx).await?;
    let troubles = store::nodes::troubles(&mut tx).await?;
    let parts = store::queue::parts(&mut tx).await?;
    let ids = store::queue::open_issues(&mut tx, LISTED).await?;
    drop(tx);
    let mut issues = Vec::new();
    for id in ids {
        issues.push(progress(cx, id).await?);
    }
    let lane = |lane: &Lane| {
        let parts = || parts.iter().filter(|part| Lane::of(part.priority) == *lane);
        let count = |state| parts().filter(|part| part.state == state).map(|part| part.count).sum();
        InLane {
            lane: *lane,
            queued: count(State::Queued),
            sending: count(State::Sending),
            deferred: count(State::Deferred),
            oldest: parts().filter(|part| part.state != State::Sending).map(|part| part.oldest).min(),
            next_retry: parts().filter_map(|part| part.next_retry).min(),
            paused: pause::of(&pauses, Kind::Lane, lane.as_str()).cloned(),
        }
    };
    let lanes = Lane::ALL.iter().map(lane).collect();
    let relay = |name: &str, configured| AtRelay {
        name: name.to_owned(),
        configured,
        paused: pause::of(&pauses, Kind::Relay, name).cloned(),
        trouble: troubles.iter().find(|trouble| trouble.relay == name).cloned(),
    };
    let mut relays: Vec<_> = cx.config.relays.iter().map(|known| relay(&known.name, true)).collect();
    for pause in pauses.iter().filter(|pause| pause.kind == Kind::Relay) {
        if !relays.iter().any(|known| known.name == pause.name) {
            relays.push(relay(&pause.name, false));
        }
    }
    Ok(Overview { last_heartbeat, lanes, issues, relays })
}

fn tell(overview: &Overview, now: Timestamp) -> Result<(), Failure> {
    match overview.last_heartbeat {
        Some(at) if now.since(at) <= LIFE => {}
        Some(at) => print(format_args!(
            "No service runs: none was heard of since {}. `bellwether serve` sends what waits.\n",
            moment(at)
        ))?,
        None => print("No service has run on this database yet. `bellwether serve` sends what waits.\n")?,
    }
    let waits = |lane: &InLane| lane.queued + lane.sending + lane.deferred > 0;
    if overview.lanes.iter().any(waits) {
        print(format_args!(
            "{:<14} {:>10} {:>8} {:>9}   {:<15} {}",
            "Lane", "queued", "sending", "deferred", "oldest waits", "next retry"
        ))?;
        for lane in overview.lanes.iter().filter(|lane| waits(lane)) {
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
    for lane in &overview.lanes {
        if let Some(pause) = &lane.paused {
            print(format_args!("Lane {} is paused {}", lane.lane, by_hand(pause)))?;
        }
    }
    if !overview.issues.is_empty() {
        print("\nIssues on their way")?;
    }
    for issue in &overview.issues {
        print(format_args!("  {}  {:<6}  {}: {issue}", issue.id, issue.kind, issue.subject))?;
    }
    print("\nRelays")?;
    let width = overview.relays.iter().map(|relay| relay.name.chars().count()).max().unwrap_or(0);
    for relay in &overview.relays {
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
    if parts.is_empty() { "working".to_owned() } else { parts.join("; ") }
}
