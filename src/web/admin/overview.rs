//! `GET /admin`: what needs somebody, how the readers grow, what became of the last issues, what waits and why, how relays
//! and feeds stand; and on a fresh installation the next step.

use axum::Form;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::figures::{self, counted, day, number, round_up};
use super::{Answer, done, frame::Frame, issues, missing, when};
use crate::context::Context;
use crate::delivering::pausing;
use crate::delivering::waiting::{AtRelay, InLane, Waiting};
use crate::delivering::why::{by_hand, moment, told};
use crate::domain::incident::Kind as Amiss;
use crate::domain::pause::Kind;
use crate::domain::relay_day::{self, Hour};
use crate::domain::time::{DAY, HOUR, Timestamp, span};
use crate::newsroom::{Error, Me};
use crate::store::{self, Tx, feeds::Feed, incidents::Incident, pausing::PausedIssue, readers::Day};
use crate::watching;

/// So many of the last issues.
const ISSUES: usize = 3;
/// How many days the picture of the readers goes back.
const DAYS: i64 = 90;
/// How often in a row a feed fails before it needs somebody.
pub(super) const FAILURES: i64 = 3;
/// Among so many of the newest posts those are looked for that could not be alerted, for so long.
const POSTS: i64 = 200;
const POSTS_FOR: u32 = 3;

pub async fn page(State(cx): State<Context>, frame: Frame, me: Me) -> Answer {
    let content = content(&cx, &me).await?;
    frame.ok("overview.html", &content)
}

/// What is to go on.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Resumed {
    kind: String,
    name: String,
}

/// `POST /admin/resume`: lets a lane or a relay go on that was paused by hand.
pub async fn resume(State(cx): State<Context>, me: Me, Form(what): Form<Resumed>) -> Answer {
    let Ok(kind) = what.kind.parse::<Kind>() else { return Err(missing()) };
    pausing::resume(&cx, &me.actor(), kind, &what.name).await?;
    done("/admin", "resumed")
}

async fn content(cx: &Context, me: &Me) -> Result<Value, Error> {
    let now = cx.clock.now();
    let second_factor_missing = me.user.role.may_release() && !me.user.has_second_factor();
    let first_name = me.user.name.split_whitespace().next().unwrap_or(&me.user.name);
    let mut tx = cx.db.read().await?;
    let waiting = Waiting::read(cx, &mut tx).await?;
    let topics = store::topics::all(&mut tx).await?;
    let paused = store::pausing::paused(&mut tx).await?;
    let feeds = store::feeds::all_active(&mut tx).await?;
    let given_up = store::posts::given_up(&mut tx, POSTS).await?;
    let amiss = store::incidents::open(&mut tx).await?;
    let deaf = watching::deaf(cx, &mut tx).await?;
    let hours = store::relays::hours(&mut tx, relay_day::first_hour(now)).await?;
    let readers = readers(&mut tx, now).await?;
    let posts = store::posts::last_id(&mut tx).await?;
    drop(tx);
    let (issues, older) = issues::listed(cx, None, i64::MAX, ISSUES).await?;
    let recent = given_up.iter().filter(|(.., at)| now.since(*at) < DAY * POSTS_FOR);
    let mut needed = needed(&waiting, &feeds, now);
    let known = |incident: &&Incident| is_told_above(incident, &feeds, &given_up);
    needed.extend(
        amiss
            .iter()
            .filter(|it| it.calm_since.is_none() && !known(it))
            .map(|it| json!({ "says": it.what, "todo": it.todo, "link": it.link })),
    );
    needed.extend(deaf.iter().map(|(place, text)| json!({ "says": format!("The webhook {place} {text}.") })));
    needed.extend(paused.iter().map(|PausedIssue { id, subject, paused_at }| {
        json!({ "says": format!("“{subject}” is paused since {}: nobody gets it until somebody resumes it.", moment(*paused_at)), "link": format!("/admin/live/{id}") })
    }));
    needed.extend(recent.map(|(_, title, at)| {
        json!({ "says": format!("“{title}” could not be made into an alert. It goes into the digest only; alert it by hand."), "at": when(*at) })
    }));
    Ok(json!({
        "may_resume": me.user.role.may_release(),
        "first_name": first_name,
        "second_factor_missing": second_factor_missing,
        "meaning": me.user.role.meaning(),
        "needed": needed,
        "readers": readers,
        "issues": issues,
        "more_issues": older.is_some(),
        "lanes": waiting.lanes.iter().filter(|lane| lane.all() > 0 || lane.paused.is_some()).map(|it| lane(it, now)).collect::<Vec<_>>(),
        "relays": waiting.relays.iter().map(|it| relay(it, &hours, now)).collect::<Vec<_>>(),
        "feeds": feeds.iter().map(|it| feed(it, now)).collect::<Vec<_>>(),
        "no_posts": posts == 0,
        "topics": topics.iter().map(|topic| &topic.name).collect::<Vec<_>>(),
    }))
}

/// What doesn't mend itself.
fn needed(waiting: &Waiting, feeds: &[Feed], now: Timestamp) -> Vec<Value> {
    let mut needed = Vec::new();
    if !waiting.service_runs(now) {
        needed.push(json!({ "says": "Nothing is sent: no service runs. Start it by `bellwether serve`." }));
    }
    for lane in &waiting.lanes {
        if let Some(pause) = &lane.paused {
            let says = format!(
                "The lane {} is paused {}. {} wait in it.",
                lane.lane,
                by_hand(pause),
                number(lane.all())
            );
            needed.push(json!({ "says": says, "resume": { "kind": Kind::Lane, "name": lane.lane } }));
        }
    }
    for relay in &waiting.relays {
        let name = &relay.name;
        if let Some(pause) = &relay.paused {
            let says = format!("Relay {name} is paused {}.", by_hand(pause));
            needed.push(json!({ "says": says, "resume": { "kind": Kind::Relay, "name": name } }));
        }
        if let Some(trouble) = relay.trouble.as_ref().filter(|trouble| trouble.paused) {
            let says = format!("Relay {name} {}. Put its account or our settings right.", told(trouble, now));
            needed.push(json!({ "says": says, "how": "bellwether check" }));
        }
    }
    for feed in feeds.iter().filter(|feed| feed.failures >= FAILURES) {
        let error = feed.last_error.as_deref().unwrap_or("no answer");
        let says = format!("The feed {} failed {} times in a row: {error}", feed.url, feed.failures);
        needed.push(json!({ "says": says, "link": "/admin/sources" }));
    }
    needed
}

/// Whether the overview tells of it by itself: what the watch sees is told once.
fn is_told_above(incident: &Incident, feeds: &[Feed], given_up: &[(Uuid, String, Timestamp)]) -> bool {
    match incident.kind {
        Amiss::Paused => true,
        Amiss::Silent => feeds
            .iter()
            .any(|feed| incident.subject == format!("feed {}", feed.url) && feed.failures >= FAILURES),
        Amiss::Missing => given_up.iter().any(|(post, ..)| incident.subject == format!("post {post}")),
        Amiss::Slow => false,
    }
}

/// Growth and losses, and the readers over time.
async fn readers(tx: &mut Tx, now: Timestamp) -> Result<Value, Error> {
    let active = store::readers::active(tx).await?;
    let today = now.day();
    let first = today - DAYS + 1;
    let start = Timestamp::of_day(first);
    let days = store::readers::days(tx, start).await?;
    let sums = |back: i64| {
        let within = days.iter().filter(|it| it.day > today - back);
        within.fold((0, 0), |(came, gone), it| (came + it.came, gone + it.gone))
    };
    let told = |back: i64| {
        let (came, gone) = sums(back);
        json!({ "days": back, "came": number(came), "gone": number(gone), "grows": came >= gone })
    };
    let points = over_time(&days, active, first, today);
    let most = points.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let mut curve = figures::curve(&points, (first - 1, today), round_up(most), false);
    let began = points.first().map_or(0, |(_, count)| *count);
    curve["label"] =
        format!("Active readers over {DAYS} days: {} at first, {} now", number(began), number(active)).into();
    curve["left"] = day(start).into();
    curve["right"] = format!("today: {}", number(active)).into();
    Ok(json!({
        "active": number(active),
        "none": active == 0 && days.is_empty(),
        "spans": [told(7), told(30)],
        "curve": (days.len() > 1 || began > 0).then_some(curve),
    }))
}

/// (day, how many were active at its end), reckoned back from today. The first stands for the end of the day before.
fn over_time(days: &[Day], active: i64, first: i64, today: i64) -> Vec<(i64, i64)> {
    let mut points = Vec::new();
    let mut count = active;
    for at in (first..=today).rev() {
        points.push((at, count));
        if let Some(day) = days.iter().find(|it| it.day == at) {
            count = (count - day.came + day.gone).max(0);
        }
    }
    points.push((first - 1, count));
    points.reverse();
    points
}

fn lane(lane: &InLane, now: Timestamp) -> Value {
    let InLane { queued, sending, deferred, .. } = lane;
    let parts = [(*queued, "waiting"), (*sending, "being handed over"), (*deferred, "put off")];
    let told: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", number(*count)))
        .collect();
    json!({
        "name": lane.lane,
        "told": if told.is_empty() { "nothing waits".to_owned() } else { told.join(", ") },
        "oldest": lane.oldest.map(|at| span(now.since(at))),
        "again": lane.next_retry.filter(|at| *at > now).map(|at| span(at.since(now))),
        "paused": lane.paused.as_ref().map(by_hand),
    })
}

fn relay(relay: &AtRelay, hours: &[Hour], now: Timestamp) -> Value {
    let state = match (&relay.paused, &relay.trouble) {
        (Some(_), _) => json!({ "word": "paused", "look": "bad" }),
        (None, Some(trouble)) if trouble.paused => json!({ "word": "refuses our mail", "look": "bad" }),
        (None, Some(trouble)) if trouble.is_silence() => json!({ "word": "silent", "look": "warn" }),
        (None, Some(_)) => json!({ "word": "rests", "look": "warn" }),
        (None, None) => json!({ "word": "working", "look": "good" }),
    };
    let why = relay.paused.as_ref().map(|pause| format!("paused {}", by_hand(pause)));
    let accepted = i64::try_from(relay_day::accepted(hours, &relay.name)).unwrap_or(i64::MAX);
    json!({
        "name": relay.name,
        "state": state,
        "accepted": counted(accepted, "mail", "mails"),
        "why": why.or_else(|| relay.trouble.as_ref().map(|trouble| told(trouble, now))),
        "configured": relay.configured,
    })
}

/// How a feed stands.
pub(super) fn feed(feed: &Feed, now: Timestamp) -> Value {
    let state = if feed.failures >= FAILURES {
        json!({ "word": "fails", "look": "bad" })
    } else if feed.failures > 0 {
        json!({ "word": "failed just now", "look": "warn" })
    } else if feed.last_success_at.is_none() {
        json!({ "word": "not read yet", "look": "" })
    } else {
        json!({ "word": "read", "look": "good" })
    };
    let warned = feed.warned_at.is_some_and(|at| now.since(at) < DAY);
    json!({
        "url": feed.url,
        "state": state,
        "ago": feed.last_success_at.map(|at| ago(now, at)),
        "error": feed.last_error,
        "warning": feed.warning.as_ref().filter(|_| warned),
        "alert": feed.alert,
    })
}

/// As in "5 min 2 s ago".
fn ago(now: Timestamp, at: Timestamp) -> String {
    let since = now.since(at);
    if since > HOUR * 48 {
        at.to_jiff().strftime("on %-d %b %Y").to_string()
    } else {
        format!("{} ago", span(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readers_over_time_are_reckoned_back_from_today() {
        let days = [Day { day: 8, came: 5, gone: 0 }, Day { day: 10, came: 1, gone: 3 }];
        assert_eq!(over_time(&days, 10, 8, 10), [(7, 7), (8, 12), (9, 12), (10, 10)]);
    }
}
