//! Dates as feeds write them: RFC 3339, RFC 822 with its decades of misreadings, and what lies between. A date that can't
//! be read would make an old post look new.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::domain::time::Timestamp;

/// No date is longer, in bytes.
const MAX_LENGTH: usize = 80;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// Minutes east of UTC. RFC 822 knows the American ones; feeds also have the others.
const ZONES: &[(&str, i64)] = &[
    ("hst", -600),
    ("akst", -540),
    ("akdt", -480),
    ("pst", -480),
    ("pdt", -420),
    ("mst", -420),
    ("mdt", -360),
    ("cst", -360),
    ("cdt", -300),
    ("est", -300),
    ("edt", -240),
    ("bst", 60),
    ("cet", 60),
    ("mez", 60),
    ("met", 60),
    ("cest", 120),
    ("mesz", 120),
    ("eet", 120),
    ("sast", 120),
    ("eest", 180),
    ("msk", 180),
    ("ist", 330),
    ("hkt", 480),
    ("jst", 540),
    ("kst", 540),
    ("aest", 600),
    ("aedt", 660),
    ("nzst", 720),
    ("nzdt", 780),
];

/// None for what names no day. Without a time it is midnight, without a zone (or with an unknown one) UTC.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > MAX_LENGTH {
        return None;
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_jiff(instant));
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        return instant(civil, 0);
    }
    in_words(text)
}

/// Takes the parts in any order by what they look like, and ignores the rest: the weekday, in whatever language.
fn in_words(text: &str) -> Option<Timestamp> {
    let (mut day, mut month, mut year, mut time) = (None, None, None, (0, 0, 0));
    let (mut afternoon, mut offset) = (None, 0);
    for word in words(text) {
        let word = word.trim_end_matches('.');
        let letters = word.to_ascii_lowercase();
        if let Some(minutes) = numeric_offset(word) {
            offset = minutes;
        } else if word.contains(':') {
            time = clock(word)?;
        } else if let Ok(number) = word.parse::<i16>() {
            match (word.len(), day) {
                (1 | 2, None) => day = i8::try_from(number).ok(),
                (2, Some(_)) if year.is_none() => year = Some(number + if number < 70 { 2000 } else { 1900 }),
                (4, _) if year.is_none() => year = Some(number),
                _ => return None,
            }
        } else if let Some(at) =
            letters.get(..3).and_then(|start| MONTHS.iter().position(|&month| month == start))
        {
            month = i8::try_from(at + 1).ok();
        } else if letters == "am" || letters == "pm" {
            afternoon = Some(letters == "pm");
        } else if let Some((_, minutes)) = ZONES.iter().find(|(name, _)| *name == letters) {
            offset = *minutes;
        }
    }
    let (hour, minute, second) = time;
    let hour = match afternoon {
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        None if hour == 24 => 0, // some write midnight as 24:00 of the same day
        None => hour,
    };
    instant(DateTime::new(year?, month?, day?, hour, minute, second.min(59), 0).ok()?, offset)
}

/// Split at white space and commas, at the dashes of "03-Nov-2026", and behind the digits of "8:00pm" and "20:00+0100".
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()).flat_map(|word| {
        let dashed = word.starts_with(|c: char| c.is_ascii_digit()) && !word.contains(':');
        let clock_end =
            word.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(word.len());
        let (head, tail) = if word.contains(':') { word.split_at(clock_end) } else { (word, "") };
        let dash = move |c: char| dashed && c == '-';
        head.split(dash).chain(std::iter::once(tail)).filter(|word| !word.is_empty())
    })
}

fn clock(word: &str) -> Option<(i8, i8, i8)> {
    let mut parts = word.split(':').map(|part| part.split('.').next().unwrap_or_default().parse::<i8>());
    let hour = parts.next()?.ok()?;
    let minute = parts.next()?.ok()?;
    let second = parts.next().unwrap_or(Ok(0)).ok()?;
    Some((hour, minute, second))
}

/// "+0100" or "-05:30", in minutes.
fn numeric_offset(word: &str) -> Option<i64> {
    let digits = word.strip_prefix(['+', '-'])?.replace(':', "");
    let well_formed = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = if well_formed { digits.parse().ok()? } else { return None };
    let minutes = number / 100 * 60 + number % 100;
    Some(if word.starts_with('-') { -minutes } else { minutes })
}

fn instant(civil: DateTime, offset_minutes: i64) -> Option<Timestamp> {
    let utc = Offset::UTC.to_timestamp(civil).ok()?;
    Some(Timestamp::from_micros(utc.as_microsecond() - offset_minutes * 60_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_however_they_are_written() {
        for date in [
            "2026-11-03T20:00:00Z",
            "2026-11-03T21:00:00+01:00",
            "2026-11-03T21:00:00+0100",
            "2026-11-03T20:00:00.000Z",
            "2026-11-03 20:00:00",
            "2026-11-03T20:00",
            " Tue, 03 Nov 2026 20:00:00 GMT ",
            "Tue, 3 Nov 2026 20:00 UT",
            "Mon, 03 Nov 2026 20:00:00 -0000",
            "Di, 03 Nov 2026 21:00:00 CET",
            "mar., 3 nov. 2026 21:00:00 +0100",
            "03 Nov 26 15:00 EST",
            "Tuesday, November 3, 2026 8:00 pm",
            "Nov 3, 2026 8:00pm UTC",
            "03-Nov-2026 20:00:00Z",
            "Tue, 03 Nov 2026 12:30:00 -07:30",
            "Tue, 03 Nov 2026 20:00:00 XYZ",
        ] {
            assert_eq!(
                parse_date(date).map(|date| date.to_string()).as_deref(),
                Some("2026-11-03T20:00:00Z"),
                "{date}"
            );
        }
        for midnight in ["2026-11-03", "Tue, 03 Nov 2026", "3 Nov 2026 24:00", "3 Nov 2026 12:00 am"] {
            assert_eq!(parse_date(midnight), parse_date("2026-11-03T00:00:00Z"), "{midnight}");
        }
    }

    #[test]
    fn what_names_no_day_is_no_date() {
        for text in [
            "",
            "soon",
            "20:00",
            "Nov 2026",
            "31 Feb 2026",
            "3 Nov 2026 99:00",
            "1 2 3 4 Nov 2026",
            "3 Nov 2026 8:",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!(parse_date(&"3 Nov 2026 ".repeat(20)), None);
    }
}
