//! How far an issue is at each relay and at the mail domains with the most readers, and which of them is behind.

use std::time::Duration;

use super::time::Timestamp;

/// So many readers are counted anew as often as it is asked; of more, counting goes through too many rows for that.
const FEW: i64 = 10_000;
/// How old a count of many may be. One of 100,000 takes SQLite a quarter of a second.
const RECENT: Duration = Duration::from_secs(3);

/// How far an issue is at one relay, or at one mail domain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct Place {
    pub name: String,
    /// Its readers there; of a relay those that it has answered for.
    pub audience: i64,
    pub accepted: i64,
    pub waiting: i64,
    pub bounced: i64,
    pub last_accepted_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Spread {
    pub first_accepted_at: Option<Timestamp>,
    pub last_accepted_at: Option<Timestamp>,
    /// Those that answered for a reader, by name.
    pub relays: Vec<Place>,
    /// Those with the most readers, the largest first.
    pub domains: Vec<Place>,
    /// Which is furthest behind; none where there is one alone, or all are equally far.
    pub slowest_relay: Option<String>,
    pub slowest_domain: Option<String>,
    /// It may be older than the numbers of the whole, by three seconds at most.
    pub counted_at: Timestamp,
}

impl Spread {
    pub fn of(
        (first_accepted_at, last_accepted_at): (Option<Timestamp>, Option<Timestamp>),
        relays: Vec<Place>,
        domains: Vec<Place>,
        counted_at: Timestamp,
    ) -> Self {
        let (slowest_relay, slowest_domain) = (slowest(&relays), slowest(&domains));
        Self {
            first_accepted_at,
            last_accepted_at,
            relays,
            domains,
            slowest_relay,
            slowest_domain,
            counted_at,
        }
    }

    /// Whether it still does for an issue to so many.
    pub fn is_recent(&self, audience: i64, now: Timestamp) -> bool {
        audience > FEW && self.counted_at <= now && now.since(self.counted_at) < RECENT
    }
}

/// The one where the largest part waits; where none waits anywhere, the one whose last reader got it last.
fn slowest(places: &[Place]) -> Option<String> {
    let part = |place: &Place| place.waiting * 1_000_000 / place.audience.max(1);
    // Whoever had it within the same second isn't slower.
    let second = |at: Timestamp| at.as_micros() / 1_000_000;
    let behind = |place: &Place| (part(place), place.last_accepted_at.map(second));
    let last = places.iter().max_by_key(|place| behind(place))?;
    let first = places.iter().min_by_key(|place| behind(place))?;
    (behind(last) != behind(first)).then(|| last.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, accepted: i64, waiting: i64, second: i64) -> Place {
        let last_accepted_at = (accepted > 0).then(|| Timestamp::from_micros(second * 1_000_000));
        let audience = accepted + waiting;
        Place { name: name.to_owned(), audience, accepted, waiting, bounced: 0, last_accepted_at }
    }

    #[test]
    fn the_slowest_has_the_largest_part_waiting() {
        let places = [place("a", 900, 100, 5), place("b", 1, 9, 3), place("c", 10, 0, 9)];
        assert_eq!(slowest(&places).as_deref(), Some("b"));
    }

    #[test]
    fn where_none_waits_it_is_the_one_that_had_it_last() {
        assert_eq!(slowest(&[place("a", 9, 0, 5), place("b", 1, 0, 7)]).as_deref(), Some("b"));
    }

    #[test]
    fn none_is_slowest_alone_or_among_equals() {
        assert_eq!(slowest(&[]), None);
        assert_eq!(slowest(&[place("a", 9, 3, 5)]), None);
        assert_eq!(slowest(&[place("a", 0, 3, 0), place("b", 0, 7, 0)]), None);
    }

    #[test]
    fn a_count_of_many_does_for_three_seconds_and_one_of_few_for_none() {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        let spread = Spread::of((None, None), Vec::new(), Vec::new(), at(10));
        assert!(spread.is_recent(100_000, at(12)) && !spread.is_recent(100_000, at(13)));
        assert!(!spread.is_recent(10_000, at(10)));
        assert!(!spread.is_recent(100_000, at(9)), "a clock that was set back");
    }
}
