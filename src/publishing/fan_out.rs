//! From an issue to its deliveries, a window of readers at a time. The cursor moves in the same transaction, so a crash
//! repeats nothing, and the first mails leave while the rest is still being written.

use std::collections::HashMap;

use super::{
    Error,
    stories::{self, Selection, Story},
};
use crate::context::Context;
use crate::domain::{
    decision::{Decision, Matter, Reader, Subscription, decide},
    delivery,
    issue::{Kind, Level},
    subscription::Digest,
    time::Timestamp,
};
use crate::handover::Promise;
use crate::mail::compose::digest_order;
use crate::store::{self, Tx, deliveries::Batch, issues::Issue, subscribers::ReaderRow};

/// How many readers one transaction takes: few, so that the first mails leave at once and nobody waits long behind it for
/// SQLite's only writer.
pub(super) const WINDOW: i64 = 500;
/// Before the priority and the key of any issue.
const FIRST: (i64, i64) = (-1, 0);

/// Writes the next window of deliveries of the most pressing issue. False when no issue waits for its fan-out.
///
/// The readers of an alert are read and decided on before SQLite's only writer is taken: who leaves between is found by
/// the claim. A digest also moves its readers' watermarks, which must be the ones it went by.
///
/// # Errors
/// A template that can't be rendered, a database that can't be written.
pub(super) async fn fan_out(cx: &Context) -> Result<bool, Error> {
    let mut behind = FIRST;
    let (mut tx, mut issue) = loop {
        let mut tx = cx.db.read().await?;
        let Some(issue) = store::issues::next_to_fan_out(&mut tx, behind).await? else {
            return Ok(false);
        };
        if issue.kind != Kind::Correction {
            break (tx, issue);
        }
        drop(tx);
        if super::correcting::fan_out(cx, &issue).await? {
            return Ok(true);
        }
        behind = (issue.priority, issue.id);
    };
    if issue.kind == Kind::Digest {
        tx = cx.db.now_writing(tx).await?;
        let next = store::issues::next_to_fan_out(&mut tx, behind).await?;
        let Some(same) = next.filter(|next| next.id == issue.id) else { return Ok(true) };
        issue = same;
    }
    let after = issue.next_subscriber;
    let end = issue.last_subscriber;
    // An alert concerns the readers of its topics alone, however many others there are between them.
    let topics = match issue.kind {
        Kind::Alert | Kind::Broadcast => Some(store::issues::topic_ids(&mut tx, issue.id).await?),
        Kind::Digest | Kind::Notice | Kind::Correction => None,
    };
    let window = match &topics {
        Some(topics) => store::subscribers::window_on(&mut tx, topics, after, end, WINDOW).await?,
        None => store::subscribers::window(&mut tx, after, end, WINDOW).await?,
    };
    let Some(last) = window else {
        tx = cx.db.now_writing(tx).await?;
        store::issues::fanned_out(&mut tx, issue.id).await?;
        tx.commit().await?;
        // What was held back for it goes on.
        cx.bells.deliver.notify_one();
        return Ok(true);
    };
    let rows = match &topics {
        Some(topics) => store::subscribers::readers_on(&mut tx, topics, after, last).await?,
        None => store::subscribers::readers(&mut tx, after, last).await?,
    };
    let readers = Recipient::all(&rows);
    let now = cx.clock.now();
    let (mut tx, added, promise) = match &topics {
        Some(topics) => match alert_window(cx, tx, &issue, topics, &readers, now).await? {
            Some(written) => written,
            None => return Ok(true),
        },
        None => {
            let added = digest_window(cx, &mut tx, &issue, &readers, (after, last), now).await?;
            (tx, added, None)
        }
    };
    if !store::issues::advance(&mut tx, issue.id, after, last, i64::try_from(added).unwrap_or(0)).await? {
        return Ok(true);
    }
    let handed = match &promise {
        Some(promise) => store::claims::fresh(&mut tx, promise.node, issue.id, after, last).await?,
        None => {
            store::bells::ring(&mut tx).await?;
            Vec::new()
        }
    };
    let committed = tx.commit().await;
    match (promise, &committed) {
        (Some(promise), Ok(())) => promise.keep(handed),
        (Some(promise), Err(_)) => promise.doubt(),
        (None, _) => {}
    }
    committed?;
    cx.bells.deliver.notify_one();
    Ok(true)
}

/// A reader, as the decision and the choice of stories need them.
pub(super) struct Recipient {
    id: i64,
    active: bool,
    suppressed: bool,
    subscriptions: Vec<Subscription>,
}

impl Recipient {
    /// The readers behind these rows, which have those of one reader together.
    pub(super) fn all(rows: &[ReaderRow]) -> Vec<Self> {
        rows.chunk_by(|a, b| a.subscriber_id == b.subscriber_id).map(Self::new).collect()
    }

    fn new(rows: &[ReaderRow]) -> Self {
        let subscription = |row: &ReaderRow| Subscription {
            topic: row.topic_id,
            alerts: row.alerts,
            digest: row.digest,
            digest_after: row.digest_after,
        };
        Self {
            id: rows[0].subscriber_id,
            active: rows[0].active,
            suppressed: rows[0].suppressed,
            subscriptions: rows.iter().map(subscription).collect(),
        }
    }

    fn decide(&self, matter: &Matter<'_>, now: Timestamp) -> Decision {
        let reader =
            Reader { active: self.active, suppressed: self.suppressed, subscriptions: &self.subscriptions };
        decide(&reader, matter, now)
    }
}

/// Who of these readers gets a digest of these stories, and which of them. `window` holds the readers: after the first
/// key, up to the second.
pub(super) async fn selections(
    cx: &Context,
    tx: &mut Tx,
    stories: &[Story],
    digest: Digest,
    readers: &[Recipient],
    window: (i64, i64),
    now: Timestamp,
) -> Result<Vec<(i64, Selection)>, Error> {
    let told: Vec<i64> = stories.iter().map(|story| story.id).collect();
    let alerted = by_reader(store::missed::alerted(tx, &told, window).await?);
    let missed = by_reader(store::missed::too_late(tx, window).await?);
    let testers = if stories.iter().any(|story| story.test) { testers(cx, tx).await? } else { Vec::new() };
    let matter = Matter { kind: Kind::Digest, level: Level::All, topics: &[], digest, expires_at: None };
    let mut chosen = Vec::new();
    for reader in readers {
        if reader.decide(&matter, now) != Decision::Now {
            continue;
        }
        let of = |map: &HashMap<i64, Vec<i64>>| map.get(&reader.id).cloned().unwrap_or_default();
        let known = (&*of(&alerted), &*of(&missed));
        let is_tester = testers.contains(&reader.id);
        let selection = stories::select(stories, digest, &reader.subscriptions, known, is_tester);
        chosen.push((reader.id, selection));
    }
    Ok(chosen)
}

/// Where the senders of this node have room for them, the deliveries go to them at once: as promised. None where something
/// else was published while it waited for that.
async fn alert_window<'a>(
    cx: &'a Context,
    mut tx: Tx,
    issue: &Issue,
    topics: &[i64],
    readers: &[Recipient],
    now: Timestamp,
) -> Result<Option<(Tx, u64, Option<Promise<'a>>)>, Error> {
    let (mut in_time, mut late) = (Vec::new(), Vec::new());
    let matter = Matter {
        kind: issue.kind,
        level: issue.level,
        topics,
        digest: issue.digest,
        expires_at: issue.expires_at,
    };
    for reader in readers {
        match reader.decide(&matter, now) {
            Decision::Now => in_time.push(reader.id),
            Decision::IntoDigest => late.push(reader.id),
            Decision::Never(_) => {}
        }
    }
    // No digest tells of a test, but to test addresses.
    if !late.is_empty() && store::issues::is_test(&mut tx, issue.id).await? {
        late.clear();
    }
    let variant_id = store::issues::only_variant(&mut tx, issue.id).await?;
    // The first mails of an issue wait for nothing.
    let promise = match in_time.len() {
        0 => None,
        // It can wait: it is queued, and the senders take it when they have nothing better to do.
        _ if issue.kind == Kind::Broadcast => None,
        count if issue.audience == 0 => cx.handover.promise_now(issue.priority, count),
        count => tokio::select! {
            biased;
            promise = cx.handover.promise(issue.priority, count) => promise,
            // Something was published meanwhile: that may be more pressing. This window is read again, and its issue must
            // not be locked by then.
            () = cx.bells.publish.notified() => {
                tx.commit().await?;
                return Ok(None);
            }
        },
    };
    let node = promise.as_ref().map(|promise| promise.node);
    let state = if node.is_some() { delivery::State::Sending } else { delivery::State::Queued };
    let mut tx = cx.db.now_writing(tx).await?;
    let mut added = 0;
    for (state, node, ids) in [(state, node, in_time), (delivery::State::Expired, None, late)] {
        if !ids.is_empty() {
            let batch = Batch { issue_id: issue.id, variant_id, priority: issue.priority, state, node, now };
            added += store::deliveries::insert_for(&mut tx, batch, &ids).await?;
        }
    }
    Ok(Some((tx, added, promise)))
}

async fn digest_window(
    cx: &Context,
    tx: &mut Tx,
    issue: &Issue,
    readers: &[Recipient],
    window: (i64, i64),
    now: Timestamp,
) -> Result<u64, Error> {
    let names = store::issues::fragment_names(tx, issue.id).await?;
    // The fragments stand in the order of the stories.
    let told: Vec<i64> =
        names.iter().filter_map(|(_, name)| name.strip_prefix("story:")?.parse().ok()).collect();
    let fragments: HashMap<String, i64> = names.into_iter().map(|(id, name)| (name, id)).collect();
    let stories = stories::load(tx, &told).await?;

    let mut by_content: HashMap<(Vec<i64>, Vec<i64>), Vec<i64>> = HashMap::new();
    let mut carried: HashMap<i64, Vec<i64>> = HashMap::new();
    for (reader, selection) in selections(cx, tx, &stories, issue.digest, readers, window, now).await? {
        for issue_id in &selection.carried {
            carried.entry(*issue_id).or_default().push(reader);
        }
        if selection.tells() {
            by_content.entry((selection.full, selection.seen)).or_default().push(reader);
        }
    }

    let mut added = 0;
    for ((full, seen), ids) in by_content {
        let lead = full.first().or(seen.first()).copied();
        let title =
            stories.iter().find(|story| Some(story.id) == lead).map_or("", |story| story.title.as_str());
        let (_, head) = cx.composer.digest_head(issue.public_id, title, full.len() + seen.len())?;
        let order: Vec<i64> =
            digest_order(&full, &seen).iter().filter_map(|name| fragments.get(name).copied()).collect();
        let test = stories.iter().any(|it| it.test && (full.contains(&it.id) || seen.contains(&it.id)));
        let variant_id = store::issues::variant(tx, issue.id, &head, &order, test).await?;
        let state = delivery::State::Queued;
        let batch =
            Batch { issue_id: issue.id, variant_id, priority: issue.priority, state, node: None, now };
        added += store::deliveries::insert_for(tx, batch, &ids).await?;
    }
    for (alert, ids) in carried {
        store::missed::carry(tx, issue.id, alert, &ids).await?;
    }
    store::subscribers::advance_digests(tx, issue.digest, window.0, window.1, issue.last_post).await?;
    Ok(added)
}

/// The readers who are test addresses.
async fn testers(cx: &Context, tx: &mut Tx) -> Result<Vec<i64>, Error> {
    let mut testers = Vec::new();
    for address in &cx.config.sender.test_addresses {
        testers.extend(store::subscribers::by_key(tx, address.key()).await?.map(|found| found.id));
    }
    Ok(testers)
}

fn by_reader(pairs: Vec<(i64, i64)>) -> HashMap<i64, Vec<i64>> {
    let mut map: HashMap<i64, Vec<i64>> = HashMap::new();
    for (reader, thing) in pairs {
        map.entry(reader).or_default().push(thing);
    }
    map
}
