//! A digest becomes an issue: everything any reader of its cadence may get is rendered once; who gets which of it is
//! the fan-out's.

use uuid::Uuid;

use super::{
    Error, alerting,
    stories::{self, Source, Story},
};
use crate::context::Context;
use crate::domain::{
    issue::{Kind, Level, State},
    subscription::Digest,
};
use crate::mail::compose;
use crate::store::{self, Tx, issues::NewIssue};

/// A digest made ready; none when there is nothing to tell anybody.
pub(super) struct Ready {
    public_id: Uuid,
    subject: String,
    fragments: Vec<compose::Fragment>,
    last_post: i64,
}

/// Publishes a digest now, outside its schedule. None when there is nothing to tell.
///
/// # Errors
/// A template that can't be rendered, a database that can't be written.
pub async fn publish_digest(cx: &Context, cadence: Digest) -> Result<Option<Uuid>, Error> {
    let Some(ready) = prepare(cx, cadence).await? else {
        return Ok(None);
    };
    let mut tx = cx.db.begin().await?;
    insert(cx, &mut tx, cadence, &ready).await?;
    tx.commit().await?;
    cx.bells.publish.notify_one();
    Ok(Some(ready.public_id))
}

/// Fixes the last post that belongs to it, then renders.
pub(super) async fn prepare(cx: &Context, cadence: Digest) -> Result<Option<Ready>, Error> {
    let mut tx = cx.db.begin().await?;
    store::posts::lock(&mut tx).await?;
    let last_post = store::posts::last_id(&mut tx).await?;
    let lowest = store::subscribers::lowest_watermark(&mut tx, cadence).await?;
    tx.commit().await?;
    let Some(lowest) = lowest else {
        return Ok(None);
    };
    let mut tx = cx.db.read().await?;
    let stories = stories::load(&mut tx, cadence, lowest, last_post).await?;
    drop(tx);
    let Some(lead) = stories.first() else {
        return Ok(None);
    };
    let public_id = cx.entropy.uuid(cx.clock.now());
    let (subject, _) = cx.composer.digest_head(public_id, &lead.title, stories.len())?;
    let digest = compose::Digest { cadence, stories: stories.iter().map(as_story).collect() };
    let fragments = cx.composer.digest(&digest)?;
    Ok(Some(Ready { public_id, subject, fragments, last_post }))
}

pub(super) async fn insert(cx: &Context, tx: &mut Tx, cadence: Digest, ready: &Ready) -> Result<(), Error> {
    let issue = NewIssue {
        public_id: ready.public_id,
        kind: Kind::Digest,
        state: State::Publishing,
        subject: &ready.subject,
        level: Level::All,
        digest: cadence,
        post_id: None,
        signup_id: None,
        content: "",
        return_path: &cx.config.sender.return_path(),
        link_key: &cx.keys.current(),
        last_subscriber: store::subscribers::last_id(tx).await?,
        last_post: ready.last_post,
        created_by: "schedule",
        now: cx.clock.now(),
        expires_at: None,
    };
    let issue_id = store::issues::insert(tx, &issue).await?;
    for fragment in &ready.fragments {
        store::issues::add_fragment(tx, issue_id, &fragment.name, &fragment.text, &fragment.html).await?;
    }
    tracing::info!(issue = %ready.public_id, %cadence, "digest published");
    Ok(())
}

fn as_story(story: &Story) -> compose::Story {
    match &story.source {
        Source::Post { post, .. } => compose::Story {
            id: story.id,
            title: story.title.clone(),
            summary: if post.summary.is_empty() { post.html.clone() } else { post.summary.clone() },
            link: post.url.clone(),
            author: post.author.clone(),
            published_at: Some(post.published_at),
            image: alerting::picture(post),
        },
        Source::Alert { carried, .. } => compose::Story {
            id: story.id,
            title: story.title.clone(),
            summary: carried.summary.clone(),
            link: carried.link.clone(),
            author: None,
            published_at: Some(story.at),
            image: None,
        },
    }
}
