//! From what was measured here and found at the relays to the night: what limits it, and what would help.

use std::time::Duration;

use super::places::Place;
use super::room::Went;
use super::words::{counted, speed};
use crate::config::Pipelining;
use crate::domain::{
    forecast::{self, Forecast, Limit, forecast},
    issue::Lane,
    time::span,
};

/// More connections than this few relays allow.
const MANY: u32 = 50;
/// Nobody has to do anything about a mail that is out within this time.
const SOON: Duration = Duration::from_secs(60);

/// What the night is reckoned from.
pub(super) struct Reckoning<'a> {
    lane: Lane,
    pub readers: u64,
    /// Mails a second that this machine gives.
    pub machine: f64,
    /// How long a connection was busy with a mail here, where there is no way: with less to do it takes less.
    pub own: Duration,
    /// Those that are counted on.
    pub places: Vec<&'a Place>,
    pub forecast: Forecast,
}

impl<'a> Reckoning<'a> {
    /// Counts on the relays that answer, or, where none does, on all as if they did.
    pub fn new(lane: Lane, readers: u64, places: &'a [Place], went: &Went) -> Self {
        let answer: Vec<_> = places.iter().filter(|place| place.found.is_ok()).collect();
        let places = if answer.is_empty() { places.iter().collect() } else { answer };
        // The first mail stands for the beginning, the others for the speed.
        let (mails, time) = match went.came {
            ..2 => (1, went.last),
            came => (came - 1, went.last.saturating_sub(went.first)),
        };
        let machine = mails as f64 / time.as_secs_f64().max(1e-6);
        let own = own(&places, machine);
        let known: Vec<_> = places.iter().map(|place| place.known(own)).collect();
        let forecast = forecast(readers, machine, &known);
        Self { lane, readers, machine, own, places, forecast }
    }

    /// What limits it, in words.
    pub fn bottleneck(&self) -> String {
        let mut limits: Vec<String> =
            self.places.iter().map(|place| self.limit(place).words(self, place)).collect();
        limits.dedup();
        limits.join(", and ")
    }

    fn limit(&self, place: &Place) -> Bound {
        let rate_first = place.known(self.own).limit() == Limit::Rate;
        match &place.found {
            _ if rate_first && place.relay.rate.is_some_and(|rate| rate < self.machine) => Bound::Rate,
            Err(_) => Bound::Unknown,
            Ok(found) if found.way(&place.relay) < self.own => Bound::Machine,
            Ok(_) => Bound::Way,
        }
    }

    /// What to do, in order.
    pub fn advice(&self, all: &[Place]) -> Vec<String> {
        let mut advice = Vec::new();
        for place in all.iter().filter(|place| place.found.is_err()) {
            let alone = if all.len() == self.places.len() {
                "as it is nobody gets anything: what stands above is reckoned as if it answered"
            } else {
                "what stands above is reckoned without it"
            };
            advice.push(format!("see to relay {}; {alone}", place.relay.name));
        }
        if self.forecast.took > SOON {
            advice.extend(self.places.iter().filter_map(|place| match self.limit(place) {
                Bound::Rate => Some(self.about_rate(&place.relay.name)),
                Bound::Way => self.about_way(place),
                Bound::Machine | Bound::Unknown => None,
            }));
            if self.places.iter().any(|place| self.limit(place) == Bound::Machine) {
                advice.push(
                    "a faster machine, or more of them on PostgreSQL, make it shorter; and see that nothing else is busy \
                     here"
                        .to_owned(),
                );
            }
        }
        if self.forecast.cut_off > 0 {
            advice.push(format!(
                "ask for a higher daily limit and raise per_day, or add a relay: {} are too many for one day",
                counted(self.readers, "mail")
            ));
        }
        advice
    }

    fn about_rate(&self, name: &str) -> String {
        let target = if self.forecast.took > 10 * SOON { 10 * SOON } else { SOON };
        let needed = (self.readers as f64 / target.as_secs_f64()).ceil();
        let all = if self.places.len() > 1 { " over all relays" } else { "" };
        format!(
            "ask who runs relay {name} for a higher rate, or add a relay: {} a second{all} would have the last mail out \
             after {}",
            speed(needed),
            span(target)
        )
    }

    /// How a relay could take more whose way is long.
    fn about_way(&self, place: &Place) -> Option<String> {
        let name = &place.relay.name;
        let took = |connections: u32| self.with_connections(place, connections);
        let fewest = (place.relay.connections + 1..=MANY).find(|connections| took(*connections) <= SOON);
        let connections = fewest.unwrap_or(MANY);
        let worth_it = took(connections).as_secs_f64() < self.forecast.took.as_secs_f64() * 0.9;
        let more = (connections > place.relay.connections && worth_it).then(|| {
            format!(
                "set connections = {connections} at relay {name}, if it allows so many: the last mail would be out after {}",
                span(took(connections))
            )
        });
        let trips = match (place.found.as_ref().ok()?.pipelining, place.relay.pipelining) {
            (Pipelining::Full, _) => None,
            (_, Pipelining::Full) => Some(format!(
                "relay {name} offers no PIPELINING, so each mail takes four round trips instead of one; another way to it \
                 may offer it"
            )),
            (_, set) => Some(format!(
                "relay {name} has pipelining = \"{set}\"; with \"full\" each mail takes one round trip"
            )),
        };
        match (more, trips) {
            (Some(more), Some(trips)) => Some(format!("{more}; {trips}")),
            (more, trips) => more.or(trips),
        }
    }

    /// How long it took if this relay had so many connections.
    fn with_connections(&self, place: &Place, connections: u32) -> Duration {
        let of_lane = u32::try_from(self.lane.connections(connections as usize)).unwrap_or(1);
        let more = of_lane.saturating_sub(place.connections);
        let own = own(&self.places, self.machine) + Duration::from_secs_f64(f64::from(more) / self.machine);
        let known: Vec<_> = self
            .places
            .iter()
            .map(|other| match other.known(own) {
                known if other.relay.name == place.relay.name => {
                    forecast::Relay { connections: of_lane, ..known }
                }
                known => known,
            })
            .collect();
        forecast(self.readers, self.machine, &known).took
    }
}

/// What a relay's share ends at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Rate,
    Way,
    Machine,
    Unknown,
}

impl Bound {
    fn words(self, reckoning: &Reckoning<'_>, place: &Place) -> String {
        let name = &place.relay.name;
        match (self, &place.found) {
            (Self::Rate, _) => {
                format!("the rate of relay {name}, {} a second", speed(place.relay.rate.unwrap_or(0.0)))
            }
            (Self::Machine, _) => {
                format!("this machine, with {} mails a second", speed(reckoning.machine))
            }
            (Self::Way, Ok(found)) => format!(
                "the way to relay {name}, a round trip of {} with {}",
                span(found.round_trip),
                counted(place.connections.into(), "connection")
            ),
            (Self::Way | Self::Unknown, _) => "not known, for no relay answers".to_owned(),
        }
    }
}

/// All connections together give what the machine gives.
fn own(places: &[&Place], machine: f64) -> Duration {
    let connections: u32 = places.iter().map(|place| place.connections).sum();
    Duration::from_secs_f64(f64::from(connections) / machine)
}
