//! What became of one issue, looked at from several sides. Each statement goes once through the issue's deliveries, which
//! lie next to one another.

use super::{Result, Tx, on};
use crate::domain::{spread::Place, time::Timestamp};

/// When the first mail and the last mail of an issue were accepted; none while none is.
pub async fn accepted_between(tx: &mut Tx, issue_id: i64) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
    on!(tx, c => sqlx::query_as(
        "SELECT min(ended_at), max(ended_at) FROM deliveries WHERE issue_id = $1 AND state = 'sent'",
    )
    .bind(issue_id)
    .fetch_one(c))
}

/// How many may have an issue that was called off for them: their mail broke off in the middle.
pub async fn uncertain(tx: &mut Tx, issue_id: i64) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT count(*) FROM deliveries d
         WHERE d.issue_id = $1 AND d.state IN ('cancelled', 'expired')
               AND d.id IN (SELECT a.delivery_id FROM attempts a WHERE a.verdict = 'broken')",
    )
    .bind(issue_id)
    .fetch_one(c))
}

/// (step, how many were accepted in it) up to `until`, in order: step n begins n times `step` microseconds after `from`.
pub async fn accepted_by_step(
    tx: &mut Tx,
    issue_id: i64,
    (from, until): (Timestamp, Timestamp),
    step: i64,
) -> Result<Vec<(i64, i64)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT (ended_at - $2) / $4 AS step, count(*) FROM deliveries
         WHERE issue_id = $1 AND state = 'sent' AND ended_at >= $2 AND ended_at <= $3 GROUP BY 1 ORDER BY 1",
    )
    .bind(issue_id)
    .bind(from)
    .bind(until)
    .bind(step)
    .fetch_all(c))
}

/// What the relays answered, by their names.
pub async fn by_relay(tx: &mut Tx, issue_id: i64) -> Result<Vec<Place>> {
    on!(tx, c => sqlx::query_as(
        "SELECT relay AS name, count(*) AS audience,
                sum(CASE WHEN state = 'sent' THEN 1 ELSE 0 END) AS accepted,
                sum(CASE WHEN state IN ('queued', 'sending', 'deferred') THEN 1 ELSE 0 END) AS waiting,
                sum(CASE WHEN state IN ('bounced', 'failed') THEN 1 ELSE 0 END) AS bounced,
                max(CASE WHEN state = 'sent' THEN ended_at END) AS last_accepted_at
         FROM deliveries WHERE issue_id = $1 AND relay IS NOT NULL GROUP BY relay ORDER BY relay",
    )
    .bind(issue_id)
    .fetch_all(c))
}

/// The domains with the most recipients of an issue.
pub async fn by_domain(tx: &mut Tx, issue_id: i64, limit: i64) -> Result<Vec<Place>> {
    let sql = tx.fork(
        "SELECT lower(substr(address, instr(address, '@') + 1)) AS name, count(*) AS audience,
                sum(CASE WHEN state = 'sent' THEN 1 ELSE 0 END) AS accepted,
                sum(CASE WHEN state IN ('queued', 'sending', 'deferred') THEN 1 ELSE 0 END) AS waiting,
                sum(CASE WHEN state IN ('bounced', 'failed') THEN 1 ELSE 0 END) AS bounced,
                max(CASE WHEN state = 'sent' THEN ended_at END) AS last_accepted_at
         FROM deliveries WHERE issue_id = $1 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $2",
        "SELECT lower(substr(address, strpos(address, '@') + 1)) AS name, count(*) AS audience,
                sum(CASE WHEN state = 'sent' THEN 1 ELSE 0 END) AS accepted,
                sum(CASE WHEN state IN ('queued', 'sending', 'deferred') THEN 1 ELSE 0 END) AS waiting,
                sum(CASE WHEN state IN ('bounced', 'failed') THEN 1 ELSE 0 END) AS bounced,
                max(CASE WHEN state = 'sent' THEN ended_at END) AS last_accepted_at
         FROM deliveries WHERE issue_id = $1 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $2",
    );
    on!(tx, c => sqlx::query_as(sql).bind(issue_id).bind(limit).fetch_all(c))
}
