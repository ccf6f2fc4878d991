//! API tokens, as hashes, and the idempotency keys that came with them.

use super::{Result, Tx, on, touched, word_list};
use crate::domain::{
    role::{Area, Role},
    time::Timestamp,
};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Token {
    pub id: i64,
    pub name: String,
    pub role: Role,
    /// JSON: the areas that it is kept to; none for all that its role may.
    pub scope: String,
    /// The user who made it, by address; none for whoever ran a command.
    pub made_by: Option<String>,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// A token as it is made.
#[derive(Clone, Copy)]
pub struct NewToken<'a> {
    pub name: &'a str,
    pub role: Role,
    pub hash: &'a [u8],
    /// None for all that the role may.
    pub areas: &'a [Area],
    /// As in [`Token`].
    pub made_by: Option<&'a str>,
    pub now: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl<'a> NewToken<'a> {
    /// One that holds for all that its role may, until it is revoked.
    pub const fn new(name: &'a str, role: Role, hash: &'a [u8], now: Timestamp) -> Self {
        Self { name, role, hash, areas: &[], made_by: None, now, expires_at: None }
    }
}

pub async fn insert(tx: &mut Tx, token: NewToken<'_>) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO tokens (name, role, hash, scope, made_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)"
        )
        .bind(token.name)
        .bind(token.role)
        .bind(token.hash)
        .bind(word_list(token.areas))
        .bind(token.made_by)
        .bind(token.now)
        .bind(token.expires_at)
    )
}

/// The token with this hash, if it still holds.
pub async fn by_hash(tx: &mut Tx, hash: &[u8], now: Timestamp) -> Result<Option<Token>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, name, role, scope, made_by, expires_at, last_used_at FROM tokens WHERE hash = $1 AND (expires_at IS NULL OR expires_at > $2)",
    )
    .bind(hash)
    .bind(now)
    .fetch_optional(c))
}

/// Whether a token was neither revoked nor is past its end.
pub async fn holds(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM tokens WHERE id = $1 AND (expires_at IS NULL OR expires_at > $2))",
    )
    .bind(id)
    .bind(now)
    .fetch_one(c))
}

/// A token as a list shows it.
#[derive(Clone, Debug, sqlx::FromRow, serde::Serialize)]
pub struct Listed {
    #[serde(skip)]
    pub id: i64,
    pub name: String,
    pub role: Role,
    /// JSON, as in [`Token`].
    #[serde(serialize_with = "as_list")]
    pub scope: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

impl Listed {
    /// The areas that it is kept to; none for all that its role may.
    pub fn areas(&self) -> Vec<String> {
        serde_json::from_str(&self.scope).unwrap_or_default()
    }
}

fn as_list<S: serde::Serializer>(scope: &str, s: S) -> std::result::Result<S::Ok, S::Error> {
    let areas: Vec<String> = serde_json::from_str(scope).unwrap_or_default();
    serde::Serialize::serialize(&areas, s)
}

/// The tokens that hold, the oldest first.
pub async fn all(tx: &mut Tx, now: Timestamp) -> Result<Vec<Listed>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, name, role, scope, created_at, expires_at, last_used_at FROM tokens
         WHERE expires_at IS NULL OR expires_at > $1 ORDER BY id",
    )
    .bind(now)
    .fetch_all(c))
}

/// Holds back other tokens until this transaction ends, so that two don't get one name. On SQLite the only writer holds
/// them back already.
pub async fn lock(tx: &mut Tx) -> Result<()> {
    if let Tx::Postgres(t) = tx {
        sqlx::query("LOCK TABLE tokens IN SHARE ROW EXCLUSIVE MODE").execute(&mut **t).await?;
    }
    Ok(())
}

/// One of them.
pub async fn listed(tx: &mut Tx, id: i64) -> Result<Option<Listed>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, name, role, scope, created_at, expires_at, last_used_at FROM tokens WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(c))
}

/// Whether a token that holds has this name.
pub async fn is_held(tx: &mut Tx, name: &str, now: Timestamp) -> Result<bool> {
    let count: i64 = on!(tx, c => sqlx::query_scalar(
        "SELECT count(*) FROM tokens WHERE name = $1 AND (expires_at IS NULL OR expires_at > $2)",
    )
    .bind(name)
    .bind(now)
    .fetch_one(c))?;
    Ok(count > 0)
}

/// Removes every token of this name, with its idempotency keys.
pub async fn revoke(tx: &mut Tx, name: &str) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM tokens WHERE name = $1").bind(name))
}

/// Removes one token, with its idempotency keys. Gives what it was.
pub async fn revoke_one(tx: &mut Tx, id: i64) -> Result<Option<(String, Role)>> {
    on!(tx, c => sqlx::query_as("DELETE FROM tokens WHERE id = $1 RETURNING name, role").bind(id).fetch_optional(c))
}

/// Notes the use of a token.
pub async fn used(tx: &mut Tx, id: i64, now: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE tokens SET last_used_at = $2 WHERE id = $1").bind(id).bind(now))
}

pub async fn delete_expired(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM tokens WHERE expires_at <= $1").bind(now))
}

/// What a key stands for: the body it came with, and what came of it: one of these.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Used {
    pub body_hash: Vec<u8>,
    pub issue_id: Option<i64>,
    pub draft_id: Option<i64>,
    /// Anything else, by its id in the API.
    pub made: Option<String>,
}

/// Notes the use of a key in the transaction of what it did; false when it was used already, and then the caller must
/// drop the transaction. A second call with the key waits here for the first. A use from before `forgotten` gives way.
pub async fn use_key(
    tx: &mut Tx,
    token_id: i64,
    key: &str,
    used: &Used,
    now: Timestamp,
    forgotten: Timestamp,
) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "INSERT INTO idempotency_keys (token_id, key, body_hash, issue_id, draft_id, made, created_at)
             VALUES ($1, $2, $3, $4, $7, $8, $5)
             ON CONFLICT (token_id, key) DO UPDATE
             SET body_hash = excluded.body_hash, issue_id = excluded.issue_id, draft_id = excluded.draft_id,
                 made = excluded.made, created_at = excluded.created_at
             WHERE idempotency_keys.created_at <= $6",
        )
        .bind(token_id)
        .bind(key)
        .bind(&used.body_hash)
        .bind(used.issue_id)
        .bind(now)
        .bind(forgotten)
        .bind(used.draft_id)
        .bind(&used.made)
    )?;
    Ok(rows == 1)
}

pub async fn used_key(tx: &mut Tx, token_id: i64, key: &str, since: Timestamp) -> Result<Option<Used>> {
    on!(tx, c => sqlx::query_as(
        "SELECT body_hash, issue_id, draft_id, made FROM idempotency_keys WHERE token_id = $1 AND key = $2 AND created_at > $3",
    )
    .bind(token_id)
    .bind(key)
    .bind(since)
    .fetch_optional(c))
}

pub async fn delete_keys(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1").bind(before))
}
