//! The gate before one relay. A circuit breaker: a relay that doesn't answer is left alone for a while, then tried with
//! one mail; one that refuses us for our own fault rests for longer. Behind it the relay's allowance, and how far it
//! can be pipelined.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::allowance::Allowance;
use crate::config::{self, Pipelining};
use crate::domain::{
    delivery::{relay_backoff, relay_pause},
    time::{DAY, HOUR, Timestamp},
};
use crate::metrics::RelayState;

pub struct Gate {
    relay: config::Relay,
    state: Mutex<State>,
}

struct State {
    allowance: Allowance,
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
    /// Deliveries whose conversation it broke off, with none accepted between.
    broken: Vec<i64>,
    /// When a mail was last accepted, or refused for its recipient's sake.
    worked: Option<Timestamp>,
    /// A person paused it.
    paused: bool,
    /// The database showed its trouble when the nodes last looked.
    trouble_shown: bool,
    /// Its day was used up when the nodes last looked.
    day_is_over: bool,
    pipelining: Pipelining,
    /// Connections in a row that were lost behind commands sent ahead.
    lost: u32,
    /// Connections in a row that it ended with a reply to what was sent ahead.
    ended: u32,
}

/// A trial without an outcome for so long is followed by another: its mail may hang in a connection.
const TRIAL: Duration = Duration::from_secs(30);
/// So many recipients in a row are not refused, and so many conversations not broken off, for their own sake.
const DOUBTS: usize = 3;
/// A relay that took mail within this time relays for us.
const OF_LATE: Duration = HOUR;
/// How long a relay that asks us to slow down gets nothing at all.
const BREATH: Duration = Duration::from_secs(1);
/// So many connections lost in a row behind commands sent ahead are no chance.
const LOST: u32 = 3;

impl Gate {
    pub fn new(relay: &config::Relay) -> Self {
        let state = State {
            allowance: Allowance::new(relay.rate),
            blocked_until: None,
            failures: 0,
            faults: 0,
            told: None,
            trial: None,
            doubts: Vec::new(),
            broken: Vec::new(),
            worked: None,
            paused: false,
            trouble_shown: false,
            day_is_over: false,
            pipelining: relay.pipelining,
            lost: 0,
            ended: 0,
        };
        Self { relay: relay.clone(), state: Mutex::new(state) }
    }

    pub fn name(&self) -> &str {
        &self.relay.name
    }

    pub fn relay(&self) -> &config::Relay {
        &self.relay
    }

    /// How many of `wanted` mails may be handed over now; they count against the allowance. After trouble it is one at
    /// a time until one is accepted.
    pub fn take(&self, wanted: usize, now: Timestamp) -> usize {
        let mut state = self.lock();
        let wanted = wanted.min(state.room(now));
        let taken = state.allowance.take(wanted, now);
        if state.in_trouble() && taken > 0 {
            state.trial = Some(now);
        }
        taken
    }

    /// Puts back what was taken and not handed over.
    pub fn give_back(&self, unused: usize) {
        if unused == 0 {
            return;
        }
        let mut state = self.lock();
        state.trial = None;
        state.allowance.give_back(unused);
    }

    /// The most that may be claimed for this relay now: 0 while it rests, 1 when it is to be tried, else no limit.
    pub fn room(&self, now: Timestamp) -> usize {
        let state = self.lock();
        if state.allowance.is_used_up() { 0 } else { state.room(now) }
    }

    /// Whether it gets nothing until something changes: it rests, its day is used up, or a person paused it.
    pub fn is_shut(&self, now: Timestamp) -> bool {
        let state = self.lock();
        state.paused || state.is_blocked(now) || state.allowance.is_used_up()
    }

    /// How the relay stands.
    pub fn state(&self, now: Timestamp) -> RelayState {
        let state = self.lock();
        match (state.is_blocked(now), state.in_trouble()) {
            _ if state.paused => RelayState::Paused,
            (true, _) if state.faults > 0 => RelayState::Paused,
            (true, _) => RelayState::Open,
            (false, true) => RelayState::HalfOpen,
            (false, false) if state.allowance.is_used_up() => RelayState::DayLimit,
            (false, false) => RelayState::Closed,
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
        state.broken.clear();
        state.worked = Some(now);
        state.allowance.accepted(now);
        let was_in_trouble = state.in_trouble();
        if was_in_trouble {
            (state.failures, state.faults, state.blocked_until) = (0, 0, None);
            state.trouble_shown = false;
        }
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

    /// The relay can't be reached, or breaks off. Returns until when it is left alone; none where connections that were
    /// tried together fail together, which counts once.
    pub fn fails(&self, now: Timestamp) -> Option<Timestamp> {
        self.lock().fail(now)
    }

    /// A mail was accepted, which is not settled yet: what broke off before was about those mails.
    pub fn keeps_on(&self) {
        self.lock().broken.clear();
    }

    /// The relay broke off after it was told whom a mail is for. One such mail may be the reason itself; several in a row
    /// are the relay's failure, and so is the one that tries it after trouble. Returns what [`Gate::fails`] does.
    pub fn breaks(&self, delivery: i64, now: Timestamp) -> Option<Timestamp> {
        let mut state = self.lock();
        if !state.broken.contains(&delivery) {
            state.broken.push(delivery);
        }
        let relays_failure = state.in_trouble() || state.broken.len() >= DOUBTS;
        if !relays_failure {
            return None;
        }
        state.broken.clear();
        state.fail(now)
    }

    /// The relay asks us to slow down: it gets nothing for a moment, then less. Returns until when, and the new rate;
    /// none where connections complain together.
    pub fn throttles(&self, now: Timestamp) -> Option<(Timestamp, f64)> {
        let mut state = self.lock();
        let rate = state.allowance.complaint(now)?;
        let until = now.plus(BREATH);
        state.blocked_until = Some(state.blocked_until.map_or(until, |blocked| blocked.max(until)));
        Some((until, rate))
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
        let mut state = self.lock();
        if (state.room(now) == 0 && !state.is_blocked(now)) || state.allowance.is_used_up() {
            return longest;
        }
        let blocked = state.blocked_until.map_or(Duration::ZERO, |until| until.since(now));
        blocked.max(state.allowance.wait(now)).min(longest)
    }

    /// What was found out about all nodes: how many live, which share the rate; what is left of the relay's day; and
    /// whether a person paused it. True when its day has just been used up.
    pub fn adjust(&self, nodes: u32, day_left: Option<u64>, paused: bool) -> bool {
        let mut state = self.lock();
        state.allowance.set(self.relay.rate.map(|rate| rate / f64::from(nodes.max(1))), day_left);
        state.paused = paused;
        let over = day_left == Some(0);
        over && !std::mem::replace(&mut state.day_is_over, over)
    }

    /// Whether the database shows a trouble of it. What was shown and is no more, while it rests, was ended by a person: it
    /// is tried at once. True then.
    pub fn shows_trouble(&self, shown: bool, now: Timestamp) -> bool {
        let mut state = self.lock();
        let ended = std::mem::replace(&mut state.trouble_shown, shown) && !shown;
        let tried = ended && state.in_trouble() && state.is_blocked(now);
        if tried {
            (state.blocked_until, state.trial) = (None, None);
            (state.failures, state.faults) = (state.failures.min(1), state.faults.min(1));
        }
        tried
    }

    /// Mails a second that it gets from this node; none for no limit.
    pub fn rate(&self) -> Option<f64> {
        self.lock().allowance.current()
    }

    pub fn pipelining(&self) -> Pipelining {
        self.lock().pipelining
    }

    /// A mail's commands were sent ahead and answered as they should be.
    pub fn keeps_step(&self) {
        let mut state = self.lock();
        (state.lost, state.ended) = (0, 0);
    }

    /// A connection was lost behind commands sent ahead. True when that is no chance: less is sent ahead from now on.
    pub fn loses_step(&self, used: Pipelining) -> bool {
        let mut state = self.lock();
        state.lost += 1;
        state.lost >= LOST && state.step_down(used)
    }

    /// It ended a connection with a reply to what was sent ahead, and took the same mail over a fresh one. True when more
    /// connections in a row ended so than there are: one that is restarted ends each of them once.
    pub fn ends_step(&self, used: Pipelining) -> bool {
        let mut state = self.lock();
        state.ended += 1;
        state.ended > self.relay.connections && state.step_down(used)
    }

    /// It can't do what is sent ahead: less from now on. False when that is known.
    pub fn steps_down(&self, used: Pipelining) -> bool {
        self.lock().step_down(used)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn in_trouble(&self) -> bool {
        self.failures + self.faults > 0
    }

    fn is_blocked(&self, now: Timestamp) -> bool {
        self.blocked_until.is_some_and(|until| now < until)
    }

    fn fail(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.is_blocked(now) {
            return None;
        }
        self.failures += 1;
        let until = now.plus(relay_backoff(self.failures));
        self.blocked_until = Some(until);
        Some(until)
    }

    fn room(&self, now: Timestamp) -> usize {
        if self.paused || self.is_blocked(now) {
            0
        } else if !self.in_trouble() {
            usize::MAX
        } else {
            usize::from(self.trial.is_none_or(|since| now.since(since) >= TRIAL))
        }
    }

    fn step_down(&mut self, used: Pipelining) -> bool {
        if used != self.pipelining || used == Pipelining::Off {
            return false;
        }
        (self.lost, self.ended) = (0, 0);
        self.pipelining = used.less();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(&config::Relay {
            name: "primary".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 25,
            credentials: None,
            tls: config::Tls::None,
            ca_file: None,
            connections: 10,
            messages_per_connection: None,
            rate: None,
            per_day: None,
            weight: 1,
            pipelining: Pipelining::Full,
            watch: false,
            lanes: Vec::new(),
            message_id: None,
        })
    }

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_micros((seconds * 1e6) as i64)
    }

    #[test]
    fn a_relay_that_fails_is_left_alone_longer_each_time_then_tried_with_one_mail() {
        let gate = gate();
        assert_eq!((gate.take(10, at(0.0)), gate.state(at(0.0))), (10, RelayState::Closed));
        assert_eq!(gate.fails(at(0.0)), Some(at(1.0)));
        assert_eq!(gate.fails(at(0.5)), None, "ten connections that fail together count once");
        assert_eq!((gate.take(10, at(0.9)), gate.state(at(0.9))), (0, RelayState::Open));
        assert_eq!((gate.take(10, at(1.0)), gate.state(at(1.0))), (1, RelayState::HalfOpen));
        assert_eq!(gate.fails(at(1.0)), Some(at(3.0)));
        assert!(gate.works(at(1.5)));
        assert!(!gate.works(at(1.5)));
        assert_eq!((gate.take(10, at(1.6)), gate.state(at(1.6))), (10, RelayState::Closed));
    }

    #[test]
    fn a_trial_is_one_mail_until_it_comes_back_or_hangs() {
        let gate = gate();
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
    fn a_relay_that_asks_for_patience_gets_it_and_is_not_in_trouble() {
        let gate = gate();
        (0..100).for_each(|_| assert!(!gate.works(at(0.5))));
        assert_eq!(gate.throttles(at(1.0)), Some((at(2.0), 50.0)));
        assert_eq!(gate.throttles(at(1.5)), None, "ten connections hear it together");
        assert_eq!((gate.take(10, at(1.9)), gate.state(at(1.9))), (0, RelayState::Open));
        assert_eq!((gate.take(1, at(2.0)), gate.state(at(2.0))), (1, RelayState::Closed));
    }

    #[test]
    fn a_relay_that_works_is_doubted_only_when_it_refuses_several_in_a_row() {
        let gate = gate();
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
    fn a_relay_that_breaks_off_several_mails_in_a_row_fails() {
        let gate = gate();
        gate.works(at(0.0));
        assert!((0..10).all(|_| gate.breaks(7, at(1.0)).is_none()), "always the same one");
        assert_eq!(gate.breaks(8, at(1.0)), None);
        gate.works(at(1.5));
        assert_eq!((gate.breaks(8, at(2.0)), gate.breaks(9, at(2.0))), (None, None));
        assert_eq!(gate.breaks(10, at(2.0)), Some(at(3.0)));
        assert_eq!(gate.breaks(11, at(2.1)), None, "twenty connections that break together count once");
        assert_eq!(gate.take(10, at(3.0)), 1);
        assert_eq!(gate.breaks(12, at(3.0)), Some(at(5.0)), "the one that tried it");
    }

    #[test]
    fn our_own_fault_rests_the_relay_and_is_told_once() {
        let gate = gate();
        assert_eq!(gate.pauses(at(0.0)), (at(300.0), true));
        assert_eq!(gate.pauses(at(1.0)), (at(300.0), false));
        assert_eq!(gate.pauses(at(300.0)), (at(900.0), false));
        assert_eq!(gate.take(10, at(301.0)), 0);
        assert_eq!(gate.take(10, at(900.0)), 1);
        assert!(gate.works(at(900.0)));
        assert_eq!(gate.pauses(at(1000.0)), (at(1300.0), false), "though it took a mail in between");
        assert_eq!(gate.pauses(at(86_400.0)), (at(87_000.0), true), "a day later");
    }

    #[test]
    fn a_rest_that_a_person_ends_is_over_at_once() {
        let gate = gate();
        gate.pauses(at(0.0));
        assert!(!gate.shows_trouble(false, at(0.1)), "it isn't written down yet");
        assert!(!gate.shows_trouble(true, at(0.5)));
        assert!(gate.shows_trouble(false, at(1.0)));
        assert_eq!((gate.take(10, at(1.0)), gate.take(10, at(1.0))), (1, 0), "one mail tries it");
    }

    #[test]
    fn a_person_or_a_days_limit_stops_it() {
        let gate = gate();
        gate.adjust(1, None, true);
        assert_eq!((gate.take(1, at(0.0)), gate.state(at(0.0))), (0, RelayState::Paused));
        gate.adjust(1, Some(2), false);
        assert_eq!((gate.take(5, at(0.0)), gate.state(at(0.0))), (2, RelayState::DayLimit));
        assert_eq!(gate.room(at(0.0)), 0);
    }

    #[test]
    fn what_a_relay_can_not_do_is_not_asked_again() {
        let gate = gate();
        assert!(!gate.loses_step(Pipelining::Full));
        gate.keeps_step();
        assert!(!gate.loses_step(Pipelining::Full));
        assert!(!gate.loses_step(Pipelining::Full));
        assert!(gate.loses_step(Pipelining::Full), "three connections in a row");
        assert_eq!(gate.pipelining(), Pipelining::Envelope);
        assert!(!gate.steps_down(Pipelining::Full), "another connection found it out before");
        assert!(gate.steps_down(Pipelining::Envelope));
        assert_eq!(gate.pipelining(), Pipelining::Off);
        assert!(!gate.steps_down(Pipelining::Off));
    }

    #[test]
    fn a_relay_that_ends_all_connections_once_is_no_reason_to_send_less_ahead() {
        let gate = gate();
        assert!((0..10).all(|_| !gate.ends_step(Pipelining::Full)));
        gate.keeps_step();
        assert!((0..10).all(|_| !gate.ends_step(Pipelining::Full)));
        assert!(gate.ends_step(Pipelining::Full), "one of them a second time, and nothing went well between");
    }
}
