//! A race: alerts that are written before it is known which of them will be true. None may go out before a moment, as the
//! polls close, and one alone.

use jiff::{civil::DateTime, tz::TimeZone};

use super::{cadence::zone, time::Timestamp};

/// The longest name of a race, and of an outcome, in characters.
pub const LONGEST_NAME: usize = 120;

super::words! {
    pub enum State {
        /// It is too early to call it.
        Waiting = "waiting",
        /// One of its outcomes may be released.
        Open = "open",
        /// One was, and the others are retired.
        Called = "called",
        /// Put away: none of its outcomes may be released.
        Closed = "closed",
    }
}

/// How a race stands at a moment.
pub const fn state(called: bool, closed: bool, not_before: Timestamp, now: Timestamp) -> State {
    match (called, closed) {
        (true, _) => State::Called,
        (false, true) => State::Closed,
        (false, false) if now.as_micros() < not_before.as_micros() => State::Waiting,
        (false, false) => State::Open,
    }
}

/// The moment when clocks in a zone show this date and time ("2026-11-03T20:00"). Of an hour that comes twice it is the
/// later, and of one that is skipped the time behind it: too late is no harm.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn moment(civil: &str, timezone: &str) -> Result<Timestamp, String> {
    let zone = zone(timezone)?;
    let read = civil.trim().parse::<DateTime>();
    let civil = read.map_err(|_| "write a date and a time, as in 2026-11-03T20:00".to_owned())?;
    let zoned = zone.to_ambiguous_zoned_datetime(civil).later();
    let zoned = zoned.map_err(|_| "there is no such date".to_owned())?;
    Ok(Timestamp::from_jiff(zoned.timestamp()))
}

/// Whether this is the name of a time zone.
///
/// # Errors
/// A sentence that names one that is like it.
pub fn check_zone(timezone: &str) -> Result<(), String> {
    zone(timezone).map(|_| ())
}

/// A moment as a clock on the wall of a zone shows it, as in "Tue 3 Nov 2026, 20:00 EST (America/New_York)"; in UTC where
/// the zone is not known any more.
pub fn wall(at: Timestamp, timezone: &str) -> String {
    let known = zone(timezone).ok();
    let name = known.as_ref().map_or("UTC", |_| timezone);
    let zoned = at.to_jiff().to_zoned_datetime(known.unwrap_or(TimeZone::UTC));
    let name = if name == "UTC" { String::new() } else { format!(" ({name})") };
    format!("{}{name}", zoned.strftime("%a %-d %b %Y, %H:%M %Z"))
}

/// The same without its zone, as a form takes it ("2026-11-03T20:00").
pub fn civil(at: Timestamp, timezone: &str) -> String {
    let zoned = at.to_jiff().to_zoned_datetime(zone(timezone).unwrap_or(TimeZone::UTC));
    zoned.strftime("%Y-%m-%dT%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_YORK: &str = "America/New_York";

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_wall_clock_is_read_in_its_zone_and_of_two_moments_the_later_counts() {
        for (civil, instant) in [
            ("2026-11-03T20:00", "2026-11-04T01:00:00Z"),
            ("2026-11-01T01:30", "2026-11-01T06:30:00Z"),
            ("2027-03-14T02:30", "2027-03-14T07:30:00Z"),
        ] {
            assert_eq!(moment(civil, NEW_YORK), Ok(at(instant)), "{civil}");
        }
        assert!(moment("8 pm", NEW_YORK).unwrap_err().contains("a date and a time"));
        assert!(moment("2026-11-03T20:00", "New York").unwrap_err().contains("America/New_York"));
    }

    #[test]
    fn it_is_shown_as_the_clock_on_the_wall_shows_it() {
        let close = at("2026-11-04T01:00:00Z");
        assert_eq!(wall(close, NEW_YORK), "Tue 3 Nov 2026, 20:00 EST (America/New_York)");
        assert_eq!(wall(close, "UTC"), "Wed 4 Nov 2026, 01:00 UTC");
        assert_eq!(wall(close, "Atlantis/Capital"), "Wed 4 Nov 2026, 01:00 UTC");
    }

    #[test]
    fn a_race_is_open_from_its_moment_on() {
        let close = at("2026-11-04T01:00:00Z");
        let before = Timestamp::from_micros(close.as_micros() - 1);
        assert_eq!(state(false, false, close, before), State::Waiting);
        assert_eq!(state(false, false, close, close), State::Open);
        assert_eq!(state(true, false, close, before), State::Called);
        assert_eq!(state(false, true, close, close), State::Closed);
    }
}
