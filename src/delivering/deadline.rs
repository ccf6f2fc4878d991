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
}

impl Deadline {
    /// One that is past.
    pub fn new(clock: Clock) -> Self {
        Self { clock, wall: AtomicI64::new(i64::MIN), steady: AtomicI64::new(i64::MIN) }
    }

    /// How long is left of it; the shorter of the two clocks' answers.
    pub fn left(&self) -> Duration {
        let wall = self.wall.load(Ordering::SeqCst).saturating_sub(self.clock.now().as_micros());
        let steady = self.steady.load(Ordering::SeqCst).saturating_sub(self.clock.steady());
        Duration::from_micros(u64::try_from(wall.min(steady)).unwrap_or(0))
    }

    /// Moves it to `life` from a moment that was read before the heartbeat was written.
    pub fn extend(&self, from: Moment, life: Duration) {
        let life = i64::try_from(life.as_micros()).unwrap_or(i64::MAX);
        self.wall.store(from.wall.as_micros().saturating_add(life), Ordering::SeqCst);
        self.steady.store(from.steady.saturating_add(life), Ordering::SeqCst);
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
}
