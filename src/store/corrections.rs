//! Corrections: who got the issue that is corrected, or may have got it.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::time::Timestamp;

/// Names what an issue corrects.
pub async fn name_original(tx: &mut Tx, issue_id: i64, original: i64) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE issues SET corrects = $2 WHERE id = $1").bind(issue_id).bind(original))
}

/// What an issue corrects, if it does.
pub async fn original(tx: &mut Tx, issue_id: i64) -> Result<Option<i64>> {
    let original: Option<Option<i64>> = on!(tx, c => sqlx::query_scalar("SELECT corrects FROM issues WHERE id = $1").bind(issue_id).fetch_optional(c))?;
    Ok(original.flatten())
}

/// The newest correction of an issue: its name, subject and text, and when it was published.
pub async fn of(tx: &mut Tx, original: i64) -> Result<Option<(Uuid, String, String, Timestamp)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT public_id, subject, content, created_at FROM issues WHERE corrects = $1 ORDER BY id DESC LIMIT 1",
    )
    .bind(original)
    .fetch_optional(c))
}

/// The next readers behind `after` who got the original, or to whom it was on its way, or whose relay broke off in the
/// middle of it.
pub async fn window(tx: &mut Tx, original: i64, after: i64, limit: i64) -> Result<Vec<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT d.subscriber_id FROM deliveries d WHERE d.issue_id = $1 AND d.subscriber_id > $2
         AND (d.state IN ('sent', 'sending') OR EXISTS (SELECT 1 FROM attempts a WHERE a.delivery_id = d.id AND a.verdict = 'broken'))
         ORDER BY d.subscriber_id LIMIT $3",
    )
    .bind(original)
    .bind(after)
    .bind(limit)
    .fetch_all(c))
}

/// Active readers who got the original after all, though the window had passed them: what was claimed while it was stopped.
pub async fn missed(tx: &mut Tx, correction: i64, original: i64, limit: i64) -> Result<Vec<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT d.subscriber_id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
         WHERE d.issue_id = $2 AND d.subscriber_id > 0 AND d.state IN ('sent', 'sending') AND s.state = 'active'
         AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
         AND NOT EXISTS (SELECT 1 FROM deliveries c WHERE c.issue_id = $1 AND c.subscriber_id = d.subscriber_id)
         ORDER BY d.subscriber_id LIMIT $3",
    )
    .bind(correction)
    .bind(original)
    .bind(limit)
    .fetch_all(c))
}

/// Of these readers: whether they are active, and whether their address must not be mailed.
pub async fn readers(tx: &mut Tx, ids: &[i64]) -> Result<Vec<(i64, bool, bool)>> {
    let sql = tx.fork(
        "SELECT s.id, s.state = 'active', EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
         FROM json_each($1) j CROSS JOIN subscribers s ON s.id = j.value ORDER BY s.id",
        "SELECT s.id, s.state = 'active', EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
         FROM jsonb_array_elements_text($1::JSONB) j(value) JOIN subscribers s ON s.id = j.value::BIGINT ORDER BY s.id",
    );
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(ids)).fetch_all(c))
}

/// Of these posts, and these alerts (by their id, negated), what corrects them: the key, the issue that does, and what it
/// says. The newest stands last.
pub async fn of_stories(tx: &mut Tx, stories: &[i64]) -> Result<Vec<(i64, i64, String)>> {
    let sql = tx.fork(
        "SELECT v.value AS story, c.id, c.content FROM json_each($1) v CROSS JOIN issues o ON o.post_id = v.value
         CROSS JOIN issues c ON c.corrects = o.id
         UNION ALL
         SELECT v.value, c.id, c.content FROM json_each($1) v CROSS JOIN issues c ON c.corrects = -v.value ORDER BY 2",
        "SELECT v.value::BIGINT AS story, c.id, c.content FROM jsonb_array_elements_text($1::JSONB) v(value)
         JOIN issues o ON o.post_id = v.value::BIGINT JOIN issues c ON c.corrects = o.id
         UNION ALL
         SELECT v.value::BIGINT, c.id, c.content FROM jsonb_array_elements_text($1::JSONB) v(value)
         JOIN issues c ON c.corrects = -(v.value::BIGINT) ORDER BY 2",
    );
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(stories)).fetch_all(c))
}
