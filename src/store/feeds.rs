//! Feeds and how their polls went.

use super::{Result, Tx, on, touched};
use crate::domain::time::Timestamp;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Feed {
    pub id: i64,
    pub url: String,
    pub topic_id: i64,
    pub every_micros: i64,
    pub alert: bool,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub baselined_at: Option<Timestamp>,
    pub last_polled_at: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
    pub failures: i64,
    pub last_error: Option<String>,
    pub warning: Option<String>,
    pub warned_at: Option<Timestamp>,
    /// When it last brought something new; at first when it was made.
    pub heard_at: Timestamp,
}

/// Makes or changes a feed that stands in the configuration; it is polled at once.
pub async fn provision(
    tx: &mut Tx,
    url: &str,
    topic_id: i64,
    every_micros: i64,
    alert: bool,
    now: Timestamp,
) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO feeds (url, topic_id, every_micros, alert, active, next_poll_at, failures, heard_at)
             VALUES ($1, $2, $3, $4, TRUE, $5, 0, $5)
             ON CONFLICT (url) DO UPDATE
             SET topic_id = excluded.topic_id, every_micros = excluded.every_micros, alert = excluded.alert, active = TRUE",
        )
        .bind(url)
        .bind(topic_id)
        .bind(every_micros)
        .bind(alert)
        .bind(now)
    )
}

/// Stops every feed; [`provision`] starts those again that the configuration has.
pub async fn stop_all(tx: &mut Tx) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE feeds SET active = FALSE"))
}

/// Makes every active feed due, as at a start.
pub async fn poll_all_at(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE feeds SET next_poll_at = $1 WHERE active AND next_poll_at > $1").bind(now)
    )
}

pub async fn all_active(tx: &mut Tx) -> Result<Vec<Feed>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, url, topic_id, every_micros, alert, etag, last_modified, baselined_at, last_polled_at,
                last_success_at, failures, last_error, warning, warned_at, heard_at
         FROM feeds WHERE active ORDER BY id",
    )
    .fetch_all(c))
}

/// Takes the feeds that are due and puts their next poll at `lease`, so that no other node polls them meanwhile.
pub async fn claim_due(tx: &mut Tx, now: Timestamp, lease: Timestamp) -> Result<Vec<Feed>> {
    on!(tx, c => sqlx::query_as(
        "UPDATE feeds SET next_poll_at = $2 WHERE active AND next_poll_at <= $1
         RETURNING id, url, topic_id, every_micros, alert, etag, last_modified, baselined_at, last_polled_at,
                   last_success_at, failures, last_error, warning, warned_at, heard_at",
    )
    .bind(now)
    .bind(lease)
    .fetch_all(c))
}

/// The poll was answered, with posts or "not modified".
pub async fn record_success(
    tx: &mut Tx,
    id: i64,
    etag: Option<&str>,
    last_modified: Option<&str>,
    now: Timestamp,
    next: Timestamp,
) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE feeds SET etag = $2, last_modified = $3, baselined_at = coalesce(baselined_at, $4), last_polled_at = $4,
                    last_success_at = $4, failures = 0, last_error = NULL, next_poll_at = $5
             WHERE id = $1",
        )
        .bind(id)
        .bind(etag)
        .bind(last_modified)
        .bind(now)
        .bind(next)
    )
}

pub async fn record_failure(
    tx: &mut Tx,
    id: i64,
    error: &str,
    now: Timestamp,
    next: Timestamp,
) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE feeds SET last_polled_at = $3, failures = failures + 1, last_error = $2, next_poll_at = $4 WHERE id = $1",
        )
        .bind(id)
        .bind(error)
        .bind(now)
        .bind(next)
    )
}

/// It brought something new.
pub async fn heard(tx: &mut Tx, id: i64, now: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE feeds SET heard_at = $2 WHERE id = $1").bind(id).bind(now))
}

/// Keeps the last thing about a feed that a person should know.
pub async fn warn(tx: &mut Tx, id: i64, warning: &str, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE feeds SET warning = $2, warned_at = $3 WHERE id = $1")
            .bind(id)
            .bind(warning)
            .bind(now)
    )
}
