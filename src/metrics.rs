//! What the service counts and measures of its sending, in Prometheus' text format. It is told by the senders and read
//! by whoever asks; it knows no database and no HTTP. Telling it costs a few atomic additions and no memory.

mod domains;
mod recent;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use prometheus_client::registry::{Registry, Unit};

use crate::domain::{incident::Kind, issue::Lane, words};
use domains::{Domains, Outcome};
use recent::Recent;

words! {
    /// How a relay stands.
    pub enum RelayState {
        /// It takes mail.
        Closed = "closed",
        /// It failed, or asked for patience, and rests.
        Open = "open",
        /// It has rested; one mail tries it.
        HalfOpen = "half-open",
        /// Paused by hand, or resting because it refuses us by our own fault.
        Paused = "paused",
        /// It has had all that it takes in a day.
        DayLimit = "day-limit",
    }
}

words! {
    /// What came of one call of a webhook.
    pub enum CallOutcome {
        Taken = "taken",
        /// It is made again.
        Failed = "failed",
        GivenUp = "given-up",
        /// It answered 410, and is called no more.
        Gone = "gone",
    }
}

type Labels<const N: usize> = [(&'static str, String); N];
type Rate = Gauge<f64, AtomicU64>;

/// The upper ends of the histogram's buckets, in seconds.
const BUCKETS: [f64; 14] =
    [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0];

/// The measures of one process. Gauges of the queue are the database's, so that each node shows the same.
pub struct Metrics {
    registry: Registry,
    /// In the order of the configuration, which is short: a relay is found by looking at each.
    relays: Vec<Relay>,
    /// In the order of [`Lane::ALL`].
    lanes: Vec<Histogram>,
    recent: Recent,
    domains: Arc<Mutex<Domains>>,
    queued: Family<Labels<1>, Gauge>,
    rates: Family<Labels<1>, Rate>,
    rescues: Counter,
    unsettled: Gauge,
    on_hold: Gauge,
    incidents: Family<Labels<1>, Gauge>,
    webhook_calls: Family<Labels<1>, Counter>,
}

struct Relay {
    name: String,
    accepted: Counter,
    deferred: Counter,
    bounced: Counter,
    in_flight: Gauge,
    refuses_many: Gauge,
    /// In the order of [`RelayState::ALL`].
    states: Vec<Gauge>,
}

impl Metrics {
    /// With a series for each of these relays, from the start: a counter that is absent until its first count hides it.
    pub fn new<'a>(relays: impl IntoIterator<Item = &'a str>) -> Self {
        let mut registry = Registry::default();
        let mut counters = |name: &str, help: &str| {
            let family = Family::<Labels<1>, Counter>::default();
            registry.register(format!("bellwether_deliveries_{name}"), help, family.clone());
            family
        };
        let accepted = counters("accepted", "Deliveries that the relay accepted");
        let deferred =
            counters("deferred", "Tries that the relay put off, or that broke; the delivery is tried again");
        let bounced =
            counters("bounced", "Deliveries that were refused for good, or given up after five days");
        let mut gauges = |name: &str, help: &str| {
            let family = Family::<Labels<1>, Gauge>::default();
            registry.register(format!("bellwether_{name}"), help, family.clone());
            family
        };
        let in_flight = gauges("deliveries_in_flight", "Deliveries that are being handed to the relay now");
        let refuses_many = gauges(
            "relay_refuses_many",
            "1 while the relay refuses so many recipients for good that nobody is suppressed for it, else 0",
        );
        let queued = gauges("deliveries_queued", "Deliveries that wait to be sent, of all nodes");
        let states = Family::<Labels<2>, Gauge>::default();
        registry.register(
            "bellwether_relay_state",
            "1 for the state that the relay is in, else 0",
            states.clone(),
        );
        let rates = Family::<Labels<1>, Rate>::default();
        let help = "Mails a second that the relay may be handed now; absent where nothing limits it";
        registry.register("bellwether_relay_rate", help, rates.clone());
        let times = Family::<Labels<1>, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let help = "From the publishing of an issue to the acceptance of a delivery by a relay";
        registry.register_with_unit("bellwether_publish_to_accept", help, Unit::Seconds, times.clone());
        let recent = Recent::default();
        registry.register_collector(Box::new(recent.clone()));
        let domains = Arc::new(Mutex::new(Domains::default()));
        registry.register_collector(Box::new(domains::Shown(Arc::clone(&domains))));
        let rescues = Counter::default();
        let help = "Deliveries that were taken over from a node that is gone";
        registry.register("bellwether_rescues", help, rescues.clone());
        let unsettled = Gauge::default();
        let help = "Accepted mails that stand in this node's journal and not yet in the database";
        registry.register("bellwether_journal_unsettled", help, unsettled.clone());
        let on_hold = Gauge::default();
        let help = "1 while this node sends nothing because the database takes no settlement, else 0";
        registry.register("bellwether_sending_on_hold", help, on_hold.clone());
        let incidents = Family::<Labels<1>, Gauge>::default();
        registry.register("bellwether_incidents", "What the watch sees amiss now", incidents.clone());
        let webhook_calls = Family::<Labels<1>, Counter>::default();
        registry.register("bellwether_webhook_calls", "Calls of the watch's webhooks", webhook_calls.clone());
        for kind in Kind::ALL {
            incidents.get_or_create(&[("kind", kind.to_string())]).set(0);
        }
        for outcome in CallOutcome::ALL {
            drop(webhook_calls.get_or_create(&[("outcome", outcome.to_string())]));
        }

        let relay = |name: &str| {
            let label = [("relay", name.to_owned())];
            let state = |state: &RelayState| {
                states.get_or_create_owned(&[("relay", name.to_owned()), ("state", state.to_string())])
            };
            Relay {
                name: name.to_owned(),
                accepted: accepted.get_or_create_owned(&label),
                deferred: deferred.get_or_create_owned(&label),
                bounced: bounced.get_or_create_owned(&label),
                in_flight: in_flight.get_or_create_owned(&label),
                refuses_many: refuses_many.get_or_create_owned(&label),
                states: RelayState::ALL.iter().map(state).collect(),
            }
        };
        let relays = relays.into_iter().map(relay).collect();
        let lane = |lane: &Lane| times.get_or_create_owned(&[("lane", lane.to_string())]);
        let lanes = Lane::ALL.iter().map(lane).collect();
        Self {
            registry,
            relays,
            lanes,
            recent,
            domains,
            queued,
            rates,
            rescues,
            unsettled,
            on_hold,
            incidents,
            webhook_calls,
        }
    }

    /// A relay took a delivery to `domain`, so long after its issue was published.
    pub fn accepted(&self, relay: &str, domain: &str, lane: Lane, since_publish: Duration) {
        self.with(relay, |relay| relay.accepted.inc());
        self.domains().count(domain, Outcome::Accepted);
        if let Some(times) = self.lanes.get(lane as usize) {
            times.observe(since_publish.as_secs_f64());
        }
        self.recent.add(lane, since_publish);
    }

    /// A delivery was put off, or its connection broke.
    pub fn deferred(&self, relay: &str, domain: &str) {
        self.with(relay, |relay| relay.deferred.inc());
        self.domains().count(domain, Outcome::Deferred);
    }

    /// A delivery was refused for good, or given up.
    pub fn bounced(&self, relay: &str, domain: &str) {
        self.with(relay, |relay| relay.bounced.inc());
        self.domains().count(domain, Outcome::Bounced);
    }

    /// A delivery is about to be handed to a relay; [`ends`](Self::ends) follows.
    pub fn begins(&self, relay: &str) {
        self.with(relay, |relay| relay.in_flight.inc());
    }

    pub fn ends(&self, relay: &str) {
        self.with(relay, |relay| relay.in_flight.dec());
    }

    /// Deliveries were taken over from a node that is gone.
    pub fn rescued(&self, deliveries: u64) {
        self.rescues.inc_by(deliveries);
    }

    /// How a relay stands, and how many mails a second it may be handed now; none where nothing limits it.
    pub fn relay(&self, relay: &str, state: RelayState, rate: Option<f64>) {
        self.with(relay, |relay| {
            for (other, gauge) in RelayState::ALL.iter().zip(&relay.states) {
                gauge.set(i64::from(*other == state));
            }
        });
        let label = [("relay", relay.to_owned())];
        match rate {
            Some(rate) => drop(self.rates.get_or_create(&label).set(rate)),
            None => drop(self.rates.remove(&label)),
        }
    }

    /// Whether a relay refuses so many recipients for good that nobody is suppressed for it.
    pub fn refuses_many(&self, relay: &str, many: bool) {
        self.with(relay, |relay| relay.refuses_many.set(i64::from(many)));
    }

    pub fn journal_unsettled(&self, mails: usize) {
        self.unsettled.set(i64::try_from(mails).unwrap_or(i64::MAX));
    }

    pub fn sending_on_hold(&self, on_hold: bool) {
        self.on_hold.set(i64::from(on_hold));
    }

    pub fn is_on_hold(&self) -> bool {
        self.on_hold.get() != 0
    }

    /// So many things of this kind are amiss.
    pub fn incidents(&self, kind: Kind, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.incidents.get_or_create(&[("kind", kind.to_string())]).set(count);
    }

    /// A webhook was called.
    pub fn webhook_call(&self, outcome: CallOutcome) {
        self.webhook_calls.get_or_create(&[("outcome", outcome.to_string())]).inc();
    }

    /// How many deliveries wait in each lane; none when that isn't known, and then no number is shown.
    pub fn queued(&self, counts: Option<&[(Lane, i64)]>) {
        self.queued.clear();
        let Some(counts) = counts else { return };
        for lane in Lane::ALL {
            let count = counts.iter().filter(|(other, _)| other == lane).map(|(_, count)| count).sum();
            self.queued.get_or_create(&[("lane", lane.to_string())]).set(count);
        }
    }

    /// Everything, in Prometheus' text format 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text fails only where a metric of ours is described wrongly, which a test would show.
        if prometheus_text::encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }

    fn with<T>(&self, relay: &str, tell: impl FnOnce(&Relay) -> T) -> Option<T> {
        self.relays.iter().find(|known| known.name == relay).map(tell)
    }

    fn domains(&self) -> MutexGuard<'_, Domains> {
        self.domains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relays_series_are_there_before_anything_is_counted() {
        let metrics = Metrics::new(["primary"]);
        let text = metrics.text();
        assert!(text.contains("bellwether_deliveries_bounced_total{relay=\"primary\"} 0\n"), "{text}");
        assert!(text.contains("bellwether_relay_state{relay=\"primary\",state=\"half-open\"} 0\n"), "{text}");
    }

    #[test]
    fn what_is_told_is_shown() {
        let metrics = Metrics::new(["primary", "backup"]);
        for hundredth in 1..=100 {
            let took = Duration::from_millis(hundredth * 10);
            metrics.accepted("backup", "Example.ORG", Lane::Alert, took);
        }
        metrics.deferred("backup", "example.org");
        metrics.bounced("nobody", "example.org");
        metrics.relay("backup", RelayState::Open, Some(0.5));
        metrics.queued(Some(&[(Lane::Alert, 3), (Lane::Alert, 4)]));
        let text = metrics.text();
        for line in [
            "bellwether_deliveries_accepted_total{relay=\"backup\"} 100",
            "bellwether_deliveries_accepted_total{relay=\"primary\"} 0",
            "bellwether_deliveries_deferred_total{relay=\"backup\"} 1",
            "bellwether_domain_accepted_total{domain=\"example.org\"} 100",
            "bellwether_domain_bounced_total{domain=\"example.org\"} 1",
            "bellwether_domain_bounced_total{domain=\"other\"} 0",
            "# TYPE bellwether_publish_to_accept_seconds histogram",
            "bellwether_publish_to_accept_seconds_bucket{lane=\"alert\",le=\"0.5\"} 50",
            "bellwether_publish_to_accept_seconds_count{lane=\"alert\"} 100",
            "bellwether_publish_to_accept_recent_seconds{lane=\"alert\",quantile=\"0.95\"} 0.95",
            "bellwether_relay_state{relay=\"backup\",state=\"open\"} 1",
            "bellwether_relay_state{relay=\"backup\",state=\"closed\"} 0",
            "bellwether_relay_rate{relay=\"backup\"} 0.5",
            "bellwether_deliveries_queued{lane=\"alert\"} 7",
            "bellwether_deliveries_queued{lane=\"digest\"} 0",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
        metrics.relay("backup", RelayState::Closed, None);
        metrics.queued(None);
        let text = metrics.text();
        assert!(!text.contains("bellwether_relay_rate{") && !text.contains("bellwether_deliveries_queued{"));
    }
}
