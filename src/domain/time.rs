//! One kind of instant for the whole program: microseconds since 1970-01-01T00:00:00Z, as the database holds it.

use std::time::Duration;

/// An instant, in microseconds UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Timestamp(i64);

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(60 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    pub fn from_jiff(instant: jiff::Timestamp) -> Self {
        Self(instant.as_microsecond())
    }

    /// The same instant for calendar arithmetic; an instant beyond year 9999 becomes the last one that jiff knows.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// Reads an RFC 3339 date and time with an offset ("2026-11-03T20:00:00Z").
    ///
    /// # Errors
    /// A sentence that says what form is wanted.
    pub fn parse_rfc3339(text: &str) -> Result<Self, String> {
        text.parse::<jiff::Timestamp>().map(Self::from_jiff).map_err(|_| {
            "must be a date and time with an offset, as in 2026-11-03T20:00:00Z (RFC 3339)".to_owned()
        })
    }

    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }

    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros(by)))
    }

    /// Whole hours since 1970.
    pub const fn hour(self) -> i64 {
        self.0.div_euclid(3_600_000_000)
    }

    /// Whole days since 1970, in UTC.
    pub const fn day(self) -> i64 {
        self.hour().div_euclid(24)
    }

    /// When a day begins, by its number since 1970.
    pub const fn of_day(day: i64) -> Self {
        Self(day.saturating_mul(24 * 3_600_000_000))
    }

    /// How long after `earlier` this is; zero when it isn't after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// A span for people, no finer than matters: as in 21 ms, 4.2 s, 12 min 5 s, 1 h 59 min.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    let whole = seconds.round() as u64;
    let pair = |large: u64, name: &str, small: u64, least: &str| match small {
        0 => format!("{large} {name}"),
        _ => format!("{large} {name} {small} {least}"),
    };
    match seconds {
        0.0 => "0 s".to_owned(),
        ..0.001 => "less than 1 ms".to_owned(),
        ..0.9995 => format!("{} ms", (seconds * 1000.0).round()),
        ..9.95 => format!("{seconds:.1} s").replace(".0 s", " s"),
        _ if whole < 60 => format!("{whole} s"),
        _ if whole < 3_600 => pair(whole / 60, "min", whole % 60, "s"),
        _ if whole < 86_400 => pair(whole / 3_600, "h", whole % 3_600 / 60, "min"),
        _ if whole < 2 * 86_400 => pair(1, "day", whole % 86_400 / 3_600, "h"),
        _ => pair(whole / 86_400, "days", whole % 86_400 / 3_600, "h"),
    }
}

/// A span that is a guess: as in "about 1 s", "about 2 min".
pub fn about(guess: Duration) -> String {
    let seconds = guess.as_secs_f64().ceil().max(1.0) as u64;
    let seconds = match seconds {
        0..=100 => seconds,
        101..=5_400 => seconds.div_ceil(60) * 60,
        _ => seconds.div_ceil(600) * 600,
    };
    format!("about {}", span(Duration::from_secs(seconds)))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_jiff().fmt(f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

super::described!(Timestamp, { "type": "string", "format": "date-time" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_no_finer_than_matters() {
        let told = |seconds: f64| span(Duration::from_secs_f64(seconds));
        assert_eq!(
            [0.0, 0.0004, 0.0214, 4.24, 5.0, 48.2, 59.7].map(told),
            ["0 s", "less than 1 ms", "21 ms", "4.2 s", "5 s", "48 s", "1 min"]
        );
        assert_eq!(
            [725.0, 3_600.0, 7_142.9, 100_000.0, 900_000.0].map(told),
            ["12 min 5 s", "1 h", "1 h 59 min", "1 day 3 h", "10 days 10 h"]
        );
    }

    #[test]
    fn a_guess_is_told_as_one() {
        let told = |seconds: f64| about(Duration::from_secs_f64(seconds));
        assert_eq!(
            [0.2, 71.4, 130.0, 7_142.9].map(told),
            ["about 1 s", "about 1 min 12 s", "about 3 min", "about 2 h"]
        );
    }
}
