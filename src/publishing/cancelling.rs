//! Stops an issue: nobody more gets it.

use uuid::Uuid;

use super::Error;
use crate::context::Context;
use crate::store;

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

/// Cancels an issue. What is between the claim and the body stops as well; what a relay has begun to read goes out.
///
/// # Errors
/// A database that can't be written.
pub async fn cancel(cx: &Context, issue: Uuid) -> Result<Cancelled, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(found) = store::issues::by_public_id(&mut tx, issue).await? else {
        return Ok(Cancelled::Unknown);
    };
    if !store::issues::cancel(&mut tx, found.id, now).await? {
        let already = found.state == crate::domain::issue::State::Cancelled;
        return Ok(if already { Cancelled::Already } else { Cancelled::TooLate });
    }
    // Before the commit, as for who leaves: what is held back for a rollback goes out later.
    cx.cancelled.add(issue, now);
    let waiting = store::deliveries::cancel_issue(&mut tx, found.id, now).await?;
    tx.commit().await?;
    tracing::info!(%issue, waiting, "issue cancelled");
    Ok(Cancelled::Now { waiting })
}
