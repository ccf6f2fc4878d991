//! API tokens, as hashes, and the idempotency keys that came with them.

use super::{Result, Tx, on, touched};
use crate::domain::{time::Timestamp, token::Role};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Token {
    pub id: i64,
    pub name: String,
    pub role: Role,
    pub last_used_at: Option<Timestamp>,
}

pub async fn insert(
    tx: &mut Tx,
    name: &str,
    role: Role,
    hash: &[u8],
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO tokens (name, role, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)"
        )
        .bind(name)
        .bind(role)
        .bind(hash)
        .bind(now)
        .bind(expires_at)
    )
}

/// The token with this hash, if it still holds.
pub async fn by_hash(tx: &mut Tx, hash: &[u8], now: Timestamp) -> Result<Option<Token>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, name, role, last_used_at FROM tokens WHERE hash = $1 AND (expires_at IS NULL OR expires_at > $2)",
    )
    .bind(hash)
    .bind(now)
    .fetch_optional(c))
}

/// A token as a list shows it.
#[derive(Clone, Debug, sqlx::FromRow, serde::Serialize)]
pub struct Listed {
    pub name: String,
    pub role: Role,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// The tokens that hold, the oldest first.
pub async fn all(tx: &mut Tx, now: Timestamp) -> Result<Vec<Listed>> {
    on!(tx, c => sqlx::query_as(
        "SELECT name, role, created_at, expires_at, last_used_at FROM tokens
         WHERE expires_at IS NULL OR expires_at > $1 ORDER BY id",
    )
    .bind(now)
    .fetch_all(c))
}

/// Removes every token of this name, with the answers to its idempotency keys.
pub async fn revoke(tx: &mut Tx, name: &str) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM tokens WHERE name = $1").bind(name))
}

/// Notes the use of a token.
pub async fn used(tx: &mut Tx, id: i64, now: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE tokens SET last_used_at = $2 WHERE id = $1").bind(id).bind(now))
}

pub async fn delete_expired(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM tokens WHERE expires_at <= $1").bind(now))
}

/// What a key stands for: the body it came with, and the answer it got.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Answered {
    pub body_hash: Vec<u8>,
    pub status: i64,
    pub response: String,
}

/// Keeps the answer to a key in the transaction of what it did; false when the key has an answer already, and then the
/// caller must drop the transaction. A second call with the key waits here for the first.
/// An answer from before `forgotten` gives way.
pub async fn remember(
    tx: &mut Tx,
    token_id: i64,
    key: &str,
    answered: &Answered,
    now: Timestamp,
    forgotten: Timestamp,
) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "INSERT INTO idempotency_keys (token_id, key, body_hash, status, response, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (token_id, key) DO UPDATE
             SET body_hash = excluded.body_hash, status = excluded.status, response = excluded.response,
                 created_at = excluded.created_at
             WHERE idempotency_keys.created_at <= $7",
        )
        .bind(token_id)
        .bind(key)
        .bind(&answered.body_hash)
        .bind(answered.status)
        .bind(&answered.response)
        .bind(now)
        .bind(forgotten)
    )?;
    Ok(rows == 1)
}

pub async fn answered(tx: &mut Tx, token_id: i64, key: &str, since: Timestamp) -> Result<Option<Answered>> {
    on!(tx, c => sqlx::query_as(
        "SELECT body_hash, status, response FROM idempotency_keys WHERE token_id = $1 AND key = $2 AND created_at > $3",
    )
    .bind(token_id)
    .bind(key)
    .bind(since)
    .fetch_optional(c))
}

pub async fn delete_keys(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1").bind(before))
}
