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
use crate::store::{
    self, Tx,
    posts::{Content, Post},
};

mod date;
pub mod fetch;
mod links;
pub mod network;
pub mod parse;
mod polling;
mod screen;

pub use links::look_at_links;
pub use polling::Poller;

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
    #[error("the post has no title")]
    Untitled,
}

/// What became of a pushed post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub id: Uuid,
    /// False for a revision of a known post.
    pub new: bool,
}

/// A post that a source gives, looked up by its keys.
struct Sight {
    known: Option<Post>,
    /// This source had not given it before.
    new_here: bool,
    published_at: Timestamp,
}

/// A post that a source gave, kept.
struct Taken {
    id: i64,
    public_id: Uuid,
    /// Nobody had given it before.
    new: bool,
    /// This source had not given it before.
    new_here: bool,
    may_alert: bool,
}

/// Takes a post that a site pushes, and tidies it. `alert` wants it mailed at once to the readers of `topics`, which a
/// post dated more than 24 hours back is not.
///
/// # Errors
/// An unknown topic, a title that is empty once it is tidied, or a database that can't be written.
pub async fn receive(
    cx: &Context,
    draft: PostDraft,
    topics: &[String],
    alert: bool,
) -> Result<Received, Error> {
    let now = cx.clock.now();
    let draft = draft.tidy();
    if draft.title.is_empty() {
        return Err(Error::Untitled);
    }
    let mut tx = cx.db.begin().await?;
    let known = store::topics::all(&mut tx).await?;
    let mut topic_ids = Vec::new();
    for slug in topics {
        let topic = known.iter().find(|topic| topic.slug == *slug);
        topic_ids.push(topic.ok_or_else(|| Error::UnknownTopic(slug.clone()))?.id);
    }
    store::posts::lock(&mut tx).await?;
    let taken = take(cx, &mut tx, &draft, "api", &topic_ids, false, now).await?;
    if alert && taken.may_alert {
        for topic_id in topic_ids {
            store::posts::want_alert(&mut tx, taken.id, topic_id, now).await?;
        }
    }
    tx.commit().await?;
    cx.bells.publish.notify_one();
    Ok(Received { id: taken.public_id, new: taken.new })
}

impl Sight {
    /// Whether it may be alerted: this source's first word of it, recent, and nothing that was there before us.
    fn may_alert(&self, now: Timestamp) -> bool {
        let silent = self.known.as_ref().is_some_and(|post| post.silent);
        self.new_here && !silent && now.since(self.published_at) <= ALERT_WITHIN
    }
}

/// Under what a source's post is known, its guid first.
fn keys(draft: &PostDraft, scope: &str) -> Vec<(String, String)> {
    let guid = (scope.to_owned(), guid_key(&draft.guid));
    let link = draft.url.as_deref().and_then(link_key).map(|key| ("link".to_owned(), key));
    std::iter::once(guid).chain(link).collect()
}

async fn look(
    tx: &mut Tx,
    draft: &PostDraft,
    keys: &[(String, String)],
    now: Timestamp,
) -> Result<Sight, Error> {
    let known = store::posts::find(tx, keys).await?;
    let new_here = known.is_none() || store::posts::find(tx, &keys[..1]).await?.is_none();
    let published_at = draft.published_at.or(known.as_ref().map(|post| post.published_at)).unwrap_or(now);
    Ok(Sight { known, new_here, published_at })
}

/// Keeps a tidied post under all its keys: a new one, or a revision where any key is known. A new one is `silent` if
/// it is part of a baseline.
async fn take(
    cx: &Context,
    tx: &mut Tx,
    draft: &PostDraft,
    scope: &str,
    topic_ids: &[i64],
    silent: bool,
    now: Timestamp,
) -> Result<Taken, Error> {
    let keys = keys(draft, scope);
    let sight = look(tx, draft, &keys, now).await?;
    let new_here = sight.new_here;
    let may_alert = !silent && sight.may_alert(now);
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
        published_at: sight.published_at,
    };
    let taken = match sight.known {
        Some(post) => {
            if is_revised(&post, &content) {
                store::posts::revise(tx, post.id, &content).await?;
            }
            Taken { id: post.id, public_id: post.public_id, new: false, new_here, may_alert }
        }
        None => {
            let public_id = cx.entropy.uuid(now);
            let id = store::posts::insert(tx, public_id, &content, silent, now).await?;
            Taken { id, public_id, new: true, new_here, may_alert }
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

fn is_revised(post: &Post, content: &Content<'_>) -> bool {
    post.title != content.title
        || post.summary != content.summary
        || post.html != content.html
        || post.url.as_deref() != content.url
        || post.author.as_deref() != content.author
        || post.image.as_deref() != content.image
        || post.published_at != content.published_at
}
