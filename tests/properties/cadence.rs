//! Each local occurrence of a schedule fires exactly once, in every IANA zone from 2010 to 2040, at the first instant
//! at which the local clock shows it or a later time. What is expected is worked out from the zones' changes alone.
//!
//! `BELLWETHER_LONG=1` also walks every alias of a zone and every hour of the 31 years, which takes some ten minutes.

use std::collections::HashSet;

use bellwether::domain::cadence::{Cadence, Occurrence};
use bellwether::domain::time::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// 2010-01-01 and 2041-01-01 on the wall, in seconds since 1970-01-01 on the wall.
const FIRST: i64 = 14_610 * DAY;
const END: i64 = 25_933 * DAY;

/// A cron expression, and the same said with arithmetic: every `step` seconds, beginning at `phase`.
struct Rhythm {
    cron: &'static str,
    step: i64,
    phase: i64,
}

const NIGHTLY: Rhythm = Rhythm { cron: "30 2 * * *", step: DAY, phase: 2 * HOUR + 30 * MINUTE };
const EACH_MORNING: Rhythm = Rhythm { cron: "0 7 * * *", step: DAY, phase: 7 * HOUR };
// 1970-01-01 was a Thursday.
const MONDAYS: Rhythm = Rhythm { cron: "0 7 * * MON", step: 7 * DAY, phase: 4 * DAY + 7 * HOUR };
const HOURLY: Rhythm = Rhythm { cron: "30 * * * *", step: HOUR, phase: 30 * MINUTE };
const QUARTERLY: Rhythm = Rhythm { cron: "*/15 * * * *", step: 15 * MINUTE, phase: 0 };

/// The changes of one zone's clocks: from which second on (UTC) which offset holds.
struct Clock {
    name: String,
    changes: Vec<(i64, i64)>,
}

impl Clock {
    fn of(name: String) -> Option<Self> {
        let zone = TimeZone::get(&name).ok().filter(|zone| !zone.is_unknown())?;
        let from = jiff::Timestamp::from_second(FIRST - 3 * DAY).unwrap();
        let changes = zone
            .following(from)
            .map(|change| (change.timestamp().as_second(), i64::from(change.offset().seconds())))
            .take_while(|&(at, _)| at < END + 3 * DAY);
        let first = (i64::MIN, i64::from(zone.to_offset(from).seconds()));
        Some(Self { name, changes: std::iter::once(first).chain(changes).collect() })
    }

    /// Every zone, or of those that behave alike from 2010 to 2040 one.
    fn all(each_name: bool) -> Vec<Self> {
        let mut seen = HashSet::new();
        jiff::tz::db()
            .available()
            .filter_map(|name| Self::of(name.to_string()))
            .filter(|clock| each_name || seen.insert(clock.changes.clone()))
            .collect()
    }

    /// The first instant at which this clock shows `wall` or a later time.
    fn reaches(&self, wall: i64) -> i64 {
        let after_wall =
            self.changes.partition_point(|&(at, offset)| at.saturating_add(offset) < wall - 2 * DAY);
        (after_wall.saturating_sub(1)..self.changes.len())
            .map(|i| {
                let (at, offset) = self.changes[i];
                let until = self.changes.get(i + 1).map_or(i64::MAX, |next| next.0);
                (at.max(wall - offset), until)
            })
            .find(|&(instant, until)| instant < until)
            .map(|(instant, _)| instant)
            .unwrap()
    }

    fn cadence(&self, rhythm: &Rhythm) -> Cadence {
        Cadence::parse(rhythm.cron, &self.name).unwrap()
    }
}

impl Rhythm {
    /// The wall times from `from` to before `until`.
    fn walls(&self, from: i64, until: i64) -> Vec<(String, i64)> {
        let first = from + (self.phase - from).rem_euclid(self.step);
        (0..)
            .map(|n| first + n * self.step)
            .take_while(|&wall| wall < until)
            .map(|wall| (shown(wall), wall))
            .collect()
    }
}

fn shown(wall: i64) -> String {
    jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_second(wall).unwrap()).to_string()
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn long() -> bool {
    std::env::var_os("BELLWETHER_LONG").is_some()
}

/// Goes from instant to instant as a scheduler does and holds every occurrence against what the clock itself says.
fn walk(clock: &Clock, rhythm: &Rhythm, walls: &[(String, i64)]) {
    let cadence = clock.cadence(rhythm);
    let mut now = instant(clock.reaches(walls[0].1) - 1);
    let mut rest = walls;
    while let [(_, first), ..] = rest {
        let at = clock.reaches(*first);
        // A gap ends for all the times inside it at once.
        let together = rest.iter().take_while(|(_, wall)| clock.reaches(*wall) == at).count();
        let fired = match together {
            1 => cadence.next(now).into_iter().collect(),
            n => cadence.upcoming(now, n),
        };
        let locals = rest[..together].iter().map(|(local, _)| local);
        assert!(
            fired.len() == together && fired.iter().zip(locals).all(|(o, local)| o.local == *local),
            "{cadence} after {now}: {fired:?} instead of {:?}",
            &rest[..together]
        );
        assert!(fired.iter().all(|o| o.at == instant(at) && o.at > now), "{cadence} after {now}: {fired:?}");
        now = instant(at);
        rest = &rest[together..];
    }
}

#[test]
fn each_local_occurrence_fires_exactly_once_in_every_zone_from_2010_to_2040() {
    let alike = Clock::all(false);
    assert!(alike.len() > 100, "the time zone database has only {} kinds of zones", alike.len());
    let everywhere = |rhythm: &Rhythm, clocks: &[Clock]| {
        let walls = rhythm.walls(FIRST, END);
        clocks.iter().for_each(|clock| walk(clock, rhythm, &walls));
    };
    if long() {
        let by_name = Clock::all(true);
        [NIGHTLY, EACH_MORNING, MONDAYS].iter().for_each(|rhythm| everywhere(rhythm, &by_name));
        everywhere(&HOURLY, &alike);
    } else {
        everywhere(&NIGHTLY, &alike);
    }
}

#[test]
fn around_every_change_of_the_clocks_each_local_occurrence_fires_exactly_once() {
    for clock in Clock::all(false) {
        for change in clock.changes.windows(2) {
            let (at, before, after) = (change[1].0, change[0].1, change[1].1);
            let (from, until) = (at + before.min(after), at + before.max(after));
            walk(&clock, &HOURLY, &HOURLY.walls(from - DAY, until + DAY));
            walk(&clock, &QUARTERLY, &QUARTERLY.walls(from - 2 * HOUR, until + 2 * HOUR));
        }
    }
}

#[test]
fn at_any_moment_around_a_change_next_and_latest_agree_with_the_clock() {
    for clock in Clock::all(false) {
        let cadence = clock.cadence(&QUARTERLY);
        for &(change, offset) in &clock.changes[1..] {
            let occurrences: Vec<Occurrence> = QUARTERLY
                .walls(change + offset - 28 * HOUR, change + offset + 28 * HOUR)
                .into_iter()
                .map(|(local, wall)| Occurrence { local, at: instant(clock.reaches(wall)) })
                .collect();
            let since = occurrences[0].at;
            for minutes in (-90..=90).step_by(18) {
                for now in [-1, 0, 1].map(|second| instant(change + minutes * MINUTE + second)) {
                    let next = occurrences.iter().find(|o| o.at > now);
                    let latest = occurrences.iter().rfind(|o| o.at <= now);
                    assert_eq!(cadence.next(now).as_ref(), next, "{cadence} after {now}");
                    assert_eq!(cadence.latest(since, now).as_ref(), latest, "{cadence} at {now}");
                }
            }
        }
    }
}

#[test]
fn every_zone_of_the_database_is_known_by_its_name() {
    for name in Clock::all(true).into_iter().map(|clock| clock.name) {
        assert_eq!(Cadence::parse("0 7 * * *", &name).unwrap().timezone(), name);
    }
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        "[0-9]{1,2}",
        "[0-9]{1,2}-[0-9]{1,2}",
        r"\*/[0-9]{1,2}",
        "(MON|sun|JAN|dec|[0-9],[0-9]|[?*/,-]{1,3})",
    ]
}

proptest! {
    #[test]
    fn no_text_upsets_the_reader_of_expressions(cron in any::<String>(), zone in any::<String>()) {
        prop_assert!(Cadence::parse(&cron, &zone).is_err());
    }

    #[test]
    fn what_was_read_is_read_again_as_the_same_and_fires(fields in prop::collection::vec(field(), 5..=6)) {
        if let Ok(cadence) = Cadence::parse(&fields.join(" "), "Europe/Berlin") {
            let again = Cadence::parse(cadence.cron_text(), cadence.timezone()).unwrap();
            prop_assert_eq!(&again, &cadence);
            let next = cadence.next(instant(0)).unwrap();
            let latest = cadence.latest(instant(0), next.at).unwrap();
            prop_assert_eq!(latest.at, next.at);
        }
    }
}
