//! What is old goes: deliveries become totals, unconfirmed sign-ups, idempotency keys and short-lived tokens end.

use std::time::Duration;

use super::Error;
use crate::context::Context;
use crate::domain::time::DAY;
use crate::store;

/// How long each recipient's delivery is kept.
const DELIVERIES_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long a sign-up that nobody confirmed is kept.
const SIGNUPS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long the answer to an idempotency key is kept.
pub const KEYS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Clears away what is old and logs what that was. Returns how many issues were reduced to totals.
///
/// # Errors
/// A database that can't be written.
pub async fn keep_house(cx: &Context) -> Result<usize, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let signups = store::signups::delete_unconfirmed(&mut tx, now.minus(SIGNUPS_KEPT)).await?;
    let keys = store::tokens::delete_keys(&mut tx, now.minus(KEYS_KEPT)).await?;
    store::tokens::delete_expired(&mut tx, now).await?;
    store::nodes::forget_dead(&mut tx, now.minus(7 * DAY)).await?;
    let mut reduced = 0;
    let mut deliveries = 0;
    tx.commit().await?;
    loop {
        let mut tx = cx.db.begin().await?;
        let issues = store::issues::to_reduce(&mut tx, now.minus(DELIVERIES_KEPT), 1).await?;
        let Some(issue_id) = issues.first().copied() else { break };
        let counts: serde_json::Map<_, _> = store::deliveries::counts(&mut tx, issue_id)
            .await?
            .into_iter()
            .map(|(state, count)| (state.to_string(), count.into()))
            .collect();
        deliveries +=
            store::issues::reduce(&mut tx, issue_id, &serde_json::Value::from(counts).to_string()).await?;
        tx.commit().await?;
        reduced += 1;
    }
    tracing::info!(
        issues_reduced = reduced,
        deliveries_removed = deliveries,
        unconfirmed_signups_removed = signups,
        idempotency_keys_removed = keys,
        "housekeeping done"
    );
    Ok(reduced)
}
