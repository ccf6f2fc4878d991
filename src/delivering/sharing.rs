//! How several relays share the mail: by their weights, as long as each keeps up with its share. Pure.

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

    #[test]
    fn nobody_gets_more_than_there_is_room_for() {
        assert_eq!(total(&[]), 0);
        assert_eq!(deal(&mut []), None);
        let mut shares = [share(1, 1, false), share(1, 0, true)];
        assert_eq!(dealt(&mut shares, 5), [1, 0]);
    }
}
