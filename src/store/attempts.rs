//! Tries that were not plainly accepted, each with what the relay said.

use super::{Result, Tx, on, touched};
use crate::domain::time::Timestamp;

/// A try that was not plainly accepted.
pub struct Attempt<'a> {
    pub delivery_id: i64,
    pub at: Timestamp,
    pub relay: &'a str,
    pub verdict: &'a str,
    pub reply_code: Option<i64>,
    pub reply_text: &'a str,
}

/// Writes it down; one whose delivery was erased meanwhile leaves nothing.
pub async fn record(tx: &mut Tx, attempt: &Attempt<'_>) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO attempts (delivery_id, at, relay, verdict, reply_code, reply_text)
             SELECT id, $2, $3, $4, $5, $6 FROM deliveries WHERE id = $1",
        )
        .bind(attempt.delivery_id)
        .bind(attempt.at)
        .bind(attempt.relay)
        .bind(attempt.verdict)
        .bind(attempt.reply_code)
        .bind(attempt.reply_text)
    )
}

/// The same as it is read.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Tried {
    pub at: Timestamp,
    pub relay: String,
    pub verdict: String,
    pub reply_code: Option<i64>,
    pub reply_text: String,
}

/// The tries of a delivery that were not plainly accepted, the oldest first.
pub async fn of(tx: &mut Tx, delivery_id: i64) -> Result<Vec<Tried>> {
    on!(tx, c => sqlx::query_as(
        "SELECT at, relay, verdict, reply_code, reply_text FROM attempts WHERE delivery_id = $1 ORDER BY id",
    )
    .bind(delivery_id)
    .fetch_all(c))
}
