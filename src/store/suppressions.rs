//! Addresses that must not be mailed, as keyed hashes.

use super::{Result, Tx, on, touched};
use crate::domain::{suppression::Kind, time::Timestamp};

pub async fn insert(tx: &mut Tx, address_hash: &[u8], kind: Kind, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO suppressions (address_hash, kind, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (address_hash, kind) DO UPDATE SET created_at = excluded.created_at",
        )
        .bind(address_hash)
        .bind(kind)
        .bind(now)
    )
}

pub async fn of(tx: &mut Tx, address_hash: &[u8]) -> Result<Vec<(Kind, Timestamp)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT kind, created_at FROM suppressions WHERE address_hash = $1 ORDER BY kind",
    )
    .bind(address_hash)
    .fetch_all(c))
}

/// Lifts every kind: whoever confirms by a mailed link may be mailed.
pub async fn lift(tx: &mut Tx, address_hash: &[u8]) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM suppressions WHERE address_hash = $1").bind(address_hash))
}

pub async fn lift_kind(tx: &mut Tx, address_hash: &[u8], kind: Kind) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("DELETE FROM suppressions WHERE address_hash = $1 AND kind = $2")
            .bind(address_hash)
            .bind(kind)
    )
}
