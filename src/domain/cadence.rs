//! When a schedule fires: a cron expression read on the wall clock of a time zone. An hour that the clocks skip fires
//! at the first instant after the gap, one that they repeat fires once.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jiff::SignedDuration;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};

use super::subscription::Digest;
use super::time::{DAY, HOUR, Timestamp};
use super::wall::{WIDEST, first_showing, zone};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A cron expression on the wall clock of a time zone.
///
/// The expression is evaluated on the civil calendar, which knows no zone, and each civil time is then mapped to an
/// instant by one rule: the first instant at which the local clock shows that time or a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cadence {
    text: String,
    schedule: cron::Schedule,
    zone: TimeZone,
}

/// One time at which a schedule fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The civil time, as in `2026-11-01T07:00:00`; together with schedule and zone the name of the run.
    pub local: String,
    /// When that is. Civil times inside one gap share the instant at which it ends.
    pub at: Timestamp,
}

/// For how long after its time a missed digest is still sent; later its posts join the next one.
pub const fn grace(digest: Digest) -> Duration {
    match digest {
        Digest::None => Duration::ZERO,
        Digest::Daily => HOUR.saturating_mul(6),
        Digest::Weekly => DAY,
    }
}

impl Cadence {
    /// Reads five cron fields (minute, hour, day of month, month, weekday) or six with the seconds first, and the name
    /// of an IANA time zone. A day must match the day of month and the weekday, where both are given.
    ///
    /// # Errors
    /// A sentence that names the field or the zone and says what it takes. Weekdays by number are refused, and so is
    /// an expression that never fires.
    pub fn parse(cron: &str, timezone: &str) -> Result<Self, String> {
        Ok(Self {
            text: cron.split_whitespace().collect::<Vec<_>>().join(" "),
            schedule: schedule(cron)?,
            zone: zone(timezone)?,
        })
    }

    /// The expression as it was written, with single spaces.
    pub fn cron_text(&self) -> &str {
        &self.text
    }

    /// The IANA name of the zone.
    pub fn timezone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// All occurrences whose instant is after `now`, by civil time; instants never decrease. Ends with the year 2100.
    pub fn after(&self, now: Timestamp) -> impl Iterator<Item = Occurrence> {
        self.furthest_shown(now)
            .and_then(as_if_utc)
            .into_iter()
            .flat_map(|passed| self.schedule.after(&passed))
            .filter_map(|wall| self.occurrence(wall))
    }

    /// The first occurrence whose instant is after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Occurrence> {
        let next = self.after(now).next();
        debug_assert!(next.as_ref().is_none_or(|next| next.at > now), "{self} fires in the past");
        next
    }

    /// The last occurrence whose instant is after `since` and not after `now`: what is due, however many were missed.
    pub fn latest(&self, since: Timestamp, now: Timestamp) -> Option<Occurrence> {
        let passed = as_if_utc(self.furthest_shown(now)?)?;
        let wall = self.schedule.after(&(passed + TimeDelta::seconds(1))).next_back()?;
        self.occurrence(wall).filter(|last| since < last.at && last.at <= now)
    }

    /// The first `n` occurrences after `now`.
    pub fn upcoming(&self, now: Timestamp, n: usize) -> Vec<Occurrence> {
        self.after(now).take(n).collect()
    }

    /// By how many minutes the local day of an occurrence is longer than 24 hours: 60 where the clocks go back on it, −60
    /// where they go forward, 0 on all other days.
    pub fn day_longer_by(&self, occurrence: &Occurrence) -> i64 {
        let Ok(local) = occurrence.local.parse::<civil::DateTime>() else { return 0 };
        let midnight =
            |date: civil::Date| first_showing(&self.zone, date.to_datetime(civil::Time::midnight()));
        let day = local.date();
        match (midnight(day), day.tomorrow().ok().and_then(midnight)) {
            (Some(from), Some(until)) => until.duration_since(from).as_mins() - 24 * 60,
            _ => 0,
        }
    }

    /// The furthest that the local clock has shown up to `now`: after it was set back that is more than it shows.
    fn furthest_shown(&self, now: Timestamp) -> Option<civil::DateTime> {
        let now = whole_second(now.to_jiff());
        self.zone
            .following(now.checked_sub(WIDEST).ok()?)
            .map(|change| change.timestamp())
            .take_while(|change| *change <= now)
            .filter_map(|change| change.checked_sub(SECOND).ok())
            .chain([now])
            .map(|instant| self.zone.to_datetime(instant))
            .max()
    }

    fn occurrence(&self, wall: DateTime<Utc>) -> Option<Occurrence> {
        let local = Offset::UTC.to_datetime(jiff::Timestamp::from_second(wall.timestamp()).ok()?);
        let at = first_showing(&self.zone, local)?;
        Some(Occurrence { local: local.to_string(), at: Timestamp::from_jiff(at) })
    }
}

impl std::fmt::Display for Cadence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.text, self.timezone())
    }
}

/// The civil time as the cron crate takes it: in a zone that has no gaps and folds.
fn as_if_utc(local: civil::DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(Offset::UTC.to_timestamp(local).ok()?.as_second(), 0)
}

/// The instant without its fraction of a second, rounded towards the past.
fn whole_second(instant: jiff::Timestamp) -> jiff::Timestamp {
    let second = instant.as_microsecond().div_euclid(1_000_000);
    jiff::Timestamp::from_second(second).unwrap_or(instant)
}

/// The six fields in order, each with what it takes.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0 to 59, as in 0"),
    ("minute", "0 to 59, as in 30, 0,30 or */15"),
    ("hour", "0 to 23, as in 7, 7,19 or 8-18/2"),
    ("day of month", "1 to 31 or *, as in 1, 1,15 or 1-7"),
    ("month", "1 to 12 or JAN to DEC or *, as in 11 or MAR-NOV"),
    ("weekday", "SUN to SAT or *, as in MON, MON,THU or MON-FRI"),
];

fn schedule(cron: &str) -> Result<cron::Schedule, String> {
    let mut fields: Vec<&str> = cron.split_whitespace().collect();
    if fields.len() == 5 {
        fields.insert(0, "0");
    }
    if fields.len() != FIELDS.len() {
        let count = fields.len();
        return Err(format!(
            "a cron expression has 5 fields (minute, hour, day of month, month, weekday), or 6 with the seconds \
             first, and none for years, as in \"0 7 * * MON\"; this one has {count}"
        ));
    }
    if fields[5].contains(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "the weekday \"{}\" must be a name (SUN, MON, TUE, WED, THU, FRI, SAT), as in MON or MON-FRI: programs \
             disagree about which day a number means, crontab's Sunday is 0 and others' is 1",
            fields[5]
        ));
    }
    for (i, (name, takes)) in FIELDS.iter().enumerate() {
        // One field at a time, so that the error can name it; the seventh says that no years follow.
        let mut alone = ["*"; 7];
        alone[i] = fields[i];
        if cron::Schedule::from_str(&alone.join(" ")).is_err() {
            return Err(format!("the {name} \"{}\" can't be read; it takes {takes}", fields[i]));
        }
    }
    let schedule = cron::Schedule::from_str(&format!("{} *", fields.join(" ")))
        .map_err(|error| format!("the cron expression \"{cron}\" can't be read: {error}"))?;
    if schedule.after(&DateTime::UNIX_EPOCH).next().is_none() {
        return Err(format!(
            "the cron expression \"{cron}\" never fires: no such day exists; check day and month"
        ));
    }
    Ok(schedule)
}

#[cfg(test)]
mod tests {
    use super::{Cadence, Digest, Occurrence, Timestamp, grace};

    const NEW_YORK: &str = "America/New_York";

    fn cadence(cron: &str, zone: &str) -> Cadence {
        Cadence::parse(cron, zone).unwrap_or_else(|error| panic!("{cron}: {error}"))
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn occurrence(local: &str, instant: &str) -> Option<Occurrence> {
        Some(Occurrence { local: local.to_owned(), at: at(instant) })
    }

    fn refused(cron: &str, zone: &str) -> String {
        Cadence::parse(cron, zone).err().unwrap_or_else(|| panic!("{cron:?} in {zone:?} was taken"))
    }

    #[test]
    fn days_on_which_the_clocks_change_are_known() {
        let daily = cadence("0 7 * * *", NEW_YORK);
        let longer =
            |from| daily.upcoming(at(from), 3).iter().map(|it| daily.day_longer_by(it)).collect::<Vec<_>>();
        assert_eq!(longer("2026-10-31T00:00:00Z"), [0, 60, 0]);
        assert_eq!(longer("2027-03-13T00:00:00Z"), [0, -60, 0]);
        assert_eq!(
            cadence("0 7 * * *", "UTC").day_longer_by(&daily.next(at("2026-11-01T00:00:00Z")).unwrap()),
            0
        );
    }

    #[test]
    fn a_daily_digest_keeps_its_hour_on_the_wall_when_the_clocks_change() {
        let daily = cadence("0 7 * * *", NEW_YORK);
        let next = daily.next(at("2026-10-31T12:00:00Z"));
        assert_eq!(next, occurrence("2026-11-01T07:00:00", "2026-11-01T12:00:00Z"));
        let before = daily.next(at("2026-10-30T12:00:00Z"));
        assert_eq!(before, occurrence("2026-10-31T07:00:00", "2026-10-31T11:00:00Z"));
    }

    #[test]
    fn an_hour_that_is_skipped_fires_at_the_first_instant_after_the_gap() {
        let night = cadence("30 2 * * *", NEW_YORK);
        let skipped = occurrence("2026-03-08T02:30:00", "2026-03-08T07:00:00Z");
        assert_eq!(night.next(at("2026-03-08T06:59:59.999999Z")), skipped);
        assert_eq!(night.latest(at("2026-03-08T06:59:59Z"), at("2026-03-08T07:00:00Z")), skipped);
        let next = occurrence("2026-03-09T02:30:00", "2026-03-09T06:30:00Z");
        assert_eq!(night.next(at("2026-03-08T07:00:00Z")), next);
        assert_eq!(night.next(at("2026-03-08T07:15:00Z")), next);
    }

    #[test]
    fn an_hour_that_repeats_fires_once() {
        let night = cadence("30 1 * * *", NEW_YORK);
        let first = occurrence("2026-11-01T01:30:00", "2026-11-01T05:30:00Z");
        let next = occurrence("2026-11-02T01:30:00", "2026-11-02T06:30:00Z");
        assert_eq!(night.next(at("2026-11-01T05:29:59Z")), first);
        for now in ["2026-11-01T05:30:00Z", "2026-11-01T05:45:00Z", "2026-11-01T06:10:00Z"] {
            assert_eq!(night.next(at(now)), next, "{now}");
            assert_eq!(night.latest(at("2026-11-01T00:00:00Z"), at(now)), first, "{now}");
        }
    }

    #[test]
    fn inside_the_second_pass_what_follows_the_repeated_hour_is_next() {
        let seconds = cadence("* * * * * *", NEW_YORK);
        let two = occurrence("2026-11-01T02:00:00", "2026-11-01T07:00:00Z");
        for now in ["2026-11-01T05:59:59Z", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00.5Z"] {
            assert_eq!(seconds.next(at(now)), two, "{now}");
        }
        let last = seconds.latest(at("2026-11-01T05:00:00Z"), at("2026-11-01T06:30:00Z"));
        assert_eq!(last, occurrence("2026-11-01T01:59:59", "2026-11-01T05:59:59Z"));
    }

    #[test]
    fn a_whole_day_that_is_skipped_keeps_its_occurrences() {
        let samoa = cadence("0 7,19 * * *", "Pacific/Apia");
        let days = samoa.upcoming(at("2011-12-30T06:00:00Z"), 4);
        let instants: Vec<_> = days.iter().map(|o| (o.local.as_str(), o.at.to_string())).collect();
        assert_eq!(
            instants,
            [
                ("2011-12-30T07:00:00", "2011-12-30T10:00:00Z".to_owned()),
                ("2011-12-30T19:00:00", "2011-12-30T10:00:00Z".to_owned()),
                ("2011-12-31T07:00:00", "2011-12-30T17:00:00Z".to_owned()),
                ("2011-12-31T19:00:00", "2011-12-31T05:00:00Z".to_owned()),
            ]
        );
        let due = samoa.latest(at("2011-12-30T06:00:00Z"), at("2011-12-30T10:00:00Z"));
        assert_eq!(due, occurrence("2011-12-30T19:00:00", "2011-12-30T10:00:00Z"));
    }

    #[test]
    fn what_is_due_is_the_last_occurrence_however_long_the_downtime() {
        let seconds = cadence("* * * * * *", "UTC");
        let due = seconds.latest(at("1990-01-01T00:00:00Z"), at("2026-11-03T20:00:00.7Z"));
        assert_eq!(due, occurrence("2026-11-03T20:00:00", "2026-11-03T20:00:00Z"));
        let weekly = cadence("0 7 * * MON", "UTC");
        assert_eq!(weekly.latest(at("2026-11-02T07:00:00Z"), at("2026-11-09T06:59:59Z")), None);
        assert_eq!(
            weekly.latest(at("2026-11-02T06:59:59Z"), at("2026-11-09T06:59:59Z")),
            occurrence("2026-11-02T07:00:00", "2026-11-02T07:00:00Z")
        );
    }

    #[test]
    fn five_fields_are_six_at_second_zero() {
        let now = at("2026-11-03T20:00:00Z");
        let five = cadence("  0 7  * * mon-fri ", "UTC");
        assert_eq!(five.cron_text(), "0 7 * * mon-fri");
        assert_eq!(five.next(now), cadence("0 0 7 * * MON-FRI", "UTC").next(now));
        assert_eq!(five.next(now), occurrence("2026-11-04T07:00:00", "2026-11-04T07:00:00Z"));
        assert_eq!(cadence("0 7 * * *", "europe/berlin").to_string(), "0 7 * * * (Europe/Berlin)");
    }

    #[test]
    fn a_day_must_match_the_day_of_month_and_the_weekday() {
        let first_monday = cadence("0 7 1-7 * MON", "UTC");
        let next = first_monday.next(at("2026-11-03T00:00:00Z"));
        assert_eq!(next, occurrence("2026-12-07T07:00:00", "2026-12-07T07:00:00Z"));
    }

    #[test]
    fn the_last_days_of_the_calendar_have_no_next() {
        let daily = cadence("0 7 * * *", NEW_YORK);
        for now in [i64::MIN, i64::MAX] {
            let now = Timestamp::from_micros(now);
            assert!(daily.next(now).is_none_or(|next| next.at > now));
            assert_eq!(daily.latest(now.minus(super::DAY), now), None);
        }
        assert_eq!(daily.next(at("2101-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_mistake_is_named_with_what_to_write() {
        for (cron, words) in [
            ("0 7 * * 1", "must be a name (SUN, MON"),
            ("0 7 * * MON-5", "must be a name"),
            ("0 0 7 * * */2", "must be a name"),
            ("0 7 * *", "this one has 4"),
            ("", "this one has 0"),
            ("@daily", "this one has 1"),
            ("0 0 7 * * * 2027", "none for years"),
            ("0 25 * * *", "the hour \"25\" can't be read; it takes 0 to 23"),
            ("60 7 * * *", "the minute \"60\""),
            ("*/0 7 * * *", "the minute \"*/0\""),
            ("0 7 0 * *", "the day of month \"0\""),
            ("0 7 * MAI *", "the month \"MAI\""),
            ("0 7 * * MONTAG", "the weekday \"MONTAG\""),
            ("0 7 * * FRI-MON", "the weekday \"FRI-MON\""),
            ("0 7 * * **", "the weekday \"**\""),
            ("0 7 30 2 *", "never fires"),
            ("0 7 31 APR,JUN *", "never fires"),
        ] {
            let error = refused(cron, "UTC");
            assert!(error.contains(words), "{cron}: {error}");
        }
        for (zone, words) in [
            ("Berlin", "as in Europe/Berlin"),
            ("new york", "as in America/New_York"),
            ("Nowhere", "as in Europe/Berlin"),
            ("", "is unknown"),
            ("Etc/Unknown", "is unknown"),
            ("+02:00", "is unknown"),
            ("../../etc/passwd", "is unknown"),
        ] {
            let error = refused("0 7 * * *", zone);
            assert!(error.contains(words), "{zone}: {error}");
        }
    }

    #[test]
    fn a_missed_daily_digest_waits_six_hours_and_a_weekly_one_a_day() {
        assert_eq!(grace(Digest::Daily).as_secs(), 6 * 3600);
        assert_eq!(grace(Digest::Weekly).as_secs(), 24 * 3600);
    }
}
