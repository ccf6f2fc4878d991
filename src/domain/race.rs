//! A race: alerts that are written before it is known which of them will be true. None may go out before a moment, as the
//! polls close, and one alone.

use super::text::one_line;
use super::time::Timestamp;

/// The longest name of a race, and of an outcome, in characters.
pub const LONGEST_NAME: usize = 120;
/// So many outcomes a race has at most.
pub const MOST_OUTCOMES: usize = 20;

super::words! {
    pub enum State {
        /// It is too early to call it.
        Waiting = "waiting",
        /// One of its outcomes may be released.
        Open = "open",
        /// One was, and the others are retired.
        Called = "called",
        /// Put away uncalled: none of its outcomes may be released.
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

/// The name of a race, or of an outcome, from what somebody typed.
///
/// # Errors
/// A sentence's end about one that is empty or too long.
pub fn name(typed: &str) -> Result<String, String> {
    let name = one_line(typed, usize::MAX);
    match name.chars().count() {
        0 => Err("it needs a name".to_owned()),
        1..=LONGEST_NAME => Ok(name),
        _ => Err(format!("a name has {LONGEST_NAME} characters at most")),
    }
}

/// Why an outcome can't stand among the others of its race.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOutcome {
    #[error("an outcome needs a name, as in “Moss wins”")]
    NoName,
    /// As that other one is called.
    #[error("another outcome of the race is called “{0}”")]
    SameName(String),
    #[error("a race has {MOST_OUTCOMES} outcomes at most")]
    TooMany,
}

/// Whether an outcome can be called so beside these others: whoever releases one goes by its name.
///
/// # Errors
/// No name, or one that another has, whatever their case.
pub fn check_outcome(name: &str, others: &[String]) -> Result<(), BadOutcome> {
    let plain = |name: &str| name.trim().to_lowercase();
    if name.trim().is_empty() {
        return Err(BadOutcome::NoName);
    }
    match others.iter().find(|other| plain(other) == plain(name)) {
        Some(other) => Err(BadOutcome::SameName(other.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn an_outcome_is_told_from_the_others_by_its_name() {
        let others = ["Moss wins".to_owned(), "Álvarez wins".to_owned()];
        assert_eq!(check_outcome("Field wins", &others), Ok(()));
        assert_eq!(check_outcome(" ", &others), Err(BadOutcome::NoName));
        assert_eq!(check_outcome(" moss WINS ", &others), Err(BadOutcome::SameName("Moss wins".to_owned())));
        assert_eq!(
            check_outcome("álvarez wins", &others),
            Err(BadOutcome::SameName("Álvarez wins".to_owned()))
        );
        assert_eq!(name(" Governor\tof  Springfield "), Ok("Governor of Springfield".to_owned()));
        assert!(name(" \n").is_err() && name(&"x".repeat(121)).is_err() && name(&"é".repeat(120)).is_ok());
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
