//! Numbers as people read them, and pictures of them: bars and curves as paths, drawn by the templates in `figures.html`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{delivery::State, spread::Place, time::Timestamp};
use crate::publishing::progress::Progress;

/// The height and width of a curve, in its own units; it is stretched to its place.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 240.0;
/// The least of a bar that is seen.
const LEAST: f64 = 4.0;

pub const WAITING: &[State] = &[State::Queued, State::Sending, State::Deferred];
pub const REFUSED: &[State] = &[State::Bounced, State::Failed];
const CALLED_OFF: &[State] = &[State::Cancelled, State::Expired];

/// As in "49,812".
pub fn number(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if count < 0 { format!("−{text}") } else { text }
}

/// A number as somebody types it: digits, which may stand in groups of three. None for anything else.
pub fn typed(text: &str) -> Option<i64> {
    let text = text.trim();
    let groups: Vec<&str> = text.split([',', '.', ' ', '\u{a0}', '\u{202f}', '’']).collect();
    let (first, rest) = groups.split_first()?;
    let in_groups =
        rest.is_empty() || (1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3);
    let digits = groups.concat();
    (in_groups && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// As in "1 mail", "2 mails".
pub fn counted(count: i64, one: &str, more: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { more })
}

/// As in "1 second", "30 seconds".
pub fn seconds(span: Duration) -> String {
    counted(i64::try_from(span.as_secs()).unwrap_or(i64::MAX), "second", "seconds")
}

/// A state in the newsroom's words, and how it looks.
pub const fn state(state: State) -> (&'static str, &'static str) {
    match state {
        State::Queued => ("waiting", ""),
        State::Sending => ("being handed over", ""),
        State::Deferred => ("put off", "warn"),
        State::Sent => ("accepted", "good"),
        State::Bounced => ("bounced", "bad"),
        State::Failed => ("given up", "bad"),
        State::Cancelled => ("called off", ""),
        State::Expired => ("too late", "warn"),
    }
}

/// A state as a tag shows it.
pub fn tag(of: State) -> Value {
    let (word, look) = state(of);
    json!({ "word": word, "look": look })
}

/// How much of the whole is accepted, waits or was refused: numbers, and the parts of a bar.
pub fn share(accepted: i64, waiting: i64, refused: i64, whole: i64) -> Value {
    let whole = whole.max(accepted + waiting + refused).max(1);
    // What is there at all can be seen: the largest makes room for the least.
    let mut widths = [accepted, waiting, refused]
        .map(|count| if count == 0 { 0.0 } else { (ratio(count, whole) * WIDTH).max(LEAST) });
    let too_wide = (widths.iter().sum::<f64>() - WIDTH).max(0.0);
    if let Some(widest) = widths.iter_mut().max_by(|a, b| a.total_cmp(b)) {
        *widest -= too_wide;
    }
    let mut from = 0.0;
    let parts = [0, 1, 2].map(|at| {
        let look = ["good", "warn", "bad"][at];
        let part = json!({ "look": look, "x": from, "width": widths[at] });
        from += widths[at];
        part
    });
    json!({
        "accepted": number(accepted), "waiting": number(waiting), "refused": number(refused),
        "waits": waiting > 0, "refuses": refused > 0, "parts": parts,
    })
}

/// The same of an issue.
pub fn share_of(progress: &Progress) -> Value {
    let (accepted, waiting) = (progress.count(&[State::Sent]), progress.count(WAITING));
    let mut share = share(accepted, waiting, progress.count(REFUSED), progress.audience);
    let called_off = progress.count(CALLED_OFF);
    share["called_off"] = (called_off > 0).then(|| number(called_off)).into();
    share
}

/// The same of a relay or a mail domain, with its name.
pub fn place(at: &Place) -> Value {
    json!({ "name": at.name, "share": share(at.accepted, at.waiting, at.bounced, at.audience) })
}

/// A curve through points that are in order: `x` from `from` to `until`, `y` from 0 to `top`. With `steps` it stays on a
/// height until the next point.
pub fn curve(points: &[(i64, i64)], (from, until): (i64, i64), top: i64, steps: bool) -> Value {
    let place = |(x, y): (i64, i64)| {
        let x = ratio(x - from, until - from) * WIDTH;
        (x.clamp(0.0, WIDTH), HEIGHT - (ratio(y, top) * HEIGHT).clamp(0.0, HEIGHT))
    };
    let mut line = String::new();
    let mut last = (0.0, HEIGHT);
    for (at, point) in points.iter().enumerate() {
        let (x, y) = place(*point);
        line += &match (at, steps) {
            (0, _) => format!("M{x:.1} {y:.1}"),
            (_, true) => format!("H{x:.1}V{y:.1}"),
            (_, false) => format!("L{x:.1} {y:.1}"),
        };
        last = (x, y);
    }
    let first = points.first().map_or(0.0, |point| place(*point).0);
    let area = format!("{line}V{HEIGHT}H{first:.1}Z");
    json!({ "line": line, "area": area, "end_x": last.0, "end_y": last.1, "top": number(top) })
}

#[allow(clippy::cast_precision_loss)] // a picture is coarser
fn ratio(part: i64, whole: i64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// A round number not below `most`, for the top of a curve.
pub fn round_up(most: i64) -> i64 {
    let mut unit = 1;
    loop {
        for step in [1, 2, 3, 4, 5, 6, 8] {
            if unit * step >= most {
                return unit * step;
            }
        }
        unit *= 10;
    }
}

/// The day, as in "30 Oct".
pub fn day(at: Timestamp) -> String {
    at.to_jiff().strftime("%-d %b").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_groups_of_three() {
        let told = [0, 12, 999, 1_000, 49_812, 1_234_567, -1_200].map(number);
        assert_eq!(told, ["0", "12", "999", "1,000", "49,812", "1,234,567", "−1,200"]);
        assert_eq!(counted(1, "mail", "mails"), "1 mail");
        assert_eq!([1, 30].map(|it| seconds(Duration::from_secs(it))), ["1 second", "30 seconds"]);
    }

    #[test]
    fn a_typed_number_is_taken_as_it_is_shown_and_not_otherwise() {
        for text in ["1200", "1,200", " 1.200 ", "1\u{202f}200", "1’200"] {
            assert_eq!(typed(text), Some(1_200), "{text}");
        }
        for text in ["", "20.0", "2,00", "200,", "+200", "-5", "1,2000", ",200", "2e3", "٢٠"] {
            assert_eq!(typed(text), None, "{text}");
        }
    }

    #[test]
    fn a_curve_keeps_within_its_frame() {
        let drawn = curve(&[(0, 0), (5, 50), (20, 400)], (0, 10), 100, true);
        assert_eq!(drawn["line"], "M0.0 240.0H500.0V120.0H1000.0V0.0");
        assert_eq!(drawn["area"], "M0.0 240.0H500.0V120.0H1000.0V0.0V240H0.0Z");
        assert_eq!([0, 3, 7, 51, 5_990, 100].map(round_up), [1, 3, 8, 60, 6_000, 100]);
    }

    #[test]
    fn the_parts_of_a_bar_follow_one_another_and_the_least_is_seen() {
        let share = share(99_998, 1, 1, 100_000);
        let parts: Vec<_> =
            share["parts"].as_array().unwrap().iter().map(|it| [&it["x"], &it["width"]]).collect();
        let round = |value: &Value| value.as_f64().unwrap().round();
        let parts: Vec<_> = parts.iter().map(|it| it.map(round)).collect();
        assert_eq!(parts, [[0.0, 992.0], [992.0, 4.0], [996.0, 4.0]]);
    }
}
