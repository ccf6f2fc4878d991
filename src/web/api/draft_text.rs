//! What a draft says, as programs write and read it: `markdown` and `url` are the desk's body and link.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::invalid;
use crate::domain::{
    draft::{Kind, LONGEST_LINK, LONGEST_NEWSLETTER, LONGEST_PREHEADER, LONGEST_SUBJECT, LONGEST_USE, Text},
    issue::Level,
    race::LONGEST_NAME,
    topic::Slug,
    wall::{self, Twice},
};
use crate::web::problem::Problem;

/// A body with the parts of a draft, of which what is absent stays as it is, and fields of its own.
macro_rules! with_parts {
    ($(#[$meta:meta])* $name:ident { $($(#[$of:meta])* $own:ident: $kind:ty),+ }) => {
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$meta])*
        pub struct $name {
            $($(#[$of])* pub $own: $kind,)+
            /// One line.
            #[schemars(length(max = LONGEST_SUBJECT))]
            subject: Option<String>,
            /// What an inbox shows beside the subject; empty for the beginning of the text.
            #[schemars(length(max = LONGEST_PREHEADER))]
            preheader: Option<String>,
            /// At most 20,000 characters; of a newsletter 100,000.
            #[schemars(length(max = LONGEST_NEWSLETTER))]
            markdown: Option<String>,
            /// Where the mail's button leads.
            #[schemars(length(max = LONGEST_LINK))]
            url: Option<String>,
            /// Of an alert.
            level: Option<Level>,
            topics: Option<Vec<Slug>>,
            /// Of an alert: in minutes, from the release; 0 for no end.
            #[schemars(range(max = LONGEST_USE))]
            useful_for: Option<u32>,
            /// When a newsletter goes out, on the clock of `timezone`, as in `2026-11-03T07:00`; null for at once.
            #[serde(default, deserialize_with = "given")]
            #[schemars(with = "Option<String>")]
            send_at: Option<Option<String>>,
            /// An IANA time zone.
            #[serde(alias = "zone")]
            timezone: Option<String>,
            /// Whether it stands in the public archive; null for where all of its topics do.
            #[serde(default, deserialize_with = "given")]
            #[schemars(with = "Option<bool>")]
            public: Option<Option<bool>>,
            /// What it says will have come true; of an outcome of a race alone.
            #[schemars(length(max = LONGEST_NAME))]
            outcome: Option<String>,
        }

        impl $name {
            /// # Errors
            /// 422 for what is longer than it may be, or forges a line.
            pub fn check(&self, kind: Kind) -> Result<(), Problem> {
                one_line("/subject", self.subject.as_deref(), LONGEST_SUBJECT)?;
                one_line("/preheader", self.preheader.as_deref(), LONGEST_PREHEADER)?;
                one_line("/outcome", self.outcome.as_deref(), LONGEST_NAME)?;
                one_line("/url", self.url.as_deref(), LONGEST_LINK)?;
                lines("/markdown", self.markdown.as_deref(), kind.longest_body())?;
                let send_at = self.send_at.as_ref().and_then(Option::as_deref);
                time(kind, send_at, self.timezone.as_deref())?;
                if kind == Kind::Broadcast && self.level.is_some_and(|level| level != Level::All) {
                    return Err(invalid("/level", "is for an alert; a newsletter has none"));
                }
                if kind == Kind::Broadcast && self.useful_for > Some(0) {
                    return Err(invalid("/useful_for", "is for an alert; a newsletter is of use at any time"));
                }
                if self.useful_for > Some(LONGEST_USE) {
                    return Err(invalid("/useful_for", format!("may be {LONGEST_USE} minutes at most")));
                }
                Ok(())
            }

            /// Writes what is given over what stands there.
            pub fn fill(&self, text: &mut Text) {
                let over = |part: &mut String, given: &Option<String>| {
                    if let Some(given) = given {
                        part.clone_from(given);
                    }
                };
                over(&mut text.subject, &self.subject);
                over(&mut text.preheader, &self.preheader);
                over(&mut text.body, &self.markdown);
                over(&mut text.link, &self.url);
                over(&mut text.outcome, &self.outcome);
                text.level = self.level.unwrap_or(text.level);
                text.useful_for = self.useful_for.unwrap_or(text.useful_for);
                text.public = self.public.unwrap_or(text.public);
                if let Some(send_at) = &self.send_at {
                    text.send_at = send_at.clone().unwrap_or_default();
                }
                over(&mut text.timezone, &self.timezone);
                if let Some(topics) = &self.topics {
                    text.topics = topics.iter().map(ToString::to_string).collect();
                }
            }
        }
    };
}

with_parts! {
    #[schemars(rename = "NewDraft")]
    Begin {
        /// An alert where it is absent.
        kind: Option<Kind>,
        /// The post whose words it begins with, and which it alerts.
        post_id: Option<Uuid>,
        /// The race whose outcome it is.
        race: Option<Uuid>
    }
}

with_parts! {
    #[schemars(rename = "DraftChange")]
    Edit {
        /// The version that the change goes by.
        version: i64
    }
}

/// What is absent stays as it is; null is a value.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Only a newsletter goes out at a time, and only at one that there is.
fn time(kind: Kind, send_at: Option<&str>, timezone: Option<&str>) -> Result<(), Problem> {
    if kind == Kind::Alert && (send_at.is_some() || timezone.is_some()) {
        return Err(invalid("/send_at", "is for a draft of the kind broadcast"));
    }
    if let Some(timezone) = timezone {
        wall::check_zone(timezone).map_err(|why| invalid("/timezone", why))?;
    }
    if let Some(send_at) = send_at {
        wall::instant(send_at, "UTC", Twice::First).map_err(|why| invalid("/send_at", why))?;
    }
    Ok(())
}

impl Begin {
    /// # Errors
    /// 422 for an outcome of no race, or a race's outcome without a name.
    pub fn check_race(&self) -> Result<(), Problem> {
        match (&self.race, self.outcome.as_deref().map(str::trim)) {
            (Some(_), None | Some("")) => {
                Err(invalid("/outcome", "is what comes true if the race ends so, as in Moss wins"))
            }
            (None, Some(_)) => Err(of_no_race()),
            _ => Ok(()),
        }
    }
}

impl Edit {
    /// # Errors
    /// 422 for an outcome of a draft that belongs to no race.
    pub fn check_race(&self, belongs: bool) -> Result<(), Problem> {
        if self.outcome.is_some() && !belongs { Err(of_no_race()) } else { Ok(()) }
    }
}

fn of_no_race() -> Problem {
    invalid("/outcome", "is for the drafts of a race; a draft is begun with its race")
}

fn one_line(pointer: &str, text: Option<&str>, longest: usize) -> Result<(), Problem> {
    let Some(text) = text else { return Ok(()) };
    if text.chars().any(char::is_control) {
        return Err(invalid(pointer, "must be one line, without control characters"));
    }
    fits(pointer, text, longest)
}

pub(super) fn lines(pointer: &str, text: Option<&str>, longest: usize) -> Result<(), Problem> {
    let Some(text) = text else { return Ok(()) };
    if text.chars().any(|c| c.is_control() && !['\n', '\r', '\t'].contains(&c)) {
        return Err(invalid(pointer, "must not hold control characters but line breaks and tabs"));
    }
    fits(pointer, text, longest)
}

fn fits(pointer: &str, text: &str, longest: usize) -> Result<(), Problem> {
    if text.chars().count() > longest {
        return Err(invalid(pointer, format!("may have {longest} characters at most")));
    }
    Ok(())
}

/// What programs call a part.
pub fn field(part: &'static str) -> &'static str {
    match part {
        "body" => "markdown",
        "link" => "url",
        other => other,
    }
}
