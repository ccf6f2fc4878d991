//! The one decision: whether and when a reader gets something. The fan-out, the audience count and every preview ask
//! here; where SQL answers the same for a million rows, a property test holds it against this.

use super::{
    issue::{Kind, Level},
    subscription::Digest,
    time::Timestamp,
};

/// What is known of a reader when the question is asked.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    pub active: bool,
    pub suppressed: bool,
    pub subscriptions: &'a [Subscription],
}

#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    pub topic: i64,
    pub alerts: bool,
    pub digest: Digest,
    /// The last post that this reader's digests are past.
    pub digest_after: i64,
}

/// What is known of the issue.
#[derive(Clone, Debug)]
pub struct Matter<'a> {
    pub kind: Kind,
    pub level: Level,
    /// The topics of an alert or a newsletter; a digest has none, each reader's own count.
    pub topics: &'a [i64],
    /// The cadence of a digest.
    pub digest: Digest,
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Now,
    /// Too late for a mail of its own: it stands in the next digest, or is counted as expired for who takes none.
    IntoDigest,
    Never(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Unsubscribed,
    Suppressed,
    NotSubscribed,
    NotWanted,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unsubscribed => "unsubscribed",
            Self::Suppressed => "the address must not be mailed",
            Self::NotSubscribed => "not subscribed to any of its topics",
            Self::NotWanted => "did not ask for it",
        })
    }
}

/// Whether and when `reader` gets `matter`.
pub fn decide(reader: &Reader<'_>, matter: &Matter<'_>, now: Timestamp) -> Decision {
    if !reader.active {
        return Decision::Never(Reason::Unsubscribed);
    }
    if reader.suppressed {
        return Decision::Never(Reason::Suppressed);
    }
    match matter.kind {
        // Who gets a correction follows from who got what it corrects.
        Kind::Notice | Kind::Correction => Decision::Now,
        Kind::Digest if reader.subscriptions.iter().any(|s| s.digest == matter.digest) => Decision::Now,
        Kind::Digest => Decision::Never(Reason::NotWanted),
        // A newsletter is for everybody who wants mail of its topics at all, alerts or a digest.
        Kind::Broadcast => {
            let mut on_topic =
                reader.subscriptions.iter().filter(|s| matter.topics.contains(&s.topic)).peekable();
            if on_topic.peek().is_none() {
                Decision::Never(Reason::NotSubscribed)
            } else if on_topic.any(|s| s.alerts || s.digest != Digest::None) {
                Decision::Now
            } else {
                Decision::Never(Reason::NotWanted)
            }
        }
        Kind::Alert => {
            let mut on_topic =
                reader.subscriptions.iter().filter(|s| matter.topics.contains(&s.topic)).peekable();
            if on_topic.peek().is_none() {
                Decision::Never(Reason::NotSubscribed)
            } else if matter.level != Level::Critical && !on_topic.any(|s| s.alerts) {
                Decision::Never(Reason::NotWanted)
            } else if matter.expires_at.is_some_and(|expiry| expiry <= now) {
                Decision::IntoDigest
            } else {
                Decision::Now
            }
        }
    }
}
