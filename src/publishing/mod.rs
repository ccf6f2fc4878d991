//! From a post or a word of breaking news to an issue, and from an issue to one delivery per recipient.

use crate::mail::compose::ComposeError;
use crate::store;

pub mod alerting;
mod cancelling;
mod digesting;
mod fan_out;
mod housekeeping;
mod scheduling;
mod stories;

pub use cancelling::{Cancelled, cancel};
pub use digesting::publish_digest;
pub use fan_out::fan_out;
pub use housekeeping::{KEYS_KEPT, keep_house};
pub use scheduling::run_due_schedules;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error("there is no topic \"{0}\"")]
    UnknownTopic(String),
    #[error("there is no post {0}")]
    UnknownPost(uuid::Uuid),
    #[error("schedule \"{name}\": {reason}")]
    Schedule { name: String, reason: String },
}
