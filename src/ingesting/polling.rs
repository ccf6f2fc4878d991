//! Feeds are polled at start and then at their interval, also after errors. The first successful poll ever of a feed
//! is a silent baseline.

use std::time::Duration;

use url::Url;

use super::{
    Error, Taken,
    fetch::{FetchRequest, Fetched, Fetcher},
    may_alert,
    parse::{self, ParsedFeed},
    take,
};
use crate::context::Context;
use crate::domain::{post::PostDraft, time::Timestamp};
use crate::outbox;
use crate::store::{self, Tx, feeds::Feed};

/// The most alerts that one poll gives; the rest goes into the digest only.
const MOST_ALERTS: usize = 3;
/// A poll that was claimed and never heard of again (a crash) is due again after this.
const LEASE: Duration = Duration::from_secs(60);
/// How many posts one transaction takes.
const CHUNK: usize = 50;

/// Polls every feed that is due, all at once. Returns how many that were.
///
/// # Errors
/// A database that can't be written. A feed that can't be read is no error here: it is noted on the feed.
pub async fn poll_due(cx: &Context, fetcher: &Fetcher) -> Result<usize, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let feeds = store::feeds::claim_due(&mut tx, now, now.plus(LEASE)).await?;
    tx.commit().await?;
    let polls = feeds.iter().map(|feed| poll(cx, fetcher, feed));
    for result in futures_util::future::join_all(polls).await {
        result?;
    }
    Ok(feeds.len())
}

async fn poll(cx: &Context, fetcher: &Fetcher, feed: &Feed) -> Result<(), Error> {
    let every = Duration::from_micros(u64::try_from(feed.every_micros).unwrap_or(0));
    let fetched = fetch(fetcher, feed, cx.clock.now()).await;
    let now = cx.clock.now();
    let outcome = match fetched {
        Ok(Answer::Same) => {
            let mut tx = cx.db.begin().await?;
            let (etag, modified) = (feed.etag.as_deref(), feed.last_modified.as_deref());
            store::feeds::record_success(&mut tx, feed.id, etag, modified, now, now.plus(every)).await?;
            tx.commit().await?;
            return Ok(());
        }
        Ok(Answer::Feed { parsed, etag, last_modified }) => {
            keep(cx, feed, parsed, now).await.map(|()| (etag, last_modified))
        }
        Err(failure) => {
            return fail(
                cx,
                feed,
                &failure,
                now.plus(failure.retry_after.map_or(every, |wait| wait.max(every))),
            )
            .await;
        }
    };
    let (etag, last_modified) = outcome?;
    let mut tx = cx.db.begin().await?;
    let (etag, modified) = (etag.as_deref(), last_modified.as_deref());
    store::feeds::record_success(&mut tx, feed.id, etag, modified, now, now.plus(every)).await?;
    tx.commit().await?;
    if feed.failures > 0 {
        tracing::info!(feed = feed.url, "the feed can be read again");
    }
    Ok(())
}

enum Answer {
    Same,
    Feed { parsed: ParsedFeed, etag: Option<String>, last_modified: Option<String> },
}

struct Failure {
    reason: String,
    retry_after: Option<Duration>,
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self { reason, retry_after: None }
    }
}

async fn fetch(fetcher: &Fetcher, feed: &Feed, now: Timestamp) -> Result<Answer, Failure> {
    let url = Url::parse(&feed.url).map_err(|error| format!("its address can't be read: {error}"))?;
    let baselined = feed.baselined_at.is_some();
    let request = FetchRequest {
        url,
        // Before the baseline nothing is known, so "not modified" would tell nothing.
        etag: feed.etag.clone().filter(|_| baselined),
        last_modified: feed.last_modified.clone().filter(|_| baselined),
    };
    match fetcher.fetch(&request, now).await {
        Ok(Fetched::NotModified { .. }) => Ok(Answer::Same),
        Ok(Fetched::Body { bytes, etag, last_modified, content_type, final_url, .. }) => {
            let parsing = move || parse::parse(&bytes, &final_url, content_type.as_deref());
            let parsed = tokio::task::spawn_blocking(parsing)
                .await
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())?;
            Ok(Answer::Feed { parsed, etag, last_modified })
        }
        Err(error) => Err(Failure { reason: error.to_string(), retry_after: error.retry_after() }),
    }
}

async fn fail(cx: &Context, feed: &Feed, failure: &Failure, next: Timestamp) -> Result<(), Error> {
    tracing::warn!(feed = feed.url, reason = failure.reason, next_poll = %next, "the feed can't be read");
    let mut tx = cx.db.begin().await?;
    store::feeds::record_failure(&mut tx, feed.id, &failure.reason, cx.clock.now(), next).await?;
    tx.commit().await?;
    Ok(())
}

/// Keeps what a poll brought, the oldest first, and wants alerts for the newest of what is new.
async fn keep(cx: &Context, feed: &Feed, parsed: ParsedFeed, now: Timestamp) -> Result<(), Error> {
    let baseline = feed.baselined_at.is_none();
    let mut drafts: Vec<PostDraft> = parsed.items.into_iter().map(PostDraft::tidy).collect();
    drafts.reverse();
    let scope = format!("feed {}", feed.id);
    let mut fresh: Vec<Taken> = Vec::new();
    let mut count = 0;
    let mut chunks = drafts.chunks(CHUNK).peekable();
    while let Some(chunk) = chunks.next() {
        let mut tx = cx.db.begin().await?;
        store::posts::lock(&mut tx).await?;
        for draft in chunk {
            let taken = take(cx, &mut tx, draft.clone(), &scope, &[feed.topic_id], baseline, now).await?;
            count += usize::from(taken.new);
            if feed.alert && !baseline && taken.new_here && may_alert(&taken, now) {
                fresh.push(taken);
            }
        }
        if chunks.peek().is_none() {
            // With the last posts: a kill in between would leave them known and never alerted.
            want_alerts(cx, &mut tx, feed, &mut fresh, now).await?;
        }
        tx.commit().await?;
    }
    if baseline {
        tracing::info!(
            feed = feed.url,
            posts = count,
            "first poll: these posts are the baseline, nobody gets mail about them"
        );
    } else if count > 0 {
        tracing::info!(feed = feed.url, posts = count, alerts = fresh.len().min(MOST_ALERTS), "new posts");
        cx.bells.publish.notify_one();
        cx.bells.deliver.notify_one();
    }
    Ok(())
}

async fn want_alerts(
    cx: &Context,
    tx: &mut Tx,
    feed: &Feed,
    fresh: &mut [Taken],
    now: Timestamp,
) -> Result<(), Error> {
    fresh.sort_by_key(|taken| std::cmp::Reverse((taken.published_at, taken.id)));
    for taken in fresh.iter().take(MOST_ALERTS) {
        store::posts::want_alert(tx, taken.id).await?;
    }
    if fresh.len() > MOST_ALERTS {
        warn_of_burst(cx, tx, feed, fresh.len(), now).await?;
    }
    Ok(())
}

async fn warn_of_burst(
    cx: &Context,
    tx: &mut Tx,
    feed: &Feed,
    fresh: usize,
    now: Timestamp,
) -> Result<(), Error> {
    let warning = format!(
        "{fresh} new posts came in one poll; the {MOST_ALERTS} newest were alerted, the other {} go into the digest only",
        fresh - MOST_ALERTS
    );
    store::feeds::warn(tx, feed.id, &warning, now).await?;
    let paragraphs = vec![
        format!("{}: {warning}.", feed.url),
        "If one of them should go out at once, alert it by hand: bellwether alert, or POST /api/v1/alerts with its post_id."
            .to_owned(),
    ];
    outbox::tell_operator(cx, tx, "A feed brought many posts at once", paragraphs).await?;
    Ok(())
}
