//! Posts in: feeds are polled, sites push. A post is the same by its guid within its source or by its link anywhere:
//! what is seen again is a revision, never a second mail.

use std::time::Duration;

use uuid::Uuid;

use crate::context::Context;
use crate::domain::{
    post::{PostDraft, guid_key, link_key},
    time::{DAY, Timestamp},
};
use crate::mail::html;
use crate::store::{self, Tx, posts::Content};

mod date;
pub mod fetch;
pub mod network;
pub mod parse;
mod polling;
mod screen;

pub use polling::poll_due;

/// A post that is older than this when it is first seen is never alerted.
pub const ALERT_WITHIN: Duration = DAY;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Outbox(#[from] crate::outbox::Error),
    #[error("there is no topic \"{0}\"")]
    UnknownTopic(String),
}

/// What became of a pushed post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub id: Uuid,
    /// False for a revision of a known post.
    pub new: bool,
}

/// A post that a source gave, and what that meant.
pub(crate) struct Taken {
    id: i64,
    public_id: Uuid,
    /// Nobody had given it before.
    new: bool,
    /// This source had not.
    new_here: bool,
    silent: bool,
    published_at: Timestamp,
}

/// Takes a post that a site pushes. `alert` wants it mailed at once, which a post dated more than 24 hours back is not.
///
/// # Errors
/// An unknown topic, or a database that can't be written.
pub async fn receive(
    cx: &Context,
    draft: PostDraft,
    topics: &[String],
    alert: bool,
) -> Result<Received, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let known = store::topics::all(&mut tx).await?;
    let mut topic_ids = Vec::new();
    for slug in topics {
        let topic = known.iter().find(|topic| topic.slug == *slug);
        topic_ids.push(topic.ok_or_else(|| Error::UnknownTopic(slug.clone()))?.id);
    }
    store::posts::lock(&mut tx).await?;
    let taken = take(cx, &mut tx, draft.tidy(), "api", &topic_ids, false, now).await?;
    if alert && taken.new_here && may_alert(&taken, now) {
        store::posts::want_alert(&mut tx, taken.id).await?;
    }
    tx.commit().await?;
    cx.bells.publish.notify_one();
    Ok(Received { id: taken.public_id, new: taken.new })
}

fn may_alert(taken: &Taken, now: Timestamp) -> bool {
    !taken.silent && now.since(taken.published_at) <= ALERT_WITHIN
}

/// Keeps a tidied post under all its keys: a new one, or a revision where any key is known.
async fn take(
    cx: &Context,
    tx: &mut Tx,
    draft: PostDraft,
    scope: &str,
    topic_ids: &[i64],
    silent: bool,
    now: Timestamp,
) -> Result<Taken, Error> {
    let guid = (scope.to_owned(), guid_key(&draft.guid));
    let link = draft.url.as_deref().and_then(link_key).map(|key| ("link".to_owned(), key));
    let keys: Vec<_> = std::iter::once(guid.clone()).chain(link).collect();
    let known = store::posts::find(tx, &keys).await?;
    let published_at = draft.published_at.or(known.as_ref().map(|post| post.published_at)).unwrap_or(now);
    let html = match draft.url.as_deref().and_then(|url| url.parse().ok()) {
        Some(base) => html::sanitize_at(&draft.html, &base),
        None => html::sanitize(&draft.html),
    };
    let content = Content {
        url: draft.url.as_deref(),
        title: &draft.title,
        summary: &draft.summary,
        html: &html,
        author: draft.author.as_deref(),
        image: draft.image.as_deref(),
        categories: &draft.categories,
        tags: &draft.tags,
        published_at,
    };
    let taken = match known {
        Some(post) => {
            let new_here = store::posts::find(tx, std::slice::from_ref(&guid)).await?.is_none();
            if is_revised(&post, &content) {
                store::posts::revise(tx, post.id, &content).await?;
            }
            let (id, public_id, silent) = (post.id, post.public_id, post.silent);
            Taken { id, public_id, new: false, new_here, silent, published_at }
        }
        None => {
            let public_id = cx.entropy.uuid(now);
            let id = store::posts::insert(tx, public_id, &content, silent, now).await?;
            Taken { id, public_id, new: true, new_here: true, silent, published_at }
        }
    };
    for (scope, key) in &keys {
        store::posts::add_key(tx, taken.id, scope, key).await?;
    }
    for topic_id in topic_ids {
        store::posts::add_topic(tx, taken.id, *topic_id).await?;
    }
    Ok(taken)
}

fn is_revised(post: &store::posts::Post, content: &Content<'_>) -> bool {
    post.title != content.title
        || post.summary != content.summary
        || post.html != content.html
        || post.url.as_deref() != content.url
        || post.author.as_deref() != content.author
        || post.image.as_deref() != content.image
        || post.published_at != content.published_at
}
