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

crate::domain::words! {
    /// Whose a schedule is.
    pub enum Origin {
        /// The configuration's, and changed there.
        File = "file",
        /// What runs where neither the configuration nor the newsroom says anything.
        Usual = "usual",
        Newsroom = "newsroom",
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Schedule {
    pub id: i64,
    pub name: String,
    pub cron: String,
    pub timezone: String,
    pub digest: Digest,
    /// Its digests are in the public archive, with their stories on public topics.
    pub public: bool,
    pub origin: Origin,
    /// It isn't retired.
    pub active: bool,
    /// Occurrences up to here are done with.
    pub watched_since: Timestamp,
}

/// When a digest leaves, and whether it is public.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    pub name: &'a str,
    pub cron: &'a str,
    pub timezone: &'a str,
    pub digest: Digest,
    pub public: bool,
}

/// Makes or changes a schedule of the configuration. A new one, or one that was retired, watches from now on.
pub async fn provision(tx: &mut Tx, plan: Plan<'_>, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO schedules (name, cron, timezone, digest, public, origin, active, watched_since)
             VALUES ($1, $2, $3, $4, $5, 'file', TRUE, $6)
             ON CONFLICT (name) DO UPDATE
             SET watched_since = CASE WHEN schedules.active THEN schedules.watched_since ELSE excluded.watched_since END,
                 cron = excluded.cron, timezone = excluded.timezone, digest = excluded.digest, public = excluded.public,
                 origin = 'file', active = TRUE",
        )
        .bind(plan.name)
        .bind(plan.cron)
        .bind(plan.timezone)
        .bind(plan.digest)
        .bind(plan.public)
        .bind(now)
    )
}

/// The same for the usual one of a digest, unless the newsroom has one for it, running or retired.
pub async fn provision_usual(tx: &mut Tx, plan: Plan<'_>, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO schedules (name, cron, timezone, digest, public, origin, active, watched_since)
             SELECT $1, $2, $3, $4, $5, 'usual', TRUE, $6
             WHERE NOT EXISTS (SELECT 1 FROM schedules WHERE origin = 'newsroom' AND (digest = $4 OR name = $1))
             ON CONFLICT (name) DO UPDATE
             SET watched_since = CASE WHEN schedules.active THEN schedules.watched_since ELSE excluded.watched_since END,
                 cron = excluded.cron, timezone = excluded.timezone, digest = excluded.digest, public = excluded.public,
                 active = TRUE",
        )
        .bind(plan.name)
        .bind(plan.cron)
        .bind(plan.timezone)
        .bind(plan.digest)
        .bind(plan.public)
        .bind(now)
    )
}

/// Schedules of the configuration that are none of `names` any more: they are retired, but for the `usual` names, whose
/// own schedule goes on.
pub async fn leave_file(tx: &mut Tx, names: &[&str], usual: &[&str]) -> Result<u64> {
    let sql = tx.fork(
        "UPDATE schedules SET origin = 'usual', active = active AND name IN (SELECT value FROM json_each($2))
         WHERE origin = 'file' AND name NOT IN (SELECT value FROM json_each($1))",
        "UPDATE schedules SET origin = 'usual', active = active AND name IN (SELECT jsonb_array_elements_text($2::JSONB))
         WHERE origin = 'file' AND name NOT IN (SELECT jsonb_array_elements_text($1::JSONB))",
    );
    touched!(tx, sqlx::query(sql).bind(super::word_list(names)).bind(super::word_list(usual)))
}

/// Retires what runs for this digest under another name.
pub async fn make_way(tx: &mut Tx, name: &str, digest: Digest) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE schedules SET active = FALSE WHERE active AND digest = $2 AND name <> $1")
            .bind(name)
            .bind(digest)
    )
}

pub async fn all_active(tx: &mut Tx) -> Result<Vec<Schedule>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, name, cron, timezone, digest, public, origin, active, watched_since FROM schedules
         WHERE active ORDER BY id",
    )
    .fetch_all(c))
}

/// All there ever were.
pub async fn ever(tx: &mut Tx) -> Result<Vec<Schedule>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, name, cron, timezone, digest, public, origin, active, watched_since FROM schedules ORDER BY id",
    )
    .fetch_all(c))
}

/// Makes one of the newsroom's, which watches from now on. None where there is one of this name.
pub async fn insert(tx: &mut Tx, plan: Plan<'_>, now: Timestamp) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO schedules (name, cron, timezone, digest, public, origin, active, watched_since)
         VALUES ($1, $2, $3, $4, $5, 'newsroom', TRUE, $6) ON CONFLICT (name) DO NOTHING RETURNING id",
    )
    .bind(plan.name)
    .bind(plan.cron)
    .bind(plan.timezone)
    .bind(plan.digest)
    .bind(plan.public)
    .bind(now)
    .fetch_optional(c))
}

/// Changes one, which is the newsroom's from then on. Other hours hold from now on: what fired before is done with. False
/// where it is the configuration's.
pub async fn change(tx: &mut Tx, id: i64, plan: Plan<'_>, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE schedules SET name = $2, cron = $3, timezone = $4, digest = $5, public = $6, origin = 'newsroom',
                    watched_since = CASE WHEN cron = $3 AND timezone = $4 AND digest = $5 THEN watched_since ELSE $7 END
             WHERE id = $1 AND origin <> 'file'",
        )
        .bind(id)
        .bind(plan.name)
        .bind(plan.cron)
        .bind(plan.timezone)
        .bind(plan.digest)
        .bind(plan.public)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Retires one, or brings it back, and it is the newsroom's from then on. False where it is so already, or the
/// configuration's.
pub async fn set_active(tx: &mut Tx, id: i64, active: bool, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE schedules SET active = $2, origin = 'newsroom', watched_since = $3
             WHERE id = $1 AND active <> $2 AND origin <> 'file'",
        )
        .bind(id)
        .bind(active)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Whether what a digest's schedule sends is public.
pub async fn is_public(tx: &mut Tx, digest: Digest) -> Result<bool> {
    let public: Option<bool> = on!(tx, c => sqlx::query_scalar(
        "SELECT public FROM schedules WHERE active AND digest = $1",
    )
    .bind(digest)
    .fetch_optional(c))?;
    Ok(public.unwrap_or(false))
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

/// Notes that its occurrences up to `until` are done with. False where that is so already, or it was changed or retired
/// since it was read.
pub async fn watched_until(tx: &mut Tx, schedule: &Schedule, until: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE schedules SET watched_since = $2
             WHERE id = $1 AND watched_since < $2 AND active AND cron = $3 AND timezone = $4 AND digest = $5",
        )
        .bind(schedule.id)
        .bind(until)
        .bind(&schedule.cron)
        .bind(&schedule.timezone)
        .bind(schedule.digest)
    )?;
    Ok(rows == 1)
}
