//! The public archive: what the pages of issues say, and which of them are listed.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::{
    issue::{Kind, State},
    time::Timestamp,
};

/// What an issue's page says.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Page {
    pub title: String,
    /// The beginning of the text.
    pub excerpt: String,
    /// Sanitized.
    pub html: String,
}

/// Keeps what an issue's page says.
pub async fn keep(tx: &mut Tx, issue_id: i64, page: &Page, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO issue_pages (issue_id, title, excerpt, html, changed_at) VALUES ($1, $2, $3, $4, $5)"
        )
        .bind(issue_id)
        .bind(&page.title)
        .bind(&page.excerpt)
        .bind(&page.html)
        .bind(now)
    )
}

/// Lets go of what an issue's page says: it is never listed then.
pub async fn forget(tx: &mut Tx, issue_id: i64) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM issue_pages WHERE issue_id = $1").bind(issue_id))
}

pub async fn page(tx: &mut Tx, issue_id: i64) -> Result<Option<Page>> {
    on!(tx, c => sqlx::query_as("SELECT title, excerpt, html FROM issue_pages WHERE issue_id = $1").bind(issue_id).fetch_optional(c))
}

/// Whether an issue is marked public, and whether there is a page of it that can be listed.
pub async fn standing(tx: &mut Tx, issue_id: i64) -> Result<(bool, bool)> {
    on!(tx, c => sqlx::query_as(
        "SELECT i.public, p.issue_id IS NOT NULL FROM issues i LEFT JOIN issue_pages p ON p.issue_id = i.id WHERE i.id = $1",
    )
    .bind(issue_id)
    .fetch_one(c))
}

/// Puts an issue into the archive or takes it out; false where it is so already.
pub async fn mark(tx: &mut Tx, issue_id: i64, public: bool) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE issues SET public = $2 WHERE id = $1 AND public <> $2")
            .bind(issue_id)
            .bind(public)
    )?;
    Ok(rows == 1)
}

/// Notes that the archive says something else of an issue from now on.
pub async fn touch(tx: &mut Tx, issue_id: i64, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE issue_pages SET changed_at = $2 WHERE issue_id = $1").bind(issue_id).bind(now)
    )
}

/// When the archive last changed.
pub async fn last_change(tx: &mut Tx) -> Result<Option<Timestamp>> {
    on!(tx, c => sqlx::query_scalar("SELECT max(changed_at) FROM issue_pages").fetch_one(c))
}

/// An issue as the archive lists it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    pub id: i64,
    pub public_id: Uuid,
    pub kind: Kind,
    pub state: State,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub title: String,
    pub excerpt: String,
}

/// The public issues on a topic (empty for all) that were published before this moment, and of those of the moment
/// itself those before this id; the newest first. What was stopped before anybody got it is none of them.
pub async fn listed(tx: &mut Tx, topic: &str, before: (Timestamp, i64), limit: i64) -> Result<Vec<Listed>> {
    on!(tx, c => sqlx::query_as(
        "SELECT i.id, i.public_id, i.kind, i.state, i.created_at, i.ended_at, p.title, p.excerpt
         FROM issues i JOIN issue_pages p ON p.issue_id = i.id
         WHERE i.public AND (i.created_at, i.id) < ($1, $2) AND i.kind NOT IN ('notice', 'correction') AND i.state <> 'held'
         AND (i.state <> 'cancelled' OR EXISTS (SELECT 1 FROM deliveries d WHERE d.issue_id = i.id AND d.state = 'sent')
              OR i.totals LIKE '%sent%')
         AND ($3 = '' OR EXISTS (SELECT 1 FROM issue_topics w JOIN topics t ON t.id = w.topic_id WHERE w.issue_id = i.id AND t.slug = $3))
         ORDER BY i.created_at DESC, i.id DESC LIMIT $4",
    )
    .bind(before.0)
    .bind(before.1)
    .bind(topic)
    .bind(limit)
    .fetch_all(c))
}

/// Those of these posts that stand on a public topic, and of these alerts (by their id, negated) that are public.
pub async fn public_stories(tx: &mut Tx, stories: &[i64]) -> Result<Vec<i64>> {
    let sql = tx.fork(
        "SELECT v.value FROM json_each($1) v WHERE EXISTS (SELECT 1 FROM post_topics p JOIN topics t ON t.id = p.topic_id
                WHERE p.post_id = v.value AND t.public)
         OR EXISTS (SELECT 1 FROM issues i WHERE i.id = -v.value AND i.public)",
        "SELECT v.value::BIGINT FROM jsonb_array_elements_text($1::JSONB) v(value)
         WHERE EXISTS (SELECT 1 FROM post_topics p JOIN topics t ON t.id = p.topic_id WHERE p.post_id = v.value::BIGINT AND t.public)
         OR EXISTS (SELECT 1 FROM issues i WHERE i.id = -(v.value::BIGINT) AND i.public)",
    );
    on!(tx, c => sqlx::query_scalar(sql).bind(super::key_set(stories)).fetch_all(c))
}
