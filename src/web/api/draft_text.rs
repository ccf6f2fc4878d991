//! What a draft says, as programs write and read it: `markdown` and `url` are the desk's body and link.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::invalid;
use crate::domain::{
    draft::{LONGEST_BODY, LONGEST_LINK, LONGEST_PREHEADER, LONGEST_SUBJECT, LONGEST_USE, Text},
    issue::Level,
    topic::Slug,
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
            subject: Option<String>,
            /// What an inbox shows beside the subject; empty for the beginning of the text.
            preheader: Option<String>,
            markdown: Option<String>,
            /// Where the mail's button leads.
            url: Option<String>,
            level: Option<Level>,
            topics: Option<Vec<Slug>>,
            /// In minutes, from the release; 0 for no end.
            useful_for: Option<u32>,
        }

        impl $name {
            /// # Errors
            /// 422 for what is longer than it may be, or forges a line.
            pub fn check(&self) -> Result<(), Problem> {
                one_line("/subject", self.subject.as_deref(), LONGEST_SUBJECT)?;
                one_line("/preheader", self.preheader.as_deref(), LONGEST_PREHEADER)?;
                one_line("/url", self.url.as_deref(), LONGEST_LINK)?;
                lines("/markdown", self.markdown.as_deref(), LONGEST_BODY)?;
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
                text.level = self.level.unwrap_or(text.level);
                text.useful_for = self.useful_for.unwrap_or(text.useful_for);
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
        /// The post whose words it begins with, and which it alerts.
        post_id: Option<Uuid>
    }
}

with_parts! {
    #[schemars(rename = "DraftChange")]
    Edit {
        /// The version that the change goes by.
        version: i64
    }
}

fn one_line(pointer: &str, text: Option<&str>, longest: usize) -> Result<(), Problem> {
    let Some(text) = text else { return Ok(()) };
    if text.chars().any(char::is_control) {
        return Err(invalid(pointer, "must be one line, without control characters"));
    }
    fits(pointer, text, longest)
}

fn lines(pointer: &str, text: Option<&str>, longest: usize) -> Result<(), Problem> {
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
