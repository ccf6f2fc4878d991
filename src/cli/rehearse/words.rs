//! Numbers as people say them.

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
}
