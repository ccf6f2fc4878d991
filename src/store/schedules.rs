//! Schedules and their runs. A run is won by inserting its row.

use super::{Result, Tx, on, touched};
use crate::domain::{subscription::Digest, time::Timestamp};

crate::domain::words! {
    /// What came of one occurrence.
    pub enum Outcome {
        Published = "published",
        Empty = "empty",
        /// The service was down past the grace period; its posts join the next digest.
        Late = "late",
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Schedule {
    pub id: i64,
    pub name: String,
    pub cron: String,
    pub timezone: String,
    pub digest: Digest,
    /// Occurrences up to here are done with.
    pub watched_since: Timestamp,
}

/// Makes or changes a schedule of the configuration. A new one, or one that was away, watches from now on.
pub async fn provision(
    tx: &mut Tx,
    name: &str,
    cron: &str,
    timezone: &str,
    digest: Digest,
    now: Timestamp,
) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO schedules (name, cron, timezone, digest, active, watched_since) VALUES ($1, $2, $3, $4, TRUE, $5)
             ON CONFLICT (name) DO UPDATE
             SET watched_since = CASE WHEN schedules.active THEN schedules.watched_since ELSE excluded.watched_since END,
                 cron = excluded.cron, timezone = excluded.timezone, digest = excluded.digest, active = TRUE",
        )
        .bind(name)
        .bind(cron)
        .bind(timezone)
        .bind(digest)
        .bind(now)
    )
}

/// Stops every schedule whose name is not among these.
pub async fn stop_others(tx: &mut Tx, names: &[&str]) -> Result<u64> {
    let sql = tx.fork(
        "UPDATE schedules SET active = FALSE WHERE active AND name NOT IN (SELECT value FROM json_each($1))",
        "UPDATE schedules SET active = FALSE WHERE active
         AND name NOT IN (SELECT value FROM jsonb_array_elements_text($1::JSONB))",
    );
    touched!(tx, sqlx::query(sql).bind(super::word_list(names)))
}

pub async fn all_active(tx: &mut Tx) -> Result<Vec<Schedule>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, name, cron, timezone, digest, watched_since FROM schedules WHERE active ORDER BY id",
    )
    .fetch_all(c))
}

/// Whether this call won the occurrence `local` (wall-clock time in `timezone`).
pub async fn win_run(
    tx: &mut Tx,
    schedule: &Schedule,
    local: &str,
    at: Timestamp,
    outcome: Outcome,
    now: Timestamp,
) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "INSERT INTO runs (schedule_id, timezone, local, at, outcome, created_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (schedule_id, timezone, local) DO NOTHING",
        )
        .bind(schedule.id)
        .bind(&schedule.timezone)
        .bind(local)
        .bind(at)
        .bind(outcome)
        .bind(now)
    )?;
    Ok(rows == 1)
}

pub async fn watched_until(tx: &mut Tx, id: i64, until: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE schedules SET watched_since = $2 WHERE id = $1 AND watched_since < $2")
            .bind(id)
            .bind(until)
    )
}
