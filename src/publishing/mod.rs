//! From a post or a word of breaking news to an issue, and from an issue to one delivery per recipient.

use crate::context::Context;
use crate::mail::compose::ComposeError;
use crate::store;

pub mod alerting;
pub mod archive;
mod beginning;
mod cancelling;
pub mod correcting;
pub mod desk;
mod digesting;
mod estimating;
mod fan_out;
pub mod foreseeing;
mod housekeeping;
pub mod live;
pub mod pausing;
pub mod progress;
pub mod races;
pub mod reading;
pub mod releasing;
mod scheduling;
mod stories;

pub use cancelling::{Cancelled, call_off, cancel};
pub use digesting::publish_digest;
pub use housekeeping::keep_house;
pub use scheduling::run_due_schedules;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error(transparent)]
    Outbox(#[from] crate::outbox::Error),
    #[error("there is no topic \"{0}\"")]
    UnknownTopic(String),
    #[error("there is no race {0}")]
    UnknownRace(uuid::Uuid),
    #[error(transparent)]
    Outcome(#[from] crate::domain::race::BadOutcome),
    /// From when on a race was to be called; it would be open at once, which takes saying so.
    #[error("{0} has passed")]
    Passed(crate::domain::time::Timestamp),
    #[error("there is no post {0}")]
    UnknownPost(uuid::Uuid),
    /// The field of an alert whose text is cleaned to nothing.
    #[error(
        "the {0} shows nothing once scripts, styles and comments are taken out; give it text or a picture"
    )]
    Blank(&'static str),
    /// One of `[newsroom] blocked_phrases`.
    #[error("\"{0}\" stands in it, which must not go out ([newsroom] blocked_phrases)")]
    Phrase(String),
    /// The field of an alert that is longer than a draft may be, in characters.
    #[error("the {0} may have {1} characters at most where two people are asked for")]
    TooLong(&'static str, usize),
    #[error("the alert {id} is published and on its way, but its readers could not be counted: {error}")]
    Uncounted { id: uuid::Uuid, error: store::Error },
    #[error("schedule \"{name}\": {reason}")]
    Schedule { name: String, reason: String },
}

/// Alerts the posts that wait for it and publishes what was held, then writes the next window of the most pressing issue: a long digest holds up no
/// alert. False when no issue waits for its fan-out.
///
/// # Errors
/// A template that can't be rendered, a database that can't be written.
pub async fn publish_next(cx: &Context) -> Result<bool, Error> {
    if let Err(error) = alerting::alert_posts(cx).await {
        tracing::error!(%error, "the posts to alert can't be read; trying again");
    }
    if let Err(error) = releasing::let_go(cx).await {
        tracing::error!(%error, "what was released can't be published; trying again");
    }
    fan_out::fan_out(cx).await
}
