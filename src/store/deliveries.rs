//! Deliveries: written by the fan-out, claimed and settled by the senders. One narrow row per recipient.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::{delivery::State, issue::Kind, subscription::Digest, time::Timestamp};

/// What the deliveries of one insert share.
#[derive(Clone, Copy)]
pub struct Batch {
    pub issue_id: i64,
    pub variant_id: i64,
    pub priority: i64,
    /// `queued`, or `expired` for what came too late.
    pub state: State,
    pub now: Timestamp,
}

/// Writes the deliveries to these subscribers; one that is there already stays as it is. Returns how many were new.
pub async fn insert_for(tx: &mut Tx, batch: Batch, subscriber_ids: &[i64]) -> Result<u64> {
    let sql = tx.fork(
        "INSERT INTO deliveries (issue_id, subscriber_id, address, variant_id, priority, state, due_at, attempts, ended_at)
         SELECT $1, s.id, s.address, $2, $3, $4, $5, 0, $6
         FROM json_each($7) j JOIN subscribers s ON s.id = j.value WHERE TRUE
         ON CONFLICT (issue_id, address) DO NOTHING",
        "INSERT INTO deliveries (issue_id, subscriber_id, address, variant_id, priority, state, due_at, attempts, ended_at)
         SELECT $1, s.id, s.address, $2, $3, $4, $5, 0, $6
         FROM jsonb_array_elements_text($7::JSONB) j(value) JOIN subscribers s ON s.id = j.value::BIGINT
         ON CONFLICT (issue_id, address) DO NOTHING",
    );
    touched!(
        tx,
        sqlx::query(sql)
            .bind(batch.issue_id)
            .bind(batch.variant_id)
            .bind(batch.priority)
            .bind(batch.state)
            .bind(batch.now)
            .bind((batch.state == State::Expired).then_some(batch.now))
            .bind(super::key_set(subscriber_ids))
    )
}

/// Writes the one delivery of a notice to a bare address.
pub async fn insert_bare(tx: &mut Tx, batch: Batch, address: &str) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO deliveries (issue_id, address, variant_id, priority, state, due_at, attempts)
             VALUES ($1, $2, $3, $4, $5, $6, 0)",
        )
        .bind(batch.issue_id)
        .bind(address)
        .bind(batch.variant_id)
        .bind(batch.priority)
        .bind(batch.state)
        .bind(batch.now)
    )
}

/// A claimed delivery with what its mail and its fate depend on.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claimed {
    pub id: i64,
    pub priority: i64,
    pub address: String,
    pub variant_id: i64,
    pub due_at: Timestamp,
    /// When its issue was published.
    pub published_at: Timestamp,
    pub attempts: i64,
    pub subscriber_id: Option<i64>,
    /// The names in its links; none for notices.
    pub subscriber: Option<Uuid>,
    pub signup: Option<Uuid>,
    /// What `decide` says by now: false for who left, may not be mailed, or wants it no more since the fan-out.
    pub wanted: bool,
    pub issue: Uuid,
    pub kind: Kind,
    pub cancelled: bool,
    pub expires_at: Option<Timestamp>,
    pub return_path: String,
    pub link_key: String,
    pub signing: String,
}

/// Takes up to `limit` queued deliveries for `node` whose priorities are within these two, the most pressing first.
pub async fn claim(tx: &mut Tx, node: Uuid, limit: i64, (first, last): (i64, i64)) -> Result<Vec<Claimed>> {
    let sql = tx.fork(
        "WITH c AS MATERIALIZED (SELECT id FROM deliveries WHERE state = 'queued' AND priority >= $3 AND priority <= $4 ORDER BY priority, id LIMIT $2)
         UPDATE deliveries SET state = 'sending', node = $1 WHERE id IN (SELECT id FROM c) AND state = 'queued' RETURNING id",
        "WITH c AS MATERIALIZED (SELECT id FROM deliveries WHERE state = 'queued' AND priority >= $3 AND priority <= $4 ORDER BY priority, id LIMIT $2
                                 FOR UPDATE SKIP LOCKED)
         UPDATE deliveries SET state = 'sending', node = $1 WHERE id IN (SELECT id FROM c) AND state = 'queued' RETURNING id",
    );
    let ids: Vec<i64> =
        on!(tx, c => sqlx::query_scalar(sql).bind(node).bind(limit).bind(first).bind(last).fetch_all(c))?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = tx.fork(
        "SELECT d.id, d.priority, d.address, d.variant_id, d.due_at, i.created_at AS published_at, d.attempts, d.subscriber_id, s.public_id AS subscriber,
                f.public_id AS signup, i.public_id AS issue, i.kind, i.state = 'cancelled' AS cancelled, i.expires_at,
                i.return_path, i.link_key, i.signing,
                d.subscriber_id IS NULL OR (s.state = 'active' AND NOT EXISTS (
                    SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                  AND (i.kind = 'notice' OR EXISTS (
                    SELECT 1 FROM subscriptions u WHERE u.subscriber_id = d.subscriber_id AND (
                      (i.kind = 'digest' AND u.digest = i.digest) OR (i.kind = 'alert' AND (u.alerts OR i.level = 'critical')
                        AND u.topic_id IN (SELECT w.topic_id FROM issue_topics w WHERE w.issue_id = i.id)))))) AS wanted
         FROM deliveries d JOIN issues i ON i.id = d.issue_id
         LEFT JOIN subscribers s ON s.id = d.subscriber_id LEFT JOIN signups f ON f.id = i.signup_id
         WHERE d.id IN (SELECT value FROM json_each($1)) ORDER BY d.priority, d.id",
        "SELECT d.id, d.priority, d.address, d.variant_id, d.due_at, i.created_at AS published_at, d.attempts, d.subscriber_id, s.public_id AS subscriber,
                f.public_id AS signup, i.public_id AS issue, i.kind, i.state = 'cancelled' AS cancelled, i.expires_at,
                i.return_path, i.link_key, i.signing,
                d.subscriber_id IS NULL OR (s.state = 'active' AND NOT EXISTS (
                    SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                  AND (i.kind = 'notice' OR EXISTS (
                    SELECT 1 FROM subscriptions u WHERE u.subscriber_id = d.subscriber_id AND (
                      (i.kind = 'digest' AND u.digest = i.digest) OR (i.kind = 'alert' AND (u.alerts OR i.level = 'critical')
                        AND u.topic_id IN (SELECT w.topic_id FROM issue_topics w WHERE w.issue_id = i.id)))))) AS wanted
         FROM deliveries d JOIN issues i ON i.id = d.issue_id
         LEFT JOIN subscribers s ON s.id = d.subscriber_id LEFT JOIN signups f ON f.id = i.signup_id
         WHERE d.id IN (SELECT value::BIGINT FROM jsonb_array_elements_text($1::JSONB)) ORDER BY d.priority, d.id",
    );
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(&ids)).fetch_all(c))
}

/// How one try ended, as it is written down.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Settled {
    pub id: i64,
    pub state: State,
    /// 1 when the try counts as an attempt.
    pub tried: i64,
    /// Microseconds; for `deferred`.
    pub retry_at: Option<i64>,
    /// Microseconds; for the states that end a delivery.
    pub ended_at: Option<i64>,
    pub relay: Option<String>,
    pub reply_code: Option<i64>,
    pub reply_enhanced: Option<String>,
    pub reply_text: Option<String>,
}

/// Writes down how claimed deliveries of `node` ended; one that is no longer its own stays as it is, and one that nobody
/// answered keeps the last reply. (The plus signs keep
/// SQLite from looking through all claims of the node for each row: it goes by the id.)
pub async fn settle(tx: &mut Tx, node: Uuid, settled: &[Settled]) -> Result<u64> {
    let sql = tx.fork(
        "UPDATE deliveries SET state = v.value ->> 'state', node = NULL, attempts = attempts + (v.value ->> 'tried'),
                retry_at = v.value ->> 'retry_at', ended_at = v.value ->> 'ended_at',
                relay = CASE WHEN v.value ->> 'reply_text' IS NULL THEN relay ELSE v.value ->> 'relay' END,
                reply_code = CASE WHEN v.value ->> 'reply_text' IS NULL THEN reply_code ELSE v.value ->> 'reply_code' END,
                reply_enhanced = CASE WHEN v.value ->> 'reply_text' IS NULL THEN reply_enhanced ELSE v.value ->> 'reply_enhanced' END,
                reply_text = coalesce(v.value ->> 'reply_text', reply_text)
         FROM json_each($2) v
         WHERE deliveries.id = v.value ->> 'id' AND +deliveries.state = 'sending' AND +deliveries.node = $1",
        "UPDATE deliveries SET state = v.state, node = NULL, attempts = attempts + v.tried,
                retry_at = v.retry_at, ended_at = v.ended_at,
                relay = CASE WHEN v.reply_text IS NULL THEN deliveries.relay ELSE v.relay END,
                reply_code = CASE WHEN v.reply_text IS NULL THEN deliveries.reply_code ELSE v.reply_code END,
                reply_enhanced = CASE WHEN v.reply_text IS NULL THEN deliveries.reply_enhanced ELSE v.reply_enhanced END,
                reply_text = coalesce(v.reply_text, deliveries.reply_text)
         FROM jsonb_to_recordset($2::JSONB) AS v(id BIGINT, state TEXT, tried BIGINT, retry_at BIGINT, ended_at BIGINT,
              relay TEXT, reply_code BIGINT, reply_enhanced TEXT, reply_text TEXT)
         WHERE deliveries.id = v.id AND deliveries.state = 'sending' AND deliveries.node = $1",
    );
    let rows = serde_json::to_string(settled).map_err(|error| super::Error::Encode(error.into()))?;
    touched!(tx, sqlx::query(sql).bind(node).bind(rows))
}

/// Queues again what this node had claimed when it stopped.
pub async fn release(tx: &mut Tx, node: Uuid) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET state = 'queued', node = NULL WHERE state = 'sending' AND node = $1"
        )
        .bind(node)
    )
}

/// Queues again what nodes had claimed that have not been heard of since `before`.
pub async fn rescue(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET state = 'queued', node = NULL
             WHERE state = 'sending' AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = deliveries.node AND n.heartbeat_at >= $1)",
        )
        .bind(before)
    )
}

/// Queues at once what was put off by a relay that is paused.
pub async fn requeue_paused(tx: &mut Tx, relay: &str) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET state = 'queued', retry_at = NULL WHERE state = 'deferred' AND relay = $1
             AND EXISTS (SELECT 1 FROM relay_troubles r WHERE r.relay = $1 AND r.paused)",
        )
        .bind(relay)
    )
}

/// Queues the deferred ones whose time has come.
pub async fn requeue_due(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE deliveries SET state = 'queued', retry_at = NULL WHERE state = 'deferred' AND retry_at <= $1").bind(now)
    )
}

/// Cancels up to `limit` of an issue's deliveries that wait; on PostgreSQL without those that somebody else is at.
pub async fn cancel_some(tx: &mut Tx, issue_id: i64, limit: i64, now: Timestamp) -> Result<u64> {
    let sql = tx.fork(
        "WITH w AS MATERIALIZED (SELECT id FROM deliveries WHERE issue_id = $1 AND state IN ('queued', 'deferred') LIMIT $2)
         UPDATE deliveries SET state = 'cancelled', retry_at = NULL, ended_at = $3
         WHERE id IN (SELECT id FROM w) AND state IN ('queued', 'deferred')",
        "WITH w AS MATERIALIZED (SELECT id FROM deliveries WHERE issue_id = $1 AND state IN ('queued', 'deferred') LIMIT $2
                                 FOR UPDATE SKIP LOCKED)
         UPDATE deliveries SET state = 'cancelled', retry_at = NULL, ended_at = $3
         WHERE id IN (SELECT id FROM w) AND state IN ('queued', 'deferred')",
    );
    touched!(tx, sqlx::query(sql).bind(issue_id).bind(limit).bind(now))
}

/// How many of an issue's deliveries wait.
pub async fn waiting(tx: &mut Tx, issue_id: i64) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT count(*) FROM deliveries WHERE issue_id = $1 AND state IN ('queued', 'deferred')",
    )
    .bind(issue_id)
    .fetch_one(c))
}

/// Cancels everything that is waiting for a subscriber.
pub async fn cancel_for(tx: &mut Tx, subscriber_id: i64, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET state = 'cancelled', retry_at = NULL, ended_at = $2
             WHERE subscriber_id = $1 AND state IN ('queued', 'deferred')",
        )
        .bind(subscriber_id)
        .bind(now)
    )
}

pub async fn cancel(tx: &mut Tx, id: i64, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET state = 'cancelled', retry_at = NULL, ended_at = $2
             WHERE id = $1 AND state IN ('queued', 'deferred')",
        )
        .bind(id)
        .bind(now)
    )
}

/// What waits for a subscriber: the delivery and what `decide` asks about its issue.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Waiting {
    pub id: i64,
    pub issue_id: i64,
    pub kind: Kind,
    pub level: crate::domain::issue::Level,
    pub digest: Digest,
    pub expires_at: Option<Timestamp>,
}

pub async fn waiting_for(tx: &mut Tx, subscriber_id: i64) -> Result<Vec<Waiting>> {
    on!(tx, c => sqlx::query_as(
        "SELECT d.id, d.issue_id, i.kind, i.level, i.digest, i.expires_at FROM deliveries d JOIN issues i ON i.id = d.issue_id
         WHERE d.subscriber_id = $1 AND d.state IN ('queued', 'deferred') ORDER BY d.id",
    )
    .bind(subscriber_id)
    .fetch_all(c))
}

/// How many deliveries of an issue are in which state.
pub async fn counts(tx: &mut Tx, issue_id: i64) -> Result<Vec<(State, i64)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT state, count(*) FROM deliveries WHERE issue_id = $1 GROUP BY state ORDER BY state",
    )
    .bind(issue_id)
    .fetch_all(c))
}

/// A delivery as the API shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Shown {
    pub id: i64,
    pub subscriber: Option<Uuid>,
    pub address: String,
    pub state: State,
    pub attempts: i64,
    pub relay: Option<String>,
    pub reply_code: Option<i64>,
    pub reply_enhanced: Option<String>,
    pub reply_text: Option<String>,
    pub due_at: Timestamp,
    pub retry_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// A page of an issue's deliveries behind `after`, of one state or of all: each has its index, so that no page sorts
/// the whole issue.
pub async fn page(
    tx: &mut Tx,
    issue_id: i64,
    state: Option<State>,
    after: i64,
    limit: i64,
) -> Result<Vec<Shown>> {
    let Some(state) = state else {
        return on!(tx, c => sqlx::query_as(
            "SELECT d.id, s.public_id AS subscriber, d.address, d.state, d.attempts, d.relay, d.reply_code, d.reply_enhanced,
                    d.reply_text, d.due_at, d.retry_at, d.ended_at
             FROM deliveries d LEFT JOIN subscribers s ON s.id = d.subscriber_id
             WHERE d.issue_id = $1 AND d.id > $2 ORDER BY d.id LIMIT $3",
        )
        .bind(issue_id)
        .bind(after)
        .bind(limit)
        .fetch_all(c));
    };
    on!(tx, c => sqlx::query_as(
        "SELECT d.id, s.public_id AS subscriber, d.address, d.state, d.attempts, d.relay, d.reply_code, d.reply_enhanced,
                d.reply_text, d.due_at, d.retry_at, d.ended_at
         FROM deliveries d LEFT JOIN subscribers s ON s.id = d.subscriber_id
         WHERE d.issue_id = $1 AND d.state = $3 AND d.id > $2 ORDER BY d.id LIMIT $4",
    )
    .bind(issue_id)
    .bind(after)
    .bind(state)
    .bind(limit)
    .fetch_all(c))
}

/// A subscriber's deliveries, the newest first, with the kind and subject of their issues.
pub async fn of_subscriber(
    tx: &mut Tx,
    subscriber_id: i64,
    limit: i64,
) -> Result<Vec<(Kind, String, State, Timestamp, Option<String>)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT i.kind, i.subject, d.state, d.due_at, d.reply_text FROM deliveries d JOIN issues i ON i.id = d.issue_id
         WHERE d.subscriber_id = $1 ORDER BY d.id DESC LIMIT $2",
    )
    .bind(subscriber_id)
    .bind(limit)
    .fetch_all(c))
}

/// How many wait altogether, by state.
pub async fn open_counts(tx: &mut Tx) -> Result<Vec<(State, i64)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT state, count(*) FROM deliveries WHERE state IN ('queued', 'sending', 'deferred') GROUP BY state ORDER BY state",
    )
    .fetch_all(c))
}

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

/// How many mails to an address are on their way, whoever they are for.
pub async fn sending_to(tx: &mut Tx, address_key: &str) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT count(*) FROM deliveries WHERE state = 'sending' AND lower(address) = $1",
    )
    .bind(address_key)
    .fetch_one(c))
}

/// Removes the notices to a bare address, whatever its case.
pub async fn delete_bare(tx: &mut Tx, address_key: &str) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("DELETE FROM deliveries WHERE subscriber_id IS NULL AND lower(address) = $1",)
            .bind(address_key)
    )
}

/// Removes up to `limit` deliveries of an issue. Returns how many.
pub async fn delete_some(tx: &mut Tx, issue_id: i64, limit: i64) -> Result<u64> {
    let sql = tx.fork(
        "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE issue_id = $1 ORDER BY id LIMIT $2)",
        "WITH c AS MATERIALIZED (SELECT id FROM deliveries WHERE issue_id = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
         DELETE FROM deliveries WHERE id IN (SELECT id FROM c)",
    );
    touched!(tx, sqlx::query(sql).bind(issue_id).bind(limit))
}
