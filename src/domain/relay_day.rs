//! A relay's day: the mails that it accepted within any 24 hours, counted by whole hours.

use super::time::{DAY, HOUR, Timestamp};

/// What a relay accepted in one hour.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Hour {
    pub relay: String,
    /// Since 1970.
    pub hour: i64,
    pub accepted: i64,
}

/// The first hour that counts at `now`: the one that a day ago was in counts in full, rather too little than too much.
pub fn first_hour(now: Timestamp) -> i64 {
    now.minus(DAY).hour()
}

/// How many it accepted in these hours.
pub fn accepted(hours: &[Hour], relay: &str) -> u64 {
    let hours = hours.iter().filter(|hour| hour.relay == relay);
    hours.map(|hour| u64::try_from(hour.accepted).unwrap_or(0)).sum()
}

/// How many more it may get, of `per_day`; none for no limit.
pub fn left(per_day: Option<u64>, hours: &[Hour], relay: &str) -> Option<u64> {
    per_day.map(|most| most.saturating_sub(accepted(hours, relay)))
}

/// When a relay that may get `per_day` mails has room again; none where it has some now. The hours are those that count,
/// the oldest first.
pub fn room_again(per_day: u64, hours: &[Hour], relay: &str) -> Option<Timestamp> {
    let mut counted = accepted(hours, relay);
    let mut until = None;
    for hour in hours.iter().filter(|hour| hour.relay == relay) {
        if counted < per_day {
            break;
        }
        counted = counted.saturating_sub(u64::try_from(hour.accepted).unwrap_or(0));
        until = Some(end_of(hour.hour).plus(DAY));
    }
    until
}

fn end_of(hour: i64) -> Timestamp {
    Timestamp::from_micros((hour + 1).saturating_mul(HOUR.as_micros() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_again_when_enough_of_the_oldest_hours_have_left() {
        let hour = |hour, accepted| Hour { relay: "primary".to_owned(), hour, accepted };
        let hours = [hour(100, 1), hour(101, 3), hour(110, 4)];
        assert_eq!(room_again(9, &hours, "primary"), None, "one more today");
        assert_eq!(room_again(8, &hours, "primary"), Some(end_of(124)));
        assert_eq!(room_again(7, &hours, "primary"), Some(end_of(125)), "the first hour is not enough");
        assert_eq!(room_again(4, &hours, "primary"), Some(end_of(134)));
        assert_eq!(room_again(8, &hours, "other"), None);
        let until = room_again(8, &hours, "primary").unwrap();
        assert_eq!(first_hour(until), 101, "it counts no more then");
        assert_eq!(first_hour(until.minus(HOUR)), 100);
    }
}
