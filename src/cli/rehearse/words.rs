//! Numbers and times as people say them.

use std::time::Duration;

/// As in 100,000.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 mail", "2,000 mails".
pub(super) fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A speed, or a rate: 14, 0.5, 3,570.
pub(super) fn speed(a_second: f64) -> String {
    if a_second >= 10.0 || (a_second - a_second.round()).abs() < 0.05 {
        count(a_second.round() as u64)
    } else {
        format!("{a_second:.1}")
    }
}

/// As in 1 h 59 min: no finer than matters.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = seconds.round() as u64;
    let pair = |large: u64, name: &str, small: u64, least: &str| match small {
        0 => format!("{large} {name}"),
        _ => format!("{large} {name} {small} {least}"),
    };
    match seconds {
        ..0.001 => "less than 1 ms".to_owned(),
        ..0.9995 => format!("{} ms", (seconds * 1000.0).round()),
        ..9.95 => format!("{seconds:.1} s"),
        _ if whole < 60 => format!("{whole} s"),
        _ if whole < 3_600 => pair(whole / 60, "min", whole % 60, "s"),
        _ if whole < 86_400 => pair(whole / 3_600, "h", whole % 3_600 / 60, "min"),
        _ if whole < 2 * 86_400 => pair(1, "day", whole % 86_400 / 3_600, "h"),
        _ => pair(whole / 86_400, "days", whole % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            (counted(1, "reader"), counted(2_000, "reader")),
            ("1 reader".into(), "2,000 readers".into())
        );
        assert_eq!([14.0, 0.5, 3_570.2, 9.96].map(speed), ["14", "0.5", "3,570", "10"]);
    }

    #[test]
    fn times_are_no_finer_than_matters() {
        let said = |seconds: f64| time(Duration::from_secs_f64(seconds));
        assert_eq!(said(0.0), "less than 1 ms");
        assert_eq!(said(0.0214), "21 ms");
        assert_eq!(said(4.24), "4.2 s");
        assert_eq!(said(48.2), "48 s");
        assert_eq!(said(59.7), "1 min");
        assert_eq!(said(725.0), "12 min 5 s");
        assert_eq!(said(7_142.9), "1 h 59 min");
        assert_eq!(said(100_000.0), "1 day 3 h");
        assert_eq!(said(900_000.0), "10 days 10 h");
    }
}
