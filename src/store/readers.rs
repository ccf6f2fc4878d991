//! Readers as the newsroom looks at them: found by a part of their address, counted, and over time.

use uuid::Uuid;

use super::{Result, Tx, on};
use crate::domain::time::{DAY, Timestamp};

/// Somebody in the list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    pub id: i64,
    pub public_id: Uuid,
    pub address: String,
    /// `active`, `unsubscribed` or `suppressed`.
    pub state: String,
    pub confirmed_at: Timestamp,
    pub unsubscribed_at: Option<Timestamp>,
}

/// At most `limit` readers before the one of that id, the newest first: with `part` in their address as it is compared,
/// empty for all, and in that state, empty for any. It goes through the readers until it has found enough.
pub async fn page(tx: &mut Tx, part: &str, state: &str, before: i64, limit: i64) -> Result<Vec<Listed>> {
    let pattern = format!("%{}%", part.replace('!', "!!").replace('%', "!%").replace('_', "!_"));
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, address, state, confirmed_at, unsubscribed_at FROM (
            SELECT s.id, s.public_id, s.address, s.confirmed_at, s.unsubscribed_at,
                   CASE WHEN s.state = 'active'
                             AND EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                        THEN 'suppressed' ELSE s.state END AS state
            FROM subscribers s WHERE s.id < $1 AND ($2 = '%%' OR s.address_key LIKE $2 ESCAPE '!')) f
         WHERE $3 = '' OR state = $3 ORDER BY id DESC LIMIT $4",
    )
    .bind(before)
    .bind(pattern)
    .bind(state)
    .bind(limit)
    .fetch_all(c))
}

/// How many readers are active.
pub async fn active(tx: &mut Tx) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM subscribers) - (SELECT count(*) FROM subscribers WHERE unsubscribed_at IS NOT NULL)",
    )
    .fetch_one(c))
}

/// What a day brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Day {
    /// Days since 1970.
    pub day: i64,
    pub came: i64,
    pub gone: i64,
}

/// The days since `since` on which somebody came or left, in order; also those who were erased since. Who was a reader
/// and confirms anew doesn't come again; who takes their leaving back does.
pub async fn days(tx: &mut Tx, since: Timestamp) -> Result<Vec<Day>> {
    let micros = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
    on!(tx, c => sqlx::query_as(
        "SELECT created_at / $2 AS day, sum(CASE WHEN action = 'unsubscribed' THEN 0 ELSE 1 END) AS came,
                sum(CASE WHEN action = 'unsubscribed' THEN 1 ELSE 0 END) AS gone
         FROM consents c WHERE created_at >= $1 AND (action IN ('imported', 'unsubscribed') OR (
            (action = 'confirmed' OR subscriber_id IS NOT NULL)
            AND coalesce((SELECT b.action FROM consents b WHERE b.subscriber_id = c.subscriber_id AND b.id < c.id
                          ORDER BY b.id DESC LIMIT 1), 'unsubscribed') = 'unsubscribed'))
         GROUP BY 1 ORDER BY 1",
    )
    .bind(since)
    .bind(micros)
    .fetch_all(c))
}
