//! A digest becomes an issue: everything any reader of its cadence may get is rendered once; who gets which of it is
//! the fan-out's.

use uuid::Uuid;

use super::{
    Error, archive,
    stories::{self, Contents},
};
use crate::context::Context;
use crate::domain::{issue::Kind, subscription::Digest};
use crate::mail::compose::{self, ComposeError};
use crate::outbox;
use crate::store::{self, Tx, archive::Page, issues::NewIssue};

/// A digest made ready; none when there is nothing to tell anybody.
pub(super) struct Ready {
    public_id: Uuid,
    subject: String,
    fragments: Vec<compose::Fragment>,
    last_post: i64,
    told: usize,
    /// How many stories are too many for a mail. They are told to nobody: the watermarks pass them.
    left_out: usize,
    /// What its page in the archive says; none where nothing of it is public.
    page: Option<Page>,
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
    insert(cx, &mut tx, cadence, &ready, "hand").await?;
    tx.commit().await?;
    cx.bells.publish.notify_one();
    Ok(Some(ready.public_id))
}

/// Fixes the last post that belongs to it, then renders: at most as many stories as a template may give bytes for.
pub(super) async fn prepare(cx: &Context, cadence: Digest) -> Result<Option<Ready>, Error> {
    let mut tx = cx.db.begin().await?;
    store::posts::lock(&mut tx).await?;
    let last_post = store::posts::last_id(&mut tx).await?;
    tx.commit().await?;
    let mut tx = cx.db.read().await?;
    let contents = stories::contents(&mut tx, cadence, last_post).await?;
    drop(tx);
    let Some((digest, fragments, left_out)) = fitted(cx, cadence, contents)? else {
        return Ok(None);
    };
    let told = digest.stories.len();
    let public_id = cx.entropy.uuid(cx.clock.now());
    let lead = &digest.stories[0];
    let lead = stories::marked(&lead.title, lead.corrected);
    let (subject, _) = cx.composer.digest_head(public_id, &lead, told)?;
    let page = archive::digest(cx, public_id, &digest.stories).await?;
    Ok(Some(Ready { public_id, subject, fragments, last_post, told, left_out, page }))
}

/// The stories that fit, their fragments, and how many are left out; none where there is nothing to tell.
pub(super) fn fitted(
    cx: &Context,
    cadence: Digest,
    contents: Contents,
) -> Result<Option<(compose::Digest, Vec<compose::Fragment>, usize)>, Error> {
    let Contents { stories, mut left_out } = contents;
    if stories.is_empty() {
        return Ok(None);
    }
    let mut digest = compose::Digest { cadence, stories };
    let fragments = loop {
        match cx.composer.digest(&digest) {
            Err(ComposeError::TooLong(_)) if digest.stories.len() > 1 => {
                let fit = digest.stories.len() / 2;
                left_out += digest.stories.len() - fit;
                digest.stories.truncate(fit);
            }
            rendered => break rendered?,
        }
    };
    Ok(Some((digest, fragments, left_out)))
}

pub(super) async fn insert(
    cx: &Context,
    tx: &mut Tx,
    cadence: Digest,
    ready: &Ready,
    created_by: &str,
) -> Result<(), Error> {
    let issue = NewIssue {
        digest: cadence,
        last_subscriber: store::subscribers::last_id(tx).await?,
        last_post: ready.last_post,
        ..cx.new_issue(ready.public_id, Kind::Digest, &ready.subject, created_by)
    };
    let issue_id = store::issues::insert(tx, &issue).await?;
    for fragment in &ready.fragments {
        store::issues::add_fragment(tx, issue_id, &fragment.name, &fragment.text, &fragment.html).await?;
    }
    if let Some(page) = &ready.page {
        let public = store::schedules::is_public(tx, cadence).await?;
        archive::keep(cx, tx, issue_id, page, public).await?;
    }
    if ready.left_out > 0 {
        let paragraphs = vec![
            format!(
                "There were {} stories for the {cadence} digest, too many for one mail. It tells the {} newest; the other {} \
                 are left out.",
                ready.told + ready.left_out,
                ready.told,
                ready.left_out
            ),
            "A schedule that runs more often, or feeds with fewer posts, make it shorter.".to_owned(),
        ];
        outbox::tell_operator(cx, tx, "A digest was too long", paragraphs).await?;
    }
    tracing::info!(issue = %ready.public_id, %cadence, "digest published");
    Ok(())
}
