//! Corrections: one action stops what is left of an alert and mails those who got it, or may have. The correction is an
//! issue of its own that goes before all alerts; its readers follow from the original's deliveries.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::{Error, archive, fan_out::WINDOW, releasing};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    decision::{Decision, Matter, Reader, decide},
    delivery, draft,
    issue::{Kind, Level, State},
    subscription::Digest,
    text,
    time::Timestamp,
};
use crate::mail::{compose::Alert, html};
use crate::once::{self, Came, Once};
pub use crate::store::corrections::Earlier;
use crate::store::{
    self,
    deliveries::Batch,
    issues::{Issue, NewIssue},
};

/// Every node has heard of a stop by then, and claims nothing more of what was stopped.
const HEARD: Duration = Duration::from_secs(2);

/// What a correction says.
#[derive(Clone, Debug)]
pub struct Correction {
    /// Without a mark; it gets one.
    pub subject: String,
    /// Markdown.
    pub body: String,
    pub link: Option<String>,
    /// The newest correction that its author knows of: one by somebody else meanwhile is not corrected over.
    pub seen: Option<Uuid>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Corrected {
    /// On its way, as the issue of this name.
    Now(Uuid),
    /// It was corrected since, by this one.
    Already(Earlier),
    /// The correction that its author knows of is none of it.
    NotSeen,
    /// It has no subject, or no text.
    Blank,
    /// Only an alert or a newsletter that left can be corrected, as long as it is known who got it.
    NotThis,
    /// Two people are asked for, and a program is none.
    SecondPerson,
    /// A call with the same key came first.
    Before,
    Unknown,
}

/// Who corrected it, when, and what all who have it were told.
impl fmt::Display for Earlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.to_jiff().strftime("%-d %b %Y, %H:%M:%S UTC");
        write!(
            f,
            "{} corrected it on {at}, and all who have it are told already: “{}”.",
            self.by, self.subject
        )
    }
}

/// Stops what is left of an alert and mails the correction. Of several at once one goes out. With a key that was used already nothing is done.
///
/// # Errors
/// A text that says what must not go out, a template that can't be rendered, a database that can't be written.
pub async fn correct(
    cx: &Context,
    actor: &Actor,
    issue: Uuid,
    correction: &Correction,
    once: Option<Once<'_>>,
) -> Result<Corrected, Error> {
    let now = cx.clock.now();
    let subject = text::one_line(&correction.subject, 250);
    let body = html::markdown(&correction.body);
    if subject.is_empty() || html::is_blank(&body) {
        return Ok(Corrected::Blank);
    }
    let said = super::alerting::blocked(cx, &subject, None, &html::plain_text(&body));
    if let Some(phrase) = said.into_iter().next() {
        return Err(Error::Phrase(phrase));
    }
    let mut tx = cx.db.read().await?;
    let Some(original) = store::issues::by_public_id(&mut tx, issue).await? else {
        return Ok(Corrected::Unknown);
    };
    let Some(kind) = kind_of(&original) else {
        return Ok(Corrected::NotThis);
    };
    // Whoever sees that it is wrong may say so alone.
    if releasing::asks_another(cx, actor, (kind, original.level), &[]) {
        return Ok(Corrected::SecondPerson);
    }
    let topics = store::issues::topic_ids(&mut tx, original.id).await?;
    let all = store::topics::all(&mut tx).await?;
    drop(tx);
    let named = all.iter().filter(|topic| topics.contains(&topic.id)).map(|topic| topic.name.clone());
    let alert = Alert {
        kind,
        subject: subject.clone(),
        level: original.level,
        topics: named.collect(),
        title: subject,
        html: body.clone(),
        preheader: None,
        link: correction.link.clone(),
        link_text: None,
        author: None,
        published_at: None,
        image: None,
    };
    let public_id = cx.entropy.uuid(now);
    let draft = cx.composer.correction(public_id, &alert, issue)?;
    let content = super::stories::Carried {
        title: alert.subject.clone(),
        summary: text::multi_line(&html::plain_text(&body), 2_000),
        link: correction.link.clone(),
    };

    let mut tx = cx.db.begin().await?;
    store::issues::lock(&mut tx, original.id).await?;
    let newest = store::corrections::newest(&mut tx, original.id).await?;
    if newest.as_ref().map(|it| it.public_id) != correction.seen {
        if once::is_used(cx, &mut tx, once).await? {
            return Ok(Corrected::Before);
        }
        return Ok(newest.map_or(Corrected::NotSeen, Corrected::Already));
    }
    let stopped = store::issues::cancel(&mut tx, original.id, now).await?;
    let by = actor.to_string();
    let new = NewIssue {
        level: original.level,
        content: &serde_json::json!(content).to_string(),
        last_subscriber: i64::MAX,
        now,
        ..cx.new_issue(public_id, Kind::Correction, &draft.subject, &by)
    };
    let issue_id = store::issues::insert(&mut tx, &new).await?;
    store::corrections::name_original(&mut tx, issue_id, original.id).await?;
    for topic_id in topics {
        store::issues::add_topic(&mut tx, issue_id, topic_id).await?;
    }
    store::issues::add_mail(&mut tx, issue_id, &draft.head, draft.pieces()).await?;
    let page = archive::article(&alert.title, &body, correction.link.as_deref());
    if archive::keep(cx, &mut tx, issue_id, &page, false).await? {
        store::archive::touch(&mut tx, original.id, now).await?;
    }
    if !once::note(cx, &mut tx, once, Came::Issue(issue_id)).await? {
        return Ok(Corrected::Before);
    }
    let name = issue.to_string();
    let after = serde_json::json!({ "correction": public_id, "subject": draft.subject, "stopped": stopped });
    audit::record(&mut tx, now, actor, Change::new(Act::Corrected, Thing::Issue, &name).to(&after)).await?;
    if stopped {
        // Before the commit: what is held back for a rollback goes out later.
        cx.cancelled.add(issue, now);
    }
    tx.commit().await?;
    cx.bells.cancel.notify_one();
    cx.bells.publish.notify_one();
    tracing::info!(%issue, correction = %public_id, stopped, "alert corrected");
    Ok(Corrected::Now(public_id))
}

/// As what it was written; none for what is corrected in no way.
fn kind_of(original: &Issue) -> Option<draft::Kind> {
    if original.state == State::Held || original.totals.is_some() {
        return None;
    }
    match original.kind {
        Kind::Alert => Some(draft::Kind::Alert),
        Kind::Broadcast => Some(draft::Kind::Broadcast),
        Kind::Correction | Kind::Digest | Kind::Notice => None,
    }
}

/// Writes the next window of a correction's deliveries. False when nothing is to be done now: all who are known to have the
/// original have theirs, and of others it isn't known yet.
pub(super) async fn fan_out(cx: &Context, issue: &Issue) -> Result<bool, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(original) = store::corrections::original(&mut tx, issue.id).await? else {
        store::issues::fanned_out(&mut tx, issue.id).await?;
        tx.commit().await?;
        return Ok(true);
    };
    let after = issue.next_subscriber;
    let mut ids = store::corrections::missing(&mut tx, issue.id, original, after, WINDOW).await?;
    // Behind the last of them the cursor says so: nothing less pressing waits for this fan-out any more.
    let last = ids.last().copied().unwrap_or(issue.last_subscriber);
    if ids.is_empty() {
        ids = store::corrections::missing(&mut tx, issue.id, original, 0, WINDOW).await?;
    }
    if ids.is_empty() && after == last {
        if now.since(issue.created_at) < HEARD || store::deliveries::are_sending(&mut tx, original).await? {
            return Ok(false);
        }
        store::issues::fanned_out(&mut tx, issue.id).await?;
        tx.commit().await?;
        cx.bells.deliver.notify_one();
        return Ok(true);
    }
    let wanted = wanted(store::corrections::readers(&mut tx, &ids).await?, issue, now);
    let variant_id = store::issues::only_variant(&mut tx, issue.id).await?;
    let batch = Batch {
        issue_id: issue.id,
        variant_id,
        priority: issue.priority,
        state: delivery::State::Queued,
        node: None,
        now,
    };
    let added = match wanted.as_slice() {
        [] => 0,
        wanted => store::deliveries::insert_for(&mut tx, batch, wanted).await?,
    };
    let added = i64::try_from(added).unwrap_or(0);
    if store::issues::advance(&mut tx, issue.id, after, last, added).await? {
        store::bells::ring(&mut tx).await?;
        tx.commit().await?;
        cx.bells.deliver.notify_one();
    }
    Ok(true)
}

/// Those of whom the one decision says so: who left since gets no more mail of ours.
fn wanted(readers: Vec<(i64, bool, bool)>, issue: &Issue, now: Timestamp) -> Vec<i64> {
    let matter = Matter {
        kind: Kind::Correction,
        level: Level::Critical,
        topics: &[],
        digest: Digest::None,
        expires_at: issue.expires_at,
    };
    let gets = |(_, active, suppressed): &(i64, bool, bool)| {
        let reader = Reader { active: *active, suppressed: *suppressed, subscriptions: &[] };
        decide(&reader, &matter, now) == Decision::Now
    };
    readers.into_iter().filter(gets).map(|(id, ..)| id).collect()
}
