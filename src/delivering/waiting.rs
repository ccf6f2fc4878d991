//! What waits, by lane, and how the relays stand: for the operator's terminal and the newsroom's overview.

use super::{LIFE, why::moment};
use crate::config::Relay;
use crate::context::Context;
use crate::domain::{
    delivery::State,
    issue::Lane,
    pause::{self, Kind, Pause},
    relay_day,
    time::Timestamp,
};
use crate::store::{self, Tx, nodes::Trouble};

#[derive(Clone, Debug, serde::Serialize)]
pub struct Waiting {
    /// When a service was last heard of.
    pub last_heartbeat: Option<Timestamp>,
    pub lanes: Vec<InLane>,
    pub relays: Vec<AtRelay>,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct InLane {
    pub lane: Lane,
    pub queued: i64,
    pub sending: i64,
    pub deferred: i64,
    /// Since when the oldest that is queued or deferred waits.
    pub oldest: Option<Timestamp>,
    /// When the first that is deferred is tried again.
    pub next_retry: Option<Timestamp>,
    pub paused: Option<Pause>,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct AtRelay {
    pub name: String,
    /// False when it was taken out of the configuration and is still paused.
    pub configured: bool,
    pub paused: Option<Pause>,
    pub trouble: Option<Trouble>,
    pub day_used_up: Option<UsedUp>,
}

/// A relay whose day is used up.
#[derive(Clone, Debug, serde::Serialize)]
pub struct UsedUp {
    pub relay: String,
    pub per_day: u64,
    /// When there is room again.
    pub until: Timestamp,
}

impl std::fmt::Display for UsedUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (most, until) = (self.per_day, moment(self.until));
        write!(f, "its day is used up ({most} mails within 24 hours); there is room again at {until}")
    }
}

/// The relays of the configuration whose day is used up.
///
/// # Errors
/// A database that can't be read.
pub async fn used_up(cx: &Context, tx: &mut Tx) -> store::Result<Vec<UsedUp>> {
    let hours = store::relays::hours(tx, relay_day::first_hour(cx.clock.now())).await?;
    let used_up = |relay: &Relay| {
        let per_day = relay.per_day?;
        let until = relay_day::room_again(per_day, &hours, &relay.name)?;
        Some(UsedUp { relay: relay.name.clone(), per_day, until })
    };
    Ok(cx.config.relays.iter().filter_map(used_up).collect())
}

impl Waiting {
    /// # Errors
    /// A database that can't be read.
    pub async fn read(cx: &Context, tx: &mut Tx) -> store::Result<Self> {
        let pauses = store::pauses::all(tx).await?;
        let last_heartbeat = store::nodes::last_heartbeat(tx).await?;
        let troubles = store::nodes::troubles(tx).await?;
        let used_up = used_up(cx, tx).await?;
        let parts = store::queue::parts(tx).await?;
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
            day_used_up: used_up.iter().find(|used_up| used_up.relay == name).cloned(),
        };
        let mut relays: Vec<_> = cx.config.relays.iter().map(|known| relay(&known.name, true)).collect();
        for pause in pauses.iter().filter(|pause| pause.kind == Kind::Relay) {
            if !relays.iter().any(|known| known.name == pause.name) {
                relays.push(relay(&pause.name, false));
            }
        }
        Ok(Self { last_heartbeat, lanes, relays })
    }

    /// Whether a service was heard of lately.
    pub fn service_runs(&self, now: Timestamp) -> bool {
        self.last_heartbeat.is_some_and(|at| now.since(at) <= LIFE)
    }
}

impl InLane {
    pub const fn all(&self) -> i64 {
        self.queued + self.sending + self.deferred
    }
}
