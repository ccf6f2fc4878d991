//! One thing we publish, and where it stands in the one queue.

super::words! {
    pub enum Kind {
        Alert = "alert",
        Digest = "digest",
        /// A confirmation, or word to the operator: to one address.
        Notice = "notice",
    }
}

super::words! {
    /// How much an alert matters. `critical` goes to every confirmed reader of its topics.
    pub enum Level {
        All = "all",
        Major = "major",
        Critical = "critical",
    }
}

super::words! {
    pub enum State {
        /// Its deliveries are being written; the first may be on their way.
        Publishing = "publishing",
        Sending = "sending",
        Sent = "sent",
        Cancelled = "cancelled",
    }
}

/// Where a delivery stands in the queue: the lower number goes first. Confirmations before alerts (critical, major,
/// all) before digests.
pub const fn priority(kind: Kind, level: Level) -> i64 {
    match (kind, level) {
        (Kind::Notice, _) => 0,
        (Kind::Alert, Level::Critical) => 20,
        (Kind::Alert, Level::Major) => 21,
        (Kind::Alert, Level::All) => 22,
        (Kind::Digest, _) => 30,
    }
}
