//! What the real relays are found to be: they are greeted, logged in at, asked for nothing a few times, and left.

use std::time::Duration;

use super::super::relays;
use crate::config::{Pipelining, Relay};
use crate::context::Context;
use crate::domain::{forecast, issue::Lane, relay_day};
use crate::store;

/// How often the round trip is measured; the middle one counts.
const TRIPS: usize = 5;

/// A relay that serves the lane.
pub(super) struct Place {
    pub relay: Relay,
    /// How many of its connections serve the lane.
    pub connections: u32,
    /// What it is, or what is wrong with it.
    pub found: Result<Found, String>,
    /// How many mails it took in the last 24 hours.
    pub taken: u64,
}

pub(super) struct Found {
    /// As `check` says it.
    pub text: String,
    /// How long a new connection takes until a mail can be handed over.
    pub opening: Duration,
    pub round_trip: Duration,
    /// How much may be sent ahead.
    pub pipelining: Pipelining,
}

impl Found {
    /// How long a connection is busy with a mail because of the way there and back.
    pub fn way(&self, relay: &Relay) -> Duration {
        let trips = match self.pipelining {
            // A body with the next envelope behind it; envelope, body; MAIL, RCPT, DATA, body.
            Pipelining::Full => 1,
            Pipelining::Envelope => 2,
            Pipelining::Off => 4,
        };
        let again = relay.messages_per_connection.map_or(Duration::ZERO, |most| {
            (self.opening + self.round_trip) / most.max(1) // QUIT is answered too
        });
        self.round_trip * trips + again
    }
}

impl Place {
    /// As the forecast takes it, where a mail costs a connection so much besides the way.
    pub fn known(&self, own: Duration) -> forecast::Relay {
        forecast::Relay {
            weight: self.relay.weight,
            connections: self.connections,
            per_mail: self.found.as_ref().ok().map(|found| found.way(&self.relay) + own),
            rate: self.relay.rate,
            day_left: self.relay.per_day.map(|most| most.saturating_sub(self.taken)),
        }
    }
}

/// Looks at every relay of the lane.
///
/// # Errors
/// A database that can't be read; a relay that fails is a finding.
pub(super) async fn look(cx: &Context, lane: Lane) -> Result<Vec<Place>, store::Error> {
    let mut tx = cx.db.read().await?;
    let hours = store::relays::hours(&mut tx, relay_day::first_hour(cx.clock.now())).await?;
    drop(tx);
    let mut places = Vec::new();
    for relay in cx.config.relays.iter().filter(|relay| relay.lanes.contains(&lane)) {
        places.push(Place {
            found: find(cx, relay).await,
            connections: u32::try_from(lane.connections(relay.connections as usize)).unwrap_or(1),
            relay: relay.clone(),
            taken: relay_day::accepted(&hours, &relay.name),
        });
    }
    Ok(places)
}

async fn find(cx: &Context, relay: &Relay) -> Result<Found, String> {
    let steady = || Duration::from_micros(u64::try_from(cx.clock.steady()).unwrap_or(0));
    let began = steady();
    let mut connection = relays::greet(relay, cx.config.server.host()).await?;
    let opening = steady().saturating_sub(began);
    let mut trips = Vec::new();
    for _ in 0..TRIPS {
        let began = steady();
        connection.noop().await.map_err(|failure| relays::explain(&failure, relay))?;
        trips.push(steady().saturating_sub(began));
    }
    let (text, pipelining) = (relays::description(&connection, relay), connection.pipelining());
    connection.quit().await;
    trips.sort();
    Ok(Found { text, opening, round_trip: trips[TRIPS / 2], pipelining })
}
