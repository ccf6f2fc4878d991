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
    /// It stands in the configuration, and is changed there.
    pub provisioned: bool,
    /// It isn't retired.
    pub active: bool,
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
            "INSERT INTO feeds (url, topic_id, every_micros, alert, active, provisioned, next_poll_at, failures, heard_at)
             VALUES ($1, $2, $3, $4, TRUE, TRUE, $5, 0, $5)
             ON CONFLICT (url) DO UPDATE
             SET topic_id = excluded.topic_id, every_micros = excluded.every_micros, alert = excluded.alert, active = TRUE,
                 provisioned = TRUE",
        )
        .bind(url)
        .bind(topic_id)
        .bind(every_micros)
        .bind(alert)
        .bind(now)
    )
}

/// Retires every feed of the configuration, and gives it to the newsroom; [`provision`] brings back those that are still
/// there.
pub async fn retire_provisioned(tx: &mut Tx) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE feeds SET provisioned = FALSE, active = FALSE WHERE provisioned"))
}

/// Makes every active feed due, as at a start.
pub async fn poll_all_at(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE feeds SET next_poll_at = $1 WHERE active AND next_poll_at > $1").bind(now)
    )
}

/// Those that are read: neither they nor their topics are retired.
pub async fn all_active(tx: &mut Tx) -> Result<Vec<Feed>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, url, topic_id, every_micros, alert, etag, last_modified, baselined_at, last_polled_at,
                last_success_at, failures, last_error, warning, warned_at, heard_at, provisioned, active
         FROM feeds WHERE active AND topic_id IN (SELECT id FROM topics WHERE NOT retired) ORDER BY id",
    )
    .fetch_all(c))
}

/// All there ever were.
pub async fn ever(tx: &mut Tx) -> Result<Vec<Feed>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, url, topic_id, every_micros, alert, etag, last_modified, baselined_at, last_polled_at,
                last_success_at, failures, last_error, warning, warned_at, heard_at, provisioned, active
         FROM feeds ORDER BY id",
    )
    .fetch_all(c))
}

/// Also a retired one.
pub async fn by_id(tx: &mut Tx, id: i64) -> Result<Option<Feed>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, url, topic_id, every_micros, alert, etag, last_modified, baselined_at, last_polled_at,
                last_success_at, failures, last_error, warning, warned_at, heard_at, provisioned, active
         FROM feeds WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(c))
}

/// How one of the newsroom's feeds is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub url: &'a str,
    pub topic_id: i64,
    pub every_micros: i64,
    pub alert: bool,
}

/// Makes one of the newsroom's, which is polled at once. None where there is one of this address.
pub async fn insert(tx: &mut Tx, reading: Reading<'_>, now: Timestamp) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO feeds (url, topic_id, every_micros, alert, active, provisioned, next_poll_at, failures, heard_at)
         VALUES ($1, $2, $3, $4, TRUE, FALSE, $5, 0, $5) ON CONFLICT (url) DO NOTHING RETURNING id",
    )
    .bind(reading.url)
    .bind(reading.topic_id)
    .bind(reading.every_micros)
    .bind(reading.alert)
    .bind(now)
    .fetch_optional(c))
}

/// The feed of this address, also a retired one.
pub async fn id_of(tx: &mut Tx, url: &str) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar("SELECT id FROM feeds WHERE url = $1").bind(url).fetch_optional(c))
}

/// Changes one of the newsroom's, which is polled at once; at another address nothing is known yet, and its first poll is
/// the baseline again. False where it is the configuration's.
pub async fn change(tx: &mut Tx, id: i64, reading: Reading<'_>, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE feeds SET topic_id = $3, every_micros = $4, alert = $5, next_poll_at = $6, url = $2,
                    etag = CASE WHEN url = $2 THEN etag END, last_modified = CASE WHEN url = $2 THEN last_modified END,
                    baselined_at = CASE WHEN url = $2 THEN baselined_at END, failures = CASE WHEN url = $2 THEN failures ELSE 0 END,
                    last_error = CASE WHEN url = $2 THEN last_error END, warning = CASE WHEN url = $2 THEN warning END,
                    heard_at = CASE WHEN url = $2 THEN heard_at ELSE $6 END
             WHERE id = $1 AND NOT provisioned",
        )
        .bind(id)
        .bind(reading.url)
        .bind(reading.topic_id)
        .bind(reading.every_micros)
        .bind(reading.alert)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Retires one of the newsroom's, or brings it back: then it is polled at once. False where it is so already, or the
/// configuration's.
pub async fn set_active(tx: &mut Tx, id: i64, active: bool, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE feeds SET active = $2, next_poll_at = $3, heard_at = $3, failures = 0, last_error = NULL
             WHERE id = $1 AND active <> $2 AND NOT provisioned",
        )
        .bind(id)
        .bind(active)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Whether a feed is still read at this address; nobody changes that before the transaction ends.
pub async fn holds(tx: &mut Tx, id: i64, url: &str) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE feeds SET active = TRUE WHERE id = $1 AND url = $2 AND active")
            .bind(id)
            .bind(url)
    )?;
    Ok(rows == 1)
}

/// Takes the feeds that are due and puts their next poll at `lease`, so that no other node polls them meanwhile. (The
/// plus sign keeps SQLite at what is due.)
pub async fn claim_due(tx: &mut Tx, now: Timestamp, lease: Timestamp) -> Result<Vec<Feed>> {
    on!(tx, c => sqlx::query_as(
        "UPDATE feeds SET next_poll_at = $2 WHERE active AND next_poll_at <= $1
         AND +topic_id IN (SELECT id FROM topics WHERE NOT retired)
         RETURNING id, url, topic_id, every_micros, alert, etag, last_modified, baselined_at, last_polled_at,
                   last_success_at, failures, last_error, warning, warned_at, heard_at, provisioned, active",
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
