//! An issue on its way, as the page shows it that follows it.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Error,
    progress::{Progress, acceptance},
};
use crate::context::Context;
use crate::domain::{
    delivery,
    issue::{Kind, State},
    spread::Spread,
    time::Timestamp,
};
use crate::store::{self, Tx};

/// How many mail domains are told of.
const DOMAINS: i64 = 8;

/// An issue on its way, in numbers of readers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Progress")]
pub struct Live {
    pub issue: Uuid,
    pub kind: Kind,
    pub subject: String,
    pub state: State,
    /// It was stopped in its hold: nobody got it.
    pub undone: bool,
    /// While it is held: until when it can be undone.
    pub held_until: Option<Timestamp>,
    /// While it is paused: since when.
    pub paused_at: Option<Timestamp>,
    /// When it was published; while it is held, released.
    pub since: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// How many it goes to: what was counted at the release, or what was written once that was through.
    pub audience: i64,
    pub accepted: i64,
    pub waiting: i64,
    pub bounced: i64,
    /// Nobody more was to get it, or too late.
    pub called_off: i64,
    /// Of those called off, who may have it all the same: the connection broke off, or the service ended, in the middle.
    pub uncertain: i64,
    /// The newest issue that corrects it.
    pub correction: Option<Uuid>,
    /// Nobody but test addresses gets it, for it is on a test topic.
    pub test: bool,
    /// First and slowest, by relay and by mail domain.
    pub spread: Spread,
    pub now: Timestamp,
}

impl Live {
    /// Whether nothing changes any more.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Sent) || (matches!(self.state, State::Cancelled) && self.waiting == 0)
    }
}

/// None where there is no such issue.
///
/// # Errors
/// A database that can't be read.
pub async fn live(cx: &Context, issue: Uuid) -> Result<Option<Live>, Error> {
    use delivery::State::{Bounced, Cancelled, Deferred, Expired, Failed, Queued, Sending, Sent};
    let mut tx = cx.db.read().await?;
    let Some(found) = store::issues::by_public_id(&mut tx, issue).await? else { return Ok(None) };
    let progress = Progress::read(&mut tx, &found).await?;
    let expected = store::issues::expected(&mut tx, found.id).await?.expected;
    let now = cx.clock.now();
    let correction = store::corrections::of(&mut tx, found.id).await?;
    let mut live = Live {
        issue,
        kind: found.kind,
        undone: found.was_undone(),
        subject: found.subject,
        state: found.state,
        held_until: store::drafts::held_until(&mut tx, found.id).await?,
        paused_at: found.paused_at,
        since: found.created_at,
        ended_at: store::issues::ended_at(&mut tx, found.id).await?,
        audience: match found.state {
            // One that was stopped may have been written for some alone.
            State::Held | State::Publishing | State::Cancelled => {
                expected.unwrap_or(found.audience).max(found.audience)
            }
            State::Sending | State::Sent => found.audience,
        },
        accepted: progress.count(&[Sent]),
        waiting: progress.count(&[Queued, Sending, Deferred]),
        bounced: progress.count(&[Bounced, Failed]),
        called_off: progress.count(&[Cancelled, Expired]),
        uncertain: match found.state {
            State::Cancelled => store::outcomes::uncertain(&mut tx, found.id).await?,
            _ => 0,
        },
        correction,
        test: store::issues::is_test(&mut tx, found.id).await?,
        spread: Spread::of((None, None), Vec::new(), Vec::new(), now),
        now,
    };
    live.spread = spread(cx, &mut tx, found.id, &live).await?;
    Ok(Some(live))
}

/// What its curve begins with: seconds since it was published, and how many had it by then; counted as seldom as the spread.
///
/// # Errors
/// A database that can't be read.
pub async fn curve(cx: &Context, live: &Live) -> Result<Vec<(f64, i64)>, Error> {
    let does = |(accepted, _): &(i64, _)| match *accepted == live.accepted {
        true => Duration::MAX,
        false => Spread::does_for(live.audience),
    };
    let count = async {
        let mut points = vec![(0.0, 0)];
        let mut tx = cx.db.read().await?;
        if let Some(issue) = store::issues::by_public_id(&mut tx, live.issue).await?
            && let Some(curve) = acceptance(&mut tx, &issue).await?
        {
            let seconds = |micros: i64| Duration::from_micros(micros.unsigned_abs()).as_secs_f64();
            points.extend(curve.points.iter().skip(1).map(|(at, count)| (seconds(*at), *count)));
        }
        Ok::<_, Error>((live.accepted, points))
    };
    Ok(cx.counts.curves.get(live.issue, live.now, does, count).await?.1)
}

/// As it was counted last, where that still does.
async fn spread(cx: &Context, tx: &mut Tx, issue_id: i64, live: &Live) -> Result<Spread, Error> {
    let totals = [live.accepted, live.waiting, live.bounced];
    let does = |(then, _): &([i64; 3], Spread)| match *then == totals {
        true => Duration::MAX,
        false if live.is_over() => Duration::ZERO,
        false => Spread::does_for(live.audience),
    };
    let count = async {
        let accepted = store::outcomes::accepted_between(tx, issue_id).await?;
        let relays = store::outcomes::by_relay(tx, issue_id).await?;
        let domains = store::outcomes::by_domain(tx, issue_id, DOMAINS).await?;
        Ok::<_, Error>((totals, Spread::of(accepted, relays, domains, live.now)))
    };
    Ok(cx.counts.spreads.get(live.issue, live.now, does, count).await?.1)
}
