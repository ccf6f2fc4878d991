//! Feeds are polled at start and then at their interval, also after errors, each in a task of its own. The first
//! successful poll ever of a feed is a silent baseline.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use super::{
    Error,
    fetch::{FetchRequest, Fetched, Fetcher},
    keys, look,
    parse::{self, ParsedFeed},
    take,
};
use crate::context::Context;
use crate::domain::{post::PostDraft, time::Timestamp};
use crate::outbox;
use crate::store::{self, Tx, feeds::Feed};

/// The most alerts that one poll gives; the rest goes into the digest only.
const MOST_ALERTS: usize = 3;
/// A poll that was claimed and never heard of again (a crash) is due again after this. Longer than any poll takes, so
/// that a feed is never polled twice at once.
const LEASE: Duration = Duration::from_secs(60);
/// How many posts one transaction takes.
const CHUNK: usize = 50;

/// Polls feeds, each in a task of its own: one that hangs holds up no other.
pub struct Poller {
    cx: Context,
    fetcher: Fetcher,
    under_way: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Poller {
    pub fn new(cx: Context, fetcher: Fetcher) -> Self {
        Self { cx, fetcher, under_way: JoinSet::new(), stop: watch::Sender::new(false) }
    }

    /// Begins to poll every feed that is due. Returns how many that were.
    ///
    /// # Errors
    /// A database that can't be written. A feed that can't be read is no error here: it is noted on the feed.
    pub async fn start_due(&mut self) -> Result<usize, Error> {
        while let Some(polled) = self.under_way.try_join_next() {
            reap(polled);
        }
        let now = self.cx.clock.now();
        let mut tx = self.cx.db.begin().await?;
        let feeds = store::feeds::claim_due(&mut tx, now, now.plus(LEASE)).await?;
        tx.commit().await?;
        let due = feeds.len();
        for feed in feeds {
            let (cx, fetcher) = (self.cx.clone(), self.fetcher.clone());
            let mut stopped = self.stop.subscribe();
            self.under_way.spawn(async move {
                if let Err(error) = poll(&cx, &fetcher, &feed, &mut stopped).await {
                    tracing::error!(feed = feed.url, %error, "the poll can't be kept; trying again in a minute");
                }
            });
        }
        Ok(due)
    }

    /// Waits for the polls under way.
    pub async fn finish(&mut self) {
        while let Some(polled) = self.under_way.join_next().await {
            reap(polled);
        }
    }

    /// Drops what is still being fetched, and finishes what has been.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.finish().await;
    }
}

fn reap(polled: Result<(), tokio::task::JoinError>) {
    if let Err(error) = polled {
        tracing::error!(%error, "a poll broke down; its feed is polled again in a minute");
    }
}

async fn poll(
    cx: &Context,
    fetcher: &Fetcher,
    feed: &Feed,
    stopped: &mut watch::Receiver<bool>,
) -> Result<(), Error> {
    let fetched = tokio::select! {
        fetched = fetch(fetcher, feed, cx.clock.now()) => fetched,
        // The feed is polled anew at the next start.
        _ = stopped.wait_for(|stop| *stop) => return Ok(()),
    };
    let now = cx.clock.now();
    match fetched {
        Ok(Answer::Same) => {
            let mut tx = cx.db.begin().await?;
            if !store::feeds::holds(&mut tx, feed.id, &feed.url).await? {
                return Ok(());
            }
            let validators =
                Validators { etag: feed.etag.clone(), last_modified: feed.last_modified.clone() };
            succeed(&mut tx, feed, &validators, now).await?;
            tx.commit().await?;
            Ok(())
        }
        Ok(Answer::Feed { parsed, validators }) => keep(cx, feed, parsed.items, &validators, now).await,
        Err(failure) => {
            let wait = failure.retry_after.map_or(every(feed), |wait| wait.max(every(feed)));
            fail(cx, feed, &failure, now.plus(wait)).await
        }
    }
}

fn every(feed: &Feed) -> Duration {
    Duration::from_micros(u64::try_from(feed.every_micros).unwrap_or(0))
}

enum Answer {
    Same,
    Feed { parsed: ParsedFeed, validators: Validators },
}

/// What the site said about its answer, for the next request.
struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
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
            tracing::debug!(feed = feed.url, posts = parsed.items.len(), "feed read");
            Ok(Answer::Feed { parsed, validators: Validators { etag, last_modified } })
        }
        Err(error) => Err(Failure { reason: error.to_string(), retry_after: error.retry_after() }),
    }
}

async fn fail(cx: &Context, feed: &Feed, failure: &Failure, next: Timestamp) -> Result<(), Error> {
    tracing::warn!(feed = feed.url, reason = failure.reason, next_poll = %next, "the feed can't be read");
    let mut tx = cx.db.begin().await?;
    if !store::feeds::holds(&mut tx, feed.id, &feed.url).await? {
        return Ok(());
    }
    store::feeds::record_failure(&mut tx, feed.id, &failure.reason, cx.clock.now(), next).await?;
    tx.commit().await?;
    Ok(())
}

async fn succeed(tx: &mut Tx, feed: &Feed, validators: &Validators, now: Timestamp) -> Result<(), Error> {
    let (etag, modified) = (validators.etag.as_deref(), validators.last_modified.as_deref());
    store::feeds::record_success(tx, feed.id, etag, modified, now, now.plus(every(feed))).await?;
    Ok(())
}

/// Keeps what a poll brought, the oldest first. An alert is wanted in the transaction that makes its post known, and
/// the poll is done in the one of the last posts: a kill in between repeats the poll and loses nothing.
async fn keep(
    cx: &Context,
    feed: &Feed,
    mut drafts: Vec<PostDraft>,
    validators: &Validators,
    now: Timestamp,
) -> Result<(), Error> {
    let baseline = feed.baselined_at.is_none();
    drafts.reverse();
    let scope = format!("feed {}", feed.id);
    let fresh = if feed.alert && !baseline { fresh(cx, &drafts, &scope, now).await? } else { Vec::new() };
    let alerted: HashSet<&str> = fresh.iter().take(MOST_ALERTS).copied().collect();
    let mut count = 0;
    let mut heard = false;
    let mut rest = drafts.as_slice();
    loop {
        let (chunk, later) = rest.split_at(rest.len().min(CHUNK));
        let mut tx = cx.db.begin().await?;
        if !store::feeds::holds(&mut tx, feed.id, &feed.url).await? {
            // It was retired, or is read elsewhere now.
            return Ok(());
        }
        store::posts::lock(&mut tx).await?;
        for draft in chunk {
            let taken = take(cx, &mut tx, draft, &scope, &[feed.topic_id], baseline, now).await?;
            count += usize::from(taken.new);
            heard |= taken.new_here;
            if taken.may_alert && alerted.contains(draft.guid.as_str()) {
                store::posts::want_alert(&mut tx, taken.id, feed.topic_id, now).await?;
            }
        }
        if heard {
            store::feeds::heard(&mut tx, feed.id, now).await?;
        }
        if later.is_empty() {
            if fresh.len() > MOST_ALERTS {
                warn_of_burst(cx, &mut tx, feed, fresh.len(), now).await?;
            }
            succeed(&mut tx, feed, validators, now).await?;
        }
        tx.commit().await?;
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    if baseline {
        tracing::info!(
            feed = feed.url,
            posts = count,
            "first poll: these posts are the baseline, nobody gets mail about them"
        );
    } else if count > 0 || !fresh.is_empty() {
        tracing::info!(feed = feed.url, posts = count, alerts = alerted.len(), "new posts");
        cx.bells.publish.notify_one();
        cx.bells.deliver.notify_one();
    }
    if feed.failures > 0 {
        tracing::info!(feed = feed.url, "the feed can be read again");
    }
    Ok(())
}

/// The guids of those that may be alerted, the newest first. `drafts` has the oldest first.
async fn fresh<'a>(
    cx: &Context,
    drafts: &'a [PostDraft],
    scope: &str,
    now: Timestamp,
) -> Result<Vec<&'a str>, Error> {
    let mut tx = cx.db.read().await?;
    let mut fresh = Vec::new();
    for (place, draft) in drafts.iter().enumerate() {
        let sight = look(&mut tx, draft, &keys(draft, scope), now).await?;
        if sight.may_alert(now) {
            fresh.push((sight.published_at, place, draft.guid.as_str()));
        }
    }
    fresh.sort_by(|a, b| b.cmp(a));
    Ok(fresh.into_iter().map(|(.., guid)| guid).collect())
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
