//! How long somebody waits who failed to show who they are: a wait that grows, and never so long that a stranger who
//! fails on purpose keeps the owner out for good.

use std::time::Duration;

use super::time::{DAY, HOUR, MINUTE, Timestamp};

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// One account from one network.
    Pair,
    /// All accounts from one network.
    Network,
    /// One account from all networks. Where it signed in before, this doesn't count: that is its owner's way in.
    Account,
}

/// Failures of late, and when the last one was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    pub count: i64,
    pub last: Option<Timestamp>,
}

const FIRST_WAIT: Duration = Duration::from_secs(15);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

impl Counted {
    /// How far back failures count.
    pub const fn window(self) -> Duration {
        match self {
            Self::Pair | Self::Account => DAY,
            Self::Network => HOUR,
        }
    }

    /// So many cost nothing.
    const fn free(self) -> i64 {
        match self {
            Self::Pair => 5,
            Self::Network => 30,
            Self::Account => 50,
        }
    }

    /// How long until the next try; none for now.
    pub fn wait(self, failures: Failures, now: Timestamp) -> Option<Duration> {
        let over = u32::try_from(failures.count - self.free()).ok()?;
        let wait = FIRST_WAIT.saturating_mul(2u32.saturating_pow(over.min(10))).min(LONGEST_WAIT);
        let left = wait.saturating_sub(now.since(failures.last?));
        (!left.is_zero()).then_some(left)
    }
}

/// "in 12 minutes", rounded up.
pub fn in_about(wait: Duration) -> String {
    match wait.as_secs().div_ceil(MINUTE.as_secs()) {
        0 | 1 => "in a minute".to_owned(),
        minutes => format!("in {minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(count: i64, ago: u64) -> Option<u64> {
        let now = Timestamp::from_micros(1_000_000_000_000);
        let last = Some(now.minus(Duration::from_secs(ago)));
        Counted::Pair.wait(Failures { count, last }, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_first_failures_cost_nothing_and_then_the_wait_grows_to_its_end() {
        assert_eq!([0, 4].map(|count| wait(count, 0)), [None, None]);
        assert_eq!([5, 6, 7, 8].map(|count| wait(count, 0)), [Some(15), Some(30), Some(60), Some(120)]);
        assert_eq!(wait(1_000, 0), Some(15 * 60));
        assert_eq!(wait(6, 29), Some(1));
        assert_eq!(wait(6, 30), None);
    }
}
