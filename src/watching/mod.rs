//! The dead man's switch: what should have happened and didn't is told to whoever edits, once, over channels that don't
//! depend on what failed: webhooks, and mail over a relay of its own.

use std::time::Duration;

use crate::context::Context;
use crate::domain::{
    incident::Kind,
    time::{DAY, MINUTE, Timestamp},
};
use crate::mail::compose::ComposeError;
use crate::store::{
    self, Tx,
    incidents::{Incident, NewIncident},
};

mod calling;
mod looking;
mod over;
mod telling;

pub use calling::{Answer, Caller, DEADLINE};
pub use telling::{Event, test_event, test_mail};

/// How long what is over is kept, for whoever looks back.
const KEPT: Duration = DAY.saturating_mul(90);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

/// Something amiss, as it is seen now.
struct Seen {
    kind: Kind,
    /// What it is about: the same as long as it lasts.
    subject: String,
    /// A line.
    title: String,
    what: String,
    todo: String,
    /// A path on our origin.
    link: String,
    since: Timestamp,
}

impl Seen {
    fn is(&self, incident: &Incident) -> bool {
        (self.kind, self.subject.as_str()) == (incident.kind, incident.subject.as_str())
    }
}

/// One round: looks, and makes the calls that are due. What fails is in the log, and tried again by the next round.
pub async fn go_round(cx: &Context, caller: &Caller) {
    if let Err(error) = look(cx).await {
        tracing::error!(%error, "the watch can't look; trying again");
    }
    if let Err(error) = caller.call_due(cx).await {
        tracing::error!(%error, "the webhooks can't be called; trying again");
    }
}

/// Looks for what is amiss. What is new is told, by one node, once; what is over is told to the webhooks. Returns how
/// many are amiss.
///
/// # Errors
/// A database that can't be read or written; the next look does what was not done.
pub async fn look(cx: &Context) -> Result<usize, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    // Before what is seen: whatever is ended meanwhile was over.
    let open = store::incidents::open(&mut tx).await?;
    let sight = looking::look(cx, &mut tx, now).await?;
    drop(tx);
    if !sight.reached.is_empty() {
        let mut tx = cx.db.begin().await?;
        for issue_id in &sight.reached {
            store::watch::reached(&mut tx, *issue_id, now).await?;
        }
        tx.commit().await?;
    }
    for seen in &sight.seen {
        match open.iter().find(|incident| seen.is(incident)) {
            None => begin(cx, seen, now).await?,
            Some(incident) if incident.calm_since.is_some() => calm(cx, incident, None).await?,
            Some(_) => {}
        }
    }
    for incident in open.iter().filter(|incident| !sight.seen.iter().any(|seen| seen.is(incident))) {
        let calm_since = incident.calm_since.unwrap_or(now);
        if now.since(calm_since) >= incident.kind.calm() {
            end(cx, incident, now).await?;
        } else if incident.calm_since.is_none() {
            calm(cx, incident, Some(now)).await?;
        }
    }
    for kind in Kind::ALL {
        let count = sight.seen.iter().filter(|seen| seen.kind == *kind).count();
        cx.metrics.incidents(*kind, count);
    }
    Ok(sight.seen.len())
}

/// Tells of what is new, in the transaction that writes it down: whoever writes it first tells it.
async fn begin(cx: &Context, seen: &Seen, now: Timestamp) -> Result<(), Error> {
    let public_id = cx.entropy.uuid(now);
    let incident = NewIncident {
        public_id,
        kind: seen.kind,
        subject: &seen.subject,
        title: &seen.title,
        what: &seen.what,
        todo: &seen.todo,
        link: &seen.link,
        since: seen.since,
        now,
    };
    let mut tx = cx.db.begin().await?;
    if !store::incidents::begin(&mut tx, &incident).await? {
        return Ok(());
    }
    telling::begun(cx, &mut tx, public_id, seen).await?;
    tx.commit().await?;
    cx.bells.deliver.notify_one();
    tracing::warn!(kind = %seen.kind, subject = seen.subject, what = seen.what, "amiss, and told");
    Ok(())
}

async fn calm(cx: &Context, incident: &Incident, since: Option<Timestamp>) -> Result<(), Error> {
    let mut tx = cx.db.begin().await?;
    store::incidents::calm(&mut tx, incident.id, since).await?;
    Ok(tx.commit().await?)
}

/// What passed out of sight is not over, and nobody is told so.
async fn end(cx: &Context, incident: &Incident, now: Timestamp) -> Result<(), Error> {
    let mut tx = cx.db.begin().await?;
    if !store::incidents::end(&mut tx, incident.id, now).await? {
        return Ok(());
    }
    let past = incident.kind.is_past(incident.since, now);
    if !past {
        let well = over::told(cx, &mut tx, incident).await?;
        telling::over(cx, &mut tx, incident, well).await?;
    }
    tx.commit().await?;
    tracing::info!(kind = %incident.kind, subject = incident.subject, past, "no longer amiss");
    Ok(())
}

/// The webhooks of the configuration that could not be told something: where, and what to do.
///
/// # Errors
/// A database that can't be read.
pub async fn deaf(cx: &Context, tx: &mut Tx) -> store::Result<Vec<(String, String)>> {
    let gone = store::webhook_calls::all_gone(tx).await?;
    let failing = store::webhook_calls::failing(tx).await?;
    let given_up = store::webhook_calls::given_up(tx, cx.clock.now().minus(DAY)).await?;
    let mut deaf = Vec::new();
    for webhook in &cx.config.watch.webhooks {
        let url = webhook.url.as_str();
        let of = |calls: &[(String, String, i64)]| calls.iter().find(|call| call.0 == url).cloned();
        let text = if gone.iter().any(|(other, _)| other == url) {
            "answered 410 Gone and is called no more; once it is there again, `bellwether watch test` makes it known"
                .to_owned()
        } else if let Some((_, answer, count)) = of(&failing) {
            format!("can't be told ({answer}); it is tried again by itself, {count} wait")
        } else if let Some((_, answer, count)) = of(&given_up) {
            format!(
                "was not told of {count} things within a day and a half ({answer}); `bellwether watch test` tries it"
            )
        } else {
            continue;
        };
        deaf.push((webhook.place(), text));
    }
    Ok(deaf)
}

/// Drops what has been over for long.
///
/// # Errors
/// A database that can't be written.
pub async fn keep_house(cx: &Context) -> Result<(), Error> {
    let before = cx.clock.now().minus(KEPT);
    let mut tx = cx.db.begin().await?;
    store::incidents::forget(&mut tx, before).await?;
    store::webhook_calls::forget(&mut tx, before).await?;
    Ok(tx.commit().await?)
}

/// How long a call belongs to whoever took it: longer than it may last.
const LEASE: Duration = MINUTE;
