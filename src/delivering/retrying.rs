//! Trying again at once what was put off, and what was given up of an issue: for the operator and the newsroom. It counts
//! as no attempt. What is tried again is written down with it.

use serde_json::json;
use uuid::Uuid;

use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{delivery::State, issue};
use crate::store::{self, Tx};

/// How many one transaction takes.
const CHUNK: i64 = 10_000;

/// What came of trying one delivery again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retried {
    /// False where it neither was put off nor given up.
    pub queued: bool,
    /// As it was before.
    pub state: State,
}

/// Tries one delivery again; none where there is no such delivery.
///
/// # Errors
/// A database that can't be written.
pub async fn one(cx: &Context, actor: &Actor, id: i64) -> store::Result<Option<Retried>> {
    let mut tx = cx.db.begin().await?;
    let Some(found) = store::queue::find(&mut tx, id).await? else { return Ok(None) };
    let put_off = store::queue::retry(&mut tx, id).await?;
    let given_up = !put_off && found.issue_state != issue::State::Cancelled;
    let queued = put_off || given_up && store::queue::retry_one_failed(&mut tx, id).await?;
    if queued {
        if !put_off && let Some(issue) = store::issues::by_public_id(&mut tx, found.issue).await? {
            store::issues::reopen(&mut tx, issue.id).await?;
        }
        let (delivery, before) = (id.to_string(), found.state);
        let change = Change::new(Act::TriedAgain, Thing::Delivery, &delivery)
            .from(&json!({ "state": before }))
            .to(&json!({ "state": State::Queued }));
        audit::record(&mut tx, cx.clock.now(), actor, change).await?;
        store::bells::ring(&mut tx).await?;
    }
    tx.commit().await?;
    cx.bells.deliver.notify_one();
    Ok(Some(Retried { queued, state: found.state }))
}

/// What was put off or given up of an issue. Returns how many, or none where there is no such issue.
///
/// # Errors
/// A database that can't be written.
pub async fn of_issue(cx: &Context, actor: &Actor, id: Uuid) -> store::Result<Option<u64>> {
    let mut tx = cx.db.read().await?;
    let Some(found) = store::issues::by_public_id(&mut tx, id).await? else { return Ok(None) };
    drop(tx);
    let put_off = in_chunks(cx, actor, Which::OfIssue(found.id, id)).await?;
    if found.state == issue::State::Cancelled || found.totals.is_some() {
        return Ok(Some(put_off));
    }
    let given_up = in_chunks(cx, actor, Which::GivenUp(found.id, id)).await?;
    Ok(Some(put_off + given_up))
}

/// What a relay put off. Returns how many.
///
/// # Errors
/// A database that can't be written.
pub async fn of_relay(cx: &Context, actor: &Actor, relay: &str) -> store::Result<u64> {
    in_chunks(cx, actor, Which::OfRelay(relay)).await
}

/// All that was put off. Returns how many.
///
/// # Errors
/// A database that can't be written.
pub async fn all(cx: &Context, actor: &Actor) -> store::Result<u64> {
    in_chunks(cx, actor, Which::All).await
}

/// What is tried again.
#[derive(Clone, Copy)]
enum Which<'a> {
    All,
    OfRelay(&'a str),
    OfIssue(i64, Uuid),
    GivenUp(i64, Uuid),
}

impl Which<'_> {
    async fn queue(self, tx: &mut Tx) -> store::Result<u64> {
        match self {
            Self::All => store::queue::retry_some(tx, None, None, CHUNK).await,
            Self::OfRelay(relay) => store::queue::retry_some(tx, None, Some(relay), CHUNK).await,
            Self::OfIssue(id, _) => store::queue::retry_some(tx, Some(id), None, CHUNK).await,
            Self::GivenUp(id, _) => {
                let queued = store::queue::retry_failed(tx, id, CHUNK).await?;
                if queued > 0 {
                    store::issues::reopen(tx, id).await?;
                }
                Ok(queued)
            }
        }
    }

    fn subject(self) -> (Thing, String) {
        match self {
            Self::All => (Thing::Queue, "all".to_owned()),
            Self::OfRelay(relay) => (Thing::Relay, relay.to_owned()),
            Self::OfIssue(_, issue) | Self::GivenUp(_, issue) => (Thing::Issue, issue.to_string()),
        }
    }
}

/// Chunk by chunk, each with its word in the log of changes, until a chunk isn't full.
async fn in_chunks(cx: &Context, actor: &Actor, which: Which<'_>) -> store::Result<u64> {
    let (kind, subject) = which.subject();
    let mut all = 0;
    loop {
        let began = cx.clock.now();
        let mut tx = cx.db.begin().await?;
        let queued = which.queue(&mut tx).await?;
        if queued > 0 {
            let change = Change::new(Act::TriedAgain, kind, &subject).to(&json!({ "queued": queued }));
            audit::record(&mut tx, began, actor, change).await?;
            store::bells::ring(&mut tx).await?;
        }
        tx.commit().await?;
        all += queued;
        if queued < CHUNK.unsigned_abs() {
            cx.bells.deliver.notify_one();
            return Ok(all);
        }
        cx.give_way(began).await;
    }
}
