//! How many mails a relay may be handed now: the configured rate as a bucket of tokens, less of it for a while when
//! the relay asks us to slow down (additive increase, multiplicative decrease), and what is left of its day.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// A bucket holds what flows in during so many seconds, and one mail at least.
const BURST: f64 = 0.25;
/// Of the rate that was too much, so much is left.
const LESS: f64 = 0.5;
/// In a second without a complaint, so much of the reduced rate is added.
const MORE: f64 = 0.05;
/// The least, in mails a second.
const FLOOR: f64 = 0.1;
/// Where no rate is configured the limit is lifted once it is so many times what was too much.
const LIFTED: f64 = 4.0;
/// Complaints within this time are about the same excess.
const SAME: Duration = Duration::from_secs(1);

pub struct Allowance {
    /// Mails a second, as configured: this node's share of it.
    rate: Option<f64>,
    limit: Option<Limit>,
    tokens: f64,
    refilled: Option<Timestamp>,
    day_left: Option<u64>,
    pace: Pace,
}

/// A rate lower than the configured one, since the relay complained.
struct Limit {
    /// In mails a second.
    rate: f64,
    /// What a second adds to it.
    step: f64,
    /// Where it ends.
    end: f64,
    complained: Timestamp,
}

/// How many mails were accepted of late.
#[derive(Default)]
struct Pace {
    since: Option<Timestamp>,
    accepted: u32,
    /// In the second before, or so.
    before: f64,
}

impl Allowance {
    pub fn new(rate: Option<f64>) -> Self {
        Self { rate, limit: None, tokens: 1.0, refilled: None, day_left: None, pace: Pace::default() }
    }

    /// How many of `wanted` may be handed over now; they are taken out of the bucket and of the day.
    pub fn take(&mut self, wanted: usize, now: Timestamp) -> usize {
        self.refill(now);
        let today = self.day_left.map_or(wanted, |left| usize::try_from(left).unwrap_or(wanted).min(wanted));
        let taken = match self.current() {
            Some(_) => (self.tokens.floor() as usize).min(today),
            None => today,
        };
        self.give_or_take(-(taken as i64));
        taken
    }

    /// Puts back what was taken and not handed over.
    pub fn give_back(&mut self, unused: usize) {
        self.give_or_take(unused as i64);
    }

    fn give_or_take(&mut self, mails: i64) {
        if self.current().is_some() {
            self.tokens += mails as f64;
        }
        self.day_left = self.day_left.map(|left| left.saturating_add_signed(mails));
    }

    /// Mails a second now; none for no limit.
    pub fn current(&self) -> Option<f64> {
        let limit = self.limit.as_ref().map(|limit| limit.rate);
        match (self.rate, limit) {
            (Some(rate), Some(limit)) => Some(rate.min(limit)),
            (rate, limit) => rate.or(limit),
        }
    }

    /// What the configuration gives this node, and what is left of the relay's day; none for no limit.
    pub fn set(&mut self, rate: Option<f64>, day_left: Option<u64>) {
        (self.rate, self.day_left) = (rate, day_left);
    }

    /// Whether nothing is left of the relay's day.
    pub fn is_used_up(&self) -> bool {
        self.day_left == Some(0)
    }

    /// The relay accepted a mail.
    pub fn accepted(&mut self, now: Timestamp) {
        self.pace.accepted(now);
    }

    /// The relay asks us to slow down. Returns the new rate, in mails a second; none when that was heard just before.
    pub fn complaint(&mut self, now: Timestamp) -> Option<f64> {
        self.refill(now);
        if self.limit.as_ref().is_some_and(|limit| now.since(limit.complained) < SAME) {
            return None;
        }
        let excess = self.current().unwrap_or_else(|| self.pace.now(now)).max(FLOOR);
        let rate = (excess * LESS).max(FLOOR);
        let end = self.rate.unwrap_or(excess * LIFTED);
        self.limit = Some(Limit { rate, step: (rate * MORE).max(FLOOR), end, complained: now });
        self.tokens = self.tokens.clamp(0.0, 1.0);
        Some(rate)
    }

    /// How long until one more mail may be handed over, if it is a matter of the rate.
    pub fn wait(&mut self, now: Timestamp) -> Duration {
        self.refill(now);
        match self.current() {
            Some(rate) if self.tokens < 1.0 => Duration::from_secs_f64((1.0 - self.tokens) / rate),
            _ => Duration::ZERO,
        }
    }

    fn refill(&mut self, now: Timestamp) {
        let elapsed = self.refilled.map_or(0.0, |refilled| now.since(refilled).as_secs_f64());
        self.refilled = Some(now);
        if let Some(limit) = &mut self.limit {
            limit.rate += limit.step * elapsed;
            if limit.rate >= limit.end {
                self.limit = None;
            }
        }
        if let Some(rate) = self.current() {
            self.tokens = (self.tokens + elapsed * rate).min((rate * BURST).max(1.0));
        }
    }
}

impl Pace {
    const WINDOW: Duration = Duration::from_secs(1);

    fn accepted(&mut self, now: Timestamp) {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.since(since);
        if elapsed >= Self::WINDOW {
            self.before = f64::from(self.accepted) / elapsed.as_secs_f64();
            (self.since, self.accepted) = (Some(now), 0);
        }
        self.accepted += 1;
    }

    /// In mails a second.
    fn now(&self, now: Timestamp) -> f64 {
        let elapsed = self.since.map_or(Duration::ZERO, |since| now.since(since)).max(Self::WINDOW);
        self.before.max(f64::from(self.accepted) / elapsed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_micros((seconds * 1e6) as i64)
    }

    /// How many get through from `from` to `to` seconds when somebody asks every millisecond.
    fn through(allowance: &mut Allowance, from: u32, to: u32) -> usize {
        (from * 1000..to * 1000).map(|milli| allowance.take(10, at(f64::from(milli) / 1000.0))).sum()
    }

    #[test]
    fn a_rate_of_fourteen_a_second_lets_fourteen_through_each_second() {
        let mut allowance = Allowance::new(Some(14.0));
        let sent = through(&mut allowance, 0, 10);
        assert!((138..=141).contains(&sent), "{sent}");
        assert_eq!(allowance.take(100, at(1000.0)), 3, "a long rest gives a quarter of a second's worth");
    }

    #[test]
    fn a_rate_below_one_a_second_still_lets_mail_through() {
        let mut allowance = Allowance::new(Some(0.5));
        assert_eq!(allowance.take(5, at(0.0)), 1);
        assert_eq!(allowance.take(5, at(1.0)), 0);
        assert_eq!(allowance.wait(at(1.0)), Duration::from_secs(1));
        assert_eq!(allowance.take(5, at(2.0)), 1);
    }

    #[test]
    fn a_complaint_halves_the_rate_and_time_gives_it_back() {
        let mut allowance = Allowance::new(Some(100.0));
        assert_eq!(allowance.complaint(at(0.0)), Some(50.0));
        assert_eq!(allowance.complaint(at(0.9)), None, "ten connections complain of one excess");
        assert!(allowance.complaint(at(1.0)).is_some_and(|rate| (26.0..27.0).contains(&rate)));
        let slow = through(&mut allowance, 1, 2);
        assert!((26..30).contains(&slow), "{slow}");
        through(&mut allowance, 2, 60);
        let fast = through(&mut allowance, 60, 61);
        assert!((98..=102).contains(&fast), "{fast}");
    }

    #[test]
    fn without_a_rate_what_was_accepted_is_the_measure_until_the_limit_is_lifted() {
        let mut allowance = Allowance::new(None);
        for milli in 0..2_000 {
            assert_eq!(allowance.take(1, at(f64::from(milli) / 1000.0)), 1);
            allowance.accepted(at(f64::from(milli) / 1000.0));
        }
        let rate = allowance.complaint(at(2.0)).unwrap();
        assert!((450.0..=550.0).contains(&rate), "{rate}");
        through(&mut allowance, 2, 300);
        assert_eq!(allowance.current(), None);
    }

    #[test]
    fn a_day_that_is_used_up_lets_nothing_through() {
        let mut allowance = Allowance::new(None);
        allowance.set(None, Some(3));
        assert_eq!(allowance.take(2, at(0.0)), 2);
        allowance.give_back(1);
        assert_eq!(allowance.take(5, at(0.0)), 2);
        assert!(allowance.is_used_up());
        assert_eq!(allowance.take(5, at(0.0)), 0);
    }
}
