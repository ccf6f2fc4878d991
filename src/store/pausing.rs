//! Issues that a person paused, and their mail that is put by: deferred, with no time at which it is tried again.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::time::Timestamp;

/// Pauses an issue that is on its way; false where it isn't, or is paused.
pub async fn pause(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE issues SET paused_at = $2, resuming = FALSE
             WHERE id = $1 AND paused_at IS NULL AND state IN ('publishing', 'sending')",
        )
        .bind(id)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Lets a paused issue go on; false where it isn't paused.
pub async fn resume(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE issues SET paused_for = paused_for + $2 - paused_at, paused_at = NULL, resuming = TRUE
             WHERE id = $1 AND paused_at IS NOT NULL AND state IN ('publishing', 'sending')",
        )
        .bind(id)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Ends the pause of alerts that nobody is mailed any more, for they were useful until `before`. Returns their names.
pub async fn resume_useless(tx: &mut Tx, before: Timestamp, now: Timestamp) -> Result<Vec<Uuid>> {
    on!(tx, c => sqlx::query_scalar(
        "UPDATE issues SET paused_for = paused_for + $2 - paused_at, paused_at = NULL, resuming = TRUE
         WHERE paused_at IS NOT NULL AND state IN ('publishing', 'sending') AND kind = 'alert' AND expires_at <= $1
         RETURNING public_id",
    )
    .bind(before)
    .bind(now)
    .fetch_all(c))
}

/// An issue that nobody gets until somebody resumes it.
#[derive(Debug, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
pub struct PausedIssue {
    pub id: Uuid,
    pub subject: String,
    pub paused_at: Timestamp,
}

/// The paused issues.
pub async fn paused(tx: &mut Tx) -> Result<Vec<PausedIssue>> {
    on!(tx, c => sqlx::query_as(
        "SELECT public_id AS id, subject, paused_at FROM issues
         WHERE paused_at IS NOT NULL AND state IN ('publishing', 'sending') ORDER BY id",
    )
    .fetch_all(c))
}

/// A paused issue with mail that is queued, or deferred until before `due`.
pub async fn to_put_by(tx: &mut Tx, due: Timestamp) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT id FROM issues WHERE paused_at IS NOT NULL AND state IN ('publishing', 'sending')
         AND (EXISTS (SELECT 1 FROM deliveries d WHERE d.issue_id = issues.id AND d.state = 'queued')
              OR EXISTS (SELECT 1 FROM deliveries d WHERE d.state = 'deferred' AND d.retry_at < $1 AND +d.issue_id = issues.id))
         ORDER BY id LIMIT 1",
    )
    .bind(due)
    .fetch_optional(c))
}

/// Whether an issue is paused, and stays so until the transaction ends.
pub async fn is_paused(tx: &mut Tx, id: i64) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE issues SET resuming = FALSE
             WHERE id = $1 AND paused_at IS NOT NULL AND state IN ('publishing', 'sending')",
        )
        .bind(id)
    )?;
    Ok(rows == 1)
}

/// Puts by up to `limit` of an issue's deliveries that are queued, and as many that are deferred until before `due`; on
/// PostgreSQL without those that somebody else is at.
pub async fn put_by(tx: &mut Tx, issue_id: i64, due: Timestamp, limit: i64) -> Result<u64> {
    let sql = tx.fork(
        "WITH w AS MATERIALIZED (SELECT id FROM deliveries WHERE issue_id = $1 AND state = 'queued' LIMIT $2)
         UPDATE deliveries SET state = 'deferred', retry_at = NULL WHERE id IN (SELECT id FROM w) AND +state = 'queued'",
        "WITH w AS MATERIALIZED (SELECT id FROM deliveries WHERE issue_id = $1 AND state = 'queued' LIMIT $2 FOR UPDATE SKIP LOCKED)
         UPDATE deliveries SET state = 'deferred', retry_at = NULL WHERE id IN (SELECT id FROM w) AND state || '' = 'queued'",
    );
    let queued = touched!(tx, sqlx::query(sql).bind(issue_id).bind(limit))?;
    let sql = tx.fork(
        "UPDATE deliveries SET retry_at = NULL WHERE id IN (
            SELECT id FROM deliveries WHERE state = 'deferred' AND retry_at < $2 AND +issue_id = $1 LIMIT $3)",
        "UPDATE deliveries SET retry_at = NULL WHERE id IN (
            SELECT id FROM deliveries WHERE state = 'deferred' AND retry_at < $2 AND issue_id = $1 LIMIT $3 FOR UPDATE SKIP LOCKED)",
    );
    let deferred = touched!(tx, sqlx::query(sql).bind(issue_id).bind(due).bind(limit))?;
    Ok(queued + deferred)
}

/// An issue that goes on again, of which mail may still be put by.
pub async fn resuming(tx: &mut Tx) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar("SELECT id FROM issues WHERE resuming ORDER BY id LIMIT 1").fetch_optional(c))
}

/// Queues up to `limit` of an issue's deliveries that were put by.
pub async fn take_up(tx: &mut Tx, issue_id: i64, limit: i64) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET state = 'queued' WHERE state = 'deferred' AND retry_at IS NULL AND id IN (
                SELECT id FROM deliveries WHERE issue_id = $1 AND state = 'deferred' AND +retry_at IS NULL LIMIT $2)",
        )
        .bind(issue_id)
        .bind(limit)
    )
}

/// Nothing of an issue is put by any more.
pub async fn resumed(tx: &mut Tx, id: i64) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE issues SET resuming = FALSE WHERE id = $1 AND resuming").bind(id))
}
