//! Calls of webhooks: written down first, then made, and made again until somebody took them.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::time::Timestamp;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Call {
    pub id: i64,
    pub message_id: Uuid,
    pub url: String,
    pub body: String,
    /// With the one that it was taken for.
    pub attempts: i64,
}

pub async fn insert(tx: &mut Tx, message_id: Uuid, url: &str, body: &str, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO webhook_calls (message_id, url, body, state, attempts, due_at, created_at)
             VALUES ($1, $2, $3, 'waiting', 0, $4, $4)",
        )
        .bind(message_id)
        .bind(url)
        .bind(body)
        .bind(now)
    )
}

/// Takes up to `limit` that are due, the oldest first. Who takes one and is gone leaves it to others from `lease` on.
pub async fn take_due(tx: &mut Tx, now: Timestamp, lease: Timestamp, limit: i64) -> Result<Vec<Call>> {
    let sql = tx.fork(
        "UPDATE webhook_calls SET due_at = $2, attempts = attempts + 1 WHERE id IN (
            SELECT id FROM webhook_calls WHERE state = 'waiting' AND due_at <= $1 ORDER BY due_at, id LIMIT $3)
         RETURNING id, message_id, url, body, attempts",
        "UPDATE webhook_calls SET due_at = $2, attempts = attempts + 1 WHERE id IN (
            SELECT id FROM webhook_calls WHERE state = 'waiting' AND due_at <= $1 ORDER BY due_at, id LIMIT $3
            FOR UPDATE SKIP LOCKED)
         RETURNING id, message_id, url, body, attempts",
    );
    on!(tx, c => sqlx::query_as(sql).bind(now).bind(lease).bind(limit).fetch_all(c))
}

/// The try is to be followed by another one at `due`. Nothing happens where somebody else tried it meanwhile.
pub async fn put_off(tx: &mut Tx, call: &Call, answer: &str, due: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE webhook_calls SET due_at = $3, answer = $4 WHERE id = $1 AND attempts = $2 AND state = 'waiting'",
        )
        .bind(call.id)
        .bind(call.attempts)
        .bind(due)
        .bind(answer)
    )
}

/// Somebody took it, or it is given up.
pub async fn end(tx: &mut Tx, call: &Call, taken: bool, answer: &str, now: Timestamp) -> Result<u64> {
    let state = if taken { "taken" } else { "given-up" };
    touched!(
        tx,
        sqlx::query(
            "UPDATE webhook_calls SET state = $2, answer = $3, ended_at = $4 WHERE id = $1 AND state = 'waiting'"
        )
        .bind(call.id)
        .bind(state)
        .bind(answer)
        .bind(now)
    )
}

/// The webhook is gone: nothing that waits for it is tried again.
pub async fn gone(tx: &mut Tx, url: &str, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("INSERT INTO gone_webhooks (url, gone_at) VALUES ($1, $2) ON CONFLICT (url) DO NOTHING")
            .bind(url)
            .bind(now)
    )?;
    touched!(
        tx,
        sqlx::query(
            "UPDATE webhook_calls SET state = 'given-up', answer = '410 Gone', ended_at = $2
             WHERE state = 'waiting' AND url = $1",
        )
        .bind(url)
        .bind(now)
    )
}

/// It is there again. False where it wasn't gone.
pub async fn back(tx: &mut Tx, url: &str) -> Result<bool> {
    Ok(touched!(tx, sqlx::query("DELETE FROM gone_webhooks WHERE url = $1").bind(url))? > 0)
}

/// The webhooks that are gone, and since when.
pub async fn all_gone(tx: &mut Tx) -> Result<Vec<(String, Timestamp)>> {
    on!(tx, c => sqlx::query_as("SELECT url, gone_at FROM gone_webhooks ORDER BY gone_at").fetch_all(c))
}

/// (address, last answer, how many) of the calls that were given up since then.
pub async fn given_up(tx: &mut Tx, since: Timestamp) -> Result<Vec<(String, String, i64)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT url, coalesce(max(answer), ''), count(*) FROM webhook_calls
         WHERE ended_at > $1 AND state = 'given-up' GROUP BY url ORDER BY url",
    )
    .bind(since)
    .fetch_all(c))
}

/// (address, last answer, how many) of the calls that were tried and wait.
pub async fn failing(tx: &mut Tx) -> Result<Vec<(String, String, i64)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT url, coalesce(max(answer), ''), count(*) FROM webhook_calls
         WHERE state = 'waiting' AND attempts > 0 AND answer IS NOT NULL GROUP BY url ORDER BY url",
    )
    .fetch_all(c))
}

/// Drops those that ended before.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM webhook_calls WHERE ended_at < $1").bind(before))
}
