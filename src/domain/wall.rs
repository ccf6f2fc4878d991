//! A time on the clock of a zone: how it is read, and how it is told. A clock that is set back shows an hour twice, and one
//! that is set forward skips one; a time that is skipped is there when the gap ends.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::time::Timestamp;

// The mapping rests on `to_offset` and `following` alone. jiff's `to_ambiguous_timestamp` and `preceding` err where a
// zone's listed changes end and its rule for the future begins (America/Nuuk in 2023, America/Ciudad_Juarez in 2022).
/// More than the clocks of any two zones, or of one before and after a change, ever differ.
pub(super) const WIDEST: SignedDuration = SignedDuration::from_hours(48);

/// Which moment is meant by a time that the clock shows twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twice {
    /// Of what is done at that time, once: a schedule, a newsletter.
    First,
    /// Of what must not be done before it: the polls close.
    Last,
}

/// The instant at which the clock of an IANA zone shows a date and a time, as in `2026-11-03T20:00`.
///
/// # Errors
/// A sentence that says what it takes.
pub fn instant(local: &str, timezone: &str, twice: Twice) -> Result<Timestamp, String> {
    let zone = zone(timezone)?;
    let wanted = || "write a date and a time, as in 2026-11-03T20:00".to_owned();
    let local: DateTime = local.trim().parse().map_err(|_| wanted())?;
    let at = match twice {
        Twice::First => first_showing(&zone, local),
        Twice::Last => last_showing(&zone, local),
    };
    at.map(Timestamp::from_jiff).ok_or_else(wanted)
}

/// An instant for people, as the clock of a zone shows it: "Tue 3 Nov 2026, 20:00 EST (America/New_York)". In UTC where
/// there is no such zone.
pub fn told(at: Timestamp, timezone: &str) -> String {
    let zone = zone(timezone).unwrap_or(TimeZone::UTC);
    let name = zone.iana_name().filter(|name| *name != "UTC").map(|name| format!(" ({name})"));
    let zoned = at.to_jiff().to_zoned_datetime(zone.clone());
    format!("{}{}", zoned.strftime("%a %-d %b %Y, %H:%M %Z"), name.unwrap_or_default())
}

/// The same as a form's field takes it: `2026-11-03T20:00`.
pub fn field(at: Timestamp, timezone: &str) -> String {
    let zone = zone(timezone).unwrap_or(TimeZone::UTC);
    zone.to_datetime(at.to_jiff()).strftime("%Y-%m-%dT%H:%M").to_string()
}

/// Whether this is the name of a time zone.
///
/// # Errors
/// A sentence that names one that is like it.
pub fn check_zone(name: &str) -> Result<(), String> {
    zone(name).map(|_| ())
}

/// The zones to choose from: those that are called by a part of the world and a place, and UTC.
pub fn zones() -> Vec<String> {
    const PARTS: [&str; 9] = [
        "Africa/",
        "America/",
        "Antarctica/",
        "Asia/",
        "Atlantic/",
        "Australia/",
        "Europe/",
        "Indian/",
        "Pacific/",
    ];
    let known = jiff::tz::db().available().map(|known| known.to_string());
    let mut zones: Vec<_> = known.filter(|name| PARTS.iter().any(|part| name.starts_with(part))).collect();
    zones.push("UTC".to_owned());
    zones.sort();
    zones
}

/// The zone of this IANA name.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    let wanted = name.trim();
    match TimeZone::get(wanted) {
        Ok(zone) if zone.iana_name().is_some() && !zone.is_unknown() => Ok(zone),
        _ => {
            let city = wanted.rsplit('/').next().unwrap_or(wanted).replace(' ', "_");
            let like = jiff::tz::db()
                .available()
                .map(|known| known.to_string())
                .find(|known| known.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&city)))
                .unwrap_or_else(|| "Europe/Berlin".to_owned());
            Err(format!("the time zone \"{wanted}\" is unknown; write its IANA name, as in {like}"))
        }
    }
}

/// The first instant at which the clock shows `local` or a later time.
pub(super) fn first_showing(zone: &TimeZone, local: DateTime) -> Option<jiff::Timestamp> {
    let mut from = Offset::UTC.to_timestamp(local).ok()?.checked_sub(WIDEST).ok()?;
    loop {
        let at = zone.to_offset(from).to_timestamp(local).ok()?.max(from);
        match zone.following(from).next() {
            Some(change) if change.timestamp() <= at => from = change.timestamp(),
            _ => return Some(at),
        }
    }
}

/// The instant from which on the clock shows later times than `local` for good.
fn last_showing(zone: &TimeZone, local: DateTime) -> Option<jiff::Timestamp> {
    let begins = Offset::UTC.to_timestamp(local).ok()?.checked_sub(WIDEST).ok()?;
    let until = begins.checked_add(WIDEST + WIDEST).ok()?;
    let changes = || zone.following(begins).map(|change| change.timestamp()).take_while(|at| *at <= until);
    // The clock goes evenly between two changes; this is the last such stretch that begins at that time or before it.
    let begins = changes().filter(|at| zone.to_datetime(*at) <= local).last().unwrap_or(begins);
    let at = zone.to_offset(begins).to_timestamp(local).ok()?;
    Some(changes().find(|change| *change > begins).map_or(at, |ends| at.min(ends)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_YORK: &str = "America/New_York";

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn of_a_time_that_comes_twice_the_meant_one_counts_and_a_skipped_one_is_there_when_the_gap_ends() {
        for (local, zone, first, last) in [
            ("2026-11-03T20:00", NEW_YORK, "2026-11-04T01:00:00Z", "2026-11-04T01:00:00Z"),
            ("2026-11-01T00:59:59", NEW_YORK, "2026-11-01T04:59:59Z", "2026-11-01T04:59:59Z"),
            ("2026-11-01T01:00", NEW_YORK, "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z"),
            ("2026-11-01T01:30", NEW_YORK, "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
            ("2026-11-01T02:00", NEW_YORK, "2026-11-01T07:00:00Z", "2026-11-01T07:00:00Z"),
            ("2027-03-14T02:30", NEW_YORK, "2027-03-14T07:00:00Z", "2027-03-14T07:00:00Z"),
            ("2027-03-14T03:00", NEW_YORK, "2027-03-14T07:00:00Z", "2027-03-14T07:00:00Z"),
            // Half an hour, and a day that there wasn't.
            ("2026-04-05T01:45", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"),
            ("2011-12-30T12:00", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
        ] {
            assert_eq!(instant(local, zone, Twice::First), Ok(at(first)), "{local}");
            assert_eq!(instant(local, zone, Twice::Last), Ok(at(last)), "{local}");
        }
    }

    #[test]
    fn what_is_no_time_and_no_zone_is_told() {
        for wrong in ["8 pm", "", "2026-11-31T20:00", "2026-11-03T25:00"] {
            let why = instant(wrong, NEW_YORK, Twice::Last).unwrap_err();
            assert!(why.contains("a date and a time"), "{why}");
        }
        assert!(
            instant("2026-11-03T20:00", "New York", Twice::First).unwrap_err().contains("America/New_York")
        );
        assert!(check_zone("").is_err() && check_zone("UTC").is_ok());
    }

    #[test]
    fn a_moment_is_told_as_the_clock_on_the_wall_shows_it() {
        let close = at("2026-11-04T01:00:00Z");
        assert_eq!(told(close, NEW_YORK), "Tue 3 Nov 2026, 20:00 EST (America/New_York)");
        assert_eq!(
            told(at("2026-11-01T05:30:00Z"), NEW_YORK),
            "Sun 1 Nov 2026, 01:30 EDT (America/New_York)"
        );
        assert_eq!(told(close, "UTC"), "Wed 4 Nov 2026, 01:00 UTC");
        assert_eq!(told(close, "Atlantis/Capital"), "Wed 4 Nov 2026, 01:00 UTC");
        assert_eq!(field(close, NEW_YORK), "2026-11-03T20:00");
    }

    #[test]
    fn the_zones_to_choose_from_are_known() {
        let zones = zones();
        assert!(zones.iter().all(|name| check_zone(name).is_ok()));
        for name in ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata"] {
            assert!(zones.iter().any(|it| it == name), "{name}");
        }
    }
}
