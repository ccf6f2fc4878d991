//! What the watch found amiss, one row while it lasts.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::{incident::Kind, time::Timestamp};

/// Something that should have happened and didn't.
#[derive(Clone, Debug, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
pub struct Incident {
    #[serde(skip)]
    pub id: i64,
    #[serde(rename = "id")]
    pub public_id: Uuid,
    pub kind: Kind,
    /// What it is about, unique among those of its kind that last, as in `relay primary`.
    pub subject: String,
    pub title: String,
    pub what: String,
    /// What to do.
    pub todo: String,
    /// A path of the newsroom.
    pub link: String,
    pub since: Timestamp,
    /// When it was told.
    pub begun_at: Timestamp,
    /// Since when nothing is seen of it any more.
    #[serde(skip)]
    pub calm_since: Option<Timestamp>,
    /// Null while it lasts.
    pub ended_at: Option<Timestamp>,
}

pub struct NewIncident<'a> {
    pub public_id: Uuid,
    pub kind: Kind,
    pub subject: &'a str,
    pub title: &'a str,
    pub what: &'a str,
    pub todo: &'a str,
    pub link: &'a str,
    pub since: Timestamp,
    pub now: Timestamp,
}

/// Those that last, by kind.
pub async fn open(tx: &mut Tx) -> Result<Vec<Incident>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, kind, subject, title, what, todo, link, since, begun_at, calm_since, ended_at
         FROM incidents WHERE ended_at IS NULL ORDER BY kind, subject",
    )
    .fetch_all(c))
}

/// At most `limit` of them before the one of that id, the newest first: `open`, `over`, or all where it is empty.
pub async fn page(tx: &mut Tx, state: &str, before: i64, limit: i64) -> Result<Vec<Incident>> {
    on!(tx, c => sqlx::query_as(
        "SELECT i.id, public_id, kind, subject, title, what, todo, link, since, begun_at, calm_since, ended_at
         FROM incidents i WHERE i.id < $1 AND ($2 = '' OR ($2 = 'open') = (ended_at IS NULL)) ORDER BY i.id DESC LIMIT $3",
    )
    .bind(before)
    .bind(state)
    .bind(limit)
    .fetch_all(c))
}

/// Whether this call begins it; false where it lasts already.
pub async fn begin(tx: &mut Tx, incident: &NewIncident<'_>) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "INSERT INTO incidents (public_id, kind, subject, title, what, todo, link, since, begun_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (kind, subject) WHERE ended_at IS NULL DO NOTHING",
        )
        .bind(incident.public_id)
        .bind(incident.kind)
        .bind(incident.subject)
        .bind(incident.title)
        .bind(incident.what)
        .bind(incident.todo)
        .bind(incident.link)
        .bind(incident.since)
        .bind(incident.now)
    )?;
    Ok(rows == 1)
}

/// Nothing is seen of it since then; or it is seen again.
pub async fn calm(tx: &mut Tx, id: i64, since: Option<Timestamp>) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE incidents SET calm_since = $2 WHERE id = $1 AND ended_at IS NULL")
            .bind(id)
            .bind(since)
    )
}

/// Whether this call ends it.
pub async fn end(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE incidents SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL")
            .bind(id)
            .bind(now)
    )?;
    Ok(rows == 1)
}

/// Drops those that ended before.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM incidents WHERE ended_at < $1").bind(before))
}
