//! Sign-ups: appended whatever we know of the address, then decided upon.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::{subscription::Digest, time::Timestamp};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Signup {
    pub id: i64,
    pub public_id: Uuid,
    pub address: String,
    pub address_key: String,
    /// A JSON list of slugs.
    pub topics: String,
    pub alerts: bool,
    pub digest: Digest,
    pub origin: String,
    pub network: String,
    pub created_at: Timestamp,
    pub confirmed_at: Option<Timestamp>,
}

pub struct NewSignup<'a> {
    pub public_id: Uuid,
    pub address: &'a str,
    pub address_key: &'a str,
    pub topics: &'a [crate::domain::topic::Slug],
    pub alerts: bool,
    pub digest: Digest,
    pub origin: &'a str,
    pub network: &'a str,
    pub now: Timestamp,
}

pub async fn insert(tx: &mut Tx, signup: &NewSignup<'_>) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO signups (public_id, address, address_key, topics, alerts, digest, origin, network, state, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'new', $9)",
        )
        .bind(signup.public_id)
        .bind(signup.address)
        .bind(signup.address_key)
        .bind(super::word_list(signup.topics))
        .bind(signup.alerts)
        .bind(signup.digest)
        .bind(signup.origin)
        .bind(signup.network)
        .bind(signup.now)
    )
}

/// How many came from this network since then, and when the first of them did.
pub async fn count_from_network(
    tx: &mut Tx,
    network: &str,
    since: Timestamp,
) -> Result<(i64, Option<Timestamp>)> {
    on!(tx, c => sqlx::query_as(
        "SELECT count(*), min(created_at) FROM signups WHERE network = $1 AND created_at > $2",
    )
    .bind(network)
    .bind(since)
    .fetch_one(c))
}

/// How many there were altogether since then.
pub async fn count_all(tx: &mut Tx, since: Timestamp) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar("SELECT count(*) FROM signups WHERE created_at > $1").bind(since).fetch_one(c))
}

/// Lets nobody else decide about this address until the transaction ends. On SQLite the single writer is the lock.
pub async fn lock_address(tx: &mut Tx, address_key: &str) -> Result<u64> {
    let sql = tx.fork("SELECT $1", "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))");
    touched!(tx, sqlx::query(sql).bind(address_key))
}

/// How many confirmations this address was mailed since then, and when the last one was.
pub async fn count_mailed(
    tx: &mut Tx,
    address_key: &str,
    since: Timestamp,
) -> Result<(i64, Option<Timestamp>)> {
    on!(tx, c => sqlx::query_as(
        "SELECT count(*), max(mailed_at) FROM signups WHERE address_key = $1 AND mailed_at > $2",
    )
    .bind(address_key)
    .bind(since)
    .fetch_one(c))
}

/// The oldest sign-ups that nobody has decided upon.
pub async fn undecided(tx: &mut Tx, limit: i64) -> Result<Vec<Signup>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, address, address_key, topics, alerts, digest, origin, network, created_at, confirmed_at
         FROM signups WHERE state = 'new' ORDER BY id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(c))
}

/// Whether this call was the one that decided to mail a confirmation.
pub async fn mark_mailed(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE signups SET state = 'mailed', mailed_at = $2 WHERE id = $1 AND state = 'new'")
            .bind(id)
            .bind(now)
    )?;
    Ok(rows == 1)
}

/// No confirmation goes out for it: a limit, or a refusal, stands against it.
pub async fn mark_withheld(tx: &mut Tx, id: i64) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE signups SET state = 'withheld' WHERE id = $1 AND state = 'new'").bind(id)
    )
}

/// Every sign-up of an address, the oldest first, as (state, when, JSON list of slugs, alerts, digest).
pub async fn of_address(
    tx: &mut Tx,
    address_key: &str,
) -> Result<Vec<(String, Timestamp, String, bool, Digest)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT state, created_at, topics, alerts, digest FROM signups WHERE address_key = $1 ORDER BY id",
    )
    .bind(address_key)
    .fetch_all(c))
}

pub async fn by_public_id(tx: &mut Tx, public_id: Uuid) -> Result<Option<Signup>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, address, address_key, topics, alerts, digest, origin, network, created_at, confirmed_at
         FROM signups WHERE public_id = $1",
    )
    .bind(public_id)
    .fetch_optional(c))
}

/// Whether this call was the one that confirmed it.
pub async fn mark_confirmed(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE signups SET state = 'confirmed', confirmed_at = $2 WHERE id = $1 AND confirmed_at IS NULL"
        )
        .bind(id)
        .bind(now)
    )?;
    Ok(rows == 1)
}

pub async fn mark_refused(tx: &mut Tx, id: i64) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE signups SET state = 'refused' WHERE id = $1 AND confirmed_at IS NULL").bind(id)
    )
}

/// Deletes those that were never confirmed and are older than `before`.
pub async fn delete_unconfirmed(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("DELETE FROM signups WHERE confirmed_at IS NULL AND created_at < $1").bind(before)
    )
}

pub async fn delete_of_address(tx: &mut Tx, address_key: &str) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM signups WHERE address_key = $1").bind(address_key))
}
