//! What the metrics are told of sending.

use super::{Engine, judging::Judgement, worker::Outcome};
use crate::domain::{delivery::State, issue::Lane, time::Timestamp};

impl Engine {
    /// What came of one try.
    pub(super) fn measure(&self, outcome: &Outcome, judgement: &Judgement) {
        let (metrics, relay) = (&self.cx.metrics, self.outlets[outcome.relay].name());
        let delivery = &outcome.delivery;
        let domain = delivery.address.rsplit('@').next().unwrap_or_default();
        match judgement.settled.state {
            State::Sent => {
                let since_publish = outcome.at.since(delivery.issue.created_at);
                metrics.accepted(relay, domain, Lane::of(delivery.priority), since_publish);
            }
            State::Bounced | State::Failed => metrics.bounced(relay, domain),
            // What was withdrawn before it was tried says nothing of the relay.
            State::Deferred if judgement.attempt.is_some() => metrics.deferred(relay, domain),
            _ => {}
        }
    }

    /// How this node stands.
    pub(super) fn show(&self, now: Timestamp) {
        let metrics = &self.cx.metrics;
        metrics.journal_unsettled(self.journal.unsettled());
        for outlet in &self.outlets {
            metrics.relay(outlet.name(), outlet.gate.state(now), outlet.gate.rate());
            metrics.refuses_many(outlet.name(), outlet.refusals().are_many(now));
        }
    }
}
