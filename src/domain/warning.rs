//! What an editor should know before the release of a draft, and what stands in its way.

use std::time::Duration;

use super::draft::{Kind, Text};
use super::race::{BadOutcome, check_outcome};
use super::text::{one_line, said};
use super::time::{DAY, HOUR, Timestamp};

/// What is known beside the text when somebody wants to release it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The size of the mail, in bytes; none where it can't be composed.
    pub bytes: Option<usize>,
    /// The phrases in the mail, as it is read, that must not go out; none where it can't be composed.
    pub phrases: Option<Vec<String>>,
    /// It has a link, in its own field or in the text.
    pub linked: bool,
    /// When an alert with the same subject was last released.
    pub same_subject: Option<Timestamp>,
    /// The post was alerted before.
    pub alerted: bool,
    /// How many the one decision would mail now.
    pub audience: i64,
    /// Links that lead nowhere, and in words where they lead.
    pub dead_links: Vec<(String, String)>,
    /// How many of them the relays take only when their day has room again.
    pub not_today: u64,
    /// Of those the test addresses, where it is on a test topic: nobody else gets it.
    pub tests: Option<i64>,
    /// Of an outcome of a race what the others are called.
    pub others: Option<Vec<String>>,
}

/// No newsletter waits for longer.
const FURTHEST: Duration = DAY.saturating_mul(366);
/// Providers cut a mail that is larger, and with it the link to unsubscribe. In bytes.
pub const LARGEST: usize = 90_000;

/// What an editor should know before the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    NoSubject,
    NoText,
    NoTopic,
    NobodyToMail,
    /// The text has so many characters, of so many at most.
    TooLong(usize, usize),
    /// The outcome can't be told from the others of its race.
    Outcome(BadOutcome),
    BrokenLink,
    /// When it is to go out is no time, or too far off; the sentence says which.
    BadTime(String),
    /// When it was to go out is over.
    TimePassed,
    /// One of the phrases that must not go out.
    Phrase(String),
    /// In bytes.
    TooLarge(usize),
    SameSubject(Timestamp),
    AlertedBefore,
    NoLink,
    /// So many test addresses get it, and nobody else.
    OnlyTests(i64),
    /// A link, and where it leads instead.
    DeadLink(String, String),
    /// So many wait until the relays' days have room again.
    NotToday(u64),
}

impl Warning {
    /// Whether it can't be released like that.
    pub const fn blocks(&self) -> bool {
        !matches!(
            self,
            Self::TooLarge(_)
                | Self::SameSubject(_)
                | Self::AlertedBefore
                | Self::NoLink
                | Self::OnlyTests(_)
                | Self::NotToday(_)
                | Self::DeadLink(..)
        )
    }

    /// As programs know it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSubject => "no-subject",
            Self::NoText => "no-text",
            Self::TooLong(..) => "too-long",
            Self::NoTopic => "no-topic",
            Self::NobodyToMail => "nobody-to-mail",
            Self::Outcome(_) => "bad-outcome",
            Self::BrokenLink => "broken-link",
            Self::BadTime(_) => "bad-time",
            Self::TimePassed => "time-passed",
            Self::Phrase(_) => "blocked-phrase",
            Self::TooLarge(_) => "too-large",
            Self::SameSubject(_) => "same-subject",
            Self::AlertedBefore => "alerted-before",
            Self::NoLink => "no-link",
            Self::OnlyTests(_) => "test-topic",
            Self::DeadLink(..) => "dead-link",
            Self::NotToday(_) => "day-used-up",
        }
    }

    pub fn as_sentence(&self, now: Timestamp) -> String {
        match self {
            Self::NoSubject => "It has no subject.".to_owned(),
            Self::NoText => "It has no text.".to_owned(),
            Self::TooLong(has, most) => {
                format!("The text has {has} characters, and {most} at most can go out. Cut it.")
            }
            Self::NoTopic => "Choose at least one topic: it goes to that topic’s readers.".to_owned(),
            Self::NobodyToMail => "Nobody would get it: these topics have no readers for it.".to_owned(),
            Self::Outcome(why) => format!("Name the outcome: {why}."),
            Self::BadTime(why) => format!("It can’t go out then: {why}."),
            Self::TimePassed => {
                "The time at which it was to go is over. Choose a later one, or none.".to_owned()
            }
            Self::BrokenLink => {
                "The link is no web address, as in https://site.example.org/story.".to_owned()
            }
            Self::Phrase(phrase) => format!("“{phrase}” stands in it, which must not go out."),
            Self::TooLarge(bytes) => format!(
                "The mail has {} KB. Over {} KB many providers cut it off.",
                bytes / 1000,
                LARGEST / 1000
            ),
            Self::SameSubject(at) => {
                let minutes = now.since(*at).as_secs() / 60;
                format!("The same subject was released {minutes} minutes ago.")
            }
            Self::AlertedBefore => "This post was alerted before.".to_owned(),
            Self::NoLink => "It has no link to the story.".to_owned(),
            Self::OnlyTests(count) => {
                format!("A test topic: only test addresses get it, {count} of these readers.")
            }
            Self::DeadLink(link, leads) => format!("The link {} {leads}.", one_line(link, 80)),
            Self::NotToday(count) => format!(
                "{count} of these readers would wait: the relays take no more within 24 hours (per_day)."
            ),
        }
    }
}

/// Everything that stands in the way, what blocks first.
pub fn warnings(text: &Text, facts: &Facts, phrases: &[String], now: Timestamp) -> Vec<Warning> {
    let mut found = Vec::new();
    let mut warn = |applies: bool, warning: Warning| {
        if applies {
            found.push(warning);
        }
    };
    warn(text.subject.is_empty(), Warning::NoSubject);
    warn(text.body.trim().is_empty(), Warning::NoText);
    let (has, most) = (text.body.chars().count(), text.kind.longest_body());
    warn(has > most, Warning::TooLong(has, most));
    warn(text.topics.is_empty(), Warning::NoTopic);
    warn(!text.topics.is_empty() && facts.audience == 0, Warning::NobodyToMail);
    if let Some(Err(why)) = facts.others.as_ref().map(|others| check_outcome(&text.outcome, others)) {
        warn(true, Warning::Outcome(why));
    }
    warn(!text.link.is_empty() && !is_web_address(&text.link), Warning::BrokenLink);
    match text.goes_at() {
        Err(why) => warn(true, Warning::BadTime(why)),
        Ok(Some(at)) if at.since(now) > FURTHEST => {
            warn(true, Warning::BadTime("it is more than a year ahead".to_owned()));
        }
        Ok(at) => warn(at.is_some_and(|at| at <= now), Warning::TimePassed),
    }
    let written = || said([&text.subject, &text.preheader, &text.body], phrases).cloned().collect();
    for phrase in facts.phrases.clone().unwrap_or_else(written) {
        warn(true, Warning::Phrase(phrase));
    }
    if let Some(bytes) = facts.bytes.filter(|bytes| *bytes > LARGEST) {
        warn(true, Warning::TooLarge(bytes));
    }
    if let Some(at) = facts.same_subject.filter(|at| now.since(*at) < HOUR) {
        warn(true, Warning::SameSubject(at));
    }
    if let Some(count) = facts.tests {
        warn(true, Warning::OnlyTests(count));
    }
    facts
        .dead_links
        .iter()
        .for_each(|(link, leads)| warn(true, Warning::DeadLink(link.clone(), leads.clone())));
    warn(facts.not_today > 0, Warning::NotToday(facts.not_today));
    warn(facts.alerted, Warning::AlertedBefore);
    warn(text.kind == Kind::Alert && text.link.is_empty() && !facts.linked, Warning::NoLink);
    found.sort_by_key(|warning| !warning.blocks());
    found
}

fn is_web_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(subject: &str, body: &str) -> Text {
        Text { subject: subject.to_owned(), body: body.to_owned(), ..Text::default() }
    }

    #[test]
    fn what_blocks_stands_first() {
        let now = Timestamp::from_micros(7_200_000_000);
        let facts = Facts { bytes: Some(100_000), alerted: true, audience: 5, ..Facts::default() };
        let draft =
            Text { topics: vec!["news".to_owned()], link: "nowhere".to_owned(), ..text("TEST", "words") };
        let found = warnings(&draft, &facts, &["TEST".to_owned()], now);
        assert_eq!(
            found,
            [
                Warning::BrokenLink,
                Warning::Phrase("TEST".to_owned()),
                Warning::TooLarge(100_000),
                Warning::AlertedBefore
            ]
        );
        assert!(found.iter().all(|warning| warning.as_sentence(now).ends_with('.')));
        let ready = Text {
            topics: vec!["news".to_owned()],
            link: "https://site.example.org/a".to_owned(),
            ..text("Polls", "words")
        };
        let facts = Facts { audience: 1, ..Facts::default() };
        assert!(warnings(&ready, &facts, &[], now).is_empty());
        let without = Text { link: String::new(), ..ready };
        assert_eq!(warnings(&without, &facts, &[], now), [Warning::NoLink]);
        assert_eq!(
            warnings(&without, &Facts { linked: true, ..facts }, &[], now),
            [],
            "one in the text counts"
        );
    }

    #[test]
    fn a_newsletter_needs_no_link_and_a_time_ahead() {
        let now = Timestamp::parse_rfc3339("2026-10-30T12:00:00Z").unwrap();
        let facts = Facts { audience: 1, ..Facts::default() };
        let with = |send_at: &str, zone: &str| {
            let text = Text {
                kind: Kind::Broadcast,
                topics: vec!["news".to_owned()],
                send_at: send_at.to_owned(),
                timezone: zone.to_owned(),
                ..text("Our week", "words")
            };
            warnings(&text, &facts, &[], now)
        };
        assert_eq!(with("", ""), []);
        assert_eq!(with("2026-10-30T12:01", "UTC"), []);
        assert_eq!(with("2026-10-30T12:00", "UTC"), [Warning::TimePassed]);
        for (time, zone) in
            [("2026-10-30T25:00", "UTC"), ("2026-11-03T07:00", "Mars/Olympus"), ("2028-01-01T07:00", "UTC")]
        {
            let found = with(time, zone);
            assert!(
                matches!(found[..], [Warning::BadTime(_)]) && found[0].blocks(),
                "{time} {zone}: {found:?}"
            );
        }
    }
}
