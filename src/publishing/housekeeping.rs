//! What is old goes: deliveries become totals, unconfirmed sign-ups, idempotency keys and short-lived tokens end.

use std::time::Duration;

use super::Error;
use crate::context::Context;
use crate::domain::time::{DAY, Timestamp};
use crate::once::KEYS_KEPT;
use crate::store::{self, Tx};

/// How long each recipient's delivery is kept.
const DELIVERIES_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How many deliveries go in one transaction.
const CHUNK: i64 = 2_000;
/// How long a sign-up that nobody confirmed is kept.
const SIGNUPS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long it is known what came of an import; the log of changes keeps its numbers.
const IMPORTS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long it is known where somebody signed in.
const SESSIONS_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

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
    store::user_links::delete_expired(&mut tx, now).await?;
    store::sessions::delete_old(&mut tx, now.minus(SESSIONS_KEPT)).await?;
    store::login_attempts::delete_old(&mut tx, now.minus(2 * DAY)).await?;
    store::imports::delete_old(&mut tx, now.minus(IMPORTS_KEPT)).await?;
    store::links::forget(&mut tx, now.minus(DAY)).await?;
    store::nodes::forget_dead(&mut tx, now.minus(7 * DAY)).await?;
    store::relays::forget_hours(&mut tx, now.minus(7 * DAY).hour()).await?;
    tx.commit().await?;
    let mut reduced = 0;
    let mut deliveries = 0;
    loop {
        let mut tx = cx.db.read().await?;
        let Some((issue_id, totals)) = store::issues::to_reduce(&mut tx, now.minus(DELIVERIES_KEPT)).await?
        else {
            break;
        };
        let totals = if totals.is_none() { Some(count(&mut tx, issue_id).await?) } else { None };
        drop(tx);
        let (gone, whole) = reduce(cx, issue_id, totals, now).await?;
        deliveries += gone;
        if !whole {
            tracing::info!("another node keeps house");
            break;
        }
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

/// How many deliveries of an issue are in which state, as JSON.
async fn count(tx: &mut Tx, issue_id: i64) -> Result<String, Error> {
    let counts = store::deliveries::counts(tx, issue_id).await?;
    let counts: serde_json::Map<_, _> =
        counts.into_iter().map(|(state, count)| (state.to_string(), count.into())).collect();
    Ok(serde_json::Value::from(counts).to_string())
}

/// Writes down an issue's totals before the first of its deliveries goes, then lets them go a few thousand at a time.
/// Begun and not ended, it is taken up again. Returns how many went, and false when another node is at it.
async fn reduce(
    cx: &Context,
    issue_id: i64,
    mut totals: Option<String>,
    now: Timestamp,
) -> Result<(u64, bool), Error> {
    let mut gone = 0;
    loop {
        let mut tx = cx.db.begin().await?;
        if let Some(totals) = totals.take()
            && !store::issues::total(&mut tx, issue_id, &totals).await?
        {
            return Ok((gone, false));
        }
        let some = store::deliveries::delete_some(&mut tx, issue_id, CHUNK).await?;
        let whole = some < CHUNK.unsigned_abs() && store::issues::reduce(&mut tx, issue_id, now).await?;
        tx.commit().await?;
        gone += some;
        if whole || some == 0 {
            return Ok((gone, whole));
        }
    }
}
