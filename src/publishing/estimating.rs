//! How long the mail of a draft will take: what the relays' limits allow, and how fast the last large issue went.

use std::time::Duration;

use super::{Error, progress::acceptance};
use crate::context::Context;
use crate::domain::{
    delivery::State,
    forecast::{Relay, forecast},
    issue::{self, Lane, Level},
    relay_day,
};
use crate::store::{self, Tx, issues::Issue};

/// What is to be expected of a draft's mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// To the last mail that the relays take today; none where neither a limit nor a speed is known.
    pub takes: Option<Duration>,
    /// How many wait until the relays' days (`per_day`) have room again.
    pub not_today: u64,
}

/// Mails a second that no machine sends: what stands for a speed that isn't known.
const UNKNOWN: f64 = 1e9;
/// So many in a hundred make an issue's speed. A few mails that a server puts off for hours say nothing of it.
const NEARLY_ALL: i64 = 99;

/// What is to be expected of mail to so many.
///
/// # Errors
/// A database that can't be read.
pub(super) async fn estimate(
    cx: &Context,
    tx: &mut Tx,
    kind: issue::Kind,
    audience: i64,
) -> Result<Estimate, Error> {
    let lane = Lane::of(issue::priority(kind, Level::All));
    let hours = store::relays::hours(tx, relay_day::first_hour(cx.clock.now())).await?;
    let serving = cx.config.relays.iter().filter(|relay| relay.lanes.contains(&lane));
    let relays: Vec<_> = serving
        .map(|relay| Relay {
            weight: relay.weight,
            connections: u32::try_from(lane.connections(relay.connections as usize)).unwrap_or(1),
            // What its answers cost is in the speed of the last issue.
            per_mail: None,
            rate: relay.rate,
            day_left: relay_day::left(relay.per_day, &hours, &relay.name),
        })
        .collect();
    if relays.is_empty() {
        return Ok(Estimate::default());
    }
    let machine = measured(cx, tx).await?.unwrap_or(UNKNOWN);
    let forecast = forecast(u64::try_from(audience).unwrap_or(0), machine, &relays);
    let known = forecast.speed > 0.0 && forecast.speed < UNKNOWN / 2.0;
    Ok(Estimate { takes: known.then_some(forecast.took), not_today: forecast.cut_off })
}

/// Mails a second of the last issue that was large enough to tell and that nearly everybody has; none where there is none.
async fn measured(cx: &Context, tx: &mut Tx) -> Result<Option<f64>, Error> {
    for issue in store::issues::last_large(tx).await? {
        let does = |speed: &Option<f64>| if speed.is_some() { Duration::MAX } else { Duration::ZERO };
        let speed = cx.counts.speeds.get(issue.id, cx.clock.now(), does, speed_of(tx, &issue)).await?;
        if speed.is_some() {
            return Ok(speed);
        }
    }
    Ok(None)
}

async fn speed_of(tx: &mut Tx, issue: &Issue) -> Result<Option<f64>, Error> {
    let counts = store::deliveries::counts(tx, issue.id).await?;
    let accepted: i64 =
        counts.iter().filter(|(state, _)| *state == State::Sent).map(|(_, count)| count).sum();
    if accepted * 100 < issue.audience * NEARLY_ALL {
        return Ok(None);
    }
    let curve = acceptance(tx, issue).await?;
    Ok(curve.and_then(|curve| {
        let seconds = curve.until.since(curve.from).as_secs_f64();
        let by_then = curve.points.last().map_or(0, |(_, count)| *count);
        (seconds > 0.0).then(|| by_then as f64 / seconds)
    }))
}
