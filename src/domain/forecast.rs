//! How long a night's mail takes, from what this machine and the relays can do, and what the relays' limits cut off.
//! Relays share by their weights as long as each keeps up with its share; what one can't take the others get.

use std::time::Duration;

/// What is known of a relay.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Its share beside the others' weights, from 1.
    pub weight: u32,
    /// How many of its connections serve the lane.
    pub connections: u32,
    /// How long a connection is busy with one mail; none where it is not known.
    pub per_mail: Option<Duration>,
    /// Mails a second; none for no limit.
    pub rate: Option<f64>,
    /// How many more it takes within a day; none for no limit.
    pub day_left: Option<u64>,
}

/// What a relay's speed ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Its rate, as configured.
    Rate,
    /// How long each mail keeps one of its connections busy.
    Connections,
    /// Nothing that is known.
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// From the first mail that leaves to the last within the limits.
    pub took: Duration,
    /// Mails that each relay takes, in their order.
    pub taken: Vec<u64>,
    /// Mails that no relay takes before its day is over.
    pub cut_off: u64,
    /// Mails a second while all relays take some.
    pub speed: f64,
    /// The relays could take more than the machine gives.
    pub machine_bound: bool,
}

/// A connection that is busy for less than this with each mail is limited by other things.
const NEXT_TO_NOTHING: Duration = Duration::from_micros(1);

impl Relay {
    /// Mails a second that its connections carry; none where that is not known, or next to no limit.
    pub fn carries(&self) -> Option<f64> {
        let per_mail = self.per_mail.filter(|per_mail| *per_mail >= NEXT_TO_NOTHING)?;
        Some(f64::from(self.connections) / per_mail.as_secs_f64())
    }

    /// Mails a second that it takes at the most; infinite where nothing is known to limit it.
    pub fn most(&self) -> f64 {
        let unlimited = f64::INFINITY;
        self.rate.unwrap_or(unlimited).min(self.carries().unwrap_or(unlimited))
    }

    pub fn limit(&self) -> Limit {
        match (self.rate, self.carries()) {
            (Some(rate), Some(carries)) if carries < rate => Limit::Connections,
            (None, Some(_)) => Limit::Connections,
            (Some(_), _) => Limit::Rate,
            (None, None) => Limit::Unknown,
        }
    }
}

/// What becomes of `mails`, where this machine sends `machine` a second (more than 0) to relays that answer at once.
pub fn forecast(mails: u64, machine: f64, relays: &[Relay]) -> Forecast {
    let mut taken = vec![0.0; relays.len()];
    let mut left = mails as f64;
    let mut took = 0.0;
    let mut first_speed = None;
    let total = |relays: &[Relay]| relays.iter().map(Relay::most).sum::<f64>();
    // Each round ends with the mails, or with the day of one relay at least.
    for _ in 0..=relays.len() {
        let room = |index: usize, relay: &Relay| {
            relay.day_left.map_or(f64::INFINITY, |day_left| day_left as f64 - taken[index])
        };
        let rooms: Vec<f64> =
            relays.iter().enumerate().map(|(index, relay)| room(index, relay).max(0.0)).collect();
        let speeds = shared(machine, relays, |index| rooms[index] >= 0.5);
        let speed: f64 = speeds.iter().sum();
        first_speed = first_speed.or(Some(speed));
        if left < 0.5 || speed <= 0.0 {
            break;
        }
        let full = rooms.iter().zip(&speeds).filter(|(_, speed)| **speed > 0.0);
        let step = full.map(|(room, speed)| room / speed).fold(left / speed, f64::min);
        took += step;
        for (taken, speed) in taken.iter_mut().zip(&speeds) {
            *taken += speed * step;
        }
        left -= speed * step;
    }
    let taken = whole(&taken, mails, relays);
    Forecast {
        // So far off that nobody waits for it.
        took: Duration::try_from_secs_f64(took).unwrap_or(Duration::MAX),
        cut_off: mails - taken.iter().sum::<u64>(),
        taken,
        speed: first_speed.unwrap_or(0.0),
        machine_bound: machine < total(relays),
    }
}

/// Mails a second that each relay gets: by weight, none more than it takes, all together what the machine gives.
fn shared(machine: f64, relays: &[Relay], is_open: impl Fn(usize) -> bool) -> Vec<f64> {
    let mut speeds = vec![0.0; relays.len()];
    let mut open: Vec<usize> = (0..relays.len()).filter(|index| is_open(*index)).collect();
    let mut rest = machine;
    loop {
        let weights: f64 = open.iter().map(|index| f64::from(relays[*index].weight)).sum();
        if open.is_empty() || weights <= 0.0 {
            return speeds;
        }
        let share = |index: usize| rest * f64::from(relays[index].weight) / weights;
        let (full, steady): (Vec<usize>, Vec<usize>) =
            open.iter().partition(|index| relays[**index].most() < share(**index));
        if full.is_empty() {
            for index in steady {
                speeds[index] = share(index);
            }
            return speeds;
        }
        for index in full {
            speeds[index] = relays[index].most();
            rest -= speeds[index];
        }
        open = steady;
    }
}

/// The same in whole mails: no more than there are, than each relay takes in a day, and none lost by rounding.
fn whole(taken: &[f64], mails: u64, relays: &[Relay]) -> Vec<u64> {
    let mut left = mails;
    let mut whole = Vec::with_capacity(taken.len());
    for (taken, relay) in taken.iter().zip(relays) {
        let count = (taken.round() as u64).min(left).min(relay.day_left.unwrap_or(u64::MAX));
        left -= count;
        whole.push(count);
    }
    // What rounding left over: less than a mail for each relay.
    for ((count, taken), relay) in whole.iter_mut().zip(taken).zip(relays) {
        let room = relay.day_left.unwrap_or(u64::MAX) - *count;
        let more = left.min(room).min(1);
        if *taken > 0.0 {
            *count += more;
            left -= more;
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(rate: Option<f64>, millis: Option<u64>, day_left: Option<u64>) -> Relay {
        Relay { weight: 1, connections: 9, per_mail: millis.map(Duration::from_millis), rate, day_left }
    }

    #[test]
    fn a_rate_of_fourteen_a_second_needs_two_hours_for_a_hundred_thousand() {
        let relay = relay(Some(14.0), Some(20), None);
        let night = forecast(100_000, 3_500.0, std::slice::from_ref(&relay));
        assert_eq!(night.took.as_secs(), 7_142);
        assert_eq!((night.taken, night.cut_off, night.machine_bound), (vec![100_000], 0, false));
        assert_eq!(relay.limit(), Limit::Rate);
    }

    #[test]
    fn the_time_a_mail_takes_limits_what_connections_carry() {
        let relay = relay(None, Some(20), None);
        assert_eq!((relay.most(), relay.limit()), (450.0, Limit::Connections));
    }

    #[test]
    fn a_machine_that_gives_less_than_the_relays_take_is_what_limits() {
        let night = forecast(1_000, 100.0, &[relay(Some(80.0), None, None), relay(None, Some(20), None)]);
        assert!(night.machine_bound);
        assert_eq!((night.took.as_secs(), night.taken), (10, vec![500, 500]));
    }

    #[test]
    fn what_a_slow_relay_can_not_take_goes_to_the_other() {
        let night = forecast(1_000, 1_000.0, &[relay(Some(10.0), None, None), relay(Some(90.0), None, None)]);
        assert_eq!((night.took.as_secs(), night.taken), (10, vec![100, 900]));
    }

    #[test]
    fn a_day_that_ends_leaves_the_rest_to_the_others_and_then_to_tomorrow() {
        let first = relay(Some(50.0), None, Some(100));
        let alone = forecast(1_000, 1_000.0, std::slice::from_ref(&first));
        assert_eq!((alone.took.as_secs(), alone.cut_off), (2, 900));
        let helped = forecast(1_000, 1_000.0, &[first, relay(Some(50.0), None, None)]);
        assert_eq!((helped.took.as_secs(), helped.taken, helped.cut_off), (18, vec![100, 900], 0));
    }

    #[test]
    fn nobody_to_mail_or_no_relay_takes_no_time() {
        assert_eq!(forecast(0, 100.0, &[relay(None, None, None)]).took, Duration::ZERO);
        let none = forecast(7, 100.0, &[]);
        assert_eq!((none.took, none.cut_off), (Duration::ZERO, 7));
    }
}
