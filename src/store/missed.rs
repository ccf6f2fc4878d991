//! Deliveries of alerts as the digests see them: what a reader got already, and what came too late and is to be told.

use super::{Result, Tx, on, touched};
use crate::domain::{subscription::Digest, time::Timestamp};

/// (subscriber, post) of the alerts about these posts that readers of the window got or will get. (The plus sign keeps
/// SQLite from going through all deliveries of an alert for each window.)
pub async fn alerted(tx: &mut Tx, posts: &[i64], subscribers: (i64, i64)) -> Result<Vec<(i64, i64)>> {
    let sql = tx.fork(
        "SELECT d.subscriber_id, i.post_id FROM json_each($1) v CROSS JOIN issues i ON i.post_id = v.value
         CROSS JOIN deliveries d ON d.issue_id = i.id AND d.subscriber_id > $2 AND d.subscriber_id <= $3
         WHERE i.kind = 'alert' AND +d.state IN ('queued', 'sending', 'deferred', 'sent')",
        "SELECT d.subscriber_id, i.post_id FROM jsonb_array_elements_text($1::JSONB) v(value)
         JOIN issues i ON i.post_id = v.value::BIGINT
         JOIN deliveries d ON d.issue_id = i.id AND d.subscriber_id > $2 AND d.subscriber_id <= $3
         WHERE i.kind = 'alert' AND d.state IN ('queued', 'sending', 'deferred', 'sent')",
    );
    on!(tx, c => sqlx::query_as(sql)
        .bind(super::key_set(posts))
        .bind(subscribers.0)
        .bind(subscribers.1)
        .fetch_all(c))
}

/// (subscriber, issue) of the alerts that came too late for readers of the window and stand in no digest yet.
pub async fn too_late(tx: &mut Tx, subscribers: (i64, i64)) -> Result<Vec<(i64, i64)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT subscriber_id, issue_id FROM deliveries
         WHERE state = 'expired' AND carried_by IS NULL AND subscriber_id > $1 AND subscriber_id <= $2
         ORDER BY subscriber_id, issue_id",
    )
    .bind(subscribers.0)
    .bind(subscribers.1)
    .fetch_all(c))
}

/// An alert that came too late for somebody and stands in no digest of theirs yet.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TooLate {
    pub issue_id: i64,
    pub post_id: Option<i64>,
    pub content: String,
    pub created_at: Timestamp,
}

/// Those that some active reader of this cadence missed. (The empty text keeps SQLite from going through all readers of
/// the cadence for each.)
pub async fn too_late_issues(tx: &mut Tx, digest: Digest) -> Result<Vec<TooLate>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id AS issue_id, post_id, content, created_at FROM issues WHERE kind = 'alert' AND id IN (
            SELECT d.issue_id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
            WHERE d.state = 'expired' AND d.carried_by IS NULL AND s.state = 'active'
            AND EXISTS (SELECT 1 FROM subscriptions u WHERE u.subscriber_id = s.id AND u.digest || '' = $1)
            AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused'))
         ORDER BY id",
    )
    .bind(digest)
    .fetch_all(c))
}

/// The digest `digest_id` tells these subscribers of the alert they missed.
pub async fn carry(tx: &mut Tx, digest_id: i64, issue_id: i64, subscriber_ids: &[i64]) -> Result<u64> {
    let sql = tx.fork(
        "UPDATE deliveries SET carried_by = $1 WHERE issue_id = $2 AND +state = 'expired'
         AND subscriber_id IN (SELECT value FROM json_each($3))",
        "UPDATE deliveries SET carried_by = $1 WHERE issue_id = $2 AND state = 'expired'
         AND subscriber_id IN (SELECT value::BIGINT FROM jsonb_array_elements_text($3::JSONB))",
    );
    touched!(tx, sqlx::query(sql).bind(digest_id).bind(issue_id).bind(super::key_set(subscriber_ids)))
}

/// No digest will tell this subscriber of the alerts missed so far.
pub async fn give_up_too_late(tx: &mut Tx, subscriber_id: i64) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET carried_by = issue_id WHERE subscriber_id = $1 AND state = 'expired' AND carried_by IS NULL",
        )
        .bind(subscriber_id)
    )
}
