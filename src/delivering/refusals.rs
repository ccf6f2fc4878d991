//! Whether a relay refuses so many recipients for good that it may be wrong about them: a misconfiguration must not
//! wipe a list. Pure; addresses are known by their keyed hashes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::time::{DAY, HOUR, Timestamp};

/// So many replies of a relay count, the last ones.
const WINDOW: usize = 1_000;
/// Older ones don't.
const LATELY: Duration = HOUR;
/// Fewer refusals than this say nothing.
const MANY: usize = 20;
/// More than one in so many is more than a list in order has.
const SHARE: usize = 20;

/// What a relay said of the recipients of late: accepted, or refused for good.
#[derive(Default)]
pub struct Refusals {
    replies: VecDeque<Said>,
    /// How many of them are refusals.
    refused: usize,
    /// When the operator was last told.
    told: Option<Timestamp>,
}

struct Said {
    at: Timestamp,
    refused: bool,
    /// Whose address was suppressed for it.
    suppressed: Option<Vec<u8>>,
}

/// What follows from a refusal.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effect {
    pub suppress: Option<Vec<u8>>,
    /// What was suppressed before it showed that the relay may be wrong.
    pub lift: Vec<Vec<u8>>,
    /// The operator is to be told: once a day.
    pub tell: bool,
}

impl Refusals {
    /// A mail was accepted.
    pub fn accepted(&mut self, at: Timestamp) {
        self.push(Said { at, refused: false, suppressed: None });
    }

    /// A recipient was refused for good; `absent` is the hash of an address that does not exist, as the relay says.
    pub fn refused(&mut self, absent: Option<Vec<u8>>, at: Timestamp) -> Effect {
        self.push(Said { at, refused: true, suppressed: absent.clone() });
        if !self.are_many(at) {
            return Effect { suppress: absent, ..Effect::default() };
        }
        if let Some(last) = self.replies.back_mut() {
            last.suppressed = None;
        }
        let lift = self.replies.iter_mut().filter_map(|said| said.suppressed.take()).collect();
        let tell = self.told.is_none_or(|told| at.since(told) >= DAY);
        if tell {
            self.told = Some(at);
        }
        Effect { suppress: None, lift, tell }
    }

    /// Whether they are so many that nobody is suppressed for one.
    pub fn are_many(&mut self, now: Timestamp) -> bool {
        while self.replies.front().is_some_and(|said| now.since(said.at) > LATELY) {
            self.pop();
        }
        self.refused >= MANY && self.refused * SHARE > self.replies.len()
    }

    /// How many of how many.
    pub fn counts(&self) -> (usize, usize) {
        (self.refused, self.replies.len())
    }

    fn push(&mut self, said: Said) {
        if self.replies.len() == WINDOW {
            self.pop();
        }
        self.refused += usize::from(said.refused);
        self.replies.push_back(said);
    }

    fn pop(&mut self) {
        if let Some(said) = self.replies.pop_front() {
            self.refused -= usize::from(said.refused);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// A refusal of the address with this number.
    fn refuse(refusals: &mut Refusals, number: u8, seconds: i64) -> Effect {
        refusals.refused(Some(vec![number]), at(seconds))
    }

    #[test]
    fn the_twentieth_refusal_lifts_what_those_before_it_did() {
        let mut refusals = Refusals::default();
        for number in 0..19 {
            let effect = refuse(&mut refusals, number, 0);
            assert_eq!(effect, Effect { suppress: Some(vec![number]), ..Effect::default() });
        }
        let effect = refuse(&mut refusals, 19, 1);
        let lift: Vec<_> = (0..19).map(|number| vec![number]).collect();
        assert_eq!(effect, Effect { suppress: None, lift, tell: true });
        assert_eq!(refuse(&mut refusals, 20, 2), Effect::default(), "told, and nothing left to lift");
        assert!(refuse(&mut refusals, 21, 86_401).suppress.is_some(), "the next day begins anew");
        (22..40).for_each(|number| drop(refuse(&mut refusals, number, 86_401)));
        assert!(refuse(&mut refusals, 40, 86_401).tell, "and is told again");
    }

    #[test]
    fn one_in_twenty_is_what_a_list_in_order_may_have() {
        let mut refusals = Refusals::default();
        for number in 0..u8::MAX {
            (0..19).for_each(|_| refusals.accepted(at(0)));
            assert!(refuse(&mut refusals, number, 0).suppress.is_some());
        }
        assert_eq!(refusals.counts(), (50, 1_000));
        assert_eq!(refuse(&mut refusals, 0, 0).lift.len(), 50);
        assert!(refusals.are_many(at(3_600)));
        assert!(!refusals.are_many(at(3_601)), "an hour later");
        assert_eq!(refusals.counts(), (0, 0));
    }

    #[test]
    fn refusals_that_suppress_nobody_count_as_well() {
        let mut refusals = Refusals::default();
        (0..19).for_each(|_| assert_eq!(refusals.refused(None, at(0)), Effect::default()));
        let effect = refuse(&mut refusals, 0, 0);
        assert_eq!(effect, Effect { suppress: None, lift: Vec::new(), tell: true });
    }
}
