//! Lanes and relays that a person stopped by hand.

use super::{Result, Tx, on, touched};
use crate::domain::pause::{Kind, Pause};

/// Every pause in force, lanes first.
pub async fn all(tx: &mut Tx) -> Result<Vec<Pause>> {
    on!(tx, c => sqlx::query_as("SELECT kind, name, reason, since FROM pauses ORDER BY kind, since, name").fetch_all(c))
}

/// Pauses; what is paused already keeps its beginning and takes the new reason.
pub async fn set(tx: &mut Tx, pause: &Pause) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO pauses (kind, name, reason, since) VALUES ($1, $2, $3, $4)
             ON CONFLICT (kind, name) DO UPDATE SET reason = excluded.reason",
        )
        .bind(pause.kind)
        .bind(&pause.name)
        .bind(&pause.reason)
        .bind(pause.since)
    )
}

/// Resumes. False when it was not paused.
pub async fn lift(tx: &mut Tx, kind: Kind, name: &str) -> Result<bool> {
    let lifted =
        touched!(tx, sqlx::query("DELETE FROM pauses WHERE kind = $1 AND name = $2").bind(kind).bind(name))?;
    Ok(lifted > 0)
}
