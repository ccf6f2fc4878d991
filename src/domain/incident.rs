//! What the watch tells of: something that should have happened and didn't. Told once while it lasts.

use std::time::Duration;

use super::delivery::State;
use super::time::{DAY, MINUTE, Timestamp};

super::words! {
    pub enum Kind {
        /// A post, or what somebody wrote, was to be an alert, and is none.
        Missing = "alert.missing",
        /// An alert that too few have accepted.
        Slow = "alert.slow",
        /// A feed that brings nothing new.
        Silent = "feed.silent",
        /// A relay that takes no mail: a person paused it, or it refuses us.
        Paused = "relay.paused",
    }
}

/// What is older than this is not looked at any more: it is no news, and whoever was told knows.
pub const LOOK_BACK: Duration = DAY;

impl Kind {
    /// For how long nothing may be seen of it until it is over: a relay that is paused, tried and paused again is told of
    /// once.
    pub const fn calm(self) -> Duration {
        match self {
            Self::Paused => MINUTE.saturating_mul(5),
            Self::Missing | Self::Slow | Self::Silent => Duration::ZERO,
        }
    }

    /// Whether one that began so long ago passes out of sight, and isn't over for that.
    pub fn is_past(self, since: Timestamp, now: Timestamp) -> bool {
        matches!(self, Self::Missing | Self::Slow) && now.since(since) >= LOOK_BACK
    }
}

/// How far an alert got with those it was to reach. Who left, or was not to be mailed after all, is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub accepted: i64,
    pub waiting: i64,
    /// Refused for good, or given up.
    pub refused: i64,
    /// No longer of use when their turn came.
    pub late: i64,
}

impl Reach {
    /// From how many deliveries are in which state.
    pub fn of(counts: &[(State, i64)]) -> Self {
        let mut reach = Self::default();
        for (state, count) in counts {
            match state {
                State::Sent => reach.accepted += count,
                State::Queued | State::Sending | State::Deferred => reach.waiting += count,
                State::Bounced | State::Failed => reach.refused += count,
                State::Expired => reach.late += count,
                State::Cancelled => {}
            }
        }
        reach
    }

    pub const fn all(self) -> i64 {
        self.accepted + self.waiting + self.refused + self.late
    }

    /// Whether at least so many in a hundred have accepted it. What was refused for good counts as not accepted: a relay
    /// that is wrong about everybody would go unnoticed otherwise.
    pub const fn is_enough(self, percent: u8) -> bool {
        self.accepted.saturating_mul(100) >= self.all().saturating_mul(percent as i64)
    }
}

/// Since when a feed is silent: it brought nothing new for `after`, and was asked since. A service that was down asks first.
pub fn silent_since(
    heard_at: Timestamp,
    last_polled_at: Option<Timestamp>,
    after: Duration,
    now: Timestamp,
) -> Option<Timestamp> {
    let due = heard_at.plus(after);
    (due <= now && last_polled_at.is_some_and(|polled| polled >= due)).then_some(heard_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u32) -> Timestamp {
        Timestamp::from_micros(0).plus(MINUTE * minutes)
    }

    #[test]
    fn who_left_is_not_counted_and_who_was_refused_did_not_accept() {
        let counts = [(State::Sent, 94), (State::Bounced, 5), (State::Deferred, 1), (State::Cancelled, 900)];
        let reach = Reach::of(&counts);
        assert_eq!((reach.all(), reach.accepted, reach.waiting, reach.refused), (100, 94, 1, 5));
        assert!(reach.is_enough(94) && !reach.is_enough(95));
        assert!(Reach::default().is_enough(100), "nobody was to be reached");
        assert!(Reach::of(&[(State::Sent, 19), (State::Expired, 1)]).is_enough(95));
        assert!(!Reach::of(&[(State::Sent, 94), (State::Expired, 6)]).is_enough(95));
    }

    #[test]
    fn a_feed_is_silent_only_once_it_was_asked() {
        let after = MINUTE * 60;
        assert_eq!(silent_since(at(0), Some(at(59)), after, at(59)), None);
        assert_eq!(silent_since(at(0), Some(at(60)), after, at(61)), Some(at(0)));
        assert_eq!(silent_since(at(0), Some(at(5)), after, at(600)), None, "the service was down");
        assert_eq!(silent_since(at(0), None, after, at(600)), None);
    }
}
