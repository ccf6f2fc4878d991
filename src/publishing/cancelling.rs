//! Stops an issue: nobody more gets it. Its state is what stops it, at once; the mails that wait follow in chunks.

use uuid::Uuid;

use super::Error;
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::store;

/// How many mails one transaction calls off.
const CHUNK: i64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// Nobody more gets it; so many were still waiting.
    Now {
        waiting: u64,
    },
    /// It was cancelled before.
    Already,
    /// Everybody has it.
    TooLate,
    Unknown,
}

/// Cancels an issue. What is between the claim and the body stops as well; what a relay has begun to read goes out. The
/// mails that wait are called off by [`call_off`].
///
/// # Errors
/// A database that can't be written.
pub async fn cancel(cx: &Context, issue: Uuid, by: &Actor) -> Result<Cancelled, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(found) = store::issues::by_public_id(&mut tx, issue).await? else {
        return Ok(Cancelled::Unknown);
    };
    if !store::issues::cancel(&mut tx, found.id, now).await? {
        let already = found.state == crate::domain::issue::State::Cancelled;
        return Ok(if already { Cancelled::Already } else { Cancelled::TooLate });
    }
    let id = issue.to_string();
    let change = Change::new(Act::IssueCancelled, Thing::Issue, &id)
        .from(&serde_json::json!({ "state": found.state }))
        .to(&serde_json::json!({ "state": crate::domain::issue::State::Cancelled }));
    audit::record(&mut tx, now, by, change).await?;
    // Before the commit, as for who leaves: what is held back for a rollback goes out later.
    cx.cancelled.add(issue, now);
    tx.commit().await?;
    cx.bells.cancel.notify_one();
    let mut tx = cx.db.read().await?;
    let waiting = store::deliveries::waiting(&mut tx, found.id).await?.unsigned_abs();
    tracing::info!(%issue, waiting, "issue cancelled");
    Ok(Cancelled::Now { waiting })
}

/// Calls off the mails that wait of cancelled issues, also where an earlier call was cut short. Returns how many. (The
/// senders drop what they meet of them before, one by one.)
///
/// # Errors
/// A database that can't be written.
pub async fn call_off(cx: &Context) -> Result<u64, Error> {
    let mut called_off = 0;
    loop {
        let now = cx.clock.now();
        let mut tx = cx.db.read().await?;
        let Some(issue_id) = store::issues::cancelled_and_waiting(&mut tx).await? else {
            return Ok(called_off);
        };
        drop(tx);
        let mut tx = cx.db.begin().await?;
        let some = store::deliveries::cancel_some(&mut tx, issue_id, CHUNK, now).await?;
        tx.commit().await?;
        if some == 0 {
            // Somebody else is at the rest.
            return Ok(called_off);
        }
        called_off += some;
        cx.give_way(now).await;
    }
}
