//! The gate before one relay: how many mails it may be handed now. Its rate is a bucket of tokens; a relay that
//! doesn't answer is left alone for a while, one that refuses us for our own fault for longer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config;
use crate::domain::{
    delivery::{relay_backoff, relay_pause},
    time::{DAY, HOUR, Timestamp},
};

pub struct Gate {
    relay: config::Relay,
    state: Mutex<State>,
}

struct State {
    tokens: f64,
    refilled: Option<Timestamp>,
    blocked_until: Option<Timestamp>,
    /// In a row.
    failures: u32,
    /// In a row.
    faults: u32,
    /// When the operator was last told of a fault.
    told: Option<Timestamp>,
    /// When the one mail went out that tries a relay after trouble.
    trial: Option<Timestamp>,
    /// Deliveries that were refused as if by our fault, with none accepted between.
    doubts: Vec<i64>,
    /// When a mail was last accepted, or refused for its recipient's sake.
    worked: Option<Timestamp>,
}

/// A trial without an outcome for so long is followed by another: its mail may hang in a connection.
const TRIAL: Duration = Duration::from_secs(30);
/// So many recipients in a row are not refused for their own sake.
const DOUBTS: usize = 3;
/// A relay that took mail within this time relays for us.
const OF_LATE: Duration = HOUR;

impl Gate {
    pub fn new(relay: &config::Relay) -> Self {
        let state = State {
            tokens: 1.0,
            refilled: None,
            blocked_until: None,
            failures: 0,
            faults: 0,
            told: None,
            trial: None,
            doubts: Vec::new(),
            worked: None,
        };
        Self { relay: relay.clone(), state: Mutex::new(state) }
    }

    pub fn name(&self) -> &str {
        &self.relay.name
    }

    pub fn relay(&self) -> &config::Relay {
        &self.relay
    }

    /// How many of `wanted` mails may be handed over now, taken out of the rate's bucket. After trouble it is one at a
    /// time until one is accepted.
    pub fn take(&self, wanted: usize, now: Timestamp) -> usize {
        let mut state = self.lock();
        if state.blocked_until.is_some_and(|until| now < until) {
            return 0;
        }
        let on_trial = state.failures + state.faults > 0;
        if on_trial && state.trial.is_some_and(|since| now.since(since) < TRIAL) {
            return 0;
        }
        let wanted = if on_trial { wanted.min(1) } else { wanted };
        if on_trial && wanted > 0 {
            state.trial = Some(now);
        }
        let Some(rate) = self.relay.rate else {
            return wanted;
        };
        if let Some(refilled) = state.refilled {
            // A bucket holds a second's worth, or one mail where the rate is less than that.
            state.tokens = (state.tokens + now.since(refilled).as_secs_f64() * rate).min(rate.max(1.0));
        }
        state.refilled = Some(now);
        let taken = (state.tokens.floor() as usize).min(wanted);
        state.tokens -= taken as f64;
        taken
    }

    /// Puts back what was taken and not handed over.
    pub fn give_back(&self, unused: usize) {
        if unused == 0 {
            return;
        }
        let mut state = self.lock();
        state.trial = None;
        if self.relay.rate.is_some() {
            state.tokens += unused as f64;
        }
    }

    /// A mail came to something, whatever that was: a trial is over.
    pub fn came_back(&self) {
        self.lock().trial = None;
    }

    /// A mail was accepted, or refused for its recipient's sake: the relay works. True when it had not.
    pub fn works(&self, now: Timestamp) -> bool {
        let mut state = self.lock();
        state.doubts.clear();
        state.worked = Some(now);
        let was_in_trouble = state.failures + state.faults > 0;
        (state.failures, state.faults, state.blocked_until) = (0, 0, None);
        was_in_trouble
    }

    /// One recipient was refused as if by our fault. True when it is: the relay took nothing from us of late, or refused
    /// several in a row. Else it is about that recipient, and nobody else waits for it.
    pub fn doubts(&self, delivery: i64, now: Timestamp) -> bool {
        let mut state = self.lock();
        if state.worked.is_none_or(|worked| now.since(worked) > OF_LATE) {
            return true;
        }
        if !state.doubts.contains(&delivery) {
            state.doubts.push(delivery);
        }
        let our_fault = state.doubts.len() >= DOUBTS;
        if our_fault {
            state.doubts.clear();
        }
        our_fault
    }

    /// The relay can't be reached, or asks for patience. Returns until when it is left alone; none where connections
    /// that were tried together fail together, which counts once.
    pub fn fails(&self, now: Timestamp) -> Option<Timestamp> {
        let mut state = self.lock();
        if state.blocked_until.is_some_and(|until| now < until) {
            return None;
        }
        state.failures += 1;
        let until = now.plus(relay_backoff(state.failures));
        state.blocked_until = Some(until);
        Some(until)
    }

    /// The relay refuses us: credentials, sender, relaying. Returns until when it rests, and whether this is news: once
    /// a day, also where it takes other mail in between.
    pub fn pauses(&self, now: Timestamp) -> (Timestamp, bool) {
        let mut state = self.lock();
        if state.faults > 0
            && let Some(until) = state.blocked_until.filter(|until| now < *until)
        {
            return (until, false);
        }
        state.faults += 1;
        let until = now.plus(relay_pause(state.faults));
        state.blocked_until = Some(until);
        let news = state.told.is_none_or(|told| now.since(told) >= DAY);
        if news {
            state.told = Some(now);
        }
        (until, news)
    }

    /// How long to wait before asking [`Gate::take`] again makes sense, at most `longest`.
    pub fn wait(&self, now: Timestamp, longest: Duration) -> Duration {
        let state = self.lock();
        let blocked = state.blocked_until.map_or(Duration::ZERO, |until| until.since(now));
        if state.failures + state.faults > 0 && state.trial.is_some_and(|since| now.since(since) < TRIAL) {
            return longest;
        }
        let token = match self.relay.rate {
            Some(rate) if state.tokens < 1.0 => Duration::from_secs_f64((1.0 - state.tokens) / rate),
            _ => Duration::ZERO,
        };
        blocked.max(token).min(longest)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(rate: Option<f64>) -> Gate {
        Gate::new(&config::Relay {
            name: "primary".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 25,
            credentials: None,
            tls: config::Tls::None,
            ca_file: None,
            connections: 10,
            messages_per_connection: None,
            rate,
            per_day: None,
            weight: 1,
            pipelining: config::Pipelining::Full,
            lanes: Vec::new(),
        })
    }

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_micros((seconds * 1e6) as i64)
    }

    #[test]
    fn a_rate_of_fourteen_a_second_lets_fourteen_through_each_second() {
        let gate = gate(Some(14.0));
        let mut sent = 0;
        for tenth in 0..100 {
            sent += gate.take(10, at(f64::from(tenth) / 10.0));
        }
        assert!((138..=141).contains(&sent), "{sent}");
        assert_eq!(gate.take(100, at(1000.0)), 14, "a long rest gives a second's worth, no more");
    }

    #[test]
    fn a_rate_below_one_a_second_still_lets_mail_through() {
        let gate = gate(Some(0.5));
        assert_eq!(gate.take(5, at(0.0)), 1);
        assert_eq!(gate.take(5, at(1.0)), 0);
        assert_eq!(gate.take(5, at(2.0)), 1);
    }

    #[test]
    fn a_relay_that_fails_is_left_alone_longer_each_time_then_tried_with_one_mail() {
        let gate = gate(None);
        assert_eq!(gate.take(10, at(0.0)), 10);
        assert_eq!(gate.fails(at(0.0)), Some(at(1.0)));
        assert_eq!(gate.fails(at(0.5)), None, "ten connections that fail together count once");
        assert_eq!(gate.take(10, at(0.9)), 0);
        assert_eq!(gate.take(10, at(1.0)), 1);
        assert_eq!(gate.fails(at(1.0)), Some(at(3.0)));
        assert!(gate.works(at(1.5)));
        assert!(!gate.works(at(1.5)));
        assert_eq!(gate.take(10, at(1.6)), 10);
    }

    #[test]
    fn a_trial_is_one_mail_until_it_comes_back_or_hangs() {
        let gate = gate(None);
        gate.fails(at(0.0));
        assert_eq!(gate.take(10, at(1.0)), 1);
        assert_eq!(gate.take(10, at(1.1)), 0);
        gate.came_back();
        assert_eq!(gate.take(10, at(1.2)), 1);
        assert_eq!(gate.take(10, at(20.0)), 0);
        assert_eq!(gate.take(10, at(31.2)), 1, "the first may hang in a connection");
        gate.give_back(1);
        assert_eq!(gate.take(10, at(31.3)), 1, "nothing was queued then");
    }

    #[test]
    fn a_relay_that_works_is_doubted_only_when_it_refuses_several_in_a_row() {
        let gate = gate(None);
        assert!(gate.doubts(7, at(0.0)), "it never took a mail");
        gate.works(at(1.0));
        assert!((0..10).all(|_| !gate.doubts(7, at(2.0))), "always the same one");
        assert!(!gate.doubts(8, at(2.0)));
        gate.works(at(3.0));
        assert!(!gate.doubts(8, at(4.0)));
        assert!(!gate.doubts(9, at(4.0)));
        assert!(gate.doubts(10, at(4.0)));
        assert!(gate.doubts(10, at(4000.0)), "it took nothing for an hour");
    }

    #[test]
    fn our_own_fault_rests_the_relay_and_is_told_once() {
        let gate = gate(None);
        assert_eq!(gate.pauses(at(0.0)), (at(300.0), true));
        assert_eq!(gate.pauses(at(1.0)), (at(300.0), false));
        assert_eq!(gate.pauses(at(300.0)), (at(900.0), false));
        assert_eq!(gate.take(10, at(301.0)), 0);
        assert_eq!(gate.take(10, at(900.0)), 1);
        assert!(gate.works(at(900.0)));
        assert_eq!(gate.pauses(at(1000.0)), (at(1300.0), false), "though it took a mail in between");
        assert_eq!(gate.pauses(at(86_400.0)), (at(87_000.0), true), "a day later");
    }
}
