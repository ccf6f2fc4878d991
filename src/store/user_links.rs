//! Links that work once, by their hash: invitations, resets of a password, the first owner's; and who asked for one.

use super::{Result, Tx, on, touched};
use crate::domain::{time::Timestamp, words};

words! {
    /// What a link that works once is for.
    pub enum LinkPurpose {
        Invitation = "invitation",
        Reset = "reset",
        FirstOwner = "first owner",
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Link {
    pub id: i64,
    /// None for the first owner's, who is nobody yet.
    pub user_id: Option<i64>,
    pub purpose: LinkPurpose,
    pub expires_at: Timestamp,
}

pub async fn insert(
    tx: &mut Tx,
    user_id: Option<i64>,
    purpose: LinkPurpose,
    hash: &[u8],
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO user_links (user_id, purpose, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)"
        )
        .bind(user_id)
        .bind(purpose)
        .bind(hash)
        .bind(now)
        .bind(expires_at)
    )
}

/// The link with this hash, if it holds.
pub async fn by_hash(tx: &mut Tx, hash: &[u8], now: Timestamp) -> Result<Option<Link>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, user_id, purpose, expires_at FROM user_links WHERE hash = $1 AND expires_at > $2",
    )
    .bind(hash)
    .bind(now)
    .fetch_optional(c))
}

/// Takes a link out of use; false when somebody was faster.
pub async fn spend(tx: &mut Tx, id: i64) -> Result<bool> {
    let rows = touched!(tx, sqlx::query("DELETE FROM user_links WHERE id = $1").bind(id))?;
    Ok(rows == 1)
}

/// Ends every link of a user.
pub async fn end_of_user(tx: &mut Tx, user_id: i64) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM user_links WHERE user_id = $1").bind(user_id))
}

/// Ends the links of the first owner.
pub async fn end_first_owner(tx: &mut Tx) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM user_links WHERE user_id IS NULL AND purpose = 'first owner'"))
}

pub async fn delete_expired(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM user_links WHERE expires_at <= $1").bind(now))
}

/// Somebody who says that they forgot their password.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Request {
    pub id: i64,
    pub email_key: String,
    pub network: String,
}

pub async fn ask(tx: &mut Tx, email_key: &str, network: &str, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("INSERT INTO reset_requests (email_key, network, created_at) VALUES ($1, $2, $3)")
            .bind(email_key)
            .bind(network)
            .bind(now)
    )
}

/// The oldest that waits.
pub async fn asked(tx: &mut Tx) -> Result<Option<Request>> {
    on!(tx, c => sqlx::query_as("SELECT id, email_key, network FROM reset_requests ORDER BY id LIMIT 1").fetch_optional(c))
}

/// Takes one to answer it; false when another node did.
pub async fn take(tx: &mut Tx, id: i64) -> Result<bool> {
    let rows = touched!(tx, sqlx::query("DELETE FROM reset_requests WHERE id = $1").bind(id))?;
    Ok(rows == 1)
}
