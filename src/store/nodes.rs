//! Nodes and their heartbeats; relays that take no mail.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::time::Timestamp;

/// A node lives: at its start and at each heartbeat.
pub async fn beat(tx: &mut Tx, id: Uuid, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO nodes (id, started_at, heartbeat_at) VALUES ($1, $2, $2)
             ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at",
        )
        .bind(id)
        .bind(now)
    )
}

/// The database's clock, where it has one of its own: a node's may not go wrong by much against it.
pub async fn database_time(tx: &mut Tx) -> Result<Option<Timestamp>> {
    let sql = tx.fork(
        "SELECT CAST(NULL AS INTEGER)",
        "SELECT CAST(extract(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
    );
    on!(tx, c => sqlx::query_scalar(sql).fetch_one(c))
}

/// How many nodes were heard of since `since`.
pub async fn living(tx: &mut Tx, since: Timestamp) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar("SELECT count(*) FROM nodes WHERE heartbeat_at >= $1").bind(since).fetch_one(c))
}

/// A node that holds no claim ended: as if it had not been heard of since `since`.
pub async fn leave(tx: &mut Tx, id: Uuid, since: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE nodes SET heartbeat_at = $2 WHERE id = $1").bind(id).bind(since))
}

/// Drops the nodes that have not been heard of for long and hold no claim.
pub async fn forget_dead(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "DELETE FROM nodes WHERE heartbeat_at < $1
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.node = nodes.id AND d.state = 'sending')",
        )
        .bind(before)
    )
}

/// When any node was last heard of.
pub async fn last_heartbeat(tx: &mut Tx) -> Result<Option<Timestamp>> {
    on!(tx, c => sqlx::query_scalar("SELECT max(heartbeat_at) FROM nodes").fetch_one(c))
}

#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Trouble {
    pub relay: String,
    pub paused: bool,
    pub reason: String,
    pub since: Timestamp,
    /// When it is tried again; `since` where it rests not, but owes an answer.
    pub until: Timestamp,
}

impl Trouble {
    /// It was asked and has not answered yet.
    pub fn is_silence(&self) -> bool {
        !self.paused && self.until == self.since
    }
}

/// Notes that a relay takes no mail until `until`, and why; since when stays as it was.
pub async fn trouble(tx: &mut Tx, trouble: &Trouble) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO relay_troubles (relay, paused, reason, since, until) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (relay) DO UPDATE SET paused = excluded.paused, reason = excluded.reason, until = excluded.until",
        )
        .bind(&trouble.relay)
        .bind(trouble.paused)
        .bind(&trouble.reason)
        .bind(trouble.since)
        .bind(trouble.until)
    )
}

pub async fn trouble_over(tx: &mut Tx, relay: &str) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM relay_troubles WHERE relay = $1").bind(relay))
}

pub async fn troubles(tx: &mut Tx) -> Result<Vec<Trouble>> {
    on!(tx, c => sqlx::query_as("SELECT relay, paused, reason, since, until FROM relay_troubles ORDER BY relay").fetch_all(c))
}
