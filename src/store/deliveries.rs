//! Deliveries: written by the fan-out, claimed and settled by the senders. One narrow row per recipient.

use std::collections::BTreeMap;

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
         ON CONFLICT (issue_id, subscriber_id) DO NOTHING",
        "INSERT INTO deliveries (issue_id, subscriber_id, address, variant_id, priority, state, due_at, attempts, ended_at)
         SELECT $1, s.id, s.address, $2, $3, $4, $5, 0, $6
         FROM jsonb_array_elements_text($7::JSONB) j(value) JOIN subscribers s ON s.id = j.value::BIGINT
         ON CONFLICT (issue_id, subscriber_id) DO NOTHING",
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
#[derive(Clone, Debug)]
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

/// What a claim reads for each delivery.
#[derive(sqlx::FromRow)]
struct ClaimedRow {
    id: i64,
    priority: i64,
    address: String,
    variant_id: i64,
    due_at: Timestamp,
    attempts: i64,
    issue_id: i64,
    subscriber_id: Option<i64>,
    subscriber: Option<Uuid>,
    wanted: bool,
}

/// What the claimed deliveries of an issue share; read once.
#[derive(sqlx::FromRow)]
struct Shared {
    id: i64,
    issue: Uuid,
    kind: Kind,
    cancelled: bool,
    expires_at: Option<Timestamp>,
    return_path: String,
    link_key: String,
    signing: String,
    published_at: Timestamp,
    signup: Option<Uuid>,
}

/// Takes up to `limit` queued deliveries for `node`, the most pressing first: of those from the first to the last of
/// `priorities`, which are a lane's, or [`ALL_PRIORITIES`].
pub async fn claim(tx: &mut Tx, node: Uuid, limit: i64, priorities: (i64, i64)) -> Result<Vec<Claimed>> {
    let sql = tx.fork(
        "WITH c AS MATERIALIZED (SELECT id FROM deliveries WHERE state = 'queued' AND priority >= $3 AND priority <= $4
                                 ORDER BY priority, id LIMIT $2)
         UPDATE deliveries SET state = 'sending', node = $1 WHERE id IN (SELECT id FROM c) AND state = 'queued'
         RETURNING id, priority, address, variant_id, due_at, attempts, issue_id, subscriber_id,
                   (SELECT s.public_id FROM subscribers s WHERE s.id = deliveries.subscriber_id) AS subscriber,
                   subscriber_id IS NULL OR EXISTS (
                     SELECT 1 FROM subscribers s, issues i
                     WHERE s.id = deliveries.subscriber_id AND i.id = deliveries.issue_id AND s.state = 'active'
                     AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                     AND (i.kind = 'notice' OR EXISTS (SELECT 1 FROM subscriptions u WHERE u.subscriber_id = s.id AND (
                       (i.kind = 'digest' AND u.digest = i.digest) OR (i.kind = 'alert' AND (u.alerts OR i.level = 'critical')
                         AND u.topic_id IN (SELECT w.topic_id FROM issue_topics w WHERE w.issue_id = i.id)))))) AS wanted",
        "WITH c AS MATERIALIZED (SELECT id FROM deliveries WHERE state = 'queued' AND priority >= $3 AND priority <= $4
                                 ORDER BY priority, id LIMIT $2 FOR UPDATE SKIP LOCKED)
         UPDATE deliveries SET state = 'sending', node = $1 WHERE id IN (SELECT id FROM c) AND state = 'queued'
         RETURNING id, priority, address, variant_id, due_at, attempts, issue_id, subscriber_id,
                   (SELECT s.public_id FROM subscribers s WHERE s.id = deliveries.subscriber_id) AS subscriber,
                   subscriber_id IS NULL OR EXISTS (
                     SELECT 1 FROM subscribers s, issues i
                     WHERE s.id = deliveries.subscriber_id AND i.id = deliveries.issue_id AND s.state = 'active'
                     AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                     AND (i.kind = 'notice' OR EXISTS (SELECT 1 FROM subscriptions u WHERE u.subscriber_id = s.id AND (
                       (i.kind = 'digest' AND u.digest = i.digest) OR (i.kind = 'alert' AND (u.alerts OR i.level = 'critical')
                         AND u.topic_id IN (SELECT w.topic_id FROM issue_topics w WHERE w.issue_id = i.id)))))) AS wanted",
    );
    let mut rows: Vec<ClaimedRow> = on!(tx, c => sqlx::query_as(sql)
        .bind(node)
        .bind(limit)
        .bind(priorities.0)
        .bind(priorities.1)
        .fetch_all(c))?;
    rows.sort_unstable_by_key(|row| (row.priority, row.id));
    let mut issues: Vec<i64> = rows.iter().map(|row| row.issue_id).collect();
    issues.sort_unstable();
    issues.dedup();
    let shared = shared(tx, &issues).await?;
    let claimed = rows.into_iter().map(|row| {
        let of = shared.iter().find(|shared| shared.id == row.issue_id).ok_or(super::Error::RowNotFound)?;
        Ok(Claimed {
            id: row.id,
            priority: row.priority,
            address: row.address,
            variant_id: row.variant_id,
            due_at: row.due_at,
            attempts: row.attempts,
            subscriber_id: row.subscriber_id,
            subscriber: row.subscriber,
            signup: of.signup,
            wanted: row.wanted,
            issue: of.issue,
            kind: of.kind,
            cancelled: of.cancelled,
            expires_at: of.expires_at,
            return_path: of.return_path.clone(),
            link_key: of.link_key.clone(),
            signing: of.signing.clone(),
            published_at: of.published_at,
        })
    });
    claimed.collect()
}

async fn shared(tx: &mut Tx, issues: &[i64]) -> Result<Vec<Shared>> {
    if issues.is_empty() {
        return Ok(Vec::new());
    }
    let sql = tx.fork(
        "SELECT i.id, i.public_id AS issue, i.kind, i.state = 'cancelled' AS cancelled, i.expires_at, i.return_path, i.link_key,
                i.signing, i.created_at AS published_at, f.public_id AS signup
         FROM issues i LEFT JOIN signups f ON f.id = i.signup_id WHERE i.id IN (SELECT value FROM json_each($1))",
        "SELECT i.id, i.public_id AS issue, i.kind, i.state = 'cancelled' AS cancelled, i.expires_at, i.return_path, i.link_key,
                i.signing, i.created_at AS published_at, f.public_id AS signup
         FROM issues i LEFT JOIN signups f ON f.id = i.signup_id
         WHERE i.id IN (SELECT value::BIGINT FROM jsonb_array_elements_text($1::JSONB))",
    );
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(issues)).fetch_all(c))
}

/// How one try ended, as it is written down.
#[derive(Clone, Debug)]
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
/// answered keeps the last reply. Those that ended alike, as most do, go together. (The plus signs keep SQLite from looking through all claims of the node for each row:
/// it goes by the id.)
pub async fn settle(tx: &mut Tx, node: Uuid, settled: &[Settled]) -> Result<u64> {
    let sql = tx.fork(
        "UPDATE deliveries SET state = $3, node = NULL, attempts = attempts + $4,
                relay = CASE WHEN v.value ->> 3 IS NULL THEN relay ELSE $5 END,
                reply_code = CASE WHEN v.value ->> 3 IS NULL THEN reply_code ELSE $6 END,
                reply_enhanced = CASE WHEN v.value ->> 3 IS NULL THEN reply_enhanced ELSE $7 END,
                retry_at = v.value ->> 1, ended_at = v.value ->> 2, reply_text = coalesce(v.value ->> 3, reply_text)
         FROM json_each($2) v
         WHERE deliveries.id = v.value ->> 0 AND +deliveries.state = 'sending' AND +deliveries.node = $1",
        "UPDATE deliveries SET state = $3, node = NULL, attempts = attempts + $4,
                relay = CASE WHEN v.value ->> 3 IS NULL THEN relay ELSE $5 END,
                reply_code = CASE WHEN v.value ->> 3 IS NULL THEN reply_code ELSE $6 END,
                reply_enhanced = CASE WHEN v.value ->> 3 IS NULL THEN reply_enhanced ELSE $7 END,
                retry_at = (v.value ->> 1)::BIGINT, ended_at = (v.value ->> 2)::BIGINT,
                reply_text = coalesce(v.value ->> 3, reply_text)
         FROM jsonb_array_elements($2::JSONB) v(value)
         WHERE deliveries.id = (v.value ->> 0)::BIGINT AND deliveries.state = 'sending' AND deliveries.node = $1",
    );
    let mut alike: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in settled {
        let key = (one.state, one.tried, &one.relay, one.reply_code, &one.reply_enhanced);
        alike.entry(key).or_default().push((one.id, one.retry_at, one.ended_at, &one.reply_text));
    }
    let mut done = 0;
    for ((state, tried, relay, code, enhanced), rows) in alike {
        done += touched!(
            tx,
            sqlx::query(sql)
                .bind(node)
                .bind(serde_json::to_string(&rows).map_err(|error| super::Error::Encode(error.into()))?)
                .bind(state)
                .bind(tried)
                .bind(relay)
                .bind(code)
                .bind(enhanced)
        )?;
    }
    Ok(done)
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
