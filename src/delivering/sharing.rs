//! How several relays share the mail: by their weights, as long as each keeps up with its share. Pure.

/// The most that is claimed ahead for a relay.
const MOST: usize = 1_000;

/// How much is claimed ahead for a relay, and whether it keeps up with that.
#[derive(Debug, Default)]
pub struct Ahead {
    /// How many may wait before it, in all.
    target: usize,
    /// Some mail waited for long, and no connection was without mail since. By its own queue alone this can't be told
    /// each time: it stays short where few are claimed ahead.
    behind: bool,
}

impl Ahead {
    /// How many may wait, `least` at the least.
    pub fn target(&self, least: usize) -> usize {
        self.target.clamp(least, MOST)
    }

    /// It can't keep up with what it is dealt.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Learns from what happened since the last claim: more is claimed ahead when a connection of it was `dry`, or mail
    /// hardly waited, less when mail `waited` for long. Where neither was so and another relay was dry (`wanted`), more as well: that shows
    /// whether this relay, which holds the other to its share, takes more or can't keep up.
    pub fn learn(&mut self, dry: bool, waited: bool, wanted: bool, least: usize) {
        let target = self.target(least);
        self.behind = waited || (self.behind && !dry);
        self.target = match (dry, waited) {
            (_, true) => (target / 2).max(least),
            (true, false) => (target * 2).min(MOST),
            (false, false) if wanted && !self.behind => (target * 2).min(MOST),
            (false, false) => target,
        };
    }
}

/// A relay that takes mail now.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub weight: u32,
    /// How many more may be put before it.
    pub room: usize,
    /// It can't keep up: it gets what it has room for, and the others the rest.
    pub full: bool,
    /// How many it was dealt so far, per weight; compared with the others'.
    pub dealt: f64,
}

/// How many may be claimed so that each relay gets its share and none more than it has room for.
pub fn total(shares: &[Share]) -> usize {
    let full: usize = shares.iter().filter(|share| share.full).map(|share| share.room).sum();
    let steady = || shares.iter().filter(|share| !share.full);
    let per_weight =
        steady().map(|share| share.room as f64 / f64::from(share.weight)).fold(f64::MAX, f64::min);
    let weights: f64 = steady().map(|share| f64::from(share.weight)).sum();
    full + if weights > 0.0 { (per_weight * weights).ceil() as usize } else { 0 }
}

/// Deals one mail: the number of the relay that is furthest behind its share and has room; none when none has.
pub fn deal(shares: &mut [Share]) -> Option<usize> {
    let room = shares.iter().enumerate().filter(|(_, share)| share.room > 0);
    let behind = room.min_by(|(_, a), (_, b)| a.dealt.total_cmp(&b.dealt));
    let index = behind.map(|(index, _)| index)?;
    let share = &mut shares[index];
    share.room -= 1;
    share.dealt += 1.0 / f64::from(share.weight);
    Some(index)
}

/// Brings those that took less than their share up to the others: what they could not take is not made up for later.
pub fn level(shares: &mut [Share]) {
    let steady = shares.iter().filter(|share| !share.full).map(|share| share.dealt);
    let least = steady.fold(f64::MAX, f64::min);
    let most = shares.iter().map(|share| share.dealt).fold(0.0, f64::max);
    let floor = if least == f64::MAX { most } else { least };
    for share in shares.iter_mut().filter(|share| share.full) {
        share.dealt = share.dealt.max(floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(weight: u32, room: usize, full: bool) -> Share {
        Share { weight, room, full, dealt: 0.0 }
    }

    fn dealt(shares: &mut [Share], jobs: usize) -> Vec<usize> {
        let mut counts = vec![0; shares.len()];
        for _ in 0..jobs {
            if let Some(index) = deal(shares) {
                counts[index] += 1;
            }
        }
        counts
    }

    #[test]
    fn relays_get_their_weights() {
        let mut shares = [share(3, 100, false), share(1, 100, false)];
        let total = total(&shares);
        assert_eq!(total, 134);
        assert_eq!(dealt(&mut shares, 120), [90, 30]);
    }

    #[test]
    fn a_relay_with_less_room_holds_the_others_to_their_share() {
        let mut shares = [share(3, 30, false), share(1, 100, false)];
        let total = total(&shares);
        assert_eq!(total, 40);
        assert_eq!(dealt(&mut shares, total), [30, 10]);
    }

    #[test]
    fn a_relay_that_can_not_keep_up_holds_nobody() {
        let mut shares = [share(9, 0, true), share(1, 100, false)];
        let total = total(&shares);
        assert_eq!(total, 100);
        assert_eq!(dealt(&mut shares, total), [0, 100]);
        level(&mut shares);
        shares.iter_mut().for_each(|share| share.room = 100);
        assert_eq!(dealt(&mut shares, 10), [9, 1], "what it could not take is not made up for");
    }

    /// Relays at work: so many mails a second each, and what is claimed ahead for them as the pump has it.
    struct Work {
        rates: [usize; 2],
        least: usize,
        ahead: [Ahead; 2],
        dealt: [f64; 2],
        /// When each mail that waits was put there, in milliseconds.
        queues: [std::collections::VecDeque<u64>; 2],
        dry: [bool; 2],
        open: [bool; 2],
        now: u64,
    }

    impl Work {
        fn new(rates: [usize; 2], least: usize) -> Self {
            let (ahead, queues) = (Default::default(), Default::default());
            Self { rates, least, ahead, dealt: [0.0; 2], queues, dry: [true; 2], open: [true; 2], now: 0 }
        }

        /// How many each sends in so many seconds.
        fn sends(&mut self, seconds: u64) -> [usize; 2] {
            let mut sent = [0; 2];
            let end = self.now + seconds * 1_000;
            let mut look = self.now;
            while self.now < end {
                let mut rung = false;
                for (relay, sent) in sent.iter_mut().enumerate() {
                    let gap = 1_000 / self.rates[relay] as u64;
                    if !self.open[relay] || !self.now.is_multiple_of(gap) {
                        continue;
                    }
                    match self.queues[relay].pop_front() {
                        Some(_) => *sent += 1,
                        None => self.dry[relay] = true,
                    }
                    rung |= self.queues[relay].len() == self.ahead[relay].target(self.least) / 2;
                }
                if rung || self.now >= look {
                    self.claim();
                    look = self.now + 500;
                }
                self.now += 1;
            }
            sent
        }

        fn claim(&mut self) {
            for relay in 0..2 {
                let waited = self.queues[relay].front().is_some_and(|since| self.now - since >= 250);
                let wanted = self.dry[1 - relay];
                self.ahead[relay].learn(self.dry[relay], waited, wanted, self.least);
            }
            self.dry = [false; 2];
            let mut shares = [0, 1].map(|relay| {
                let room = self.ahead[relay].target(self.least).saturating_sub(self.queues[relay].len());
                let (room, full) =
                    if self.open[relay] { (room, self.ahead[relay].is_behind()) } else { (0, true) };
                Share { weight: 1, room, full, dealt: self.dealt[relay] }
            });
            for _ in 0..total(&shares) {
                if let Some(relay) = deal(&mut shares) {
                    self.queues[relay].push_back(self.now);
                }
            }
            level(&mut shares);
            self.dealt = shares.map(|share| share.dealt);
        }
    }

    #[test]
    fn a_fast_relay_is_not_held_to_a_slow_ones_pace_also_after_an_outage() {
        for least in [4, 20, 40] {
            let mut work = Work::new([200, 100], least);
            work.sends(5);
            let before = work.sends(10);
            assert!(before[0] >= 1_900 && before[1] >= 950, "{least} ahead: {before:?}");
            work.open[0] = false;
            work.queues[0].clear();
            work.sends(10);
            work.open[0] = true;
            work.sends(5);
            let after = work.sends(10);
            assert!(after[0] >= 1_900 && after[1] >= 950, "{least} ahead, after an outage: {after:?}");
        }
    }

    #[test]
    fn nobody_gets_more_than_there_is_room_for() {
        assert_eq!(total(&[]), 0);
        assert_eq!(deal(&mut []), None);
        let mut shares = [share(1, 1, false), share(1, 0, true)];
        assert_eq!(dealt(&mut shares, 5), [1, 0]);
    }
}
