//! Deliveries: written by the fan-out, claimed and settled by the senders. One narrow row per recipient.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::{delivery::State, issue::Kind, subscription::Digest, time::Timestamp};

/// What a try says that the service did not live to see the end of.
const BROKE_OFF: &str = "the service ended in the middle of it: the relay may have it";

/// What the deliveries of one insert share.
#[derive(Clone, Copy)]
pub struct Batch {
    pub issue_id: i64,
    pub variant_id: i64,
    pub priority: i64,
    /// `queued`, `sending` for what a node takes at once, or `expired` for what came too late.
    pub state: State,
    /// Who has it; for `sending`.
    pub node: Option<Uuid>,
    pub now: Timestamp,
}

/// Writes the deliveries to these subscribers; one that is there already stays as it is, and one who is being erased gets
/// none. Returns how many were new.
pub async fn insert_for(tx: &mut Tx, batch: Batch, subscriber_ids: &[i64]) -> Result<u64> {
    super::subscribers::keep_from_erasure(tx).await?;
    let sql = tx.fork(
        "INSERT INTO deliveries (issue_id, subscriber_id, address, variant_id, priority, state, node, due_at, attempts, ended_at)
         SELECT $1, s.id, s.address, $2, $3, $4, $8, $5, 0, $6
         FROM json_each($7) j JOIN subscribers s ON s.id = j.value WHERE TRUE
         ON CONFLICT (issue_id, subscriber_id) DO NOTHING",
        "INSERT INTO deliveries (issue_id, subscriber_id, address, variant_id, priority, state, node, due_at, attempts, ended_at)
         SELECT $1, s.id, s.address, $2, $3, $4, $8, $5, 0, $6
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
            .bind(batch.node)
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
/// answered keeps the last reply. Those that ended alike, as most do, go together.
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
         WHERE deliveries.id = (v.value ->> 0)::BIGINT AND deliveries.state || '' = 'sending' AND deliveries.node = $1",
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
                .persistent(false)
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

/// Whether some of an issue is with a sender, so that nobody knows yet what comes of it.
pub async fn are_sending(tx: &mut Tx, issue_id: i64) -> Result<bool> {
    on!(tx, c => sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $1 AND state = 'sending')")
        .bind(issue_id)
        .fetch_one(c))
}

/// Notes of what this node was handing over when it was killed that the relay may have it.
pub async fn broke_off(tx: &mut Tx, node: Uuid, deliveries: &[i64], now: Timestamp) -> Result<u64> {
    let sql = tx.fork(
        "INSERT INTO attempts (delivery_id, at, relay, verdict, reply_text)
         SELECT d.id, $3, coalesce(d.relay, ''), 'broken', $4 FROM json_each($2) j CROSS JOIN deliveries d ON d.id = j.value
         WHERE d.state = 'sending' AND d.node = $1",
        "INSERT INTO attempts (delivery_id, at, relay, verdict, reply_text)
         SELECT d.id, $3, coalesce(d.relay, ''), 'broken', $4
         FROM jsonb_array_elements_text($2::JSONB) j(value) JOIN deliveries d ON d.id = j.value::BIGINT
         WHERE d.state = 'sending' AND d.node = $1",
    );
    let keys = super::key_set(deliveries);
    touched!(tx, sqlx::query(sql).bind(node).bind(&keys).bind(now).bind(BROKE_OFF))?;
    let sql = tx.fork(
        "UPDATE deliveries SET reply_text = $3
         WHERE id IN (SELECT value FROM json_each($2)) AND +state = 'sending' AND node = $1",
        "UPDATE deliveries SET reply_text = $3
         WHERE id IN (SELECT value::BIGINT FROM jsonb_array_elements_text($2::JSONB)) AND state || '' = 'sending' AND node = $1",
    );
    touched!(tx, sqlx::query(sql).bind(node).bind(&keys).bind(BROKE_OFF))
}

/// Queues again what nodes had claimed that have not been heard of since `before`. Nobody knows which of it they were handing
/// over: the relay may have any.
pub async fn rescue(tx: &mut Tx, before: Timestamp, now: Timestamp) -> Result<u64> {
    let lost = touched!(
        tx,
        sqlx::query(
            "INSERT INTO attempts (delivery_id, at, relay, verdict, reply_text)
             SELECT id, $2, coalesce(relay, ''), 'broken', $3 FROM deliveries
             WHERE state = 'sending' AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = deliveries.node AND n.heartbeat_at >= $1)",
        )
        .bind(before)
        .bind(now)
        .bind(BROKE_OFF)
    )?;
    if lost == 0 {
        return Ok(0);
    }
    touched!(
        tx,
        sqlx::query(
            "UPDATE deliveries SET state = 'queued', node = NULL, reply_text = $2
             WHERE state = 'sending' AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = deliveries.node AND n.heartbeat_at >= $1)",
        )
        .bind(before)
        .bind(BROKE_OFF)
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

impl Shown {
    /// The relay's last answer, as in "451 4.3.2 try again later".
    pub fn reply(&self) -> Option<String> {
        reply(self.reply_code, self.reply_enhanced.as_deref(), self.reply_text.as_deref())
    }
}

/// A relay's answer in one line; none where there was none.
pub(super) fn reply(code: Option<i64>, enhanced: Option<&str>, text: Option<&str>) -> Option<String> {
    let code = code.map(|code| code.to_string());
    Some([code.as_deref(), enhanced, Some(text?)].into_iter().flatten().collect::<Vec<_>>().join(" "))
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

/// The name of the reader whom a delivery is for; none for a bare address.
pub async fn subscriber_of(tx: &mut Tx, id: i64) -> Result<Option<Uuid>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT s.public_id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id WHERE d.id = $1",
    )
    .bind(id)
    .fetch_optional(c))
}

/// A delivery as its reader's record shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ToReader {
    pub id: i64,
    pub issue: Uuid,
    pub kind: Kind,
    pub subject: String,
    pub state: State,
    pub due_at: Timestamp,
    pub reply_code: Option<i64>,
    pub reply_enhanced: Option<String>,
    pub reply_text: Option<String>,
}

impl ToReader {
    /// The relay's last answer, as in "451 4.3.2 try again later".
    pub fn reply(&self) -> Option<String> {
        reply(self.reply_code, self.reply_enhanced.as_deref(), self.reply_text.as_deref())
    }
}

/// A subscriber's deliveries, the newest first, with what their issues are.
pub async fn of_subscriber(tx: &mut Tx, subscriber_id: i64, limit: i64) -> Result<Vec<ToReader>> {
    on!(tx, c => sqlx::query_as(
        "SELECT d.id, i.public_id AS issue, i.kind, i.subject, d.state, d.due_at, d.reply_code, d.reply_enhanced, d.reply_text
         FROM deliveries d JOIN issues i ON i.id = d.issue_id
         WHERE d.subscriber_id = $1 ORDER BY d.id DESC LIMIT $2",
    )
    .bind(subscriber_id)
    .bind(limit)
    .fetch_all(c))
}

/// The delivery of an issue to a subscriber.
pub async fn to_subscriber(tx: &mut Tx, issue_id: i64, subscriber_id: i64) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar("SELECT id FROM deliveries WHERE issue_id = $1 AND subscriber_id = $2")
        .bind(issue_id)
        .bind(subscriber_id)
        .fetch_optional(c))
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

/// Removes the deliveries to a subscriber.
pub(super) async fn delete_for(tx: &mut Tx, subscriber_id: i64) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM deliveries WHERE subscriber_id = $1").bind(subscriber_id))
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
