//! Tries to show who one is, by a hash of the account and by network.

use super::{Result, Tx, on, touched};
use crate::domain::{attempts::Failures, time::Timestamp};

type Counted = (i64, Option<Timestamp>);

pub async fn insert(tx: &mut Tx, account: &[u8], network: &str, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("INSERT INTO login_attempts (account, network, at) VALUES ($1, $2, $3)")
            .bind(account)
            .bind(network)
            .bind(now)
    )
}

/// Of one account from one network.
pub async fn of_pair(tx: &mut Tx, account: &[u8], network: &str, since: Timestamp) -> Result<Failures> {
    let counted: Counted = on!(tx, c => sqlx::query_as(
        "SELECT count(*), max(at) FROM login_attempts WHERE account = $1 AND network = $2 AND at > $3",
    )
    .bind(account)
    .bind(network)
    .bind(since)
    .fetch_one(c))?;
    Ok(failures(counted))
}

pub async fn of_account(tx: &mut Tx, account: &[u8], since: Timestamp) -> Result<Failures> {
    let counted: Counted = on!(tx, c => sqlx::query_as(
        "SELECT count(*), max(at) FROM login_attempts WHERE account = $1 AND at > $2",
    )
    .bind(account)
    .bind(since)
    .fetch_one(c))?;
    Ok(failures(counted))
}

pub async fn of_network(tx: &mut Tx, network: &str, since: Timestamp) -> Result<Failures> {
    let counted: Counted = on!(tx, c => sqlx::query_as(
        "SELECT count(*), max(at) FROM login_attempts WHERE network = $1 AND at > $2",
    )
    .bind(network)
    .bind(since)
    .fetch_one(c))?;
    Ok(failures(counted))
}

/// Forgets what an account failed in from one network, for it has succeeded.
pub async fn forgive(tx: &mut Tx, account: &[u8], network: &str) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("DELETE FROM login_attempts WHERE account = $1 AND network = $2")
            .bind(account)
            .bind(network)
    )
}

/// Forgets all that an account failed in.
pub async fn forgive_all(tx: &mut Tx, account: &[u8]) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM login_attempts WHERE account = $1").bind(account))
}

pub async fn delete_old(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM login_attempts WHERE at < $1").bind(before))
}

const fn failures((count, last): Counted) -> Failures {
    Failures { count, last }
}
