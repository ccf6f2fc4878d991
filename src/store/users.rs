//! The people of the newsroom, and their codes for the day when the phone is gone.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::{role::Role, time::Timestamp};

#[derive(Clone, sqlx::FromRow)]
pub struct User {
    pub id: i64,
    pub public_id: Uuid,
    pub email: String,
    pub email_key: String,
    pub name: String,
    pub role: Role,
    /// None until they accepted the invitation.
    pub password_hash: Option<String>,
    /// Of the one-time codes; in force once it is confirmed.
    pub totp_secret: Option<Vec<u8>>,
    pub totp_confirmed_at: Option<Timestamp>,
    /// The last step whose code was used.
    pub totp_step: i64,
    pub created_at: Timestamp,
    pub disabled_at: Option<Timestamp>,
}

impl User {
    pub const fn has_second_factor(&self) -> bool {
        self.totp_confirmed_at.is_some()
    }
}

/// Shows no secret.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.public_id).field("role", &self.role).finish_non_exhaustive()
    }
}

pub struct NewUser<'a> {
    pub public_id: Uuid,
    pub email: &'a str,
    pub email_key: &'a str,
    pub name: &'a str,
    pub role: Role,
    pub password_hash: Option<&'a str>,
    pub now: Timestamp,
}

/// The key of the new user; none where the address is somebody's.
pub async fn insert(tx: &mut Tx, user: &NewUser<'_>) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO users (public_id, email, email_key, name, role, password_hash, totp_step, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7) ON CONFLICT (email_key) DO NOTHING RETURNING id",
    )
    .bind(user.public_id)
    .bind(user.email)
    .bind(user.email_key)
    .bind(user.name)
    .bind(user.role)
    .bind(user.password_hash)
    .bind(user.now)
    .fetch_optional(c))
}

pub async fn by_id(tx: &mut Tx, id: i64) -> Result<Option<User>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM users WHERE id = $1").bind(id).fetch_optional(c))
}

pub async fn by_email_key(tx: &mut Tx, email_key: &str) -> Result<Option<User>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM users WHERE email_key = $1").bind(email_key).fetch_optional(c))
}

pub async fn by_public_id(tx: &mut Tx, public_id: Uuid) -> Result<Option<User>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM users WHERE public_id = $1").bind(public_id).fetch_optional(c))
}

/// All of them, by name.
pub async fn all(tx: &mut Tx) -> Result<Vec<User>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM users ORDER BY lower(name), id").fetch_all(c))
}

/// Whether there is an owner, or somebody was invited to be one.
pub async fn any_owner(tx: &mut Tx) -> Result<bool> {
    let some: Option<i64> = on!(tx, c => sqlx::query_scalar(
        "SELECT id FROM users WHERE role = 'owner' AND disabled_at IS NULL ORDER BY id LIMIT 1",
    )
    .fetch_optional(c))?;
    Ok(some.is_some())
}

/// The owners who can sign in. On PostgreSQL they are locked until the transaction ends, so that two who demote each
/// other at the same moment don't leave none; SQLite has one writer.
pub async fn owners(tx: &mut Tx) -> Result<Vec<i64>> {
    let sql = tx.fork(
        "SELECT id FROM users WHERE role = 'owner' AND disabled_at IS NULL AND password_hash IS NOT NULL ORDER BY id",
        "SELECT id FROM users WHERE role = 'owner' AND disabled_at IS NULL AND password_hash IS NOT NULL ORDER BY id FOR UPDATE",
    );
    on!(tx, c => sqlx::query_scalar(sql).fetch_all(c))
}

pub async fn set_name(tx: &mut Tx, id: i64, name: &str) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE users SET name = $2 WHERE id = $1").bind(id).bind(name))
}

pub async fn set_role(tx: &mut Tx, id: i64, role: Role) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE users SET role = $2 WHERE id = $1").bind(id).bind(role))
}

pub async fn set_password(tx: &mut Tx, id: i64, hash: &str) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1").bind(id).bind(hash))
}

pub async fn set_disabled(tx: &mut Tx, id: i64, at: Option<Timestamp>) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE users SET disabled_at = $2 WHERE id = $1").bind(id).bind(at))
}

/// A secret that is not in force yet; false where one is in force.
pub async fn begin_totp(tx: &mut Tx, id: i64, secret: &[u8]) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE users SET totp_secret = $2, totp_step = 0 WHERE id = $1 AND totp_confirmed_at IS NULL"
        )
        .bind(id)
        .bind(secret)
    )?;
    Ok(rows == 1)
}

/// Puts the secret into force.
pub async fn confirm_totp(tx: &mut Tx, id: i64, now: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE users SET totp_confirmed_at = $2 WHERE id = $1").bind(id).bind(now))
}

/// Notes that the code of a step was used; false when it, or a later one, was used already.
pub async fn use_totp(tx: &mut Tx, id: i64, step: i64) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE users SET totp_step = $2 WHERE id = $1 AND totp_step < $2").bind(id).bind(step)
    )?;
    Ok(rows == 1)
}

/// Ends the second factor, with its recovery codes.
pub async fn forget_totp(tx: &mut Tx, id: i64) -> Result<()> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE users SET totp_secret = NULL, totp_confirmed_at = NULL, totp_step = 0 WHERE id = $1"
        )
        .bind(id)
    )?;
    touched!(tx, sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1").bind(id))?;
    Ok(())
}

/// Puts these recovery codes in the place of all former ones.
pub async fn set_recovery_codes(tx: &mut Tx, user_id: i64, hashes: &[Vec<u8>]) -> Result<()> {
    touched!(tx, sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user_id))?;
    for hash in hashes {
        touched!(
            tx,
            sqlx::query("INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)")
                .bind(user_id)
                .bind(hash.as_slice())
        )?;
    }
    Ok(())
}

/// Uses a recovery code; false where there is none, or it was used.
pub async fn use_recovery_code(tx: &mut Tx, user_id: i64, hash: &[u8], now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL"
        )
        .bind(user_id)
        .bind(hash)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// How many recovery codes are left.
pub async fn recovery_codes_left(tx: &mut Tx, user_id: i64) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar("SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL")
        .bind(user_id)
        .fetch_one(c))
}
