//! What a reader asked for: topics, alerts yes or no, a digest at some pace.

use super::topic::Slug;

super::words! {
    /// How often a reader gets the digest.
    pub enum Digest {
        None = "none",
        Daily = "daily",
        Weekly = "weekly",
    }
}

/// What one sign-up, import or preference page asks for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Wishes {
    pub topics: Vec<Slug>,
    pub alerts: bool,
    pub digest: Digest,
}

impl Wishes {
    /// Whether this asks for anything at all; a sign-up that doesn't is refused.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() || (!self.alerts && self.digest == Digest::None)
    }
}
