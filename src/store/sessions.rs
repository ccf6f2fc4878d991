//! Who is signed in, by the hash of a cookie; and the links that work once.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::time::Timestamp;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Session {
    pub id: i64,
    pub public_id: Uuid,
    pub user_id: i64,
    /// Whether a second factor was shown.
    pub second_factor: bool,
    pub network: String,
    pub browser: String,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    pub expires_at: Timestamp,
}

pub struct NewSession<'a> {
    pub public_id: Uuid,
    pub user_id: i64,
    pub hash: &'a [u8],
    pub second_factor: bool,
    pub network: &'a str,
    pub browser: &'a str,
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

pub async fn insert(tx: &mut Tx, session: &NewSession<'_>) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO sessions (public_id, user_id, hash, second_factor, network, browser, created_at, seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)",
        )
        .bind(session.public_id)
        .bind(session.user_id)
        .bind(session.hash)
        .bind(session.second_factor)
        .bind(session.network)
        .bind(session.browser)
        .bind(session.now)
        .bind(session.expires_at)
    )
}

/// The session with this hash, if it was neither ended nor unused since `idle_since`.
pub async fn by_hash(
    tx: &mut Tx,
    hash: &[u8],
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Option<Session>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, user_id, second_factor, network, browser, created_at, seen_at, expires_at FROM sessions
         WHERE hash = $1 AND ended_at IS NULL AND expires_at > $2 AND seen_at > $3",
    )
    .bind(hash)
    .bind(now)
    .bind(idle_since)
    .fetch_optional(c))
}

/// A user's sessions that hold, the last seen first.
pub async fn of_user(
    tx: &mut Tx,
    user_id: i64,
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Vec<Session>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, user_id, second_factor, network, browser, created_at, seen_at, expires_at FROM sessions
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND seen_at > $3 ORDER BY seen_at DESC, id DESC",
    )
    .bind(user_id)
    .bind(now)
    .bind(idle_since)
    .fetch_all(c))
}

/// When a user was last seen.
pub async fn last_seen(tx: &mut Tx, user_id: i64) -> Result<Option<Timestamp>> {
    on!(tx, c => sqlx::query_scalar("SELECT max(seen_at) FROM sessions WHERE user_id = $1").bind(user_id).fetch_one(c))
}

pub async fn seen(tx: &mut Tx, id: i64, now: Timestamp, network: &str) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE sessions SET seen_at = $2, network = $3 WHERE id = $1")
            .bind(id)
            .bind(now)
            .bind(network)
    )
}

/// The same session under a new cookie; what was shown so far stays shown.
pub async fn rotate(
    tx: &mut Tx,
    id: i64,
    hash: &[u8],
    second_factor: bool,
    expires_at: Timestamp,
) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE sessions SET hash = $2, second_factor = $3, expires_at = $4 WHERE id = $1 AND ended_at IS NULL"
        )
        .bind(id)
        .bind(hash)
        .bind(second_factor)
        .bind(expires_at)
    )
}

pub async fn end(tx: &mut Tx, user_id: i64, public_id: Uuid, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE sessions SET ended_at = $3 WHERE public_id = $2 AND user_id = $1 AND ended_at IS NULL"
        )
        .bind(user_id)
        .bind(public_id)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Ends all sessions of a user but one; `but` 0 ends all.
pub async fn end_all(tx: &mut Tx, user_id: i64, but: i64, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE sessions SET ended_at = $3 WHERE user_id = $1 AND id <> $2 AND ended_at IS NULL")
            .bind(user_id)
            .bind(but)
            .bind(now)
    )
}

/// Whether this user was signed in from that network before; `wholly` where only a second factor counts.
pub async fn knows_network(tx: &mut Tx, user_id: i64, network: &str, wholly: bool) -> Result<bool> {
    let some: Option<i64> = on!(tx, c => sqlx::query_scalar(
        "SELECT id FROM sessions WHERE user_id = $1 AND network = $2 AND (second_factor OR NOT $3) ORDER BY id LIMIT 1",
    )
    .bind(user_id)
    .bind(network)
    .bind(wholly)
    .fetch_optional(c))?;
    Ok(some.is_some())
}

pub async fn delete_old(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM sessions WHERE expires_at < $1").bind(before))
}
