//! One issue to one address, and how long it waits between tries.

use std::time::Duration;

use super::time::{DAY, HOUR};

super::words! {
    /// `queued`, `sending` and `deferred` are on their way; the others are how it ended.
    pub enum State {
        Queued = "queued",
        Sending = "sending",
        Deferred = "deferred",
        Sent = "sent",
        /// The recipient's server refused it for good.
        Bounced = "bounced",
        /// We gave up.
        Failed = "failed",
        Cancelled = "cancelled",
        /// Too late to be of use; who takes a digest finds it there.
        Expired = "expired",
    }
}

/// After so long without acceptance a delivery has failed (RFC 5321, section 4.5.4.1: 4 to 5 days).
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// How long to wait before the next try after `attempts` that were turned away: a quarter of a minute, doubling up to an hour,
/// and up to a quarter more by `dice` (0 to 1), so that a crowd doesn't come back at once.
pub fn backoff(attempts: u32, dice: f64) -> Duration {
    let doubled = Duration::from_secs(15).saturating_mul(1 << attempts.saturating_sub(1).min(10));
    let base = doubled.min(HOUR);
    base + base.mul_f64(dice.clamp(0.0, 1.0) / 4.0)
}

/// How long a relay is left alone after `failures` in a row: a second, doubling up to a quarter of a minute. Longer would
/// hold back the first alert after an outage, and a try costs nothing.
pub fn relay_backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(4)).min(Duration::from_secs(15))
}

/// How long a relay rests after `faults` in a row that were ours (bad credentials, relaying denied): five minutes,
/// doubling up to a day. A restart tries at once.
pub fn relay_pause(faults: u32) -> Duration {
    Duration::from_secs(300).saturating_mul(1 << faults.saturating_sub(1).min(9)).min(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_within_an_hour_and_a_quarter() {
        assert_eq!(backoff(1, 0.0), Duration::from_secs(15));
        assert_eq!(backoff(2, 0.0), Duration::from_secs(30));
        assert_eq!(backoff(3, 1.0), Duration::from_secs(75));
        assert_eq!(backoff(100, 1.0), HOUR + HOUR / 4);
        assert_eq!(relay_backoff(1), Duration::from_secs(1));
        assert_eq!(relay_backoff(50), Duration::from_secs(15));
        assert_eq!(relay_pause(1), Duration::from_secs(300));
        assert_eq!(relay_pause(50), DAY);
    }
}
