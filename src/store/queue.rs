//! The queue as the operator looks at it: how much waits where, why one delivery does, and trying again at once.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::{delivery::State, issue, time::Timestamp};

/// The deliveries of one priority and state that are on their way.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Part {
    pub priority: i64,
    pub state: State,
    pub count: i64,
    /// Since when the oldest of them waits.
    pub oldest: Timestamp,
    /// When the first of them is tried again; for `deferred`.
    pub next_retry: Option<Timestamp>,
}

/// Everything that is on its way. The oldest that is queued is the first, so that a long queue is only counted.
pub async fn parts(tx: &mut Tx) -> Result<Vec<Part>> {
    on!(tx, c => sqlx::query_as(
        "SELECT w.priority, 'queued' AS state, w.count, d.due_at AS oldest, CAST(NULL AS BIGINT) AS next_retry
         FROM (SELECT priority, count(*) AS count, min(id) AS first FROM deliveries WHERE state = 'queued' GROUP BY priority) w
         JOIN deliveries d ON d.id = w.first
         UNION ALL
         SELECT priority, 'sending', count(*), min(due_at), CAST(NULL AS BIGINT) FROM deliveries WHERE state = 'sending' GROUP BY priority
         UNION ALL
         SELECT priority, 'deferred', count(*), min(due_at), min(retry_at) FROM deliveries WHERE state = 'deferred' GROUP BY priority",
    )
    .fetch_all(c))
}

/// How many are queued, by priority.
pub async fn queued(tx: &mut Tx) -> Result<Vec<(i64, i64)>> {
    on!(tx, c => sqlx::query_as("SELECT priority, count(*) FROM deliveries WHERE state = 'queued' GROUP BY priority").fetch_all(c))
}

/// The public ids of up to `limit` alerts and digests that are on their way, the oldest first.
pub async fn open_issues(tx: &mut Tx, limit: i64) -> Result<Vec<Uuid>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT public_id FROM (SELECT id, public_id, kind FROM issues WHERE state = 'publishing'
                                UNION ALL SELECT id, public_id, kind FROM issues WHERE state = 'sending') w
         WHERE kind <> 'notice' ORDER BY id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(c))
}

/// One delivery with what its fate depends on.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Found {
    pub id: i64,
    pub address: String,
    pub state: State,
    pub priority: i64,
    pub attempts: i64,
    pub due_at: Timestamp,
    pub retry_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub relay: Option<String>,
    pub reply_code: Option<i64>,
    pub reply_enhanced: Option<String>,
    pub reply_text: Option<String>,
    /// Whether a digest told of it, for `expired`.
    pub carried: bool,
    pub issue: Uuid,
    pub kind: issue::Kind,
    pub subject: String,
    pub issue_state: issue::State,
    pub expires_at: Option<Timestamp>,
    /// Since when its issue is paused.
    pub issue_paused_at: Option<Timestamp>,
    /// When the node that sends it was last heard of.
    pub heartbeat_at: Option<Timestamp>,
}

impl Found {
    /// The relay's last answer, as in "451 4.3.2 try again later".
    pub fn reply(&self) -> Option<String> {
        super::deliveries::reply(self.reply_code, self.reply_enhanced.as_deref(), self.reply_text.as_deref())
    }
}

/// A delivery by its id.
pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Found>> {
    on!(tx, c => sqlx::query_as(
        "SELECT d.id, d.address, d.state, d.priority, d.attempts, d.due_at, d.retry_at, d.ended_at, d.relay, d.reply_code,
                d.reply_enhanced, d.reply_text, d.carried_by IS NOT NULL AS carried, i.public_id AS issue, i.kind, i.subject,
                i.state AS issue_state, i.expires_at, i.paused_at AS issue_paused_at, n.heartbeat_at
         FROM deliveries d JOIN issues i ON i.id = d.issue_id LEFT JOIN nodes n ON n.id = d.node WHERE d.id = $1",
    )
    .bind(id)
    .fetch_optional(c))
}

/// The ids of the newest deliveries to an address, to a reader or bare.
pub async fn to_address(tx: &mut Tx, address_key: &str, limit: i64) -> Result<Vec<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT id FROM (
            SELECT d.id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id WHERE s.address_key = $1
            UNION ALL SELECT id FROM deliveries WHERE subscriber_id IS NULL AND lower(address) = $1) f
         ORDER BY id DESC LIMIT $2",
    )
    .bind(address_key)
    .bind(limit)
    .fetch_all(c))
}

/// Queues a deferred delivery at once. False when it is not deferred.
pub async fn retry(tx: &mut Tx, id: i64) -> Result<bool> {
    let queued = touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET retry_at = NULL, state = 'queued' WHERE id = $1 AND state = 'deferred'"
        )
        .bind(id)
    )?;
    Ok(queued > 0)
}

/// Queues up to `limit` deferred deliveries at once: of one issue, of one relay, or all. Returns how many.
pub async fn retry_some(tx: &mut Tx, issue_id: Option<i64>, relay: Option<&str>, limit: i64) -> Result<u64> {
    let sql = tx.fork(
        "UPDATE deliveries SET state = 'queued', retry_at = NULL WHERE state = 'deferred' AND id IN (
            SELECT id FROM deliveries WHERE state = 'deferred'
            AND ($1 IS NULL OR issue_id = $1) AND ($2 IS NULL OR relay = $2) LIMIT $3)",
        "UPDATE deliveries SET state = 'queued', retry_at = NULL WHERE state = 'deferred' AND id IN (
            SELECT id FROM deliveries WHERE state = 'deferred'
            AND ($1::BIGINT IS NULL OR issue_id = $1) AND ($2::TEXT IS NULL OR relay = $2) LIMIT $3)",
    );
    touched!(tx, sqlx::query(sql).bind(issue_id).bind(relay).bind(limit))
}

/// Queues up to `limit` deliveries of an issue that were given up. Returns how many.
pub async fn retry_failed(tx: &mut Tx, issue_id: i64, limit: i64) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET ended_at = NULL, state = 'queued', retry_at = NULL WHERE state = 'failed' AND id IN (
                SELECT id FROM deliveries WHERE issue_id = $1 AND state = 'failed' LIMIT $2)",
        )
        .bind(issue_id)
        .bind(limit)
    )
}

/// Queues a delivery that was given up.
pub async fn retry_one_failed(tx: &mut Tx, id: i64) -> Result<bool> {
    let queued = touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET ended_at = NULL, state = 'queued' WHERE id = $1 AND state = 'failed'"
        )
        .bind(id)
    )?;
    Ok(queued > 0)
}
