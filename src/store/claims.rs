//! Claims: what is queued is taken by one node, the most pressing first. A claim is a list of rows that travels as one
//! JSON text: row by row and value by value it would cost as much as all else. Its statements are planned anew each time:
//! PostgreSQL would keep the plan that it made when the queue was empty. (The plus signs here and in the settlements, and
//! the empty texts on PostgreSQL, keep the database from going through all that is queued, or claimed, for each list of
//! ids: it goes by the id.)

use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::{Error, Result, Tx, on, touched, unfold};
use crate::domain::{issue::Kind, message_id::MessageId, time::Timestamp};

/// The priorities of every lane.
pub const ALL_PRIORITIES: (i64, i64) = (0, i64::MAX);

/// A claimed delivery with what its mail and its fate depend on.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub id: i64,
    pub issue: Arc<Issue>,
    pub priority: i64,
    pub address: String,
    pub variant_id: i64,
    pub due_at: Timestamp,
    pub attempts: i64,
    pub subscriber_id: Option<i64>,
    /// The names in its links; none for notices.
    pub subscriber: Option<Uuid>,
    /// What `decide` says by now: false for who left, may not be mailed, or wants it no more since the fan-out.
    pub wanted: bool,
    /// What this reader got of the issue that is corrected,
    pub original: Option<i64>,
    /// and what the relay called it, as far as it told; filled in by whoever knows the relays.
    pub answers: Option<MessageId>,
}

/// What the claimed deliveries of an issue share; read once for each claim.
#[derive(Debug, sqlx::FromRow)]
pub struct Issue {
    pub id: i64,
    pub public_id: Uuid,
    pub kind: Kind,
    pub cancelled: bool,
    pub paused: bool,
    /// When it was published.
    pub created_at: Timestamp,
    /// How long it was paused, in microseconds.
    pub paused_for: i64,
    pub expires_at: Option<Timestamp>,
    pub return_path: String,
    pub link_key: String,
    pub signing: String,
    pub signup: Option<Uuid>,
}

/// What a claim reads for each delivery.
#[derive(Deserialize)]
struct Row {
    id: i64,
    priority: i64,
    address: String,
    variant_id: i64,
    due_at: i64,
    attempts: i64,
    issue_id: i64,
    subscriber_id: Option<i64>,
    subscriber: Option<Uuid>,
    #[serde(deserialize_with = "flag")]
    wanted: bool,
    original: Option<i64>,
}

/// A place in the queue: behind the delivery of this priority and id. The default is its start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behind {
    priority: i64,
    id: i64,
}

impl Behind {
    pub const fn of(claimed: &Claimed) -> Self {
        Self { priority: claimed.priority, id: claimed.id }
    }
}

/// Takes up to `limit` queued deliveries for `node`, the most pressing first, that stand behind `behind`: of those from the
/// first to the last of `priorities`, which are a lane's, or [`ALL_PRIORITIES`].
pub async fn claim(
    tx: &mut Tx,
    node: Uuid,
    limit: i64,
    priorities: (i64, i64),
    behind: Behind,
) -> Result<Vec<Claimed>> {
    let sql = tx.fork(
        "SELECT json_group_array(id) FROM (SELECT id FROM deliveries WHERE state = 'queued' AND (priority, id) > ($1, $2) AND priority <= $3
                                           ORDER BY priority, id LIMIT $4) c",
        "SELECT json_agg(id)::TEXT FROM (SELECT id FROM deliveries WHERE state = 'queued' AND (priority, id) > ($1, $2) AND priority <= $3
                                         ORDER BY priority, id LIMIT $4 FOR UPDATE SKIP LOCKED) c",
    );
    // Before the first of the class there is none of it.
    let from = if behind.priority < priorities.0 { Behind { priority: priorities.0, id: 0 } } else { behind };
    let ids: Option<String> = on!(tx, c => sqlx::query_scalar(sql)
        .persistent(false)
        .bind(from.priority)
        .bind(from.id)
        .bind(priorities.1)
        .bind(limit)
        .fetch_one(c))?;
    let Some(ids) = ids.filter(|ids| ids != "[]") else { return Ok(Vec::new()) };
    let sql = tx.fork(
        "UPDATE deliveries SET state = 'sending', node = $1
         WHERE id IN (SELECT value FROM json_each($2)) AND +state = 'queued'",
        "UPDATE deliveries SET state = 'sending', node = $1
         WHERE id IN (SELECT value::BIGINT FROM jsonb_array_elements_text($2::JSONB)) AND state || '' = 'queued'",
    );
    touched!(tx, sqlx::query(sql).persistent(false).bind(node).bind(&ids))?;
    let rows = list(rows(tx, &ids).await?)?;
    claimed(tx, rows).await
}

/// Puts the rows of a claim in order, and their issues to them.
async fn claimed(tx: &mut Tx, mut rows: Vec<Row>) -> Result<Vec<Claimed>> {
    rows.sort_unstable_by_key(|row| (row.priority, row.id));
    let mut issues: Vec<i64> = rows.iter().map(|row| row.issue_id).collect();
    issues.sort_unstable();
    issues.dedup();
    let issues: Vec<_> = of_ids(tx, &issues).await?.into_iter().map(Arc::new).collect();
    let claimed = rows.into_iter().map(|row| {
        let issue = issues.iter().find(|issue| issue.id == row.issue_id).ok_or(Error::RowNotFound)?;
        Ok(Claimed {
            id: row.id,
            issue: Arc::clone(issue),
            priority: row.priority,
            address: row.address,
            variant_id: row.variant_id,
            due_at: Timestamp::from_micros(row.due_at),
            attempts: row.attempts,
            subscriber_id: row.subscriber_id,
            subscriber: row.subscriber,
            wanted: row.wanted,
            original: row.original,
            answers: None,
        })
    });
    claimed.collect()
}

/// What the fan-out has just written for `node`: an issue's deliveries to the readers with `after < id <= last`. They are
/// wanted, for they were decided on a moment ago.
pub async fn fresh(tx: &mut Tx, node: Uuid, issue_id: i64, after: i64, last: i64) -> Result<Vec<Claimed>> {
    let sql = tx.fork(
        "SELECT json_group_array(json_array(d.id, d.priority, d.address, d.variant_id, d.due_at, d.attempts, d.issue_id,
                  d.subscriber_id, hex(s.public_id), 1, NULL))
         FROM deliveries d CROSS JOIN subscribers s ON s.id = d.subscriber_id
         WHERE d.issue_id = $2 AND d.subscriber_id > $3 AND d.subscriber_id <= $4 AND +d.state = 'sending' AND +d.node = $1",
        "SELECT json_agg(json_build_array(d.id, d.priority, d.address, d.variant_id, d.due_at, d.attempts, d.issue_id,
                  d.subscriber_id, s.public_id, 1, NULL))::TEXT
         FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
         WHERE d.issue_id = $2 AND d.subscriber_id > $3 AND d.subscriber_id <= $4 AND d.state || '' = 'sending' AND d.node = $1",
    );
    let rows: Option<String> = on!(tx, c => sqlx::query_scalar(sql)
        .persistent(false)
        .bind(node)
        .bind(issue_id)
        .bind(after)
        .bind(last)
        .fetch_one(c))?;
    claimed(tx, list(rows)?).await
}

async fn rows(tx: &mut Tx, ids: &str) -> Result<Option<String>> {
    let sql = tx.fork(
        "SELECT json_group_array(json_array(d.id, d.priority, d.address, d.variant_id, d.due_at, d.attempts, d.issue_id,
                  d.subscriber_id, iif(s.id IS NULL, NULL, hex(s.public_id)),
                  CASE WHEN d.subscriber_id IS NULL OR (s.state = 'active'
                    AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                    AND (i.kind IN ('notice', 'correction') OR EXISTS (SELECT 1 FROM subscriptions u WHERE u.subscriber_id = s.id AND (
                      (i.kind = 'digest' AND u.digest = i.digest)
                      OR ((i.kind = 'alert' AND (u.alerts OR i.level = 'critical') OR i.kind = 'broadcast' AND (u.alerts OR u.digest <> 'none'))
                        AND u.topic_id IN (SELECT w.topic_id FROM issue_topics w WHERE w.issue_id = i.id))))))
                  THEN 1 ELSE 0 END,
                  (SELECT o.id FROM deliveries o WHERE o.issue_id = i.corrects AND o.subscriber_id = d.subscriber_id)))
         FROM json_each($1) j CROSS JOIN deliveries d ON d.id = j.value CROSS JOIN issues i ON i.id = d.issue_id
         LEFT JOIN subscribers s ON s.id = d.subscriber_id",
        "SELECT json_agg(json_build_array(d.id, d.priority, d.address, d.variant_id, d.due_at, d.attempts, d.issue_id,
                  d.subscriber_id, s.public_id,
                  CASE WHEN d.subscriber_id IS NULL OR (s.state = 'active'
                    AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                    AND (i.kind IN ('notice', 'correction') OR EXISTS (SELECT 1 FROM subscriptions u WHERE u.subscriber_id = s.id AND (
                      (i.kind = 'digest' AND u.digest = i.digest)
                      OR ((i.kind = 'alert' AND (u.alerts OR i.level = 'critical') OR i.kind = 'broadcast' AND (u.alerts OR u.digest <> 'none'))
                        AND u.topic_id IN (SELECT w.topic_id FROM issue_topics w WHERE w.issue_id = i.id))))))
                  THEN 1 ELSE 0 END,
                  (SELECT o.id FROM deliveries o WHERE o.issue_id = i.corrects AND o.subscriber_id = d.subscriber_id)))::TEXT
         FROM jsonb_array_elements_text($1::JSONB) j(value) JOIN deliveries d ON d.id = j.value::BIGINT
         JOIN issues i ON i.id = d.issue_id LEFT JOIN subscribers s ON s.id = d.subscriber_id",
    );
    on!(tx, c => sqlx::query_scalar(sql).persistent(false).bind(ids).fetch_one(c))
}

/// 0 or 1, as SQLite has it.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<bool, D::Error> {
    u8::deserialize(from).map(|flag| flag == 1)
}

/// The rows of a JSON list; none for none.
pub(super) fn list<T: for<'a> Deserialize<'a>>(text: Option<String>) -> Result<Vec<T>> {
    serde_json::from_str(text.as_deref().unwrap_or("[]")).map_err(|error| Error::Decode(error.into()))
}

async fn of_ids(tx: &mut Tx, issues: &[i64]) -> Result<Vec<Issue>> {
    if issues.is_empty() {
        return Ok(Vec::new());
    }
    let sql = unfold!(
        tx,
        "SELECT i.id, i.public_id, i.kind, i.state = 'cancelled' AS cancelled, i.paused_at IS NOT NULL AS paused, i.created_at, i.paused_for, i.expires_at,
                i.return_path, i.link_key, i.signing, f.public_id AS signup
         FROM issues i LEFT JOIN signups f ON f.id = i.signup_id WHERE i.id IN ",
        "$1" as BIGINT
    );
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(issues)).fetch_all(c))
}
