//! Races: sets of prepared alerts, of which one is released.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::time::Timestamp;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Race {
    pub id: i64,
    pub public_id: Uuid,
    pub name: String,
    pub not_before: Timestamp,
    /// In whose clocks that is told.
    pub timezone: String,
    /// Slugs, as a JSON list.
    pub topics: String,
    /// The draft that was released.
    pub called_by: Option<i64>,
    pub closed_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub created_by: String,
}

pub async fn insert(
    tx: &mut Tx,
    public_id: Uuid,
    (name, topics): (&str, &[String]),
    (not_before, timezone): (Timestamp, &str),
    by: &str,
    now: Timestamp,
) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO races (public_id, name, not_before, timezone, topics, created_at, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
    )
    .bind(public_id)
    .bind(name)
    .bind(not_before)
    .bind(timezone)
    .bind(super::word_list(topics))
    .bind(now)
    .bind(by)
    .fetch_one(c))
}

pub async fn by_public_id(tx: &mut Tx, public_id: Uuid) -> Result<Option<Race>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM races WHERE public_id = $1").bind(public_id).fetch_optional(c))
}

pub async fn by_id(tx: &mut Tx, id: i64) -> Result<Option<Race>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM races WHERE id = $1").bind(id).fetch_optional(c))
}

/// Those that are neither called nor put away, by when they may be called.
pub async fn uncalled(tx: &mut Tx, limit: i64) -> Result<Vec<Race>> {
    on!(tx, c => sqlx::query_as(
        "SELECT * FROM races WHERE closed_at IS NULL AND called_by IS NULL ORDER BY not_before, id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(c))
}

/// A page of the races, the newest first: those older than `before`, that are put away, that aren't, or all.
pub async fn page(tx: &mut Tx, before: i64, limit: i64, put_away: Option<bool>) -> Result<Vec<Race>> {
    on!(tx, c => sqlx::query_as(
        "SELECT * FROM races WHERE id < $1 AND (closed_at IS NOT NULL) = coalesce($3, closed_at IS NOT NULL)
         ORDER BY id DESC LIMIT $2",
    )
    .bind(before)
    .bind(limit)
    .bind(put_away)
    .fetch_all(c))
}

/// Renames a race, and says what topics new outcomes begin with.
pub async fn edit(tx: &mut Tx, id: i64, name: &str, topics: &[String]) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE races SET name = $2, topics = $3 WHERE id = $1")
            .bind(id)
            .bind(name)
            .bind(super::word_list(topics))
    )
}

/// Moves the moment from which on it may be called; false where it moved, or was called, meanwhile.
pub async fn move_to(
    tx: &mut Tx,
    id: i64,
    before: Timestamp,
    not_before: Timestamp,
    timezone: &str,
) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE races SET not_before = $3, timezone = $4 WHERE id = $1 AND not_before = $2 AND called_by IS NULL",
        )
        .bind(id)
        .bind(before)
        .bind(not_before)
        .bind(timezone)
    )?;
    Ok(rows == 1)
}

/// Puts a race away; false where it is put away.
pub async fn close(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE races SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL").bind(id).bind(now)
    )?;
    Ok(rows == 1)
}

/// Takes one out again; false where it is not put away.
pub async fn reopen(tx: &mut Tx, id: i64) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE races SET closed_at = NULL WHERE id = $1 AND closed_at IS NOT NULL").bind(id)
    )?;
    Ok(rows == 1)
}

/// Calls a race by the release of a draft; false before its moment, and where it is called or put away. Who calls it at the
/// same time waits here, and is told.
pub async fn call(tx: &mut Tx, id: i64, draft_id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE races SET called_by = $2
             WHERE id = $1 AND called_by IS NULL AND closed_at IS NULL AND not_before <= $3",
        )
        .bind(id)
        .bind(draft_id)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Nobody got the issue by which a race was called: it is open again, and not put away.
pub async fn uncall(tx: &mut Tx, issue_id: i64) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE races SET called_by = NULL, closed_at = NULL WHERE called_by IN (SELECT id FROM drafts WHERE issue_id = $1)"
        )
        .bind(issue_id)
    )
}
