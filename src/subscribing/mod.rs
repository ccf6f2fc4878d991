//! From a filled-in form to a confirmed reader, and out again: sign-up, confirmation, preferences, unsubscribe. What
//! an address is told never depends on whether we know it; what is mailed to it does.

use std::net::IpAddr;
use std::time::Duration;

use crate::context::Context;
use crate::domain::{
    address::EmailAddress,
    subscription::{Digest, Wishes},
    time::Timestamp,
    token::Purpose,
    topic::Slug,
};
use crate::store::{self, Tx, signups::Signup};

mod confirming;
pub mod exporting;
pub mod importing;
pub mod imports;
mod leaving;
pub mod reasons;
pub mod records;
mod signing_up;

pub use confirming::{confirm, pending, refuse, renew};
pub use leaving::{preferences, set_preferences, unsubscribe};
pub use signing_up::{decide_signups, sign_up};

/// How long the link in a confirmation mail holds.
pub const LINK_HOLDS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// One filled-in form.
pub struct SignUp {
    pub address: EmailAddress,
    pub wishes: Wishes,
    /// Where the request came from, for the limits.
    pub network: IpAddr,
    /// The site whose form it was (`Origin`, else `Referer`'s origin), for the consent record.
    pub origin: String,
}

/// The same for every address, whatever we know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    CheckYourInbox,
    /// This network asked too often; try again after so long.
    TooMany {
        retry_after: Duration,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no topic \"{0}\"")]
    UnknownTopic(Slug),
    #[error("choose alerts, a digest or both, of at least one topic")]
    NothingAsked,
    /// The link was not made by us, is cut short, or what it names is gone.
    #[error("this link is not valid")]
    BadLink,
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Compose(#[from] crate::mail::compose::ComposeError),
}

/// What a confirmation link stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// The button may be pressed.
    Ready(Asked),
    /// It has been pressed; pressing again changes nothing.
    Confirmed(Asked),
    /// Older than 7 days: a new link may be asked for.
    Expired(Asked),
    /// It was confirmed, and the reader left since: only a new sign-up leads further.
    Left,
}

/// The wishes of a sign-up, with its topics' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub topics: Vec<TopicChoice>,
    pub alerts: bool,
    pub digest: Digest,
}

/// A topic on a page; `chosen` where the reader has it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TopicChoice {
    pub slug: Slug,
    pub name: String,
    pub description: String,
    pub chosen: bool,
}

/// What a reader has now. `active` is false for who left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// `a…@example.org`: enough to know one's own, too little to tell another's.
    pub masked_address: String,
    pub active: bool,
    pub topics: Vec<TopicChoice>,
    pub alerts: bool,
    pub digest: Digest,
}

/// Every topic, none chosen, for the sign-up page.
///
/// # Errors
/// When the database can't be read.
pub async fn topics(cx: &Context) -> Result<Vec<TopicChoice>, Error> {
    let mut tx = cx.db.read().await?;
    Ok(choices(&store::topics::all(&mut tx).await?, |_| false))
}

/// Whether what is published on some topic stands in the public archive.
///
/// # Errors
/// When the database can't be read.
pub async fn any_public(cx: &Context) -> Result<bool, Error> {
    let mut tx = cx.db.read().await?;
    Ok(store::topics::all(&mut tx).await?.iter().any(|topic| topic.public))
}

/// Topics as a page shows them.
fn choices(topics: &[store::topics::Topic], chosen: impl Fn(&str) -> bool) -> Vec<TopicChoice> {
    topics
        .iter()
        .filter_map(|topic| {
            Some(TopicChoice {
                slug: topic.slug.parse().ok()?,
                name: topic.name.clone(),
                description: topic.description.clone(),
                chosen: chosen(&topic.slug),
            })
        })
        .collect()
}

/// The keys of the topics asked for.
fn topic_ids(topics: &[store::topics::Topic], wanted: &[Slug]) -> Result<Vec<i64>, Error> {
    wanted
        .iter()
        .map(|slug| {
            topics
                .iter()
                .find(|topic| topic.slug == slug.as_str())
                .map(|topic| topic.id)
                .ok_or_else(|| Error::UnknownTopic(slug.clone()))
        })
        .collect()
}

/// Digests tell what came too late since they began: who had none until now is not told of what was missed before. To
/// be called before the new wishes are set.
async fn begin_digests(tx: &mut Tx, subscriber_id: i64) -> Result<(), Error> {
    let had = store::subscribers::subscriptions(tx, subscriber_id).await?;
    if had.iter().all(|subscription| subscription.digest == Digest::None) {
        store::missed::give_up_too_late(tx, subscriber_id).await?;
    }
    Ok(())
}

/// The sign-up that a confirmation token names.
async fn signup_of(cx: &Context, tx: &mut Tx, token: &str) -> Result<Signup, Error> {
    match cx.keys.verify(token) {
        Some((Purpose::Confirm, id)) => store::signups::by_public_id(tx, id).await?.ok_or(Error::BadLink),
        _ => Err(Error::BadLink),
    }
}

/// What a sign-up asked for, as far as its topics still exist.
fn wishes_of(signup: &Signup) -> Wishes {
    let topics = serde_json::from_str(&signup.topics).unwrap_or_default();
    Wishes { topics, alerts: signup.alerts, digest: signup.digest }
}

fn expired(signup: &Signup, now: Timestamp) -> bool {
    now.since(signup.created_at) >= LINK_HOLDS
}
