//! Until when this node may send: past it, others may have taken over what it claimed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::time::Timestamp;

/// The deadline, by two clocks. The wall clock counts also while the machine is suspended, and may be set back; the
/// steady clock can't be set, and may stand still during a suspension. Whichever is past ends it.
pub struct Deadline {
    clock: Clock,
    /// In microseconds.
    wall: AtomicI64,
    /// In microseconds.
    steady: AtomicI64,
    /// When it was first seen to be past, in microseconds by the steady clock; `i64::MAX` while it wasn't.
    seen: AtomicI64,
}

impl Deadline {
    /// One that is past.
    pub fn new(clock: Clock) -> Self {
        let (wall, steady) = (AtomicI64::new(i64::MIN), AtomicI64::new(i64::MIN));
        Self { clock, wall, steady, seen: AtomicI64::new(i64::MAX) }
    }

    /// How long is left of it; the shorter of the two clocks' answers.
    pub fn left(&self) -> Duration {
        let wall = self.wall.load(Ordering::SeqCst).saturating_sub(self.clock.now().as_micros());
        let steady = self.steady.load(Ordering::SeqCst).saturating_sub(self.clock.steady());
        Duration::from_micros(u64::try_from(wall.min(steady)).unwrap_or(0))
    }

    /// How long it has been seen to be past; zero when this is asked for the first time. A suspension doesn't count:
    /// what came meanwhile is to be read first.
    pub fn seen_past(&self) -> Duration {
        let now = self.clock.steady();
        let seen = self.seen.fetch_min(now, Ordering::SeqCst);
        Duration::from_micros(u64::try_from(now.saturating_sub(seen)).unwrap_or(0))
    }

    /// Moves it to `life` from a moment that was read before the heartbeat was written.
    pub fn extend(&self, from: Moment, life: Duration) {
        let life = i64::try_from(life.as_micros()).unwrap_or(i64::MAX);
        self.wall.store(from.wall.as_micros().saturating_add(life), Ordering::SeqCst);
        self.steady.store(from.steady.saturating_add(life), Ordering::SeqCst);
        self.seen.store(i64::MAX, Ordering::SeqCst);
    }

    /// Now, by both clocks.
    pub fn moment(&self) -> Moment {
        Moment { wall: self.clock.now(), steady: self.clock.steady() }
    }
}

/// One instant on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub wall: Timestamp,
    /// In microseconds.
    steady: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_when_its_time_is_over_and_can_be_moved_on() {
        let clock = Clock::simulated(Timestamp::from_micros(0));
        let deadline = Deadline::new(clock.clone());
        assert_eq!(deadline.left(), Duration::ZERO);
        let beat = deadline.moment();
        clock.advance(Duration::from_secs(1));
        deadline.extend(beat, Duration::from_secs(30));
        assert_eq!(deadline.left(), Duration::from_secs(29), "the database took a second for the heartbeat");
        clock.advance(Duration::from_secs(29));
        assert_eq!(deadline.left(), Duration::ZERO);
    }
    #[test]
    fn it_is_past_since_somebody_saw_it() {
        let clock = Clock::simulated(Timestamp::from_micros(0));
        let deadline = Deadline::new(clock.clone());
        assert_eq!(deadline.seen_past(), Duration::ZERO);
        clock.advance(Duration::from_secs(7));
        assert_eq!(deadline.seen_past(), Duration::from_secs(7));
        deadline.extend(deadline.moment(), Duration::from_secs(30));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(deadline.seen_past(), Duration::ZERO, "what came during a suspension is read first");
    }
}
