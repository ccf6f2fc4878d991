//! `/api/v1`: JSON for programs. A token is checked first, then the input; errors are RFC 9457 problems.

pub mod alerts;
mod answers;
pub mod audit;
pub mod caller;
pub mod docs;
mod draft_text;
pub mod draft_views;
pub mod drafts;
mod examples;
mod id;
pub mod issue_views;
pub mod issues;
pub mod kinds;
mod listing;
pub mod lists;
mod once;
pub mod openapi;
pub mod operation;
pub mod overview;
pub mod posts;
pub mod races;
mod sent;
pub mod sources;
pub mod subscribers;
pub mod tokens;
pub mod under_way;
pub mod users;

use axum::http::StatusCode;

use super::problem::Problem;
use crate::{newsroom, publishing, subscribing};
use caller::Caller;

/// One field of a request that is wrong, by its pointer.
fn invalid(pointer: &str, detail: impl Into<String>) -> Problem {
    let detail = detail.into();
    let field = pointer.trim_start_matches('/');
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{field}: {detail}.")).at_pointer(pointer, detail)
}

/// When it is our fault; the log says what.
fn broken(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "an API call could not be answered");
    let detail = "Something is wrong on our side; nothing was changed. Try again in a moment.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

impl From<crate::store::Error> for Problem {
    fn from(error: crate::store::Error) -> Self {
        broken(&error)
    }
}

impl From<newsroom::Error> for Problem {
    fn from(error: newsroom::Error) -> Self {
        match error {
            newsroom::Error::Refused(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, why),
            newsroom::Error::Taken(why) => kinds::NAME_TAKEN.conflict(why),
            newsroom::Error::Repeated => once::at_work(),
            other => broken(&other),
        }
    }
}

impl From<subscribing::Error> for Problem {
    fn from(error: subscribing::Error) -> Self {
        broken(&error)
    }
}

impl From<publishing::Error> for Problem {
    fn from(error: publishing::Error) -> Self {
        match error {
            publishing::Error::UnknownTopic(slug) => {
                invalid("/topics", format!("there is no topic {slug:?}"))
            }
            publishing::Error::UnknownRace(id) => invalid("/race", format!("there is no race {id}")),
            publishing::Error::Outcome(why) => invalid("/outcome", why.to_string()),
            publishing::Error::Passed(_) => {
                let detail = "has passed, so its outcomes could be released at once: send a later moment, or no \"open_now\": false";
                invalid("/not_before", detail)
            }
            publishing::Error::UnknownPost(id) => invalid("/post_id", format!("there is no post {id}")),
            publishing::Error::Blank(field) => {
                let detail = "shows nothing once scripts, styles and comments are taken out; give it text or a picture";
                invalid(&format!("/{field}"), detail)
            }
            publishing::Error::Phrase(phrase) => {
                let detail =
                    format!("{phrase:?} stands in it, which must not go out ([newsroom] blocked_phrases)");
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
            }
            publishing::Error::TooLong(field, longest) => {
                let why = format!(
                    "may have {longest} characters at most: two people are asked for, so it becomes a draft"
                );
                invalid(&format!("/{field}"), why)
            }
            publishing::Error::Uncounted { id, .. } => {
                tracing::error!(%error, "an API call could not be answered");
                let detail = format!(
                    "Alert {id} is published and on its way, but its readers could not be counted. Repeat the call \
                     with the same Idempotency-Key, which sends nothing more, or look at the issue."
                );
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
            other => broken(&other),
        }
    }
}

/// Text for one line of a mail: neither empty nor too long, and no control characters, which could forge a header.
fn one_line(pointer: &str, text: &str, longest: usize) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid(pointer, "must not be empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(pointer, "must be one line, without control characters"));
    }
    if text.chars().count() > longest {
        return Err(invalid(pointer, format!("may have {longest} characters at most")));
    }
    Ok(text.to_owned())
}

/// An address in the web, as a link or a picture may have it.
fn web_address(pointer: &str, text: &str) -> Result<String, Problem> {
    let right =
        url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if right && text.len() <= 2_000 && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(invalid(pointer, "must be an http or https address, as in https://site.example.org/story"))
    }
}
