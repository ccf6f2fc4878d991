//! Corrections: who got the issue that is corrected, or may have got it.

use uuid::Uuid;

use super::{Result, Tx, archive::Page, on, touched};
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

/// The name of the newest correction of an issue.
pub async fn of(tx: &mut Tx, original: i64) -> Result<Option<Uuid>> {
    Ok(newest(tx, original).await?.map(|correction| correction.public_id))
}

/// A correction, as whoever comes later is told of it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Earlier {
    pub public_id: Uuid,
    /// With its mark.
    pub subject: String,
    #[sqlx(rename = "created_by")]
    pub by: String,
    #[sqlx(rename = "created_at")]
    pub at: Timestamp,
}

/// The newest correction of an issue.
pub async fn newest(tx: &mut Tx, original: i64) -> Result<Option<Earlier>> {
    on!(tx, c => sqlx::query_as("SELECT public_id, subject, created_by, created_at FROM issues WHERE corrects = $1 ORDER BY id DESC LIMIT 1").bind(original).fetch_optional(c))
}

/// The newest that is for everybody: when it was published, what it keeps of its text, and what its page says. One without
/// a page was a test, unless the original has none either.
pub async fn public_of(tx: &mut Tx, original: i64) -> Result<Option<(Timestamp, String, Option<Page>)>> {
    type Found = (Timestamp, String, Option<String>, Option<String>, Option<String>);
    let found: Option<Found> = on!(tx, c => sqlx::query_as(
        "SELECT c.created_at, c.content, p.title, p.excerpt, p.html FROM issues c LEFT JOIN issue_pages p ON p.issue_id = c.id
         WHERE c.corrects = $1 AND (p.issue_id IS NOT NULL OR NOT EXISTS (SELECT 1 FROM issue_pages o WHERE o.issue_id = $1))
         ORDER BY c.id DESC LIMIT 1",
    )
    .bind(original)
    .fetch_optional(c))?;
    Ok(found.map(|(at, content, title, excerpt, html)| {
        let page = title.zip(excerpt).zip(html).map(|((title, excerpt), html)| Page { title, excerpt, html });
        (at, content, page)
    }))
}

/// The next active readers behind `after` who got the original, or may have, for their mail broke off in the middle of it, and
/// whom the correction isn't written to yet. To whom the original is on its way shows soon: they are among these then, or it
/// was called off.
pub async fn missing(
    tx: &mut Tx,
    correction: i64,
    original: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT d.subscriber_id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
         WHERE d.issue_id = $2 AND d.subscriber_id > $3 AND s.state = 'active'
         AND (d.state = 'sent' OR EXISTS (SELECT 1 FROM attempts a WHERE a.delivery_id = d.id AND a.verdict = 'broken'))
         AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
         AND NOT EXISTS (SELECT 1 FROM deliveries c WHERE c.issue_id = $1 AND c.subscriber_id = d.subscriber_id)
         ORDER BY d.subscriber_id LIMIT $4",
    )
    .bind(correction)
    .bind(original)
    .bind(after)
    .bind(limit)
    .fetch_all(c))
}

/// What is known of the mail that a correction's delivery answers.
#[derive(Debug, sqlx::FromRow)]
pub struct Answered {
    pub delivery_id: i64,
    /// What was written down when it was first taken: the relay's name of that mail, or nothing.
    pub answers: Option<String>,
    /// The relay that took that mail, and what it said; none where nobody knows whether it was taken.
    pub relay: Option<String>,
    reply_code: Option<i64>,
    reply_enhanced: Option<String>,
    reply_text: Option<String>,
}

impl Answered {
    /// What the relay said, as in `250 2.0.0 Ok: queued as 4F3A`.
    pub fn reply(&self) -> Option<String> {
        super::deliveries::reply(self.reply_code, self.reply_enhanced.as_deref(), self.reply_text.as_deref())
    }
}

/// The same of each of these deliveries.
pub async fn answered(tx: &mut Tx, ids: &[i64]) -> Result<Vec<Answered>> {
    let sql = tx.fork(
        "SELECT d.id AS delivery_id, d.answers, o.relay, o.reply_code, o.reply_enhanced, o.reply_text
         FROM json_each($1) j CROSS JOIN deliveries d ON d.id = j.value JOIN issues i ON i.id = d.issue_id
         LEFT JOIN deliveries o ON o.issue_id = i.corrects AND o.subscriber_id = d.subscriber_id AND +o.state = 'sent'",
        "SELECT d.id AS delivery_id, d.answers, o.relay, o.reply_code, o.reply_enhanced, o.reply_text
         FROM jsonb_array_elements_text($1::JSONB) j(value) JOIN deliveries d ON d.id = j.value::BIGINT
         JOIN issues i ON i.id = d.issue_id
         LEFT JOIN deliveries o ON o.issue_id = i.corrects AND o.subscriber_id = d.subscriber_id AND o.state || '' = 'sent'",
    );
    on!(tx, c => sqlx::query_as(sql).persistent(false).bind(super::key_set(ids)).fetch_all(c))
}

/// Writes down once and for all what deliveries answer: (delivery, the relay's name of it).
pub async fn answer(tx: &mut Tx, answers: &[(i64, &str)]) -> Result<u64> {
    let sql = tx.fork(
        "UPDATE deliveries SET answers = v.value ->> 1 FROM json_each($1) v
         WHERE deliveries.id = v.value ->> 0 AND deliveries.answers IS NULL",
        "UPDATE deliveries SET answers = v.value ->> 1 FROM jsonb_array_elements($1::JSONB) v(value)
         WHERE deliveries.id = (v.value ->> 0)::BIGINT AND deliveries.answers IS NULL",
    );
    let rows = serde_json::to_string(answers).map_err(|error| super::Error::Encode(error.into()))?;
    touched!(tx, sqlx::query(sql).persistent(false).bind(rows))
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
/// says. The newest stands last. What is no more than a test of an alert that was none is left out, as above.
pub async fn of_stories(tx: &mut Tx, stories: &[i64]) -> Result<Vec<(i64, i64, String)>> {
    let sql = tx.fork(
        "SELECT v.value AS story, c.id, c.content FROM json_each($1) v CROSS JOIN issues o ON o.post_id = v.value
         CROSS JOIN issues c ON c.corrects = o.id
         WHERE EXISTS (SELECT 1 FROM issue_pages p WHERE p.issue_id = c.id)
            OR NOT EXISTS (SELECT 1 FROM issue_pages p WHERE p.issue_id = o.id)
         UNION ALL
         SELECT v.value, c.id, c.content FROM json_each($1) v CROSS JOIN issues c ON c.corrects = -v.value
         WHERE EXISTS (SELECT 1 FROM issue_pages p WHERE p.issue_id = c.id)
            OR NOT EXISTS (SELECT 1 FROM issue_pages p WHERE p.issue_id = c.corrects) ORDER BY 2",
        "SELECT v.value::BIGINT AS story, c.id, c.content FROM jsonb_array_elements_text($1::JSONB) v(value)
         JOIN issues o ON o.post_id = v.value::BIGINT JOIN issues c ON c.corrects = o.id
         WHERE EXISTS (SELECT 1 FROM issue_pages p WHERE p.issue_id = c.id)
            OR NOT EXISTS (SELECT 1 FROM issue_pages p WHERE p.issue_id = o.id)
         UNION ALL
         SELECT v.value::BIGINT, c.id, c.content FROM jsonb_array_elements_text($1::JSONB) v(value)
         JOIN issues c ON c.corrects = -(v.value::BIGINT)
         WHERE EXISTS (SELECT 1 FROM issue_pages p WHERE p.issue_id = c.id)
            OR NOT EXISTS (SELECT 1 FROM issue_pages p WHERE p.issue_id = c.corrects) ORDER BY 2",
    );
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(stories)).fetch_all(c))
}
