//! How far an import is: where it stands, which part of its rows is done, and how long the rest takes.

use std::time::Duration;

use super::time::{MINUTE, Timestamp};

super::words! {
    /// Where an import stands.
    pub enum State {
        Running = "running",
        Done = "done",
        /// Its service ended, or its database failed. What was taken stays.
        BrokenOff = "broken-off",
    }
}

/// An import of which nothing was heard for so long broke off with its service: it is heard of every thousand rows.
const SILENT: Duration = MINUTE.saturating_mul(2);

/// How many of an import's rows are done.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub all: i64,
    pub done: i64,
    pub begun_at: Timestamp,
    /// When it was last heard of.
    pub heard_at: Timestamp,
    pub ended: bool,
    /// What came of it is known.
    pub told: bool,
}

impl Progress {
    pub fn state(&self, now: Timestamp) -> State {
        match (self.told, self.ended || now.since(self.heard_at) > SILENT) {
            (true, _) => State::Done,
            (false, true) => State::BrokenOff,
            (false, false) => State::Running,
        }
    }

    /// From 0 to 100; all of it only once nothing is left.
    pub const fn percent(&self) -> i64 {
        if self.done >= self.all { 100 } else { self.done * 100 / self.all }
    }

    /// How long the rest takes at the pace so far; none before there is one, and at the end.
    pub fn left(&self) -> Option<Duration> {
        let took = self.heard_at.since(self.begun_at);
        let done = u32::try_from(self.done).ok().filter(|done| *done > 0)?;
        let rest = u32::try_from(self.all - self.done).ok().filter(|rest| *rest > 0)?;
        Some(took.mul_f64(f64::from(rest) / f64::from(done)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64, done: i64) -> Progress {
        let begun_at = Timestamp::from_micros(0);
        let heard_at = begun_at.plus(Duration::from_secs(seconds));
        Progress { all: 3_000, done, begun_at, heard_at, ended: false, told: false }
    }

    #[test]
    fn the_rest_takes_as_long_as_what_is_done_did() {
        assert_eq!((after(4, 1_000).percent(), after(4, 1_000).left()), (33, Some(Duration::from_secs(8))));
        assert_eq!((after(0, 0).percent(), after(0, 0).left()), (0, None), "nobody knows yet");
        assert_eq!((after(9, 2_999).percent(), after(9, 3_000).percent()), (99, 100));
        assert_eq!(after(9, 3_000).left(), None);
        assert_eq!(Progress { all: 0, ..after(0, 0) }.percent(), 100);
    }

    #[test]
    fn one_that_says_nothing_any_more_broke_off() {
        let progress = after(4, 1_000);
        let at = |seconds| Timestamp::from_micros(0).plus(Duration::from_secs(seconds));
        assert_eq!((progress.state(at(124)), progress.state(at(125))), (State::Running, State::BrokenOff));
        assert_eq!(Progress { ended: true, ..progress }.state(at(4)), State::BrokenOff);
        assert_eq!(Progress { ended: true, told: true, ..progress }.state(at(900)), State::Done);
    }
}
