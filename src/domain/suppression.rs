//! Why an address must not be mailed, and what lifts that.

use std::time::Duration;

use super::time::{DAY, Timestamp};

super::words! {
    /// Every kind but `refused` keeps all mail but a confirmation away; a new double opt-in lifts every kind.
    pub enum Kind {
        Unsubscribed = "unsubscribed",
        Erased = "erased",
        Complaint = "complaint",
        Undeliverable = "undeliverable",
        /// "This wasn't me", said in answer to a confirmation mail.
        Refused = "refused",
    }
}

impl Kind {
    /// Whether a confirmation may be mailed though this stands, since `since`.
    pub fn lets_confirmation_through(self, since: Timestamp, now: Timestamp) -> bool {
        let quiet: Duration = match self {
            Self::Unsubscribed | Self::Erased | Self::Complaint => return true,
            Self::Undeliverable => 30 * DAY,
            Self::Refused => 90 * DAY,
        };
        now.since(since) >= quiet
    }
}
