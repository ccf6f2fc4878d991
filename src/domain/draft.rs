//! An alert or a newsletter that somebody writes: what it says, what two people who write at once make of it, and what stands in the way
//! of its release.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::issue::{self, Level};
use super::race::LONGEST_NAME;
use super::text::one_line;
use super::time::{HOUR, Timestamp};
use super::wall::{self, Twice};

super::words! {
    /// What is written.
    pub enum Kind {
        Alert = "alert",
        /// A newsletter.
        Broadcast = "broadcast",
    }
}

impl Kind {
    /// What becomes of it.
    pub const fn issue(self) -> issue::Kind {
        match self {
            Self::Alert => issue::Kind::Alert,
            Self::Broadcast => issue::Kind::Broadcast,
        }
    }

    /// As pages call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Broadcast => "newsletter",
        }
    }

    /// The longest text, in characters.
    pub const fn longest_body(self) -> usize {
        match self {
            Self::Alert => LONGEST_BODY,
            Self::Broadcast => LONGEST_NEWSLETTER,
        }
    }

    /// For how long after its hold it is still sent where the service was down, before it lapses.
    pub const fn grace(self) -> Duration {
        match self {
            Self::Alert => LAPSE,
            Self::Broadcast => LATEST,
        }
    }
}

super::words! {
    pub enum State {
        Open = "open",
        /// There is an issue of it.
        Released = "released",
        ThrownAway = "thrown-away",
    }
}

/// What it says, as it stands in the form. Times count from the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Text {
    /// It never changes.
    pub kind: Kind,
    pub subject: String,
    /// What an inbox shows beside the subject; empty for the beginning of the text.
    pub preheader: String,
    /// Markdown.
    pub body: String,
    pub link: String,
    pub level: Level,
    /// Slugs.
    pub topics: Vec<String>,
    /// In minutes, from the release; 0 for no end.
    pub useful_for: u32,
    /// Whether it stands in the public archive; none for where all of its topics do.
    pub public: Option<bool>,
    /// When a newsletter goes out, on the clock of `timezone`, as in `2026-11-03T07:00`; empty for at once.
    pub send_at: String,
    /// An IANA time zone.
    // As it was called before.
    #[serde(alias = "zone")]
    pub timezone: String,
    /// What it says will have come true, as in "Moss wins"; of an outcome of a race alone.
    pub outcome: String,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            kind: Kind::Alert,
            subject: String::new(),
            preheader: String::new(),
            body: String::new(),
            link: String::new(),
            level: Level::All,
            topics: Vec::new(),
            useful_for: 0,
            public: None,
            send_at: String::new(),
            timezone: String::new(),
            outcome: String::new(),
        }
    }
}

/// The longest parts, in characters.
pub const LONGEST_SUBJECT: usize = 250;
pub const LONGEST_PREHEADER: usize = 250;
pub const LONGEST_BODY: usize = 20_000;
pub const LONGEST_NEWSLETTER: usize = 100_000;
/// No longer text is kept at all; what is longer than it may be is kept, and can't be released.
pub const LONGEST_KEPT: usize = 200_000;
pub const LONGEST_LINK: usize = 2_000;
pub const LONGEST_TIME: usize = 60;
/// The longest use, in minutes: a year.
pub const LONGEST_USE: u32 = 525_600;
/// What a phone shows of a subject, in characters, more or less.
pub const PHONE: usize = 40;

impl Text {
    /// As it is kept: lines of one line, none longer than it may be, no topic twice.
    pub fn tidied(mut self) -> Self {
        self.subject = one_line(&self.subject, LONGEST_SUBJECT);
        self.preheader = one_line(&self.preheader, LONGEST_PREHEADER);
        self.link = one_line(&self.link, LONGEST_LINK);
        self.body = self.body.replace("\r\n", "\n").chars().take(LONGEST_KEPT).collect();
        self.outcome = one_line(&self.outcome, LONGEST_NAME);
        self.topics.sort();
        self.topics.dedup();
        self.useful_for = self.useful_for.min(LONGEST_USE);
        self.send_at = one_line(&self.send_at, LONGEST_TIME);
        self.timezone = one_line(&self.timezone, LONGEST_TIME);
        match self.kind {
            Kind::Alert => self.send_at.clear(),
            // It has no levels, and is of use at any time.
            Kind::Broadcast => (self.level, self.useful_for) = (Level::All, 0),
        }
        self
    }

    /// When it is to go out; none for at once.
    ///
    /// # Errors
    /// A sentence about a time or a zone that there isn't.
    pub fn goes_at(&self) -> Result<Option<Timestamp>, String> {
        match self.send_at.as_str() {
            "" => Ok(None),
            local => wall::instant(local, self.timezone_or_utc(), Twice::First).map(Some),
        }
    }

    pub fn timezone_or_utc(&self) -> &str {
        if self.timezone.is_empty() { "UTC" } else { &self.timezone }
    }

    pub fn expires_at(&self, released: Timestamp) -> Option<Timestamp> {
        (self.useful_for > 0).then(|| released.plus(Duration::from_secs(u64::from(self.useful_for) * 60)))
    }
}

/// Does something with each part of a draft, by its name.
macro_rules! each_part {
    ($do:ident) => {
        $do!(subject, preheader, body, link, level, topics, useful_for, public, send_at, timezone, outcome)
    };
}

macro_rules! named {
    ($($part:ident),+) => { &[$(stringify!($part)),+] };
}

/// The names of the parts, which may change one by one.
pub const PARTS: &[&str] = each_part!(named);

/// What a save makes of a draft that somebody else may have changed meanwhile: of each part that only one of the two
/// changed their text, of one that both changed differently what stands there, and its name.
pub fn merge(current: &Text, base: &Text, mine: &Text) -> (Text, Vec<&'static str>) {
    let mut conflicts = Vec::new();
    let mut of = |name, changed_here: bool, changed_there: bool, same: bool| {
        if changed_here && changed_there && !same {
            conflicts.push(name);
        }
        changed_here && !changed_there
    };
    macro_rules! merged {
        ($($part:ident),+) => {
            Text { kind: current.kind, $($part: if of(stringify!($part), mine.$part != base.$part, current.$part != base.$part, mine.$part == current.$part) {
                mine.$part.clone()
            } else {
                current.$part.clone()
            }),+ }
        };
    }
    (each_part!(merged), conflicts)
}

/// The names of the parts in which two texts differ.
pub fn differing(one: &Text, other: &Text) -> Vec<&'static str> {
    let mut parts = Vec::new();
    macro_rules! compared {
        ($($part:ident),+) => { $(if one.$part != other.$part { parts.push(stringify!($part)); })+ };
    }
    each_part!(compared);
    parts
}

/// What a part is called on a page.
pub fn word(part: &'static str) -> &'static str {
    match part {
        "body" => "text",
        "preheader" => "line beside the subject",
        "useful_for" => "time of use",
        "public" => "place in the archive",
        "send_at" => "time at which it goes out",
        "timezone" => "time zone",
        part => part,
    }
}

/// Whether the audience has moved since somebody typed it: by more than one in a hundred.
pub const fn has_moved(typed: i64, now: i64) -> bool {
    typed.abs_diff(now) * 100 > typed.unsigned_abs()
}

/// The shortest hold of what one person writes and releases.
pub const SHORTEST_HOLD: Duration = Duration::from_secs(10);
/// A release whose hold was over for longer when somebody could look, for the service was down, is not carried out.
pub const LAPSE: Duration = Duration::from_secs(120);
/// The same for a newsletter: as late as a daily digest may be.
pub const LATEST: Duration = HOUR.saturating_mul(6);

/// How long a release can be undone: as configured, and where nobody else looked at it for ten seconds at least.
pub fn hold(configured: Duration, second_person: bool) -> Duration {
    if second_person { configured } else { configured.max(SHORTEST_HOLD) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(subject: &str, body: &str) -> Text {
        Text { subject: subject.to_owned(), body: body.to_owned(), ..Text::default() }
    }

    #[test]
    fn what_only_one_changed_is_theirs() {
        let base = text("Polls close", "At eight.");
        let (merged, conflicts) =
            merge(&text("Polls are closed", "At eight."), &base, &text("Polls close", "At nine."));
        assert_eq!((merged, conflicts.len()), (text("Polls are closed", "At nine."), 0));
    }

    #[test]
    fn what_both_changed_stays_and_is_named() {
        let base = text("Polls close", "");
        let (merged, conflicts) = merge(&text("Polls are closed", ""), &base, &text("Closed", ""));
        assert_eq!((merged.subject.as_str(), conflicts), ("Polls are closed", vec!["subject"]));
        let (_, conflicts) = merge(&text("Closed", ""), &base, &text("Closed", ""));
        assert!(conflicts.is_empty(), "both wrote the same");
    }

    #[test]
    fn one_in_a_hundred_may_come_and_go() {
        assert!(!has_moved(1_000, 1_010) && !has_moved(1_000, 990) && !has_moved(0, 0));
        assert!(has_moved(1_000, 1_011) && has_moved(1_000, 989) && has_moved(0, 1) && has_moved(50, 51));
    }

    #[test]
    fn one_person_alone_waits_ten_seconds_at_least() {
        let short = Duration::from_secs(3);
        assert_eq!((hold(short, false), hold(short, true)), (SHORTEST_HOLD, short));
    }

    #[test]
    fn a_newsletter_goes_when_its_own_clock_shows_the_time() {
        let at = |local: &str| {
            let timezone = "America/New_York".to_owned();
            let text = Text { kind: Kind::Broadcast, send_at: local.to_owned(), timezone, ..Text::default() };
            text.goes_at().map(|at| at.map(|at| at.to_string()))
        };
        assert_eq!(at(""), Ok(None));
        assert_eq!(at("2026-11-03T07:00"), Ok(Some("2026-11-03T12:00:00Z".to_owned())));
        assert_eq!(
            at("2026-10-31T07:00"),
            Ok(Some("2026-10-31T11:00:00Z".to_owned())),
            "before the clocks change"
        );
        assert_eq!(at("2026-11-01T01:30"), Ok(Some("2026-11-01T05:30:00Z".to_owned())), "the first of two");
        assert_eq!(at("2027-03-14T02:30"), Ok(Some("2027-03-14T07:00:00Z".to_owned())), "where the gap ends");
        assert!(at("tomorrow").is_err());
    }

    #[test]
    fn a_draft_of_before_keeps_its_time_zone() {
        let text: Text =
            serde_json::from_str(r#"{"send_at": "2026-11-03T07:00", "zone": "Europe/Kyiv"}"#).unwrap();
        assert_eq!(text.timezone, "Europe/Kyiv");
    }

    #[test]
    fn what_something_is_never_changes() {
        let newsletter = Text { kind: Kind::Broadcast, ..text("Our week", "words") };
        let (merged, _) = merge(&newsletter, &newsletter, &text("Our month", "words"));
        assert_eq!((merged.kind, merged.subject.as_str()), (Kind::Broadcast, "Our month"));
    }
}
