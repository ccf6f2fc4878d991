//! How many mails each relay took, by the hour.

use super::{Result, Tx, on, touched};
use crate::domain::relay_day::Hour;

/// A relay accepted `count` more in this hour since 1970.
pub async fn accepted(tx: &mut Tx, relay: &str, hour: i64, count: i64) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO relay_hours (relay, hour, accepted) VALUES ($1, $2, $3)
             ON CONFLICT (hour, relay) DO UPDATE SET accepted = relay_hours.accepted + excluded.accepted",
        )
        .bind(relay)
        .bind(hour)
        .bind(count)
    )
}

/// What each relay accepted in each hour since this one, the oldest first.
pub async fn hours(tx: &mut Tx, since: i64) -> Result<Vec<Hour>> {
    on!(tx, c => sqlx::query_as("SELECT relay, hour, accepted FROM relay_hours WHERE hour >= $1 ORDER BY hour, relay")
        .bind(since)
        .fetch_all(c))
}

/// Drops the hours before this one.
pub async fn forget_hours(tx: &mut Tx, before: i64) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM relay_hours WHERE hour < $1").bind(before))
}
