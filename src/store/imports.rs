//! Imports of lists: how far each is, and what came of it.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::time::Timestamp;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Import {
    pub id: i64,
    pub public_id: Uuid,
    pub file: String,
    pub created_by: String,
    pub rows_all: i64,
    pub rows_done: i64,
    pub begun_at: Timestamp,
    /// When it was last heard of.
    pub heard_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// JSON; none while it goes on, and where it failed.
    pub report: Option<String>,
}

pub async fn begin(
    tx: &mut Tx,
    public_id: Uuid,
    (file, by): (&str, &str),
    rows: i64,
    now: Timestamp,
) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO imports (public_id, file, created_by, rows_all, rows_done, begun_at, heard_at)
         VALUES ($1, $2, $3, $4, 0, $5, $5) RETURNING id",
    )
    .bind(public_id)
    .bind(file)
    .bind(by)
    .bind(rows)
    .bind(now)
    .fetch_one(c))
}

pub async fn advance(tx: &mut Tx, id: i64, done: i64, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE imports SET rows_done = $2, heard_at = $3 WHERE id = $1")
            .bind(id)
            .bind(done)
            .bind(now)
    )
}

/// With what came of it; none where it failed.
pub async fn end(tx: &mut Tx, id: i64, report: Option<&str>, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE imports SET report = $2, heard_at = $3, ended_at = $3 WHERE id = $1")
            .bind(id)
            .bind(report)
            .bind(now)
    )
}

pub async fn by_public_id(tx: &mut Tx, public_id: Uuid) -> Result<Option<Import>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM imports WHERE public_id = $1").bind(public_id).fetch_optional(c))
}

/// A page of them, the newest first: those before the one of that id.
pub async fn page(tx: &mut Tx, before: i64, limit: i64) -> Result<Vec<Import>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM imports WHERE id < $1 ORDER BY id DESC LIMIT $2")
        .bind(before)
        .bind(limit)
        .fetch_all(c))
}

pub async fn delete_old(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM imports WHERE begun_at < $1").bind(before))
}
